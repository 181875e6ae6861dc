// Runs what property-commands.ts draws: each command on the ledger and on the model, and after each step the checks.

import { expect } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { catchUp, type Recovered, recover } from '#bursar/authority/recovery.js';
import { newState } from '#bursar/core/apply-account.js';
import { stateProblem } from '#bursar/core/invariants.js';
import type { BalanceView, CommandOutcome, HoldView, Snapshot } from '#bursar/core/outcomes.js';
import type { Command } from '#bursar/core/requests.js';
import { CHAIN_START } from '#bursar/journal/chain.js';
import { encodeCheckpoint } from '#bursar/journal/checkpoint-codec.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';
import { commandOf, type Intent, START } from './property-commands.js';
import { type Expected, keyOf, ReferenceModel } from './reference-model.js';

/** Long enough that nothing is forgotten in any run. */
const RETENTION_MS = 10 * 365 * 86_400_000;
const SEED = 7;

/** A ledger in memory with its clock, and a state that follows its journal as a replay would. */
class Subject {
  readonly store = new MemoryStore();
  ledger!: Ledger;
  readonly #replayed: Recovered = { state: newState({ seed: SEED }), point: CHAIN_START };

  constructor(
    readonly clock: { now: () => number },
    readonly retentionMs: number,
  ) {}

  async open(): Promise<void> {
    this.ledger = await openLedger({
      path: ':memory:',
      clock: this.clock,
      retentionMs: this.retentionMs,
      ...(this.retentionMs < RETENTION_MS ? { endedHoldsMax: 3 } : {}),
      journal: (options) => openMemoryJournal(this.store, options),
    });
  }

  async reopen(crash: boolean): Promise<void> {
    if (crash) this.store.crash();
    else await this.ledger.close();
    await this.open();
  }

  send(command: Command): Promise<CommandOutcome> {
    return this.ledger.run(command);
  }

  /** Replays what the journal has got since, and checks the invariants of the replayed state. */
  assertInvariants(): void {
    catchUp(this.#replayed, openMemoryReader(this.store), { seed: SEED });
    expect(stateProblem(this.#replayed.state)).toBeNull();
  }

  /** Verification, and three ways to the same state, to the byte. */
  async assertProof(): Promise<void> {
    const report = await this.ledger.verify();
    expect(report.failure).toBeNull();
    expect(report.ok).toBe(true);
    await this.ledger.close();
    this.assertInvariants();
    const { state } = this.#replayed;
    const replayed = Buffer.from(encodeCheckpoint(state));
    const fromNewest = recover(openMemoryReader(this.store), { seed: SEED + 1 }).state;
    expect(Buffer.from(encodeCheckpoint(fromNewest)).equals(replayed)).toBe(true);
    const middle = this.store.batches[Math.floor(this.store.batches.length / 2)]!;
    const sequence = middle.firstSequence + middle.recordCount - 1;
    const other = new MemoryStore();
    other.batches.push(...this.store.batches);
    const half = recover(openMemoryReader(other), { seed: SEED + 2, upTo: sequence }).state;
    const writer = await openMemoryJournal(other, { authorityId: 'x', nowMs: 0, leaseMs: 1 });
    await writer.saveCheckpoint({ sequence, chainHash: middle.hash, bytes: encodeCheckpoint(half).slice() });
    const fromHalf = recover(openMemoryReader(other), { seed: SEED + 3 }).state;
    expect(Buffer.from(encodeCheckpoint(fromHalf)).equals(replayed)).toBe(true);
  }
}

export async function runIntents(intents: readonly Intent[]): Promise<void> {
  const transcript: string[] = [];
  let clock = START;
  const subject = new Subject({ now: () => clock }, RETENTION_MS);
  const model = new ReferenceModel();
  const sent: Command[] = [];
  model.tick(clock);
  await subject.open();
  try {
    for (const intent of intents) {
      if (intent.do === 'tick') {
        clock += intent.ms;
        transcript.push(`tick ${intent.ms} → ${new Date(clock).toISOString()}`);
      } else if (intent.do !== 'commands' && intent.do !== 'again') transcript.push(intent.do);
      model.tick(clock);
      await step(subject, model, intent, sent, transcript);
      subject.assertInvariants();
      compareBalances(subject.ledger, model);
      compareHolds(subject.ledger, model);
    }
    await subject.assertProof();
  } catch (error) {
    if (error instanceof Error) error.message = `${transcript.join('\n')}\n⇒ ${error.message}`;
    throw error;
  }
}

async function step(
  subject: Subject,
  model: ReferenceModel,
  intent: Intent,
  sent: Command[],
  transcript: string[],
): Promise<void> {
  switch (intent.do) {
    case 'tick':
      return;
    case 'snapshot':
      model.recorded();
      compareSnapshot(subject.ledger.snapshot(), model);
      return;
    case 'certify': {
      model.recorded();
      model.snapshotVersion += 1;
      const certificate = subject.ledger.certify();
      expect(certificate.version).toBe(model.snapshotVersion);
      for (const [unit, total] of model.spentTotal) {
        const base = model.certified.get(unit) ?? 0n;
        expect(certificate.spentSinceLast[unit]).toBe(total > base ? total - base : 0n);
        if (total > base) model.certified.set(unit, total);
      }
      return;
    }
    case 'checkpoint':
      return subject.ledger.checkpoint();
    case 'reopen':
    case 'crash':
      model.recorded();
      return subject.reopen(intent.do === 'crash');
    case 'again': {
      const withIds = sent.filter((command) => command.commandId !== undefined);
      const command = withIds.at(-1 - (intent.which % Math.max(withIds.length, 1)));
      if (command === undefined) return;
      const other: Command = { command: 'record_spend', labels: { tenant: 'z' }, amounts: { usd: 7n } };
      const commands = [intent.changed ? { ...other, commandId: command.commandId! } : command];
      return runCommands(subject, model, commands, { together: false, transcript });
    }
    case 'commands': {
      const commands: Command[] = [];
      for (const draft of intent.drafts) {
        const command = commandOf(model, draft, sent.length);
        if (command === null) continue;
        sent.push(command);
        commands.push(command);
      }
      return runCommands(subject, model, commands, { together: intent.together, transcript });
    }
  }
}

/** All are sent before the first is answered; the model takes them one after another. */
async function runCommands(
  subject: Subject,
  model: ReferenceModel,
  commands: readonly Command[],
  { together, transcript }: { together: boolean; transcript: string[] },
): Promise<void> {
  for (const command of commands) transcript.push(readable(command));
  const answers = together
    ? subject.ledger.submit(commands)
    : Promise.all(commands.map((command) => subject.send(command)));
  const outcomes = await answers;
  commands.forEach((command, index) => {
    const expected = model.run(command);
    expect(projected(outcomes[index]!, expected), `outcome of ${command.command}`).toEqual(expected);
  });
}

function readable(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? `${part}n` : part));
}

/** What the model also says of an outcome. */
function projected(outcome: CommandOutcome, expected: Expected): Record<string, unknown> {
  const all: Record<string, unknown> = { ...outcome };
  return Object.fromEntries(Object.keys(expected).map((key) => [key, all[key]]));
}

function compareBalances(ledger: Ledger, model: ReferenceModel): void {
  const budgets = [...model.budgets, ...model.grantBudgets.values()];
  const expected = budgets.flatMap((budget) =>
    budget.windows.flatMap((window) =>
      [...window.balances.values()].map((balance) => {
        const { id } = budget;
        const metered = balance.limit === null;
        return {
          key: `${id} ${keyOf(balance.values)} ${window.start}`,
          end: window.end,
          current: model.inForce(window),
          granted: model.granted(balance),
          held: model.held(balance),
          spent: balance.spent,
          remaining: model.remaining(balance),
          openHolds: model.openHolds(balance),
          status: model.statusOf(budget, balance.values),
          forced: !metered && model.inForce(window) && model.forcedUntil(budget, balance.values) > model.time,
          verdict: model.lineOf(balance, 0n).verdict,
        };
      }),
    ),
  );
  const views = [...ledger.balances({ current: false, max: Number.MAX_SAFE_INTEGER }), ...ledger.grants()];
  expect(sortedByKey(views.map(balanceFacts))).toEqual(sortedByKey(expected));
}

function balanceFacts(view: BalanceView) {
  const { window, granted, held, spent, remaining, openHolds, status, verdict, current } = view;
  const key = `${view.budgetId} ${keyOf(view.values)} ${window.start}`;
  const forced = view.forcedExhausted;
  return {
    key,
    end: window.end,
    current,
    granted,
    held,
    spent,
    remaining,
    openHolds,
    status,
    forced,
    verdict,
  };
}

function sortedByKey<T extends { readonly key: string }>(rows: readonly T[]): T[] {
  return [...rows].sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0));
}

function compareHolds(ledger: Ledger, model: ReferenceModel): void {
  const facts = ({
    holdId,
    status,
    labels,
    held,
    authorized,
    charged,
    late,
    expiresAt,
    endedAt,
  }: HoldView) => ({
    ...{ holdId, status, labels, held, authorized, late, expiresAt, endedAt },
    charged: charged ?? null,
  });
  const expected = model.holds.map((hold) => {
    const open = hold.status === 'open';
    const figures = Object.fromEntries(hold.figures);
    const none = Object.fromEntries([...hold.figures.keys()].map((unit) => [unit, 0n]));
    const { status, labels, late, expiresAt, endedAt } = hold;
    return {
      ...{ holdId: hold.id, status, labels, held: open ? figures : none, late, expiresAt, endedAt },
      authorized: Object.fromEntries(hold.authorized),
      charged: open ? null : figures,
    };
  });
  expect(ledger.holds({ max: Number.MAX_SAFE_INTEGER }).map(facts)).toEqual(expected);
}

function compareSnapshot(snapshot: Snapshot, model: ReferenceModel): void {
  model.snapshotVersion += 1;
  expect(snapshot.version).toBe(model.snapshotVersion);
  expect(snapshot.openHolds).toBe(model.holds.filter((hold) => hold.status === 'open').length);
  const spent = Object.fromEntries(model.units.map((unit) => [unit, model.spentTotal.get(unit) ?? 0n]));
  expect(snapshot.spent).toEqual(spent);
  const ids = snapshot.balances.map((row) => row.id);
  expect(ids).toEqual([...ids].sort());
  for (const row of snapshot.balances) {
    if (row.granted !== null) expect(row.held + row.spent + row.remaining!).toBe(row.granted);
  }
}

/** The same intents with a retention of a minute: the model, which forgets nothing, only says which holds to name. */
export async function runWithoutModel(intents: readonly Intent[]): Promise<void> {
  let clock = START;
  const subject = new Subject({ now: () => clock }, 60_000);
  const model = new ReferenceModel();
  let serial = 0;
  model.tick(clock);
  await subject.open();
  for (const intent of intents) {
    if (intent.do === 'tick') clock += intent.ms;
    model.tick(clock);
    if (intent.do === 'reopen' || intent.do === 'crash') await subject.reopen(intent.do === 'crash');
    if (intent.do === 'checkpoint') await subject.ledger.checkpoint();
    if (intent.do === 'commands') {
      for (const draft of intent.drafts) {
        const command = commandOf(model, draft, serial);
        serial += 1;
        if (command === null) continue;
        model.run(command);
        await subject.send(command);
      }
    }
    subject.assertInvariants();
  }
  await subject.assertProof();
}
