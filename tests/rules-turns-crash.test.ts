// Rules T2 and T6 when things go wrong: a crash between any two steps of a turn, and the watchdog against ends that come
// late. The files are real, and are opened again as after a crash.

import { describe, expect, test } from 'vitest';
import type { TurnStep } from '#bursar/chats/turn-parts.js';
import { ANN, crashes, refused } from './files-setup.js';
import { Talk, TIMEOUT_MS } from './turns-setup.js';

const wish = { amounts: { usd: 10_000_000n } };

describe('T2: a crash between two steps', () => {
  test('crash: before the ledger holds → the turn never was, and the request can be asked again', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    talk.stopAt = 'turn_intended';
    await crashes(talk.start(chat, 'r1'));
    expect(await talk.restart()).toEqual({ forgotten: 1, resumed: 0, ended: 0 });
    expect(talk.figures()).toEqual([0, 0]);
    expect(talk.texts(chat)).toEqual([]);
    await talk.complete(await talk.running(chat, 'r1'));
    expect(talk.figures()).toEqual([0, 4]);
  });

  test('crash: after the ledger holds → the turn runs, with its terms, and its caller can end it', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    talk.stopAt = 'turn_held';
    await crashes(talk.start(chat, 'r1'));
    expect(talk.turns.running(ANN, chat)).toBeNull();
    expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 1, ended: 0 });
    const turn = talk.turns.running(ANN, chat);
    expect(turn).toMatchObject({ requestId: 'r1', terms: { held: { usd: 10_000_000n, calls: 1n } } });
    const [authorized] = (await talk.events()).filter(({ type }) => type === 'hold_authorized');
    expect(turn?.terms?.decisionId).toBe(`dec-${authorized.sequence}`);
    await talk.complete({ chatId: chat, id: turn?.id as string });
    expect(talk.figures()).toEqual([0, 4]);
  });

  test.each<[TurnStep]>([['turn_ending'], ['turn_settled']])(
    'crash: at %s → the end that was decided is carried out, once',
    async (step) => {
      const talk = await Talk.open();
      const chat = await talk.chat();
      const turn = await talk.running(chat, 'r1');
      talk.stopAt = step;
      await crashes(talk.complete(turn));
      // Not ended for anybody until it is settled.
      expect(talk.states(chat)).toEqual(['running null']);
      expect(talk.texts(chat)).toEqual(['ask r1']);
      expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 0, ended: 1 });
      expect(talk.states(chat)).toEqual(['completed completed']);
      expect(talk.texts(chat)).toEqual(['ask r1', 'an answer']);
      expect(talk.figures()).toEqual([0, 4]);
      expect((await talk.complete(turn)).replayed).toBe(true);
      expect((await talk.complete(turn)).turn.charged?.usd).toBe(4_000_000n);
      expect((await talk.events()).filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
      expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 0, ended: 0 });
    },
  );

  test('crash: without a restart, the caller’s repeat or the watchdog carries the decided end out', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    for (const [request, finish] of [
      ['r1', (turn: never) => talk.complete(turn)],
      ['r2', () => talk.conversations.watchdog.sweep(talk.clock.at)],
    ] as const) {
      const turn = await talk.running(chat, request);
      talk.stopAt = 'turn_ending';
      await crashes(talk.complete(turn));
      // Another end comes too late, though the turn is not settled yet.
      const ref = { chatId: chat, turnId: turn.id };
      expect(await refused(() => talk.turns.end(ANN, ref, 'cancelled', {}))).toMatch(
        'has ended already: completed',
      );
      await finish(turn as never);
      expect(talk.turns.get(ANN, ref).turn).toMatchObject({
        state: 'completed',
        charged: { usd: 4_000_000n },
      });
    }
    expect(talk.figures()).toEqual([0, 8]);
  });

  test('crash: the ledger is asked nothing that is not on disk in service.db, neither by the caller nor the watchdog', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const { toDisk } = talk;
    let takes = () => {};
    const holdUp = () => {
      const free = new Promise<void>((resolve) => {
        takes = resolve;
      });
      talk.toDisk = (file) => free.then(() => toDisk(file));
    };
    const settled = async () => {
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    holdUp();
    const starting = talk.running(chat, 'r1');
    await settled();
    expect(talk.figures()).toEqual([0, 0]);
    takes();
    const turn = await starting;
    expect(talk.figures()).toEqual([10, 0]);
    holdUp();
    const ending = talk.complete(turn);
    await settled();
    // Its end is decided, for everybody to see, and the watchdog would carry it out.
    const sweeping = talk.conversations.watchdog.sweep(talk.clock.at);
    await settled();
    expect(talk.figures()).toEqual([10, 0]);
    takes();
    expect((await ending).turn.state).toBe('completed');
    await sweeping;
    expect(talk.figures()).toEqual([0, 4]);
    expect((await talk.events()).filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
  });

  test.each<[TurnStep, string]>([
    ['turn_intended', 'the one before stays'],
    ['turn_held', 'the one before is gone'],
  ])('crash: at %s of a retry → %s', async (step, what) => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const { turn } = await talk.complete(await talk.running(chat, 'r1'));
    talk.stopAt = step;
    await crashes(talk.turns.retry(ANN, { chatId: chat, turnId: turn.id }, { requestId: 'r2', wish }));
    await talk.restart();
    const isHeld = what.endsWith('gone');
    expect(talk.states(chat)).toEqual([isHeld ? 'running null' : 'completed completed']);
    expect(talk.turns.last(ANN, chat)?.requestId).toBe(isHeld ? 'r2' : 'r1');
    expect(talk.figures()).toEqual([isHeld ? 10 : 0, 4]);
  });

  test('crash: a turn whose hold is over when Bursar comes back is orphaned, at what was held, by one usage event', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    await talk.running(chat, 'r1');
    talk.clock.at += 3_600_000;
    expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 0, ended: 1 });
    expect(talk.states(chat)).toEqual(['failed orphaned']);
    expect(talk.figures()).toEqual([0, 10]);
    const types = (await talk.events())
      .map(({ type }) => type)
      .filter((type) => /expired|settled/.test(type));
    expect(types).toEqual(['hold_expired', 'hold_settled']);
  });
});

describe('T6: the watchdog', () => {
  test('watchdog: a turn without progress for the time-out is ended, at its estimate; not a moment before', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    await talk.running(chat, 'r1');
    talk.clock.at += TIMEOUT_MS - 1;
    expect(await talk.conversations.watchdog.sweep(talk.clock.at)).toBe(0);
    expect(talk.states(chat)).toEqual(['running null']);
    talk.clock.at += 1;
    expect(await talk.conversations.watchdog.sweep(talk.clock.at)).toBe(1);
    expect(talk.states(chat)).toEqual(['failed orphaned']);
    expect(talk.figures()).toEqual([0, 10]);
    expect(await talk.conversations.watchdog.sweep(talk.clock.at)).toBe(0);
  });

  test('watchdog: progress keeps it away, and the hold alive, however long the turn runs', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const { id, holdId } = await talk.running(chat, 'r1');
    for (let minutes = 0; minutes < 60; minutes += 4) {
      talk.clock.at += 240_000;
      await talk.turns.progress(ANN, { chatId: chat, turnId: id });
      expect(await talk.conversations.watchdog.sweep(talk.clock.at)).toBe(0);
      expect(talk.ledger.hold(holdId)?.status).toBe('open');
    }
    await talk.complete({ chatId: chat, id });
    expect(talk.figures()).toEqual([0, 4]);
    expect(await refused(() => talk.turns.progress(ANN, { chatId: chat, turnId: id }))).toMatch('conflict');
  });

  test('watchdog: a finish that comes late is told, one that comes first is left alone, in both orders at once', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const sweep = () => talk.conversations.watchdog.sweep(talk.clock.at);
    const late = await talk.running(chat, 'r1');
    talk.clock.at += TIMEOUT_MS;
    const [swept, told] = await Promise.all([sweep(), refused(() => talk.complete(late))]);
    expect([swept, told]).toEqual([1, `conflict: the turn ${late.id} has ended already: orphaned`]);
    const first = await talk.running(chat, 'r2');
    talk.clock.at += TIMEOUT_MS;
    const [finished, none] = await Promise.all([talk.complete(first), sweep()]);
    expect([finished.turn.state, none]).toEqual(['completed', 0]);
    // Found silent, and showing progress before the step that would end it.
    const alive = await talk.running(chat, 'r3');
    talk.clock.at += TIMEOUT_MS;
    const shown = talk.turns.progress(ANN, { chatId: chat, turnId: alive.id });
    expect((await Promise.all([sweep(), shown]))[0]).toBe(0);
    expect(talk.states(chat)).toEqual(['failed orphaned', 'completed completed', 'running null']);
    expect(talk.figures()).toEqual([10, 14]);
  });

  test('watchdog: one at a time; hundreds of orphans end in one sweep, each settled once', async () => {
    const talk = await Talk.open();
    const chats = await Promise.all(Array.from({ length: 250 }, () => talk.chat()));
    const tiny = { wish: { amounts: { usd: 1_000n } } };
    await Promise.all(chats.map((chat) => talk.start(chat, 'r1', tiny)));
    talk.clock.at += TIMEOUT_MS;
    const sweeps = Array.from({ length: 5 }, () => talk.conversations.watchdog.sweep(talk.clock.at));
    expect(new Set(sweeps).size).toBe(1);
    expect(await sweeps[0]).toBe(250);
    const settled = (await talk.events()).filter(({ type }) => type === 'hold_settled');
    expect(new Set(settled.map(({ holdId }) => holdId)).size).toBe(250);
    expect(settled).toHaveLength(250);
    expect(talk.faults).toEqual([]);
  });
});
