// The history: what left the ledger's memory is still found with exact figures, and the companion file is made anew
// whenever it is not what it should be.

import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type History,
  type HistoryBalance,
  type Ledger,
  openHistory,
  openLedger,
  usd,
} from '#bursar/index.js';
import { BursarFolder } from '../setup/bursar-process.js';

const START = Date.parse('2026-03-01T00:30:00Z');
const HOUR = 3_600_000;

let folder: string;
let now = START;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-history-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function newLedger(settings: { retentionMs?: number; endedHoldsMax?: number } = {}) {
  now = START;
  files += 1;
  const path = join(folder, `ledger-${files}.db`);
  return { path, ledger: await openLedger({ path, clock: { now: () => now }, ...settings }) };
}

const everything = (history: History) => ({
  holds: history.holds({ max: 1_000_000 }),
  balances: history.balances({ max: 1_000_000 }),
  head: history.head(),
});

const figuresOf = (one: HistoryBalance) => {
  const { id, budgetId, values, unit, window, granted, held, spent, remaining, openHolds } = one;
  return { id, budgetId, values, unit, window, granted, held, spent, remaining, openHolds };
};

/** All that the ledger has in memory is in the history, figure by figure. */
function expectEqual(history: History, ledger: Ledger): void {
  const kept = new Map(history.balances({ max: 1_000_000 }).map((one) => [one.id, one]));
  const balances = [...ledger.balances({ current: false, max: 1_000_000 }), ...ledger.grants()];
  for (const balance of balances) expect(kept.get(balance.id)).toEqual(figuresOf(balance));
  for (const hold of ledger.holds({ max: 1_000_000 }))
    expect(history.holds({ holdId: hold.holdId })[0]).toEqual(hold);
}

const BUDGETS = [
  { id: 'all', match: {}, unit: 'usd', limit: usd('1000'), window: 'hour' },
  { id: 'user', match: { user: '*' }, unit: 'usd', limit: usd('100'), window: 'hour' },
  { id: 'calls', match: { user: '*' }, unit: 'calls', limit: null, window: 'lifetime' },
] as const;

async function hold(ledger: Ledger, holdId: string, amount: string, user = 'u1') {
  const labels = { user };
  return ledger.authorize({
    holdId,
    labels,
    amounts: { usd: usd(amount) },
    ttlMs: 60_000,
    overrun: 'record',
  });
}

describe('what left memory', () => {
  test('history: holds and windows beyond the retention → are found with their last figures', async () => {
    const { path, ledger } = await newLedger({ retentionMs: 1_000, endedHoldsMax: 1 });
    await ledger.putDefinitions({ budgets: BUDGETS });
    for (let hour = 0; hour < 3; hour += 1) {
      await hold(ledger, `h${hour}`, '5');
      await ledger.settle({ holdId: `h${hour}`, amounts: { usd: usd('4.00000001') }, outcome: 'completed' });
      await hold(ledger, 'again', `${hour + 1}`);
      await ledger.release({ holdId: 'again' });
      now += HOUR;
    }
    await hold(ledger, 'last', '1');
    expect(ledger.hold('h0')).toBeUndefined();
    expect(ledger.balances({ budgetId: 'user', current: false })).toHaveLength(1);
    const history = await openHistory(path);
    expect(history.holds({ holdId: 'h0' })).toMatchObject([
      { status: 'settled', charged: { usd: usd('4.00000001'), calls: 1n }, held: { usd: 0n, calls: 0n } },
    ]);
    expect(history.holds({ holdId: 'again' }).map(({ authorized }) => authorized.usd)).toEqual(
      ['3', '2', '1'].map(usd),
    );
    expect(history.balances({ budgetId: 'user', values: { user: 'u1' } })).toMatchObject([
      { granted: usd('100'), held: 0n, spent: usd('4.00000001'), remaining: usd('95.99999999') },
      { spent: usd('4.00000001') },
      { spent: usd('4.00000001') },
      { spent: 0n, held: usd('1'), openHolds: 1 },
    ]);
    const hour = Date.parse('2026-03-01T01:00:00Z');
    expect(history.balances({ from: hour, to: hour + HOUR }).map(({ id }) => id)).toEqual([
      'all|2026-03-01T01:00:00.000Z',
      'user|u1|2026-03-01T01:00:00.000Z',
    ]);
    expect(history.holds({ status: 'released' })).toHaveLength(3);
    expect(history.holds({ labels: { user: "u1' OR 1=1 --" } })).toEqual([]);
    expect(history.holds({ max: 2 })).toHaveLength(2);
    const [, second] = history.holds();
    expect(history.holds({ afterSequence: second.openedSequence })[0].holdId).toBe('h1');
    expect(() => history.holds({ max: 0 })).toThrow('max');
    expect(() => history.balances({ values: { 'a b': 'c' } })).toThrow('values');
    history.close();
    expect(() => history.holds()).toThrow('closed');
    await ledger.close();
  });

  test('history: nothing ended stays in memory at all → every ending is as another ledger shows it', async () => {
    const shown = [];
    for (const endedHoldsMax of [0, 1_000]) {
      const { path, ledger } = await newLedger({ endedHoldsMax });
      await ledger.putDefinitions({ budgets: BUDGETS });
      for (const id of ['settled', 'released', 'reversed', 'part']) await hold(ledger, id, '3');
      await ledger.settle({ holdId: 'settled', amounts: { usd: usd('2') }, outcome: 'failed' });
      await ledger.release({ holdId: 'released' });
      await ledger.reverse({ holdId: 'reversed' });
      await ledger.release({ holdId: 'part', amounts: { usd: usd('1') } });
      await hold(ledger, 'expired', '2');
      now += 60_001;
      await hold(ledger, 'late', '2');
      await ledger.settle({ holdId: 'expired', amounts: { usd: usd('1') } });
      const history = await openHistory(path);
      const holds = history.holds();
      if (endedHoldsMax > 0) expectEqual(history, ledger);
      else expect(ledger.hold('settled')).toBeUndefined();
      shown.push(holds);
      history.close();
      await ledger.close();
    }
    expect(shown[0]).toEqual(shown[1]);
    expect(shown[0].map(({ status }) => status)).toEqual([
      ...['settled', 'released', 'reversed', 'expired', 'settled', 'open'],
    ]);
  });
});

describe('figures', () => {
  test('history: definitions, limits, top-ups and a restored snapshot → the figures are those of the ledger', async () => {
    const { path, ledger } = await newLedger();
    const history = await openHistory(path);
    const same = async () => {
      await history.catchUp();
      expectEqual(history, ledger);
    };
    await ledger.putDefinitions({ budgets: BUDGETS });
    await same();
    await hold(ledger, 'h1', '5');
    await hold(ledger, 'h2', '5', 'u2');
    await ledger.putBudget({ ...BUDGETS[1], limit: usd('50') });
    await same();
    expect(history.balances({ budgetId: 'user' }).map(({ granted }) => granted)).toEqual([
      usd('50'),
      usd('50'),
    ]);
    await ledger.setBalanceLimit({ budgetId: 'user', values: { user: 'u2' }, limit: null });
    await same();
    await ledger.setBalanceLimit({ budgetId: 'user', values: { user: 'u2' }, limit: 7n });
    await ledger.setBalanceLimit({ budgetId: 'user', values: { user: 'u9' }, limit: 7n });
    await ledger.topUp({ budgetId: 'user', values: { user: 'u1' }, amount: 2n ** 62n });
    await ledger.topUp({ budgetId: 'user', values: { user: 'u3' }, amount: 1n });
    await same();
    await ledger.putDefinitions({
      units: [{ name: 'gpu', scale: 3 }],
      budgets: [
        { ...BUDGETS[0], limit: null },
        { id: 'gpus', match: {}, unit: 'gpu', limit: 9n, window: 'lifetime' },
      ],
      close: ['calls'],
    });
    await same();
    expect(history.balances({ budgetId: 'user', values: { user: 'u1' } })[0].granted).toBe(
      usd('50') + 2n ** 62n,
    );
    expect(history.units().map(({ name }) => name)).toContain('gpu');
    for (const holdId of ['h1', 'h2']) await ledger.settle({ holdId, amounts: { usd: usd('6') } });
    await same();
    history.close();
    await ledger.close();

    const source = await newLedger();
    await source.ledger.putDefinitions({ budgets: BUDGETS });
    for (const user of ['u1', 'u2'])
      await source.ledger.record({ labels: { user }, amounts: { usd: usd('7'), calls: 1n } });
    const snapshot = source.ledger.snapshot();
    await source.ledger.close();
    const other = await newLedger();
    const restored = await openHistory(other.path);
    expect(await other.ledger.restoreSnapshot(snapshot)).toMatchObject({ outcome: 'done' });
    await restored.catchUp();
    expect(restored.balances().length).toBeGreaterThan(4);
    expectEqual(restored, other.ledger);
    restored.close();
    await other.ledger.close();
  });

  test('history: 600 random commands → equal to the ledger; made anew, it is the same', async () => {
    const { path, ledger } = await newLedger({ retentionMs: 2 * HOUR, endedHoldsMax: 40 });
    await ledger.putDefinitions({ budgets: BUDGETS });
    let seed = 7;
    const below = (bound: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % bound;
    };
    const history = await openHistory(path);
    const amounts = () => ({ usd: BigInt(below(2_000_000_000)) });
    for (let step = 0; step < 600; step += 1) {
      const holdId = `h${step - below(12)}`;
      const user = `u${below(5)}`;
      if (below(12) === 0) now += below(HOUR);
      const doing = [
        () => ledger.settle({ holdId, amounts: amounts() }),
        () => ledger.settle({ holdId, amounts: amounts(), outcome: 'completed' }),
        () => ledger.release(below(2) === 0 ? { holdId } : { holdId, amounts: { usd: 5n } }),
        () => ledger.reverse({ holdId }),
        () => ledger.extend({ holdId, ttlMs: 90_000, add: amounts() }),
        () => ledger.correct({ holdId, amounts: amounts(), reason: 'invoice' }),
        () => ledger.record({ labels: { user }, amounts: amounts(), occurredAt: now - below(HOUR) }),
        () => ledger.credit({ labels: { user }, amounts: { usd: BigInt(below(9)) }, reason: 'wrong' }),
        () => ledger.putBudget({ ...BUDGETS[1], limit: BigInt(below(2 ** 30)) }),
        () => ledger.setBalanceLimit({ budgetId: 'user', values: { user }, limit: 'default' }),
        () => ledger.topUp({ budgetId: 'user', values: { user }, amount: 5n }),
      ][below(20)];
      const made = doing ?? (() => hold(ledger, `h${step}`, `0.${below(1e8)}`, user));
      await made();
      if (step % 50 === 0) {
        await history.catchUp();
        expectEqual(history, ledger);
      }
    }
    await history.catchUp();
    expectEqual(history, ledger);
    const kept = everything(history);
    expect(kept.holds.length).toBeGreaterThan(ledger.holds().length);
    expect(kept.balances.length).toBeGreaterThan(ledger.balances({ current: false }).length);
    history.close();
    rmSync(`${path}-history`);
    const anew = await openHistory(path);
    expect(everything(anew)).toEqual(kept);
    anew.close();
    await ledger.close();
  });
});

describe('the companion file', () => {
  let path: string;
  let expected: ReturnType<typeof everything>;
  const file = () => `${path}-history`;

  beforeAll(async () => {
    const made = await newLedger();
    path = made.path;
    await made.ledger.putDefinitions({ budgets: BUDGETS });
    for (let index = 0; index < 300; index += 1) await hold(made.ledger, `h${index}`, '0.1', `u${index % 7}`);
    await made.ledger.close();
    const history = await openHistory(path);
    expected = everything(history);
    history.close();
  });

  const altered = (sql: string) => () => {
    const db = new Database(file());
    db.exec(sql);
    db.close();
  };
  const overwritten = (at: number) => () => {
    const bytes = readFileSync(file());
    bytes.fill(0xa5, at, at + 40_000);
    writeFileSync(file(), bytes);
  };

  test.each<[string, () => void]>([
    ['deleted', () => rmSync(file())],
    ['empty', () => writeFileSync(file(), '')],
    ['no database', () => writeFileSync(file(), 'Sehr geehrte Damen und Herren'.repeat(100))],
    ['another program’s database', altered('PRAGMA application_id = 7')],
    ['of an older version', altered("UPDATE position SET format = 'older'")],
    ['without a table', altered('DROP TABLE balances')],
    ['without its position', altered('DELETE FROM position')],
    ['with labels that are no JSON', altered("UPDATE holds SET labels = '{'")],
    ['damaged after its first page', overwritten(4_096)],
    ['damaged where the rows are', overwritten(60_000)],
    ['cut short', () => writeFileSync(file(), readFileSync(file()).subarray(0, 50_000))],
    [
      'of another history',
      altered("UPDATE position SET hash = '00'; DELETE FROM holds WHERE hold_id = 'h3'"),
    ],
    ['ahead of the ledger', altered('UPDATE position SET sequence = 1000000; DELETE FROM balances')],
  ])('history: the file is %s → it is made anew', async (_what, damage) => {
    expect(statSync(file()).size).toBeGreaterThan(70_000);
    damage();
    const history = await openHistory(path);
    expect(history.holds({ labels: { user: 'u3' }, max: 5 })).toHaveLength(5);
    expect(everything(history)).toEqual(expected);
    history.close();
    expect(existsSync(`${file()}-wal`)).toBe(false);
  });

  test('history: another ledger under the same name → its own history', async () => {
    const other = await newLedger();
    await other.ledger.putDefinitions({ budgets: BUDGETS });
    for (let index = 0; index < 400; index += 1) await hold(other.ledger, `x${index}`, '0.1');
    await other.ledger.close();
    copyFileSync(file(), `${other.path}-history`);
    const history = await openHistory(other.path);
    expect(history.holds()).toHaveLength(400);
    expect(history.holds({ holdId: 'h0' })).toEqual([]);
    history.close();
  });

  test('history: a stated path where something else is → refused, and left alone', async () => {
    const mine = join(folder, 'mine.txt');
    writeFileSync(mine, 'my work');
    await expect(openHistory(path, { historyPath: mine })).rejects.toThrow('is not a Bursar history');
    await expect(openHistory(path, { historyPath: path })).rejects.toThrow('the ledger itself');
    expect(readFileSync(mine, 'utf8')).toBe('my work');
    const history = await openHistory(path, { historyPath: join(folder, 'elsewhere') });
    expect(everything(history)).toEqual(expected);
    history.close();
  });

  test('history: two followers at once → both show all of it', async () => {
    rmSync(file());
    const both = await Promise.all([openHistory(path), openHistory(path)]);
    for (const history of both) expect(everything(history)).toEqual(expected);
    for (const history of both) history.close();
  });
});

test('history: opened again → only the tail of the journal is read', async () => {
  const { path, ledger } = await newLedger();
  await ledger.putDefinitions({ budgets: BUDGETS });
  const spend = { command: 'record_spend', labels: { user: 'u1' }, amounts: { usd: 1n } } as const;
  for (let group = 0; group < 6; group += 1) await ledger.submit(new Array(10_000).fill(spend));
  const seen: number[] = [];
  (await openHistory(path, { progress: (done) => seen.push(done) })).close();
  expect(seen.length).toBeGreaterThan(2);
  await hold(ledger, 'tail', '1');
  await ledger.close();
  // Whoever reads from the start stops here: bytes of an early batch are no longer those that were hashed.
  const db = new Database(path);
  db.exec('UPDATE batches SET bytes = zeroblob(length(bytes)) WHERE first_sequence BETWEEN 100 AND 20000');
  expect(db.prepare('SELECT total_changes()').pluck().get()).toBeGreaterThan(0);
  db.close();
  const history = await openHistory(path);
  expect(history.holds({ holdId: 'tail' })).toHaveLength(1);
  expect(history.balances({ budgetId: 'user' })[0].spent).toBe(60_000n);
  expect(await history.catchUp()).toBe(0);
  history.close();
  rmSync(`${path}-history`);
  await expect(openHistory(path)).rejects.toThrow();
});

test('history: the writer commits while the history follows → both go on, and end equal', async () => {
  const { path, ledger } = await newLedger();
  await ledger.putDefinitions({ budgets: BUDGETS });
  const followers = await Promise.all([openHistory(path), openHistory(path)]);
  let writing = true;
  const following = followers.map(async (history) => {
    while (writing) await history.catchUp();
    await history.catchUp();
  });
  for (let index = 0; index < 40; index += 1) {
    expect((await hold(ledger, `h${index}`, '0.01')).outcome).toBe('authorized');
    expect((await ledger.settle({ holdId: `h${index}`, amounts: { usd: 5n } })).outcome).toBe('settled');
  }
  writing = false;
  await Promise.all(following);
  for (const history of followers) {
    expect(history.head()).toEqual(ledger.head());
    expectEqual(history, ledger);
    history.close();
  }
  expect((await ledger.verify()).ok).toBe(true);
  await ledger.close();
});

test('history: on the command line, while this process holds the ledger', async () => {
  const { path, ledger } = await newLedger();
  await ledger.putDefinitions({ budgets: BUDGETS });
  await hold(ledger, 'h1', '2.5');
  await ledger.settle({ holdId: 'h1', amounts: { usd: usd('1.25') } });
  const cli = await BursarFolder.make();
  try {
    const balances = await cli.run(
      'history balances --budget user --value user=u1 --from 2026-03-01T00:00:00Z --to 2026-03-01T01:00:00Z --json',
      path,
    );
    expect(balances).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(balances.stdout)).toEqual([
      {
        id: 'user|u1|2026-03-01T00:00:00.000Z',
        budgetId: 'user',
        values: { user: 'u1' },
        unit: 'usd',
        window: { start: '2026-03-01T00:00:00.000Z', end: '2026-03-01T01:00:00.000Z' },
        granted: '100',
        held: '0',
        spent: '1.25',
        remaining: '98.75',
        openHolds: 0,
      },
    ]);
    const holds = await cli.run('history holds --hold h1 --status settled --label user=u1', path);
    expect(holds).toMatchObject({ code: 0 });
    expect(holds.stdout).toContain('1.25 usd');
    expect(await cli.run('history balances --max 1', path)).toMatchObject({
      stdout: expect.stringContaining('more with --max'),
    });
    expect(await cli.run('history holds --status gone', path)).toMatchObject({ code: 1 });
  } finally {
    await cli.remove();
    await ledger.close();
  }
});
