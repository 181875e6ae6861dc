// A real process under load, killed with SIGKILL at a random moment, again and again on one file: what was acknowledged
// is there, nothing is half done, and the journal verifies. In every other round checkpoints are being saved meanwhile.
// BURSAR_CRASH_ROUNDS sets how often, BURSAR_CRASH_SEED repeats a run's moments.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { recover } from '#bursar/authority/recovery.js';
import { stateProblem } from '#bursar/core/invariants.js';
import type { CommandOutcome, LedgerEvent } from '#bursar/core/outcomes.js';
import { encodeCheckpoint } from '#bursar/journal/checkpoint-codec.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';

const ROUNDS = Number(process.env.BURSAR_CRASH_ROUNDS ?? 10);
const SEED = Number(process.env.BURSAR_CRASH_SEED ?? Date.now() % 1_000_000);
const ROUND_MS_MAX = 30_000;
/** The child runs at most this long after its first answer. */
const LIFE_MS_MAX = 250;
/** So many acknowledged commands of a round are sent again. */
const REPLAYS = 60;

const folder = mkdtempSync(join(tmpdir(), 'bursar-crash-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Acknowledged {
  readonly method: 'authorize' | 'settle' | 'release' | 'reverse' | 'record';
  readonly request: Readonly<Record<string, unknown>> & { readonly commandId: string };
  readonly outcome: CommandOutcome;
}

let seed = SEED;
function random(below: number): number {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
}

test(
  'crash: a process under load is killed at random moments → nothing acknowledged is lost, nothing is half done',
  async () => {
    const path = join(folder, 'ledger.db');
    console.log(`crash: ${ROUNDS} rounds, BURSAR_CRASH_SEED=${SEED}`);
    let total = 0;
    let killedInCheckpoint = 0;
    const earlier: Acknowledged[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const lifeMs = random(LIFE_MS_MAX);
      const { acknowledged, inCheckpoint } = await killedRound(path, round, lifeMs);
      if (inCheckpoint) killedInCheckpoint += 1;
      total += acknowledged.length;
      try {
        await assertNothingLost(path, acknowledged, earlier);
      } catch (error) {
        if (error instanceof Error)
          error.message = `round ${round}, killed after ${lifeMs} ms, BURSAR_CRASH_SEED=${SEED}: ${error.message}`;
        throw error;
      }
      earlier.push(...acknowledged.slice(-5));
    }
    console.log(`crash: ${total} outcomes were acknowledged; ${killedInCheckpoint} kills hit a checkpoint`);
    expect(total).toBeGreaterThan(ROUNDS);
  },
  ROUNDS * ROUND_MS_MAX,
);

/** Starts a child, kills it, and gives what it had acknowledged. */
async function killedRound(
  path: string,
  round: number,
  lifeMs: number,
): Promise<{ acknowledged: Acknowledged[]; inCheckpoint: boolean }> {
  const program = fileURLToPath(new URL('./child.mjs', import.meta.url));
  const told = join(folder, `acknowledged-${round}`);
  const args = [program, path, told, String(round), String(random(2 ** 31))];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: ROUND_MS_MAX,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended]);
  await new Promise((resolve) => setTimeout(resolve, lifeMs));
  expect(child.exitCode, `round ${round}: the child ended by itself`).toBeNull();
  child.kill('SIGKILL');
  await ended;
  const acknowledged: Acknowledged[] = [];
  let inCheckpoint = false;
  const lines = existsSync(told) ? readFileSync(told, 'utf8').split('\n') : [];
  // What follows the last line break is a line that was being written: its outcome was not given to anybody.
  for (const text of lines.slice(0, -1)) {
    const line = parsed(text);
    if ('checkpoint' in line) inCheckpoint = line.checkpoint === 'begun';
    else acknowledged.push(line as unknown as Acknowledged);
  }
  return { acknowledged, inCheckpoint };
}

function parsed(text: string): Record<string, unknown> {
  return JSON.parse(text, (_key, part) =>
    typeof part === 'string' && /^-?\d+n$/.test(part) ? BigInt(part.slice(0, -1)) : part,
  );
}

async function assertNothingLost(
  path: string,
  acknowledged: readonly Acknowledged[],
  earlier: readonly Acknowledged[],
): Promise<void> {
  const ledger = await openLedger({ path, retentionMs: 3_600_000 });
  try {
    const events = new Map<number, LedgerEvent>();
    const after = Math.max(0, Math.min(...acknowledged.map((one) => one.outcome.sequence)) - 1);
    for await (const event of ledger.events({ after: Number.isFinite(after) ? after : 0 }))
      events.set(event.sequence, event);
    for (const one of acknowledged) assertRecorded(one, events.get(one.outcome.sequence));
    const sample = [...acknowledged].sort(() => random(3) - 1).slice(0, REPLAYS);
    for (const one of [...sample, ...earlier.slice(-REPLAYS)]) await assertReplays(ledger, one);
    const before = ledger.head().sequence;
    const report = await ledger.verify();
    expect(report.failure).toBeNull();
    // Holds may expire while the walk goes on: it then ends later than it began.
    expect(report.head.sequence).toBeGreaterThanOrEqual(before);
  } finally {
    await ledger.close();
  }
  assertWhole(path);
}

function assertRecorded({ request, outcome }: Acknowledged, event: LedgerEvent | undefined): void {
  expect(event, `event ${outcome.sequence} of ${request.commandId}`).toBeDefined();
  expect(event!.commandId).toBe(request.commandId);
  expect(event!.position).toBe(outcome.position);
  const type = event!.type;
  if (outcome.outcome === 'authorized') expect(type).toBe('hold_authorized');
  if (outcome.outcome === 'denied') expect(type).toBe('hold_denied');
  if (outcome.outcome === 'rejected') expect(type).toBe('command_rejected');
  if (outcome.outcome === 'settled' || outcome.outcome === 'done') expect(type).toBe(outcome.event);
  if (outcome.outcome !== 'rejected') expect(event!.lines).toEqual(outcome.lines);
}

async function assertReplays(ledger: Ledger, { method, request, outcome }: Acknowledged): Promise<void> {
  const again = await ledger[method](request as never);
  const asFirst = { ...again, replayed: false } as Record<string, unknown>;
  const first = { ...outcome } as Record<string, unknown>;
  // The status of the hold is that of now.
  delete asFirst.holdStatus;
  delete first.holdStatus;
  expect(again.replayed, `${request.commandId} is a replay`).toBe(true);
  expect(asFirst).toEqual(first);
}

/** Two recoveries give one state; in it every hold is on all of its balances, and the books balance. */
function assertWhole(path: string): void {
  const reader = openSqliteReader(path);
  try {
    const { state } = recover(reader, { seed: 1 });
    expect(stateProblem(state)).toBeNull();
    const { holds, balances } = state;
    for (let slot = 0; slot < holds.used; slot += 1) {
      if (holds.isFree(slot)) continue;
      const ids = new Set<string>();
      for (let line = 0; line < holds.postingCount[slot]!; line += 1)
        ids.add(balances.windows[holds.posting(slot, line)]!.budget.id);
      const expected = [
        'all',
        'tenant',
        'user',
        ...(holds.labels[slot]!.includes('tenant\u001ft0') ? ['tight'] : []),
      ];
      expect([...ids].sort(), holds.ids[slot]).toEqual(expected.sort());
    }
    const withoutCheckpoints = { ...bound(reader), *checkpoints() {} };
    const replayed = recover(withoutCheckpoints, { seed: 2 }).state;
    expect(Buffer.from(encodeCheckpoint(replayed)).equals(Buffer.from(encodeCheckpoint(state)))).toBe(true);
  } finally {
    reader.close();
  }
}

function bound(reader: ReturnType<typeof openSqliteReader>) {
  return {
    head: () => reader.head(),
    batches: (from?: number) => reader.batches(from),
    lease: () => reader.lease(),
    close: () => reader.close(),
  };
}
