// The first start on a data folder of the first format (golden/data-folder-1): what an earlier version kept in service.db is in
// the ledger and the vault afterwards, and is answered as then. Half-made things of a killed server end as take-over/ says, and
// the take-over itself may be killed at any step.

import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { takeOver } from '#bursar/composition/take-over/take-over.js';
import { verifyViews } from '#bursar/composition/verify-views.js';
import { openLedger } from '#bursar/index.js';
import { EMPTY_HEAD, factBatches } from '#bursar/journal/fact-records.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { openSqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';
import { Receiver } from '../notices/notices-setup.js';
import { FilesStage, killedBeforeEachStep } from '../setup/files-setup.js';
import type { Json } from '../setup/json.js';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';

const GOLDEN = fileURLToPath(new URL('../golden/data-folder-1', import.meta.url));

/** A minute after the earlier server's last command: its turns run, and its windows are in force. */
const NOW = Date.parse('2026-12-01T18:10:45Z');

interface Golden {
  readonly secrets: Readonly<Record<string, string>>;
  readonly answers: readonly { readonly key: string; readonly path: string; readonly answer: Json }[];
}
const { secrets, answers } = JSON.parse(readFileSync(join(GOLDEN, 'answers.json'), 'utf8')) as Golden;

let folder = '';
let server: InProcess | null = null;

beforeEach(() => {
  const { now } = Date;
  const begun = now();
  vi.spyOn(Date, 'now').mockImplementation(() => NOW + now() - begun);
  folder = mkdtempSync(join(tmpdir(), 'bursar-take-over-'));
});
afterEach(async () => {
  await server?.stop();
  server = null;
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function started(): Promise<InProcess> {
  server = await startInProcess({ dataPath: folder, config: join(GOLDEN, 'bursar.yaml') });
  return server;
}

async function stopped(): Promise<void> {
  await server?.stop();
  server = null;
}

async function asked(
  key: string,
  path: string,
  method = 'GET',
  body?: unknown,
): Promise<{ status: number; body: Json }> {
  const answer = await fetch((server as InProcess).url + path, {
    method,
    headers: {
      authorization: `Bearer ${secrets[key]}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

/** Changes the file of the earlier version before it is taken over. */
function inOldFile(change: (db: Database.Database) => void): void {
  const db = new Database(join(folder, 'service.db'));
  db.pragma('wal_autocheckpoint = 0');
  change(db);
  // As a kill leaves it: the changes are in the log alone.
  for (const name of OLD_FILES) cpSync(join(folder, name), join(folder, `${name}.killed`));
  db.close();
  for (const name of OLD_FILES) renameSync(join(folder, `${name}.killed`), join(folder, name));
}

const OLD_FILES = ['service.db', 'service.db-wal'] as const;

/** How many facts the ledger has. */
function factsIn(): number {
  const reader = openSqliteReader(join(folder, 'ledger.db'));
  let count = 0;
  for (const { records } of factBatches(reader, EMPTY_HEAD))
    for (const { facts } of records) count += facts.length;
  reader.close();
  return count;
}

/** The id in a key's text. */
function idOf(key: string): string {
  return secrets[key].split('_')[1];
}

/** The answers that may differ from those of then: the keys that ask now have been used since. Fields may be more. */
function expectedNow(answer: Json, asking: ReadonlySet<string>): unknown {
  return JSON.parse(JSON.stringify(answer), (_name, value) => {
    const isAsking = typeof value === 'object' && value !== null && asking.has(value.id);
    return isAsking && 'lastUsedAt' in value ? { ...value, lastUsedAt: expect.any(String) } : value;
  });
}

describe('take-over of a folder that was stopped', () => {
  beforeEach(() => cpSync(join(GOLDEN, 'stopped'), folder, { recursive: true }));

  test('every read is answered as the earlier version answered it', async () => {
    await started();
    const asking = new Set<string>();
    for (const { key, path, answer } of answers) {
      const { status, body } = await asked(key, path);
      expect([path, status]).toEqual([path, 200]);
      asking.add(idOf(key));
      expect([path, body]).toMatchObject([path, expectedNow(answer, asking) as Record<string, unknown>]);
    }
  });

  test('keys → those of then are good, the one that was revoked is not', async () => {
    await started();
    const statusOf = async (key: string) => (await asked(key, '/v1/agents')).status;
    for (const key of ['admin', 'demo', 'shop', 'root', 'carved'])
      expect([key, await statusOf(key)]).toEqual([key, 200]);
    // They may spend alone: known, and refused.
    for (const key of ['rotatedOld', 'rotatedNew']) expect([key, await statusOf(key)]).toEqual([key, 403]);
    expect(await statusOf('revoked')).toBe(401);
  });

  test('a webhook → is sent to with its secret of then', async () => {
    const receiver = await Receiver.start();
    receiver.secret = secrets.webhook;
    inOldFile((db) => {
      db.prepare('UPDATE notice_webhooks SET url = ?').run(receiver.url);
      // Made after the notices: it is sent none of them.
      db.prepare(
        "INSERT INTO notice_webhooks SELECT 2, 'whk_later', tenant, url, secret, created_at + 1000, '[]' FROM notice_webhooks",
      ).run();
    });
    await started();
    const notices: Json[] = (await asked('shop', '/v1/notices')).body.items;
    expect(notices.map(({ deliveries }) => deliveries.length)).toEqual([1, 1]);
    expect(receiver.received).toEqual([]);
    expect((await asked('shop', '/v1/webhooks')).body.items).toHaveLength(2);
    const [{ id }] = notices;
    expect((await asked('shop', `/v1/notices/${id}/redeliver`, 'POST')).status).toBeLessThan(300);
    await vi.waitFor(() => expect(receiver.ids).toEqual([id]), { timeout: 10_000 });
  });

  test('a running turn → ends with its usage, and is charged for it', async () => {
    await started();
    const path = '/v1/chats/01a232cc-5388-7192-aee1-1513ac6fc8e2/turns';
    const [{ id }] = (await asked('shop', path)).body.items;
    const usage = { inputTokens: 100, outputTokens: 50 };
    const ended = await asked('shop', `${path}/${id}/complete`, 'POST', { usage, text: 'At last.' });
    expect(ended.body).toMatchObject({
      state: 'completed',
      charged: { tokens: '150', calls: '1' },
    });
    expect((await asked('shop', `${path}/../messages`)).body.items).toMatchObject([
      { role: 'user', text: 'I am running' },
      { role: 'assistant', text: 'At last.' },
    ]);
  });

  test('the second start → takes nothing over again; without views.db → the same answers', async () => {
    await started();
    await stopped();
    // What was said in the deleted chat and turn is in no file but that one.
    const vault = openSqliteVault(join(folder, 'vault.db'), { now: () => NOW });
    const texts = await vault.ids('chats/');
    await vault.close();
    expect(texts).toHaveLength(9);
    expect(texts.filter((id) => /538d-7969|53b0-721a/.test(id))).toEqual([]);
    expect(readdirSync(folder)).toContain('service.db.taken-over');
    expect(readdirSync(folder).filter((name) => /^service\.db(-|$)/.test(name))).toEqual([]);
    const facts = factsIn();
    rmSync(join(folder, 'views.db'));
    expect((await started()).stdout.text).not.toMatch(/earlier version|taken over/);
    for (const { key, path, answer } of answers.filter(({ path }) => path !== '/v1/keys'))
      expect([path, (await asked(key, path)).body]).toMatchObject([path, answer]);
    await stopped();
    expect(factsIn()).toBe(facts);
  });

  test('killed before the file had its other name → the next start renames it alone; a copy that is put back is not read', async () => {
    await started();
    await stopped();
    const facts = factsIn();
    const [file, away] = [join(folder, 'service.db'), join(folder, 'service.db.taken-over')];
    renameSync(away, file);
    await started();
    await stopped();
    expect([existsSync(file), existsSync(away)]).toEqual([false, true]);
    cpSync(away, file);
    expect((await started()).stdout.text).toMatch(/service\.db is not read: it was taken over already/);
    await stopped();
    expect(factsIn()).toBe(facts);
  });

  test('its ledger.db is older, or gone → refused, until the loss is accepted', async () => {
    rmSync(join(folder, 'ledger.db'));
    await expect(started()).rejects.toThrow(
      /ledger\.db ends at record \d+, and it had 68 when service\.db was written/,
    );
    cpSync(join(GOLDEN, 'stopped', 'ledger.db'), join(folder, 'ledger.db'));
    rmSync(join(folder, 'ledger.db-head'), { force: true });
    await started();
  });

  test('a service.db that is none of ours, or damaged → refused, and left as it is', async () => {
    const file = join(folder, 'service.db');
    inOldFile((db) => db.pragma('application_id = 1'));
    await expect(started()).rejects.toThrow(/service\.db is no file of Bursar's/);
    writeFileSync(file, 'what is this?'.repeat(1_000));
    await expect(started()).rejects.toThrow(/service\.db cannot be read: file is not a database/);
    expect(readFileSync(file, 'utf8')).toContain('what is this?');
  });
});

/** The folder of the killed server, with more half-made things than it happens to have. */
async function makeKilledFolder(): Promise<void> {
  cpSync(join(GOLDEN, 'killed'), folder, { recursive: true });
  const ledger = await openLedger({ path: join(folder, 'ledger.db'), clock: { now: () => NOW } });
  const call = { labels: { tenant: 'demo', user: 'u0' }, amounts: { usd: 500_000n, tokens: 50n, calls: 1n } };
  await ledger.authorize({ holdId: CALL_HOLD, ...call });
  await ledger.authorize({
    holdId: TURN_HOLD,
    labels: { tenant: 'shop', user: 'k11' },
    amounts: { calls: 3n },
  });
  await ledger.close();
  inOldFile((db) => {
    const run = (sql: string, ...bound: unknown[]) => db.prepare(sql).run(...bound);
    // Turns: held, and not known to be; never held; a call of the gateway whose end was decided.
    turn(db, { number: 19, chat: 16, state: 'starting', hold: TURN_HOLD, ending: null });
    turn(db, { number: 17, chat: 15, state: 'starting', hold: 'tenant/shop/turn/never', ending: null });
    const command = {
      kind: 'settle',
      amounts: { usd: '930', tokens: '17', calls: '1' },
      outcome: 'completed',
    };
    const ending = { end: 'completed', digest: null, command: JSON.stringify(command), at: NOW - 50_000 };
    turn(db, { number: 18, chat: 4, state: 'running', hold: CALL_HOLD, ending: JSON.stringify(ending) });
    // A goal that ended in the file alone. An agent whose limits are set aside, and that has no key.
    run(
      "UPDATE goals SET ending = 'completed', ended_at = ?, intent = 'close' WHERE number = 9",
      NOW - 50_000,
    );
    run(
      `INSERT INTO goals (id, tenant, owner, text, intent, created_at)
       VALUES ('goal_last', 'shop', 'o4', 'h', 'create', ?)`,
      NOW - 40_000,
    );
    run("UPDATE agents SET state = 'creating', key_id = NULL WHERE name = 'x2'");
    run("DELETE FROM access_keys WHERE name = 'x2'");
    // A policy that is to be put in force.
    run('INSERT INTO quota_policies SELECT 2, document, digest, author, created_at + 1 FROM quota_policies');
    run("INSERT INTO quota_activations (policy, author, at) VALUES (2, 'GxR51gsX20vWCUt9', ?)", NOW - 50_000);
  });
}

const CALL_HOLD = 'tenant/demo/call/half-made';
const TURN_HOLD = 'tenant/shop/turn/half-19';

function turn(
  db: Database.Database,
  {
    number,
    chat,
    state,
    hold,
    ending,
  }: Record<'number' | 'chat', number> & Record<'state' | 'hold', string> & { ending: string | null },
): void {
  const at = NOW - 60_000;
  const meteredBy = hold === CALL_HOLD ? 'gateway' : 'amounts';
  const terms =
    state === 'starting' ? null : '{"decisionId":"dec-1","held":{"usd":"500000","tokens":"50","calls":"1"}}';
  db.prepare(
    `INSERT INTO turns (number, id, chat, request_id, state, metered_by, hold_id, terms, ending, started_at, progress_at)
     VALUES (?, ?, ?, 'half', ?, ?, ?, ?, ?, ?, ?)`,
  ).run(number, `half-${number}`, chat, state, meteredBy, hold, terms, ending, at, at);
  const say = db.prepare('INSERT INTO messages (chat, turn, role, text, created_at) VALUES (?, ?, ?, ?, ?)');
  say.run(chat, number, 'user', 'Half', at);
  if (ending !== null) say.run(chat, number, 'assistant', 'Whole', at);
}

describe('take-over of a folder whose server was killed', () => {
  test('turns, goals, agents and policies that were half made → are whole, or are not there', async () => {
    await makeKilledFolder();
    await started();
    const turnsOf = async (key: string, chat: string) =>
      (await asked(key, `/v1/chats/${chat}/turns`)).body.items;
    const chats = (await asked('shop', '/v1/chats?limit=100')).body.items as Json[];
    const chatOf = (user: string) => chats.find((chat) => chat.user === user).id;
    // Settled in the ledger, and not known to be: ended, as it was decided.
    for (const user of ['k1', 'k2', 'k8']) {
      expect([user, await turnsOf('shop', chatOf(user))]).toMatchObject([
        user,
        [
          {
            state: 'completed',
            end: 'completed',
            charged: { tokens: '10', calls: '1' },
            endedAt: expect.any(String),
          },
        ],
      ]);
      expect((await asked('shop', `/v1/chats/${chatOf(user)}/messages`)).body.items).toHaveLength(2);
    }
    // Not settled: it runs, without the answer that was to be, and whoever called says again how it ends.
    const [running] = await turnsOf('shop', chatOf('k9'));
    expect((await asked('shop', `/v1/chats/${chatOf('k9')}/messages`)).body.items).toHaveLength(1);
    expect(running).toMatchObject({
      state: 'running',
      tier: 'premium',
      model: 'large',
      policy: 1,
      held: { tokens: '171' },
    });
    const ended = await asked('shop', `/v1/chats/${chatOf('k9')}/turns/${running.id}/complete`, 'POST', {
      text: 'done',
    });
    expect(ended.body).toMatchObject({ state: 'completed' });
    expect(await turnsOf('shop', chatOf('k10'))).toEqual([]);
    expect(await turnsOf('shop', chatOf('k11'))).toMatchObject([{ state: 'running', held: { calls: '3' } }]);
    const calls = await turnsOf('demo', '01a232cc-5528-7646-b0d5-ed5d515a4736');
    expect(calls[1]).toMatchObject({
      id: 'half-18',
      state: 'completed',
      charged: { usd: '0.0000093', tokens: '17' },
    });
    expect(
      (await asked('demo', '/v1/chats/01a232cc-5528-7646-b0d5-ed5d515a4736/messages')).body.items[3].text,
    ).toBe('Whole');

    const goals = (await asked('shop', '/v1/goals?limit=100')).body.items as Json[];
    const statesOf = (owner: string) =>
      goals.filter((goal) => goal.owner === owner).map(({ state }) => state);
    expect(statesOf('o4')).toEqual(['active', 'paused', 'paused']);
    expect(statesOf('o0')).toEqual(['completed', 'paused']);
    expect(goals.slice(0, 2)).toMatchObject([
      { owner: 'o4', text: 'h', tokenBudget: null },
      { owner: 'o4', text: 'g', tokenBudget: '10' },
    ]);

    const agents = (await asked('shop', '/v1/agents?limit=100')).body.items as Json[];
    expect(agents.map(({ name }) => name)).toEqual(['assistant', 'searcher', 'writer', 'looper', 'x0', 'x1']);
    // 2000 of the searcher, and 10 each of x0 and x1: what was set aside for x2 is back.
    expect(agents[0].figures).toMatchObject([{ limit: '20000', held: '2020', left: '17980' }]);
    expect((await asked('admin', '/v1/policies')).body.items).toMatchObject([
      { number: 1, active: false },
      { number: 2, active: true, activatedAt: new Date(NOW - 50_000).toISOString() },
    ]);
    await stopped();
    const verified = await runInProcess('verify', { ledger: join(folder, 'ledger.db') });
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('verified') });
    expect(verifyViews(join(folder, 'ledger.db'))).toMatchObject({ ok: true });
  });

  test('killed before any durable step → the next start completes it, and each thing is there once', async () => {
    await makeKilledFolder();
    // Two of the agents that were being made are as good as seven.
    inOldFile((db) => db.prepare('DELETE FROM agents WHERE number > 8').run());
    const whole = await TakeOverStage.ready();
    await whole.take();
    await whole.reopenedWith('kept');
    const expected = await whole.everything();
    const steps = await killedBeforeEachStep({
      ready: () => TakeOverStage.ready(),
      act: (stage) => stage.take(),
      check: async (stage) => {
        await stage.take();
        expect(await stage.everything()).toEqual(expected);
      },
    });
    expect(steps).toBeGreaterThan(15);
  }, 300_000);
});

class TakeOverStage extends FilesStage {
  static async ready(): Promise<TakeOverStage> {
    const stage = new TakeOverStage();
    stage.clock.at = NOW;
    cpSync(folder, stage.folder, { recursive: true });
    return stage.opened();
  }

  protected begin(): void {}

  take(): Promise<void> {
    const logger = { info: () => undefined, warn: (what: string) => this.faults.push(what) };
    const accept = (problem: string | null) => expect(problem).toBeNull();
    return takeOver({ ...this.parts, path: join(this.folder, 'service.db'), logger, accept } as never);
  }

  /** Every row of the views, every text of the vault, every balance of the ledger. */
  async everything(): Promise<unknown> {
    const tables = this.views
      .prepare<[], { name: string }>(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'position'",
      )
      .all();
    const rows = tables.map(({ name }) => [
      name,
      this.views.prepare<[], Json>(`SELECT * FROM ${name}`).all().map(counted),
    ]);
    const texts = await this.vault.get(await this.vault.ids(''));
    expect(this.faults).toEqual([]);
    return [rows, [...texts], this.ledger.balances()];
  }
}

/** Activations may have been counted twice: the last one is in force all the same. */
function counted({ activation: _activation, ...row }: Json): Json {
  return row;
}
