// Rules T1–T5, T7 and T8: turns and messages, over real files and a real ledger.

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { TEXT_BYTES_MAX, TURN_STATES } from '#bursar/chats/turn.js';
import { ACME, ANN, BEN, OTHER, PLATFORM, refused } from '../setup/files-setup.js';
import { ALL, ChatsStage } from './turns-setup.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('T1: a turn is a chat and a request', () => {
  test('turn: a second one of the same chat and request is refused, whatever its own id and state', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const first = await stage.running(chat, 'r1');
    expect(await refused(() => stage.start(chat, 'r1'))).toMatch(
      `conflict: this request has the turn ${first.id}, which is running`,
    );
    await stage.turns.end(ANN, { chatId: chat, turnId: first.id }, 'failed_before', {});
    expect(await refused(() => stage.start(chat, 'r1'))).toMatch('which is failed');
    await stage.turns.remove(ANN, { chatId: chat, turnId: first.id });
    expect(await refused(() => stage.start(chat, 'r1'))).toMatch('conflict: a turn that was deleted');
    // In another chat the request is another one.
    expect((await stage.start(await stage.chat(), 'r1')).started).toBe('now');
  });

  test('turn: running is the only state that is not final, and an unknown name is an error', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const ends = { completed: 'completed', failed_at_provider: 'failed', cancelled: 'cancelled' } as const;
    for (const [end, state] of Object.entries(ends)) {
      const { id, state: before } = await stage.running(chat, end);
      expect(before).toBe('running');
      const ended = await stage.turns.end(ANN, { chatId: chat, turnId: id }, end as keyof typeof ends, {});
      expect(ended.turn.state).toBe(state);
      for (const again of ['completed', 'failed_before', 'cancelled'] as const)
        expect(
          await refused(() => stage.turns.end(ANN, { chatId: chat, turnId: id }, again, { text: 'other' })),
        ).toMatch('conflict: the turn');
      expect((await stage.turns.get(ANN, { chatId: chat, turnId: id })).turn.state).toBe(state);
    }
    expect(TURN_STATES).toEqual(['running', 'completed', 'failed', 'cancelled']);
  });
});

describe('T2: one step with the ledger', () => {
  test('start: the turn and its hold are there together, or neither is', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const turn = await stage.running(chat, 'r1');
    expect(turn.holdId).toBe(`tenant/acme/turn/${turn.id}`);
    expect(stage.ledger.hold(turn.holdId)).toMatchObject({
      status: 'open',
      labels: { tenant: 'acme', user: 'ann' },
    });
    expect(stage.figures()).toEqual([10, 0]);
    await stage.complete(turn);
    const denied = await stage.start(chat, 'r2', { wish: { amounts: { usd: 97_000_000n } } });
    expect(denied).toMatchObject({ started: 'denied', decision: { outcome: 'denied', reason: 'exhausted' } });
    expect(stage.states(chat)).toEqual(['completed completed']);
    expect(await stage.texts(chat)).toEqual(['ask r1', 'an answer']);
    expect(stage.turns.running(ANN, chat)).toBeNull();
    // What was denied may be asked again, with the same request id.
    expect((await stage.start(chat, 'r2')).started).toBe('now');
  });

  test('start: a request that the ledger does not take leaves no turn', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    await expect(stage.start(chat, 'r1', { wish: { amounts: { gold: 1n } } })).rejects.toThrow('gold');
    expect(stage.turns.last(ANN, chat)).toBeNull();
    expect((await stage.start(chat, 'r1')).started).toBe('now');
  });

  test('end: settles in the same step, at what is stated, else at what was held, and at nothing before the provider', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const spent: number[] = [];
    const cases = [
      ['completed', { amounts: { usd: 4_000_000n } }],
      ['completed', {}],
      ['cancelled', { amounts: { usd: 1_000_000n } }],
      ['failed_at_provider', {}],
      ['failed_before', {}],
    ] as const;
    for (const [index, [end, result]] of cases.entries()) {
      const { id } = await stage.running(chat, `r${index}`);
      const { turn } = await stage.turns.end(ANN, { chatId: chat, turnId: id }, end, result);
      spent.push(Number(turn.charged?.usd) / 1e6);
      expect(turn.charged?.calls).toBe(end === 'failed_before' ? 0n : 1n);
    }
    expect(spent).toEqual([4, 10, 1, 10, 0]);
    expect(stage.figures()).toEqual([0, 25]);
  });

  test('end: of ends that race exactly one wins, the others change nothing and are told', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const turn = await stage.running(chat, 'r1');
    const ref = { chatId: chat, turnId: turn.id };
    const ends = ['completed', 'cancelled', 'failed_before', 'failed_at_provider'] as const;
    const racing = Array.from({ length: 40 }, (_, index) =>
      refused(() =>
        stage.turns.end(ANN, ref, ends[index % 4], {
          text: `text ${index}`,
          amounts: { usd: BigInt(index) * 100_000n },
        }),
      ),
    );
    const told = await Promise.all(racing);
    const winners = told.flatMap((what, index) => (what === 'nothing was refused' ? [index] : []));
    expect(winners).toHaveLength(1);
    const [winner] = winners;
    for (const [index, what] of told.entries())
      if (index !== winner)
        expect(what).toBe(`conflict: the turn ${turn.id} has ended already: ${ends[winner % 4]}`);
    expect((await stage.turns.get(ANN, ref)).turn.end).toBe(ends[winner % 4]);
    expect(await stage.texts(chat)).toEqual(['ask r1', `text ${winner}`]);
    expect((await stage.events()).filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
  });

  test('end: the exact repeat of the end that won is answered as it was, and changes nothing', async () => {
    const stage = await ChatsStage.open();
    const turn = await stage.running(await stage.chat(), 'r1');
    const [first, second] = await Promise.all([stage.complete(turn), stage.complete(turn)]);
    expect([first.replayed, second.replayed]).toEqual([false, true]);
    expect(second.turn).toMatchObject(first.turn);
    expect(stage.figures()).toEqual([0, 4]);
  });
});

describe('T3: completing, and which turn is which', () => {
  test('complete: sets the assistant message, the response id and the end time', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { id } = await stage.running(chat, 'r1');
    stage.clock.at += 5_000;
    const result = { text: 'four', responseId: 'resp_1', amounts: { usd: 1n } };
    const { turn, messages } = await stage.turns.end(ANN, { chatId: chat, turnId: id }, 'completed', result);
    expect(turn).toMatchObject({ state: 'completed', responseId: 'resp_1', endedAt: stage.clock.at });
    expect(messages.map(({ role, text }) => `${role}: ${text}`)).toEqual(['user: ask r1', 'assistant: four']);
  });

  test('running: at most one turn a chat, which is not found once it ended', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const started = await Promise.all(
      Array.from({ length: 20 }, (_, index) => refused(() => stage.start(chat, `r${index}`))),
    );
    expect(started.filter((what) => what === 'nothing was refused')).toHaveLength(1);
    expect(started.filter((what) => /^conflict: the turn .* is running/.test(what))).toHaveLength(19);
    const running = stage.turns.running(ANN, chat);
    expect(stage.ledger.holds({ status: 'open' })).toHaveLength(1);
    await stage.complete({ chatId: chat, id: running?.id as string });
    expect(stage.turns.running(ANN, chat)).toBeNull();
  });

  test('latest: the newest by start, without soft-deleted ones', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    expect(stage.turns.last(ANN, chat)).toBeNull();
    for (const request of ['r1', 'r2', 'r3']) {
      await stage.complete(await stage.running(chat, request));
      stage.clock.at += 1_000;
    }
    const last = () => stage.turns.last(ANN, chat)?.requestId;
    expect(last()).toBe('r3');
    await stage.turns.remove(ANN, { chatId: chat, turnId: stage.turns.last(ANN, chat)?.id as string });
    expect(last()).toBe('r2');
    expect(await stage.texts(chat)).toEqual(['ask r1', 'an answer', 'ask r2', 'an answer']);
    // What it cost stays spent.
    expect(stage.figures()).toEqual([0, 12]);
  });
});

describe('T4: the same request again', () => {
  test('replay: a completed request gives its stored answer, without side effects', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const done = await stage.complete(await stage.running(chat, 'r1'));
    const { sequence } = stage.ledger.head();
    const again = await stage.start(chat, 'r1', {
      text: 'another text',
      wish: { amounts: { usd: 99_000_000n } },
    });
    expect(again).toMatchObject({ started: 'before', turn: done.turn, messages: done.messages });
    expect(stage.ledger.head().sequence).toBe(sequence);
    expect(stage.states(chat)).toEqual(['completed completed']);
    // Also while another turn runs.
    await stage.running(chat, 'r2');
    expect((await stage.start(chat, 'r1')).started).toBe('before');
  });

  test('replay: any other state, or another turn running → conflict', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { id } = await stage.running(chat, 'r1');
    expect(await refused(() => stage.start(chat, 'r1'))).toMatch('which is running');
    expect(await refused(() => stage.start(chat, 'r2'))).toMatch(
      `conflict: the turn ${id} of this chat is running`,
    );
    await stage.turns.end(ANN, { chatId: chat, turnId: id }, 'cancelled', {});
    expect(await refused(() => stage.start(chat, 'r1'))).toMatch('which is cancelled');
  });

  test('retry: only the last turn, as a new one with a request id of its own; the old one is deleted', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const first = await stage.running(chat, 'r1', { systemText: 'be short' });
    const wish = { amounts: { usd: 10_000_000n } };
    const ref = (turnId: string) => ({ chatId: chat, turnId });
    expect(await refused(() => stage.turns.retry(ANN, ref(first.id), { requestId: 'r2', wish }))).toMatch(
      'is running',
    );
    await stage.complete(first);
    const second = await stage.turns.retry(ANN, ref(first.id), { requestId: 'r2', wish });
    if (second.started !== 'now') throw new Error('the retry did not start');
    expect(second.messages.map(({ role, text }) => `${role}: ${text}`)).toEqual([
      'system: be short',
      'user: ask r1',
    ]);
    expect(await refused(() => stage.turns.get(ANN, ref(first.id)))).toMatch('not_found');
    await stage.complete(second.turn, 'a better answer');
    const third = await stage.turns.edit(ANN, ref(second.turn.id), {
      requestId: 'r3',
      text: 'what I meant',
      wish,
    });
    if (third.started !== 'now') throw new Error('the edit did not start');
    await stage.complete(third.turn, 'yes');
    expect(await stage.texts(chat)).toEqual(['be short', 'what I meant', 'yes']);
    await stage.running(chat, 'r4');
    expect(
      await refused(() => stage.turns.edit(ANN, ref(third.turn.id), { requestId: 'r5', text: 'x', wish })),
    ).toMatch('conflict');
    // Each of them cost what it cost.
    expect(stage.figures()).toEqual([10, 12]);
  });

  test('retry: one that is denied leaves the turn as it was', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { turn } = await stage.complete(await stage.running(chat, 'r1'));
    const wish = { amounts: { usd: 99_000_000n } };
    const retried = await stage.turns.retry(
      ANN,
      { chatId: chat, turnId: turn.id },
      { requestId: 'r2', wish },
    );
    expect(retried.started).toBe('denied');
    expect(stage.turns.last(ANN, chat)?.id).toBe(turn.id);
    expect(await stage.texts(chat)).toEqual(['ask r1', 'an answer']);
  });
});

describe('T5: messages', () => {
  test('message: one of each role a request, with its token counters, and 0 for what is not stated', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { id } = await stage.running(chat, 'r1', { systemText: 'be short', webSearch: true });
    const usage = {
      inputTokens: 1,
      outputTokens: 2,
      cacheReadTokens: 3,
      cacheWriteTokens: 4,
      reasoningTokens: 5,
    };
    await stage.turns.end(ANN, { chatId: chat, turnId: id }, 'completed', {
      text: 'hello',
      usage,
      amounts: {},
    });
    const [system, user, assistant] = (await stage.turns.listMessages(ANN, chat, ALL)).rows;
    const none = {
      inputTokens: 0,
      outputTokens: 0,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 0,
    };
    expect(system).toMatchObject({ role: 'system', requestId: 'r1', webSearch: false, ...none });
    expect(user).toMatchObject({ role: 'user', requestId: 'r1', webSearch: true, ...none });
    expect(assistant).toMatchObject({ role: 'assistant', requestId: 'r1', webSearch: false, ...usage });
  });

  test('message: text comes back as it was said, and what cannot is refused', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const odd = '__proto__ "; DROP TABLE turns; -- 😀\u202e\r\n</goal>';
    await stage.complete(await stage.running(chat, 'r1', { text: odd }), odd);
    expect(await stage.texts(chat)).toEqual([odd, odd]);
    const start = (text: string) => refused(() => stage.start(chat, 'r2', { text }));
    expect(await start('a\0b')).toMatch('invalid_request: text: has a NUL');
    expect(await start('a\ud800b')).toMatch('invalid_request: text: has half a surrogate');
    expect(await start('x'.repeat(TEXT_BYTES_MAX + 1))).toMatch(`at most ${TEXT_BYTES_MAX} are kept`);
    expect(await refused(() => stage.start(chat, 'r'.repeat(129)))).toMatch('invalid_request: requestId');
    await stage.complete(await stage.running(chat, 'r2', { text: 'x'.repeat(TEXT_BYTES_MAX) }));
  });

  test('list: chats, turns and messages page by a cursor that rows which come or go do not shift', async () => {
    const stage = await ChatsStage.open();
    const chats: string[] = [];
    for (let index = 0; index < 5; index += 1) chats.push(await stage.chat());
    const page = (after: number) => stage.chats.list(ANN, {}, { after, max: 2 });
    const first = await page(0);
    await stage.chat();
    await stage.chats.remove(ANN, chats[3]);
    const second = await page(first.next as number);
    const third = await page(second.next as number);
    const seen = [first, second, third].flatMap(({ rows }) => rows.map(({ id }) => id));
    expect(seen).toEqual([chats[4], chats[3], chats[2], chats[1], chats[0]]);
    expect(third.next).toBeNull();
    for (const request of ['r1', 'r2', 'r3']) await stage.complete(await stage.running(chats[0], request));
    const turns = stage.turns.list(ANN, chats[0], { after: 0, max: 2 });
    const rest = stage.turns.list(ANN, chats[0], { after: turns.next as number, max: 2 });
    expect([...turns.rows, ...rest.rows].map(({ requestId }) => requestId)).toEqual(['r1', 'r2', 'r3']);
    const said = await stage.turns.listMessages(ANN, chats[0], { after: 0, max: 4 });
    const more = await stage.turns.listMessages(ANN, chats[0], { after: said.next as number, max: 4 });
    expect([said.rows.length, more.rows.length, more.next]).toEqual([4, 2, null]);
  });
});

describe('chats', () => {
  test('chat: title, model and mark are kept and can be changed; what it last did is shown', async () => {
    const stage = await ChatsStage.open();
    const { chats, clock } = stage;
    const born = clock.at;
    const made = await chats.create(ANN, { title: 'moons', model: 'large', temporary: true });
    expect(made).toMatchObject({ title: 'moons', model: 'large', isTemporary: true, updatedAt: born });
    await stage.chat();
    const listed = async (temporary?: boolean) =>
      (await chats.list(ANN, temporary === undefined ? {} : { temporary }, ALL)).rows.map(
        ({ title }) => title,
      );
    expect([await listed(), await listed(true), await listed(false)]).toEqual([
      [null, 'moons'],
      ['moons'],
      [null],
    ]);
    clock.at += 1_000;
    const changed = await chats.change(ANN, made.id, { title: 'two moons', temporary: false });
    expect(changed).toMatchObject({
      title: 'two moons',
      model: 'large',
      isTemporary: false,
      updatedAt: clock.at,
    });
    expect(await chats.get(ANN, made.id)).toEqual(changed);
    // Its turns ask for its model unless they state one, and keep what they stated.
    clock.at += 1_000;
    const first = await stage.running(made.id, 'r1');
    expect(first.terms.model).toBe('large');
    await stage.complete(first);
    const wish = { model: 'small', tier: 'standard', amounts: { usd: 1n } };
    const second = await stage.running(made.id, 'r2', { wish });
    expect(second.terms).toMatchObject({ model: 'small', tier: 'standard' });
    expect((await chats.get(ANN, made.id)).updatedAt).toBe(clock.at);
    const { rows } = await stage.turns.listMessages(ANN, made.id, ALL);
    expect(rows.map(({ id, model, responseId }) => [id, model, responseId])).toEqual([
      [`${first.id}-user`, 'large', null],
      [`${first.id}-assistant`, 'large', null],
      [`${second.id}-user`, 'small', null],
    ]);
    expect(await chats.change(ANN, made.id, { title: null, model: null })).toMatchObject({
      title: null,
      model: null,
    });
    expect(await refused(() => chats.change(ANN, made.id, { title: ' ' }))).toMatch('invalid_request: title');
    expect(await refused(() => chats.change(BEN, made.id, { title: 'mine' }))).toMatch('not_found');
    await stage.assertWhole();
  });

  test('delete: what was said in a chat or a turn is gone from the vault, and nothing else is', async () => {
    const stage = await ChatsStage.open();
    const [first, second] = [await stage.chat(), await stage.chat()];
    await stage.chats.change(ANN, first, { title: 'a title' });
    for (const chat of [first, second]) {
      await stage.complete(await stage.running(chat, 'r1', { text: `one of ${chat}` }), 'yes');
      await stage.complete(await stage.running(chat, 'r2', { text: `two of ${chat}` }), 'no');
    }
    await stage.turns.remove(ANN, { chatId: second, turnId: stage.turns.last(ANN, second)?.id as string });
    await stage.chats.remove(ANN, first);
    const kept = async () => [...(await stage.vault.get(await stage.vault.ids('chats/'))).values()];
    expect(await kept()).toEqual(['yes', `one of ${second}`]);
    // A retry takes the place of what it replaces, in the vault too.
    const { id } = stage.turns.last(ANN, second) as { id: string };
    const retried = await stage.turns.retry(
      ANN,
      { chatId: second, turnId: id },
      { requestId: 'r3', wish: { amounts: { usd: 1n } } },
    );
    expect(retried).toMatchObject({ started: 'now', turn: { replaces: id } });
    await stage.assertWhole();
    expect(await kept()).toEqual([`one of ${second}`]);
    // What it cost stays spent, and the journal has digests alone.
    expect(stage.figures()).toEqual([1e-6, 16]);
  });

  test('message: one whose text the vault lost is shown empty, and its turn cannot be retried', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { turn } = await stage.complete(await stage.running(chat, 'r1'));
    await stage.vault.delete(await stage.vault.ids('chats/'));
    expect(await stage.texts(chat)).toEqual(['', '']);
    const ref = { chatId: chat, turnId: turn.id };
    const wish = { amounts: { usd: 1n } };
    expect(await refused(() => stage.turns.retry(ANN, ref, { requestId: 'r2', wish }))).toMatch(
      'is no longer kept: edit the turn',
    );
    expect((await stage.turns.edit(ANN, ref, { requestId: 'r2', text: 'again', wish })).started).toBe('now');
  });
});

describe('T3: texts and their digests', () => {
  test('message: a text that was changed in the vault is refused wherever it would be given out, and never sent again', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { turn } = await stage.complete(await stage.running(chat, 'r1'));
    const [id] = (await stage.vault.ids('chats/')).filter((one) => one.endsWith('/user'));
    await stage.vault.put([{ id, body: 'Not what was said.' }]);
    const ref = { chatId: chat, turnId: turn.id };
    const wish = { amounts: { usd: 1n } };
    const altered = /^store_unavailable: a text in vault.db is not the one that the ledger names/;
    expect(await refused(() => stage.texts(chat))).toMatch(altered);
    expect(await refused(() => stage.turns.get(ANN, ref))).toMatch(altered);
    expect(await refused(() => stage.turns.retry(ANN, ref, { requestId: 'r2', wish }))).toMatch(altered);
  });
});

describe('T7: usage events', () => {
  test('usage: each hold of a turn yields exactly one usage event, with tenant, turn and request, and no text', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const ids: string[] = [];
    for (const end of ['completed', 'cancelled', 'failed_before', 'failed_at_provider'] as const) {
      const { id } = await stage.running(chat, end, { text: `secret question ${end}` });
      ids.push(id);
      const result = end === 'completed' ? { text: 'secret answer', amounts: { usd: 1n } } : {};
      await stage.turns.end(ANN, { chatId: chat, turnId: id }, end, result);
    }
    await stage.start(chat, 'denied', { wish: { amounts: { usd: 99_000_000n } } });
    const orphan = await stage.running(chat, 'orphan');
    stage.clock.at += 300_000;
    await stage.chats.watchdog.sweep(stage.clock.at);
    const events = await stage.events();
    const keyOf = ({ details }: (typeof events)[number]) => JSON.parse((details as { note: string }).note);
    const usage = events.filter(({ type }) => type === 'hold_settled').map(keyOf);
    expect(usage.map(({ tenant, turn, request }) => [tenant, turn, request])).toEqual([
      ['acme', ids[0], 'completed'],
      ['acme', ids[1], 'cancelled'],
      ['acme', ids[2], 'failed_before'],
      ['acme', ids[3], 'failed_at_provider'],
      ['acme', orphan.id, 'orphan'],
    ]);
    expect(events.filter(({ type }) => type === 'hold_authorized')).toHaveLength(5);
    expect(usage[0].text).toBe(sha256('secret answer'));
    expect(keyOf(events.find(({ type }) => type === 'hold_authorized') as never).text).toBe(
      sha256('secret question completed'),
    );
    expect(
      JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    ).not.toContain('secret');
  });
});

describe('T8: tenants apart', () => {
  test('tenant: another’s chats, turns and messages are not found, whatever is asked of them', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const turn = await stage.running(chat, 'r1');
    const ref = { chatId: chat, turnId: turn.id };
    const wish = { amounts: {} };
    const theirs = (await stage.chats.create(OTHER, { user: 'ann' })).id;
    for (const caller of [OTHER, BEN]) {
      for (const act of [
        () => stage.chats.get(caller, chat),
        () => stage.chats.remove(caller, chat),
        () => stage.start(chat, 'r1', {}, caller),
        () => stage.turns.get(caller, ref),
        () => stage.turns.list(caller, chat, ALL),
        () => stage.turns.listMessages(caller, chat, ALL),
        () => stage.turns.end(caller, ref, 'completed', { text: 'mine' }),
        () => stage.turns.progress(caller, ref),
        () => stage.turns.retry(caller, ref, { requestId: 'r2', wish }),
        () => stage.turns.edit(caller, ref, { requestId: 'r2', text: 'x', wish }),
        () => stage.turns.remove(caller, ref),
      ])
        expect(await refused(act)).toMatch(/^not_found: there is no chat/);
      // As one that never was.
      expect(await refused(() => stage.chats.get(caller, 'nothing'))).toMatch('not_found: there is no chat');
    }
    // A turn of another chat is not found in one's own.
    expect(await refused(() => stage.turns.get(OTHER, { chatId: theirs, turnId: turn.id }))).toMatch(
      'not_found: there is no turn',
    );
    expect((await stage.chats.list(OTHER, {}, ALL)).rows.map(({ id }) => id)).toEqual([theirs]);
    expect((await stage.turns.get(ANN, ref)).turn.state).toBe('running');
    expect(stage.figures()).toEqual([10, 0]);
  });

  test('tenant: a key without a user sees its tenant’s chats, one with a user that user’s alone', async () => {
    const stage = await ChatsStage.open();
    const anns = await stage.chat(ANN);
    const bens = await stage.chat(BEN);
    const { chats } = stage;
    const seen = async (caller: typeof ANN, asked = {}) =>
      (await chats.list(caller, asked, ALL)).rows.map(({ id }) => id);
    expect(await seen(ANN)).toEqual([anns]);
    expect(await seen(ACME)).toEqual([bens, anns]);
    expect(await seen(ACME, { user: 'ben' })).toEqual([bens]);
    expect(await seen(PLATFORM, { tenant: 'acme' })).toEqual([bens, anns]);
    expect(await seen(PLATFORM, { tenant: 'other' })).toEqual([]);
    expect(await refused(() => seen(ANN, { user: 'ben' }))).toMatch('label_forbidden');
    expect(await refused(() => seen(ACME, { tenant: 'other' }))).toMatch('label_forbidden');
    expect(await refused(() => chats.create(ANN, { user: 'ben' }))).toMatch('label_forbidden');
    expect(await refused(() => chats.create(ACME, {}))).toMatch('invalid_request: user');
    expect(await refused(() => chats.create(ACME, { user: '*' }))).toMatch('invalid_request: user: "*"');
    expect(await refused(() => chats.create(PLATFORM, { user: 'ann' }))).toMatch('invalid_request: tenant');
    // The platform's turns in a tenant's chat count as that tenant's user's.
    expect((await stage.start(anns, 'r1', {}, PLATFORM)).started).toBe('now');
    expect(stage.figures()).toEqual([10, 0]);
  });
});
