// Runs every program of examples/ as its readers would, in a folder of its own, and looks at what it prints.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LedgerEvent, openLedger, openReader, usd } from '#bursar/index.js';
import { BursarFolder, type Ended, ended } from '../setup/bursar-process.js';
import { type InProcess, startInProcess } from '../setup/server-in-process.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

let folder: BursarFolder;
beforeAll(async () => {
  folder = await BursarFolder.make();
});
afterAll(() => folder.remove());

type Variables = Readonly<Record<string, string>>;

/** Arguments are texts; an object states environment variables. */
function run(program: string, ...args: (string | Variables)[]): Promise<Ended> {
  const texts = args.filter((arg) => typeof arg === 'string');
  const env = Object.assign({}, process.env, ...args.filter((arg) => typeof arg !== 'string'));
  return ended(spawn(process.execPath, [`${EXAMPLES}${program}`, ...texts], { cwd: folder.path, env }));
}

/** What a program prints, line by line; it must end well and complain of nothing. */
async function linesOf(program: string, ...args: (string | Variables)[]): Promise<string[]> {
  const { code, stdout, stderr } = await run(program, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

describe('examples', () => {
  test('first-use: a call is held and settled, the ledger verifies; a second run goes on in the same file', async () => {
    const file = folder.file('first-use.db');
    expect(await linesOf('first-use.mjs', file)).toEqual(['9.92 usd remain today', 'verified: true']);
    expect(await linesOf('first-use.mjs', file)).toEqual(['9.84 usd remain today', 'verified: true']);
  });

  test('agent-run: caps of the run and of a capability hold, denials are explained, the end is certified', async () => {
    const lines = await linesOf('agent-run.mjs', folder.file('agent-run.db'));
    expect(lines.slice(0, 4)).toEqual([
      'call 1: held 0.20, cost 0.21, charged 0.21 usd; 0.29 usd remain',
      'call 2: held 0.10, cost 0.15, charged 0.1 usd, stopped at the hold; 0.19 usd remain',
      'call 3: held 0.05, cost 0.03, charged 0.03 usd; 0.16 usd remain',
      'call 4: held 0.05, cost 0.05, charged 0.05 usd; 0.11 usd remain',
    ]);
    expect(lines[4]).toBe('call 5: denied, exhausted');
    expect(lines[5]).toMatch(/of 2 calls granted, 2 calls are spent and 0 calls held/);
    expect(lines[6]).toBe('call 6: denied, exhausted');
    expect(lines[7]).toMatch(/0\.2 usd asked; of 0\.5 usd granted, 0\.39 usd are spent and 0 usd held/);
    expect(lines.slice(8)).toEqual([
      'figures add up from the journal: true',
      'verified: true, 12 records',
      'certified: balanced, spent 0.39 usd',
    ]);
  });

  test('providers: names share one quota, hour and day move together, an exhausted provider is routed around', async () => {
    expect(await linesOf('providers.mjs', folder.file('providers.db'))).toEqual([
      '10:00 claude-code: within by the hour; hour 0.5, day 0.5',
      '10:00 opus (claude-code): near by the hour; hour 0.9, day 0.9',
      '11:00 claude-code: within by the hour; hour 0, day 0.9',
      '11:00 claude-code: exhausted by the day; hour 0.7, day 1.6',
      'call-1 to haiku: denied, exhausted',
      'call-2: candidate 1, skipped exhausted',
      '11:00 openai: exhausted by the hour; hour 0, day no cap',
      '11:30 openai: within by the hour; hour 0, day no cap',
      '11:30 unknown-vendor: uncapped; hour no cap, day no cap',
      'configured: claude-code exhausted,openai within',
    ]);
  });

  describe('on a server as `npm start` runs it', () => {
    let server: InProcess;
    beforeEach(async () => {
      server = await startInProcess({ dataPath: await mkdtemp(folder.file('data-')) });
    });
    afterEach(() => server.stop());

    const linesOnServer = (program: string) =>
      linesOf(program, { BURSAR_URL: server.url, BURSAR_KEY: server.demoKey });
    const REPLY = 'This is the demonstration provider; no model has run. You said: Hello';

    test('client: calls are held and settled, a denial says by which budgets, events are followed', async () => {
      expect(await linesOnServer('client.mjs')).toEqual([
        'it cost 0.01 usd; demo-day has 9.99 usd left',
        'it cost 0.04 usd; demo-day has 9.95 usd left',
        'denied: too_large',
        'demo-day: limit',
        'demo-user-day: limit',
        'followed: hold_settled',
      ]);
    });

    test('gateway-openai: answered plainly and streamed; what no budget allows is refused once', async () => {
      expect(await linesOnServer('gateway-openai.mjs')).toEqual([
        REPLY,
        'cost 0.00000855 usd',
        'demo-user-day has the least left',
        'the same, streamed',
        '402 request_exceeds_budget',
      ]);
    });

    test('gateway-anthropic: answered plainly and streamed', async () => {
      expect(await linesOnServer('gateway-anthropic.mjs')).toEqual([
        REPLY,
        'cost 0.00000855 usd',
        'streamed: 14 tokens, end_turn',
      ]);
    });
  });

  test('chat-product: a month of quotas, turns, goals, sub-agents and notices, and figures that add up', async () => {
    const dataPath = await mkdtemp(folder.file('chat-product-'));
    const server = await startInProcess({ dataPath, config: `${EXAMPLES}chat-product.yaml` });
    try {
      const lines = await linesOf('chat-product.mjs', {
        BURSAR_URL: server.url,
        BURSAR_KEY: server.adminKey,
      });
      const turns = (from: number, to: number, said: string) =>
        Array.from({ length: to - from + 1 }, (_, index) => `ann, turn ${from + index}: ${said} credits`);
      expect(lines.filter((line) => !line.startsWith('ann, turn 9'))).toEqual([
        ...turns(1, 3, 'premium, 0.05'),
        ...turns(4, 8, 'standard (premium_quota_exhausted), 0.01'),
        'ann, q1 again: stored, "Then it was told."',
        'ben: one turn failed for free, one was cancelled at 0.0201 credits',
        'goal: 1906 of 2000 tokens left after 94',
        'looper: stopped after 21 circles; 475 of its 1000 tokens went back',
        'goal: paused after 3 reports, 2194 tokens used',
        'goal: a call that carries it is refused, 402 budget_paused',
        'ann: 0.2 of 0.2 credits used this month, exhausted',
        'ben: 0.0201 of 0.2 credits used this month, within',
        'notices: ann 50 %, ann 80 %, ann 100 %',
        'verified: every figure follows from the journal',
      ]);
      expect(lines[8]).toMatch(
        /^ann, turn 9: quota_exceeded by quota\/monthly\/total, again from \d{4}-\d\d-01T00:00:00\.000Z$/,
      );
    } finally {
      await server.stop();
    }
  });

  test('every program in the folder is run by a test here', () => {
    const programs = readdirSync(EXAMPLES).filter((name) => name.endsWith('.mjs'));
    expect(programs.sort()).toEqual([
      ...['agent-run.mjs', 'chat-product.mjs', 'client.mjs', 'first-use.mjs', 'gateway-anthropic.mjs'],
      ...['gateway-openai.mjs', 'providers.mjs', 'read-journal.mjs'],
    ]);
  });
});

/** A ledger with a record of every kind that a caller can bring about. Returns the number of records. */
async function everyKind(path: string): Promise<number> {
  const clock = { ms: Date.parse('2026-03-01T10:00:00Z'), now: () => clock.ms };
  const source = await openLedger({ path: ':memory:', clock });
  await source.putBudget({ id: 'one', match: {}, unit: 'usd', limit: usd('5'), window: 'lifetime' });
  const snapshot = source.snapshot();
  await source.close();
  const ledger = await openLedger({ path, clock, authorityId: 'reader-test' });
  await ledger.restoreSnapshot(snapshot);
  await ledger.putDefinitions({
    units: [{ name: 'credits', scale: 6 }],
    aliases: { provider: { sonnet: 'claude-code' } },
    budgets: [
      { id: 'user', match: { tenant: 'acme', user: '*' }, unit: 'usd', limit: usd('2'), window: 'day' },
      { id: 'goal', match: { goal: '*' }, unit: 'credits', limit: 900n, window: 'day', onExhausted: 'pause' },
      { id: 'meter', match: { tenant: 'acme' }, unit: 'tokens', limit: null, window: { every: 'PT5H' } },
    ],
  });
  const labels = { tenant: 'acme', user: 'ü1', provider: 'sonnet' };
  const lease = { authorityId: 'node-7', leaseId: 'l1', epoch: 3 };
  const grant = { capability: 'search', grant: '0', unit: 'usd', maxCalls: 9, maxTotal: usd('1') };
  const amounts = { usd: usd('0.5'), tokens: 4_000n };
  await ledger.submit([
    { command: 'authorize_hold', holdId: 'h1', labels, amounts, commandId: 'c1', note: '{"prices":"ü1"}' },
    {
      command: 'authorize_hold',
      holdId: 'h2',
      labels,
      amounts,
      overrun: { cap: { tolerancePercent: 5 } },
      onExpiry: { charge: { usd: usd('0.1') } },
      grants: [grant],
      require: ['tenant'],
      authority: lease,
      ttlMs: 60_000,
    },
    {
      command: 'authorize_hold',
      holdId: 'h3',
      labels: { tenant: 'acme', goal: 'g' },
      amounts: { ...amounts, credits: 800n },
      candidates: [{ amounts: { usd: 1n } }, { labels: { user: 'u3' } }],
    },
    { command: 'authorize_hold', holdId: 'h4', labels, amounts: { ...amounts, usd: usd('3') } },
    { command: 'extend_hold', holdId: 'h1', ttlMs: 700_000, add: { usd: 5n } },
    { command: 'release_hold', holdId: 'h1', labels, amounts: { usd: 7n } },
    {
      command: 'settle_hold',
      holdId: 'h1',
      amounts: { usd: usd('0.6'), tokens: 3_000n },
      exposure: { tokens: 4_000n },
      usage: { inputTokens: 2_000, outputTokens: 1_000 },
      outcome: 'completed',
    },
    {
      command: 'correct_hold',
      holdId: 'h1',
      amounts: { usd: usd('0.55') },
      reason: 'invoice',
      commandId: 'c2',
      note: 'invoice 7',
    },
    { command: 'settle_hold', holdId: 'h2', amounts: { usd: usd('0.9'), tokens: 1n }, authority: lease },
    { command: 'settle_hold', holdId: 'h3', amounts: { usd: 1n, tokens: 1n, credits: 901n } },
    { command: 'authorize_hold', holdId: 'h5', labels, amounts },
    { command: 'reverse_hold', holdId: 'h5' },
    { command: 'record_spend', labels, amounts: { usd: 3n }, usage: { toolCalls: 2 }, note: '' },
    {
      command: 'record_spend',
      labels: { goal: 'g2' },
      amounts: { credits: 1_000n },
      occurredAt: clock.ms - 1,
    },
    { command: 'credit_spend', labels, amounts: { usd: 2n, calls: 1n }, reason: 'twice', commandId: 'c3' },
    { command: 'top_up', budgetId: 'user', values: { user: 'ü1' }, amount: usd('1') },
    { command: 'set_balance_limit', budgetId: 'user', values: { user: 'u9' }, limit: null },
    { command: 'set_budget_status', budgetId: 'meter', status: 'paused' },
    { command: 'exhaust_budget', budgetId: 'user', values: { user: 'ü1' } },
    { command: 'put_definitions', units: [{ name: 'pages', scale: 0 }], close: ['meter'] },
    {
      command: 'authorize_hold',
      holdId: 'h6',
      labels: { goal: 'g3' },
      amounts: { usd: 1n, credits: 1n },
      ttlMs: 10,
    },
    { command: 'release_hold', holdId: 'none' },
  ]);
  clock.ms += 86_400_000;
  await ledger.settle({ holdId: 'h6', amounts: { usd: 1n, credits: 2n } });
  const facts = [{ feature: 'chats', kind: 'turn_started', body: '{"é":1}' }];
  await ledger.run({ command: 'record_facts' }, { actor: { key: 'k1', address: '127.0.0.1' }, facts });
  await ledger.authorize({ holdId: 'h7', labels, amounts }, { actor: { key: 'k1', address: null }, facts });
  ledger.certify({ actor: { key: 'k1', address: null } });
  const { sequence } = ledger.head();
  await ledger.close();
  return sequence;
}

interface ReadRecord {
  readonly sequence: number;
  readonly kind: string;
  readonly type: string;
  readonly at: number;
  readonly position: number | null;
  readonly commandId: string | null;
  readonly term: string;
  readonly command: { readonly holdId?: string; readonly note?: string };
  readonly outcome: { readonly lines: readonly Record<string, unknown>[] };
}

/** What both readers must agree on. */
const LINE_FIELDS = [
  ...['budgetId', 'budgetVersion', 'values', 'unit', 'window'],
  ...['granted', 'held', 'spent', 'violations'],
];

function comparableLine(line: object): Record<string, unknown> {
  const fields = Object.entries(line).filter(([name]) => LINE_FIELDS.includes(name));
  return Object.fromEntries(
    fields.map(([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value]),
  );
}

describe('read-journal', () => {
  test('a reader written from the format page alone → the same records, figures and head as the library', async () => {
    const path = folder.file('every-kind.db');
    const count = await everyKind(path);
    const reader = await openReader(path);
    expect(await reader.verify()).toMatchObject({ ok: true });
    const events: LedgerEvent[] = [];
    for await (const event of reader.events()) events.push(event);
    const head = reader.head();
    reader.close();

    const lines = await linesOf('read-journal.mjs', path, '--json');
    const read = lines.slice(0, -1).map((line) => JSON.parse(line) as ReadRecord);
    expect(read).toHaveLength(count);
    expect(JSON.parse(lines.at(-1) as string)).toEqual({ head: head.hash });
    for (const [index, record] of read.entries()) {
      const event = events[index];
      expect({ ...record, holdId: record.command.holdId ?? null }).toMatchObject({
        sequence: event.sequence,
        kind: event.details.command,
        type: event.type,
        at: event.at,
        position: event.position,
        commandId: event.commandId,
        holdId: event.holdId,
        actor: event.actor,
      });
      expect(record.command.note).toBe(event.details.note);
      expect(record.outcome.lines.map(comparableLine)).toEqual(event.lines.map(comparableLine));
    }
    // Else the comparison above would prove less than it seems to.
    expect(new Set(read.map((record) => record.kind)).size).toBe(19);
    expect(new Set(read.map((record) => record.type)).size).toBe(21);
  });

  test('a flipped bit in a stored batch → the reader says where the chain breaks', async () => {
    const path = folder.file('flipped.db');
    await everyKind(path);
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(path);
    db.exec('UPDATE batches SET bytes = zeroblob(length(bytes)) WHERE first_sequence > 2');
    db.close();
    const { code, stderr } = await run('read-journal.mjs', path);
    expect(code).toBe(1);
    expect(stderr).toMatch(/the chain breaks at #\d+/);
  });
});
