// A real process that puts texts into the vault and writes facts is killed at random moments, again and again on one
// folder; in every third round it is killed while it makes the views anew. With `views.db` kept or deleted the rows are the
// same, every acknowledged fact is in them, and every text that a fact names is in the vault as it was put.
// BURSAR_CRASH_ROUNDS sets how often, BURSAR_CRASH_SEED repeats a run's moments.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { openLedger } from '#bursar/index.js';
import { digestOf } from '#bursar/journal/chain.js';
import { deleteDatabase } from '#bursar/journal/sqlite/files.js';
import { openSqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';
import { openViews } from '#bursar/views/views.js';
import { NOTES_VIEW } from './notes-view.mjs';
import { expectNoDifference } from './rebuilt.js';

const ROUNDS = Number(process.env.BURSAR_CRASH_ROUNDS ?? 9);
const SEED = Number(process.env.BURSAR_CRASH_SEED ?? Date.now() % 1_000_000);
const ROUND_MS_MAX = 30_000;
/** The child runs at most this long after it has said that it is ready, or that it begins to make the views anew. */
const LIFE_MS_MAX = 250;

const root = mkdtempSync(join(tmpdir(), 'bursar-views-crash-'));
const folder = join(root, 'data');
mkdirSync(folder);
afterAll(() => rmSync(root, { recursive: true, force: true }));

let seed = SEED;
function random(below: number): number {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
}

/** What a process was told last of each note: the text that it names, null when it was deleted. */
type Acknowledged = Map<string, string | null>;

test(
  'views: a process that writes facts is killed at random moments → with views.db kept or deleted, the same rows, and nothing acknowledged is lost',
  async () => {
    console.log(`views crash: ${ROUNDS} rounds, BURSAR_CRASH_SEED=${SEED}`);
    const told: Acknowledged = new Map();
    for (let round = 0; round < ROUNDS; round += 1) {
      const inRebuild = round % 3 === 2;
      if (inRebuild) deleteDatabase(join(folder, 'views.db'));
      const lifeMs = random(inRebuild ? LIFE_MS_MAX / 5 : LIFE_MS_MAX);
      await killedRound(round, inRebuild ? 'opening' : 'ready', lifeMs, told);
      const where = `round ${round}, killed after ${lifeMs} ms, BURSAR_CRASH_SEED=${SEED}`;
      const kept = await rowsOf('kept', () => undefined);
      const rebuilt = await rowsOf('rebuilt', (copy) => deleteDatabase(join(copy, 'views.db')));
      expect(kept.rows, where).toEqual(rebuilt.rows);
      assertAcknowledged(kept.rows, told, where);
      for (const [textId, digest] of kept.rows.map(({ text }) => text.split('=')))
        expect(digestOf(kept.texts.get(textId) ?? 'no text'), `${textId}, ${where}`).toBe(digest);
    }
    expect(told.size).toBeGreaterThan(ROUNDS);
  },
  ROUNDS * ROUND_MS_MAX,
);

async function killedRound(round: number, from: string, lifeMs: number, told: Acknowledged): Promise<void> {
  const program = fileURLToPath(new URL('./crash-child.mjs', import.meta.url));
  const lines = join(root, `acknowledged-${round}`);
  const child = spawn(process.execPath, [program, folder, lines, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: ROUND_MS_MAX,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'exit');
  let said = '';
  const saysIt = new Promise<void>((resolve) => {
    child.stdout.on('data', (text) => {
      said += text;
      if (said.includes(from)) resolve();
    });
  });
  await Promise.race([saysIt, ended]);
  await new Promise((resolve) => setTimeout(resolve, lifeMs));
  expect(child.exitCode, `round ${round}: the child ended by itself`).toBeNull();
  child.kill('SIGKILL');
  await ended;
  // What follows the last line break is a line that was being written.
  const whole = existsSync(lines) ? readFileSync(lines, 'utf8').split('\n').slice(0, -1) : [];
  for (const line of whole) {
    const { id, named } = JSON.parse(line) as { id: string; named: string | null };
    told.set(id, named);
  }
}

interface NoteRow {
  readonly id: string;
  readonly text: string;
}

/** Opens a copy of the folder as the next start would. */
async function rowsOf(name: string, prepare: (copy: string) => void) {
  const copy = join(root, name);
  rmSync(copy, { recursive: true, force: true });
  cpSync(folder, copy, { recursive: true });
  prepare(copy);
  const views = openViews(join(copy, 'views.db'), [NOTES_VIEW]);
  const vault = openSqliteVault(join(copy, 'vault.db'), { now: () => 0 });
  const ledger = await openLedger({ path: join(copy, 'ledger.db'), follower: views });
  try {
    const rows = views.prepare<[], NoteRow>('SELECT * FROM notes ORDER BY id').all();
    const texts = await vault.get(rows.map(({ text }) => text.split('=')[0]));
    expectNoDifference({
      ledgerPath: join(copy, 'ledger.db'),
      viewsPath: join(copy, 'views.db'),
      views: [NOTES_VIEW],
    });
    return { rows, texts };
  } finally {
    await ledger.close();
    views.closeFile();
    await vault.close();
  }
}

/** A note is as it was acknowledged last, or as a later fact made it that nobody was told of. */
function assertAcknowledged(rows: readonly NoteRow[], told: Acknowledged, where: string): void {
  const found = new Map(rows.map(({ id, text }) => [id, text]));
  for (const [id, named] of told) {
    const text = found.get(id);
    if (text === (named ?? undefined)) continue;
    const isNext =
      text === undefined ? /^notes\/[0-3]-/.test(id) : named === null || stepOf(text) > stepOf(named);
    expect(isNext, `${id} was acknowledged as ${named} and is ${text}, ${where}`).toBe(true);
  }
}

/** Rounds and steps only rise. */
function stepOf(named: string): number {
  const [, round, step] = /\/(\d+)-(\d+)=/.exec(named) as RegExpExecArray;
  return Number(round) * 1_000_000 + Number(step);
}
