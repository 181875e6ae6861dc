// Conversations over HTTP and on the command line, against a server on real files: races of parallel requests, the answers
// to repeats and refusals, and that a server which is stopped in between goes on where it was.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { BursarClient, BursarError } from '#bursar/client/index.js';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';
import { expectSameAfterRebuild } from '../views/rebuilt.js';

const servers: InProcess[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function served(dataPath = newFolder()) {
  const server = await startInProcess({ dataPath });
  servers.push(server);
  return server;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-chats-'));
  folders.push(folder);
  return folder;
}

/** A server with 1 usd a day for each user of acme, and a client of one user's. */
async function acme() {
  const dataPath = newFolder();
  const server = await served(dataPath);
  const admin = new BursarClient({ baseUrl: server.url, apiKey: server.adminKey });
  await admin.budgets.put('day', {
    match: { tenant: 'acme', user: '*' },
    unit: 'usd',
    limit: '1',
    window: 'day',
  });
  const keyOf = async (user: string, tenant = 'acme') =>
    (await admin.keys.create({ name: user, scopes: ['spend', 'read'], labels: { tenant, user } })).key;
  const ann = new BursarClient({ baseUrl: server.url, apiKey: await keyOf('ann'), maxRetries: 0 });
  return { dataPath, server, admin, keyOf, ann };
}

async function codeOf(act: Promise<unknown>): Promise<string> {
  try {
    const answer = (await act) as { outcome?: string; state?: string };
    return answer.outcome ?? answer.state ?? 'done';
  } catch (error) {
    if (error instanceof BursarError) return `${error.status} ${error.code}`;
    throw error;
  }
}

test('chats over HTTP: a turn is started, answered, listed and hidden, as a chat product does it', async () => {
  const { ann, admin } = await acme();
  const chat = await ann.chats.create({ title: 'a question' });
  expect(chat).toMatchObject({ tenant: 'acme', user: 'ann', title: 'a question' });
  const turns = ann.chats.turns(chat.id);
  const started = await turns.start({ requestId: 'r1', text: 'two and two?', amounts: { usd: '0.25' } });
  if (started.outcome !== 'started') throw new Error(started.outcome);
  expect(started).toMatchObject({
    state: 'running',
    held: { usd: '0.25', calls: '1' },
    holdId: `turn/${started.id}`,
  });
  const usage = { inputTokens: 12, outputTokens: 1 };
  const done = await turns.complete(started.id, {
    text: 'four',
    responseId: 'resp_1',
    usage,
    amounts: { usd: '0.1' },
  });
  expect(done).toMatchObject({ state: 'completed', end: 'completed', charged: { usd: '0.1', calls: '1' } });
  expect(done.messages.map(({ role, text, outputTokens }) => [role, text, outputTokens])).toEqual([
    ['user', 'two and two?', 0],
    ['assistant', 'four', 1],
  ]);
  const again = await turns.start({ requestId: 'r1', text: 'two and two?', amounts: { usd: '0.25' } });
  expect(again).toMatchObject({ outcome: 'stored', id: started.id, messages: done.messages });
  const denied = await turns.start({ requestId: 'r2', text: 'more', amounts: { usd: '0.95' } });
  expect(denied).toMatchObject({ outcome: 'denied', reason: 'exhausted', code: 'budget_exhausted' });
  const retried = await turns.retry(started.id, { requestId: 'r3', amounts: { usd: '0.25' } });
  if (retried.outcome !== 'started') throw new Error(retried.outcome);
  expect(await codeOf(ann.chats.delete(chat.id))).toBe('409 conflict');
  expect((await turns.progress(retried.id)).state).toBe('running');
  expect((await turns.cancel(retried.id, { text: 'fo', amounts: { usd: '0.05' } })).state).toBe('cancelled');
  expect((await turns.list()).items.map(({ requestId, state }) => [requestId, state])).toEqual([
    ['r3', 'cancelled'],
  ]);
  const said: string[] = [];
  for await (const { text } of ann.chats.messages(chat.id).all()) said.push(text);
  expect(said).toEqual(['two and two?', 'fo']);
  const [balance] = (await admin.balances.list({ budgetId: 'day' })).items;
  expect(balance).toMatchObject({ spent: '0.15', held: '0' });
  await ann.chats.delete(chat.id);
  expect(await codeOf(ann.chats.get(chat.id))).toBe('404 not_found');
  expect((await ann.chats.list()).items).toEqual([]);
});

test('chats over HTTP: a start and an end answer what is read later, to the last field', async () => {
  const { ann } = await acme();
  const turns = ann.chats.turns((await ann.chats.create()).id);
  const amounts = { usd: '0.01' };
  const asked = { requestId: 'r1', text: 'two and two?', systemText: 'be brief', webSearch: true, amounts };
  const { outcome, ...started } = (await turns.start(asked)) as { outcome: string; id: string };
  expect([outcome, await turns.get(started.id)]).toEqual(['started', started]);
  const usage = { inputTokens: 12, outputTokens: 1, reasoningTokens: 3, webSearches: 1 };
  const said = { text: 'four', responseId: 'resp_1', usage, amounts };
  const done = await turns.complete(started.id, said);
  expect(done.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
  expect(await turns.get(started.id)).toEqual(done);
  expect(await turns.complete(started.id, said)).toEqual(done);
});

test('chats over HTTP: views.db deleted and made anew → every answer is as before', async () => {
  const { dataPath, server, keyOf } = await acme();
  const key = await keyOf('eve');
  let eve = new BursarClient({ baseUrl: server.url, apiKey: key });
  const amounts = { usd: '0.01' };
  const first = await eve.chats.create({ title: 'first', temporary: true });
  const gone = await eve.chats.create({ title: 'gone' });
  const second = await eve.chats.create({ model: 'large' });
  await eve.chats.change(second.id, { title: 'second' });
  const ids: string[] = [];
  for (const { id } of [first, gone, second]) {
    const turns = eve.chats.turns(id);
    for (const requestId of ['r1', 'r2', 'r3']) {
      const started = await turns.start({
        requestId,
        text: `ask ${requestId}`,
        systemText: 'short',
        amounts,
      });
      if (started.outcome !== 'started') throw new Error(started.outcome);
      ids.push(started.id);
      if (requestId === 'r1') await turns.complete(started.id, { text: 'yes', usage: { outputTokens: 3 } });
      if (requestId === 'r2') await turns.fail(started.id, { reachedProvider: true, responseId: 'resp_2' });
      if (requestId === 'r3' && id === gone.id) await turns.cancel(started.id, { amounts });
    }
  }
  await eve.chats.delete(gone.id);
  await eve.chats.turns(first.id).progress(ids[2] as string);
  await eve.chats.turns(second.id).complete(ids[8] as string, { text: 'no' });
  const edited = await eve.chats
    .turns(second.id)
    .edit(ids[8] as string, { requestId: 'r4', text: 'so?', amounts });
  expect(edited).toMatchObject({ replaces: ids[8], model: 'large' });
  let running = server;
  await expectSameAfterRebuild({
    viewsPath: join(dataPath, 'views.db'),
    read: async () => {
      const chats = await eve.chats.list({ limit: 1 });
      const rest = await eve.chats.list({ cursor: chats.nextCursor as string });
      const all = [...chats.items, ...rest.items];
      return Promise.all(
        all.map(async (chat) => {
          const turns = await eve.chats.turns(chat.id).list();
          const last = turns.items.at(-1) as { id: string };
          const messages = await eve.chats.messages(chat.id).list({ limit: 2 });
          return { chat, turns, messages, last: await eve.chats.turns(chat.id).get(last.id) };
        }),
      );
    },
    close: () => running.stop(),
    open: async () => {
      running = await served(dataPath);
      eve = new BursarClient({ baseUrl: running.url, apiKey: key });
    },
  });
  servers.splice(0, servers.length - 1);
  // And they can be changed as before.
  const { id, state } = (await eve.chats.turns(second.id).list()).items.at(-1) as {
    id: string;
    state: string;
  };
  expect(state).toBe('running');
  expect((await eve.chats.turns(second.id).complete(id, { text: 'so it is' })).state).toBe('completed');
  expect(await codeOf(eve.chats.get(gone.id))).toBe('404 not_found');
});

test('chats over HTTP: parallel requests start one turn and end it once', async () => {
  const { ann, admin } = await acme();
  const chat = await ann.chats.create();
  const turns = ann.chats.turns(chat.id);
  const amounts = { usd: '0.02' };
  const starts = await Promise.all(
    Array.from({ length: 32 }, (_, index) =>
      codeOf(turns.start({ requestId: `r${index % 4}`, text: 'x', amounts })),
    ),
  );
  expect(starts.filter((code) => code === 'started')).toHaveLength(1);
  expect(starts.filter((code) => code === '409 conflict')).toHaveLength(31);
  const [{ id }] = (await turns.list()).items;
  const ends = await Promise.all(
    Array.from({ length: 32 }, (_, index) =>
      codeOf(
        index % 2 === 0
          ? turns.complete(id, { text: `answer ${index}`, amounts: { usd: '0.01' } })
          : turns.cancel(id, { amounts: { usd: '0.02' } }),
      ),
    ),
  );
  expect(ends.filter((code) => code === '409 conflict').length).toBeGreaterThanOrEqual(16);
  const { state } = await turns.get(id);
  // Cancellations say the same, so that where one won the others are its repeats.
  expect(new Set(ends.filter((code) => code !== '409 conflict'))).toEqual(new Set([state]));
  const [balance] = (await admin.balances.list({ budgetId: 'day' })).items;
  expect(balance).toMatchObject({ held: '0', spent: state === 'completed' ? '0.01' : '0.02' });
  const settled: unknown[] = [];
  for await (const { type } of admin.events.all()) if (type === 'hold_settled') settled.push(type);
  expect(settled).toHaveLength(1);
});

test('chats over HTTP: another tenant’s and another user’s are 404; lists have 20 rows, at most 100', async () => {
  const { ann, keyOf, server } = await acme();
  const chat = await ann.chats.create();
  const started = await ann.chats
    .turns(chat.id)
    .start({ requestId: 'r1', text: 'x', amounts: { usd: '0.1' } });
  if (started.outcome !== 'started') throw new Error(started.outcome);
  for (const apiKey of [await keyOf('ben'), await keyOf('ann', 'other')]) {
    const client = new BursarClient({ baseUrl: server.url, apiKey, maxRetries: 0 });
    const turns = client.chats.turns(chat.id);
    for (const act of [
      () => client.chats.get(chat.id),
      () => client.chats.delete(chat.id),
      () => turns.list(),
      () => turns.get(started.id),
      () => turns.start({ requestId: 'r2', text: 'x' }),
      () => turns.complete(started.id, { text: 'x' }),
      () => turns.delete(started.id),
      () => client.chats.messages(chat.id).list(),
    ])
      expect(await codeOf(act())).toBe('404 not_found');
  }
  // Not behind the turn's back either.
  expect(await codeOf(ann.holds.release(`turn/${started.id}`))).toBe('403 forbidden');
  for (let index = 0; index < 21; index += 1) await ann.chats.create();
  const first = await ann.chats.list();
  expect([
    first.items.length,
    (await ann.chats.list({ cursor: first.nextCursor as string })).items.length,
  ]).toEqual([20, 2]);
  expect(await codeOf(ann.chats.list({ limit: 101 }))).toBe('400 invalid_request');
  expect(await codeOf(ann.chats.list({ cursor: 'nonsense' }))).toBe('400 invalid_request');
});

test('chats over HTTP: a restart loses no turn; the command line shows and ends it', async () => {
  const { ann, server, dataPath, keyOf } = await acme();
  const key = await keyOf('cleo');
  const cleo = new BursarClient({ baseUrl: server.url, apiKey: key });
  const chat = await cleo.chats.create();
  const started = await cleo.chats
    .turns(chat.id)
    .start({ requestId: 'r1', text: 'hello\u001b[2J', amounts: { usd: '0.5' } });
  if (started.outcome !== 'started') throw new Error(started.outcome);
  await server.stop();
  servers.length = 0;
  const { url } = await served(dataPath);
  const run = (line: string) => runInProcess(line, { url, key });
  const cleoAt = (baseUrl: string) => new BursarClient({ baseUrl, apiKey: key });
  const ended = await run(`chats complete ${chat.id} ${started.id} --text hi~there --amount usd=0.25`);
  expect([ended.code, ended.stdout]).toEqual([0, expect.stringContaining('0.25 usd')]);
  const shown = await run(`chats show ${chat.id}`);
  expect(shown.stdout).toMatch(/completed[\s\S]*user +hello \[2J\n[\s\S]*assistant +hi there/);
  expect((await run(`chats start ${chat.id} --request r2 --text more --amount usd=0.9`)).code).toBe(2);
  expect((await run('chats')).stdout).toContain(chat.id);
  const changed = await run(`chats change ${chat.id} --title greeting --model small --temporary`);
  expect(changed.stdout).toContain('greeting');
  expect((await cleoAt(url).chats.get(chat.id)).model).toBe('small');
  await run(`chats change ${chat.id} --model= --no-temporary`);
  expect(await cleoAt(url).chats.get(chat.id)).toMatchObject({
    title: 'greeting',
    model: null,
    temporary: false,
  });
  expect((await run(`chats delete ${chat.id}`)).stdout).toContain('deleted');
  expect((await run('chats')).stdout).toContain('no chats');
  void ann;
});

test('chats on the command line: progress of a turn, and the last turn again with the same text and with another', async () => {
  const { server, keyOf } = await acme();
  const key = await keyOf('dora');
  const run = (line: string) => runInProcess(line, { url: server.url, key });
  const json = async (line: string) => JSON.parse((await run(`${line} --json`)).stdout);
  const chat = await json('chats create');
  const first = await json(`chats start ${chat.id} --request r1 --text hello --amount usd=0.1`);
  const noted = await json(`chats progress ${chat.id} ${first.id}`);
  expect([noted.id, noted.state, noted.progressAt > first.progressAt]).toEqual([first.id, 'running', true]);
  await run(`chats complete ${chat.id} ${first.id} --text hi --amount usd=0.05`);
  expect((await run(`chats progress ${chat.id} ${first.id}`)).code).not.toBe(0);
  expect((await run(`chats retry ${chat.id} ${first.id} --request r2 --amount usd=100`)).code).toBe(2);
  const second = await json(`chats retry ${chat.id} ${first.id} --request r2 --amount usd=0.2`);
  expect(second).toMatchObject({ outcome: 'started', state: 'running', held: { usd: '0.2' } });
  expect(second.messages[0].text).toBe('hello');
  await run(`chats fail ${chat.id} ${second.id} --before`);
  const third = await json(`chats edit ${chat.id} ${second.id} --request r3 --text goodbye --amount usd=0.1`);
  expect(third.messages[0].text).toBe('goodbye');
  expect((await run(`chats complete ${chat.id} ${third.id} --text bye`)).code).toBe(0);
  const { turns, messages } = await json(`chats show ${chat.id}`);
  expect(turns.map(({ id }: { id: string }) => id)).toEqual([third.id]);
  expect(messages.map(({ text }: { text: string }) => text)).toEqual(['goodbye', 'bye']);
  expect((await run(`chats edit ${chat.id} ${third.id} --request r4`)).code).not.toBe(0);
});

test('chats over HTTP: an end whose amounts cannot be booked is refused and the turn runs on; one past every bound is charged as if nothing were stated', async () => {
  const { ann, admin, server, keyOf } = await acme();
  const chat = await ann.chats.create();
  const turns = ann.chats.turns(chat.id);
  const running = async (requestId: string) => {
    const started = await turns.start({ requestId, text: 'x', amounts: { usd: '0.1' } });
    if (started.outcome !== 'started') throw new Error(started.outcome);
    return started;
  };
  const { id } = await running('r1');
  const key = await keyOf('ann');
  for (const how of ['complete', 'cancel', 'fail']) {
    const response = await fetch(`${server.url}/v1/chats/${chat.id}/turns/${id}/${how}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...(how === 'fail' ? { reachedProvider: true } : { text: 'x' }),
        amounts: { usd: '0.1', tokens: '5' },
      }),
    });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { field: 'amounts.tokens', detail: 'amounts.tokens: the turn holds none; it holds calls, usd' },
    ]);
  }
  expect((await turns.get(id)).state).toBe('running');
  expect(await turns.complete(id, { text: 'x', amounts: { usd: '0.05', calls: '2' } })).toMatchObject({
    charged: { usd: '0.05', calls: '2' },
  });
  const huge = await running('r2');
  const ended = await turns.complete(huge.id, { text: 'x', amounts: { usd: '92233720368.54775807' } });
  expect(ended).toMatchObject({ state: 'completed', charged: { usd: '0.1', calls: '1' } });
  const [balance] = (await admin.balances.list({ budgetId: 'day' })).items;
  expect(balance).toMatchObject({ spent: '0.15', held: '0', openHolds: 0 });
  expect((await admin.verify()).ok).toBe(true);
});

test('chats over HTTP: a turn is its chat’s user’s; labels that say another are refused and not passed over', async () => {
  const { ann } = await acme();
  const chat = await ann.chats.create();
  const start = (labels: Record<string, string>) =>
    ann.chats.turns(chat.id).start({ requestId: 'r1', text: 'x', amounts: { usd: '0.1' }, labels });
  expect(await codeOf(start({ user: 'ben' }))).toBe('403 label_forbidden');
  expect(await codeOf(start({ tenant: 'other' }))).toBe('403 label_forbidden');
  expect(await codeOf(start({ user: 'ann', tenant: 'acme' }))).toBe('started');
});
