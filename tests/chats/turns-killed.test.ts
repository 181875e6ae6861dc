// Rules T2 and T6 when things go wrong: the process is killed between any two durable steps, with views.db kept and
// deleted, and ends come late, from the watchdog or from the caller. The files are real.

import { describe, expect, test } from 'vitest';
import { ANN, Crash, killedBeforeEachStep, refused } from '../files-setup.js';
import { Talk, TIMEOUT_MS } from './turns-setup.js';

const wish = { amounts: { usd: 10_000_000n } };

/** A stage with a chat, whose id is the first in the list. */
async function ready(prepare: (talk: Talk, chat: string) => Promise<unknown> = async () => undefined) {
  const talk = await Talk.open();
  await prepare(talk, await talk.chat());
  return talk;
}

async function chatOf(talk: Talk): Promise<string> {
  const [{ chat }] = await talk.read(ANN);
  return chat.id;
}

const lastOf = (talk: Talk, chat: string) => ({
  chatId: chat,
  turnId: talk.turns.last(ANN, chat)?.id as string,
});

/** What a step does to a chat with the turn r1, and how the turns and figures are without it and with it. */
interface Step {
  readonly what: string;
  readonly prepare?: (talk: Talk, chat: string) => Promise<unknown>;
  readonly act: (talk: Talk, chat: string) => Promise<unknown>;
  readonly without: string;
  readonly done: string;
  /** Durable steps, deletions of texts that nobody waits for left out. */
  readonly steps: number;
}

const running = (talk: Talk, chat: string) => talk.running(chat, 'r1', { systemText: 'be short' });
const completed = async (talk: Talk, chat: string) => talk.complete(await running(talk, chat));
const orphaned = async (talk: Talk, chat: string) => {
  await running(talk, chat);
  talk.clock.at += TIMEOUT_MS;
  await talk.chats.watchdog.sweep(talk.clock.at);
};

const STEPS: readonly Step[] = [
  {
    what: 'a start',
    act: running,
    without: '[] held 0 spent 0',
    done: '[r1 running null: be short, ask r1] held 10 spent 0',
    steps: 2,
  },
  {
    what: 'a completion',
    prepare: running,
    act: (talk, chat) => talk.complete({ chatId: chat, id: lastOf(talk, chat).turnId }),
    without: '[r1 running null: be short, ask r1] held 10 spent 0',
    done: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    steps: 2,
  },
  {
    what: 'a failure before the provider',
    prepare: running,
    act: (talk, chat) => talk.turns.end(ANN, lastOf(talk, chat), 'failed_before', {}),
    without: '[r1 running null: be short, ask r1] held 10 spent 0',
    done: '[r1 failed failed_before: be short, ask r1] held 0 spent 0',
    steps: 1,
  },
  {
    what: 'a retry',
    prepare: completed,
    act: (talk, chat) => talk.turns.retry(ANN, lastOf(talk, chat), { requestId: 'r2', wish }),
    without: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    done: '[r2 running null: be short, ask r1] held 10 spent 4',
    steps: 2,
  },
  {
    what: 'an edit',
    prepare: completed,
    act: (talk, chat) =>
      talk.turns.edit(ANN, lastOf(talk, chat), { requestId: 'r2', text: 'what I meant', wish }),
    without: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    done: '[r2 running null: be short, what I meant] held 10 spent 4',
    steps: 2,
  },
  {
    what: 'the watchdog’s end',
    prepare: running,
    act: async (talk) => {
      talk.clock.at += TIMEOUT_MS;
      await talk.chats.watchdog.sweep(talk.clock.at);
      // The watchdog logs what stops it.
      if (talk.faults.length > 0) throw new Crash(talk.faults.join());
    },
    // The next start finds it silent as well.
    without: '[r1 failed orphaned: be short, ask r1] held 0 spent 10',
    done: '[r1 failed orphaned: be short, ask r1] held 0 spent 10',
    steps: 1,
  },
  {
    what: 'a late completion',
    prepare: orphaned,
    act: (talk, chat) => talk.complete({ chatId: chat, id: lastOf(talk, chat).turnId }),
    without: '[r1 failed orphaned: be short, ask r1] held 0 spent 10',
    done: '[r1 failed orphaned: be short, ask r1, an answer] held 0 spent 4',
    steps: 2,
  },
  {
    what: 'the deletion of a turn',
    prepare: completed,
    act: (talk, chat) => talk.turns.remove(ANN, lastOf(talk, chat)),
    without: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    done: '[] held 0 spent 4',
    steps: 1,
  },
];

async function stateOf(talk: Talk, chat: string): Promise<string> {
  const turns = talk.turns.list(ANN, chat, { after: 0, max: 9 }).rows;
  const said = turns.length === 0 ? '' : `: ${(await talk.texts(chat)).join(', ')}`;
  const [held, spent] = talk.figures();
  const listed = turns.map(({ requestId, state, end }) => `${requestId} ${state} ${end}`);
  return `[${listed}${said}] held ${held} spent ${spent}`;
}

describe('T2: the process is killed between two durable steps', () => {
  test.each(STEPS)(
    'killed: before any step of $what → all of it is there or nothing, with views.db kept and deleted',
    async ({ prepare, act, without, done, steps }) => {
      const count = await killedBeforeEachStep({
        ready: () => ready(prepare),
        act: async (talk) => act(talk, await chatOf(talk)),
        check: async (talk, isDone) => {
          expect(await stateOf(talk, await chatOf(talk))).toBe(isDone ? done : without);
          await talk.assertWhole();
        },
      });
      expect(count).toBe(steps);
    },
  );

  test('killed: what was cut can be asked for again, with the same request id', async () => {
    await killedBeforeEachStep({
      ready: () => ready(),
      act: async (talk) => {
        const chat = await chatOf(talk);
        await talk.complete(await running(talk, chat));
      },
      check: async (talk) => {
        const chat = await chatOf(talk);
        const turn = talk.turns.running(ANN, chat) ?? talk.turns.last(ANN, chat);
        if (turn === null) await talk.complete(await running(talk, chat));
        else await talk.complete({ chatId: chat, id: turn.id });
        expect(talk.states(chat)).toEqual(['completed completed']);
        expect(talk.figures()).toEqual([0, 4]);
        expect((await talk.events()).filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
      },
    });
  });

  test('killed: while it shows progress → the hold is extended or not, the turn runs on', async () => {
    const step = 9 * 60_000;
    await killedBeforeEachStep({
      ready: async () => {
        const talk = await Talk.open({ turnTimeoutMs: 600_000, watchdogIntervalMs: 60_000 });
        await running(talk, await talk.chat());
        return talk;
      },
      act: async (talk) => {
        talk.clock.at += step;
        const chat = await chatOf(talk);
        await talk.turns.progress(ANN, lastOf(talk, chat));
        talk.clock.at += 5 * 60_000;
        await talk.turns.progress(ANN, lastOf(talk, chat));
      },
      check: async (talk, isDone) => {
        const turn = talk.turns.running(ANN, await chatOf(talk));
        expect(turn?.progressAt).toBeLessThanOrEqual(talk.clock.at);
        if (isDone) expect(turn?.progressAt).toBe(talk.clock.at);
        const hold = talk.ledger.hold(turn?.holdId as string);
        if (isDone) expect(hold?.expiresAt).toBeGreaterThan(talk.clock.at + 660_000);
        expect(hold?.status).toBe('open');
        await talk.assertWhole();
      },
    });
  });

  test.each([
    ['made', async (talk: Talk) => void (await talk.chats.create(ANN, { title: 'a new one' }))],
    [
      'renamed',
      async (talk: Talk, chat: string) => void (await talk.chats.change(ANN, chat, { title: 'b' })),
    ],
    ['deleted', (talk: Talk, chat: string) => talk.chats.remove(ANN, chat)],
  ])('killed: while a chat is %s → as before or as after', async (what, act) => {
    const count = await killedBeforeEachStep({
      ready: () =>
        ready(async (talk, chat) => {
          await talk.chats.change(ANN, chat, { title: 'a' });
          await completed(talk, chat);
        }),
      act: async (talk) => act(talk, await chatOf(talk)),
      check: async (talk, isDone) => {
        const titles = (await talk.read(ANN)).map(({ chat }) => chat.title);
        const after = { made: ['a new one', 'a'], renamed: ['b'], deleted: [] };
        // The texts go after the fact, so the last kill finds the chat gone already.
        const isGone = what === 'deleted' && titles.length === 0;
        const isRenamed = what === 'renamed' && titles[0] === 'b';
        expect(titles).toEqual(isDone || isGone || isRenamed ? after[what as keyof typeof after] : ['a']);
        await talk.assertWhole();
      },
    });
    expect(count).toBe(what === 'renamed' ? 3 : 2);
  });

  test('crash: a turn whose hold is over when Bursar comes back is orphaned, at what was held, by one usage event', async () => {
    const talk = await ready(running);
    const chat = await chatOf(talk);
    talk.clock.at += 3_600_000;
    await talk.restart();
    expect(talk.orphaned).toBe(1);
    expect(talk.states(chat)).toEqual(['failed orphaned']);
    expect(talk.figures()).toEqual([0, 10]);
    const types = (await talk.events())
      .map(({ type }) => type)
      .filter((type) => /expired|settled/.test(type));
    expect(types).toEqual(['hold_expired', 'hold_settled']);
  });
});

describe('T2: a hold that is no longer as the turn left it', () => {
  test('end: the hold has expired → settled late, once', async () => {
    const talk = await ready(running);
    const chat = await chatOf(talk);
    const { turnId } = lastOf(talk, chat);
    talk.clock.at += 2 * (TIMEOUT_MS + 60_000) + 1;
    const { turn } = await talk.complete({ chatId: chat, id: turnId });
    expect(turn).toMatchObject({ state: 'completed', charged: { usd: 4_000_000n } });
    expect(talk.ledger.hold(turn.holdId)).toMatchObject({ status: 'settled', late: true });
    expect(talk.figures()).toEqual([0, 4]);
  });

  test('end: somebody else ended the hold → the turn ends by its fact alone, at what the ledger charged', async () => {
    const talk = await ready(running);
    const chat = await chatOf(talk);
    const { turnId } = lastOf(talk, chat);
    const { holdId } = talk.turns.last(ANN, chat) as { holdId: string };
    await talk.ledger.settle({ holdId, amounts: { usd: 7_000_000n } });
    const { turn } = await talk.complete({ chatId: chat, id: turnId });
    expect(turn).toMatchObject({ state: 'completed', charged: { usd: 7_000_000n, calls: 1n } });
    expect(talk.figures()).toEqual([0, 7]);
    expect(talk.faults.join()).toMatch('could not be settled: hold_already_settled');
  });
});

describe('T6: the watchdog', () => {
  test('watchdog: a turn without progress for the time-out is ended, at its estimate; not a moment before', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    await talk.running(chat, 'r1');
    talk.clock.at += TIMEOUT_MS - 1;
    expect(await talk.chats.watchdog.sweep(talk.clock.at)).toBe(0);
    expect(talk.states(chat)).toEqual(['running null']);
    talk.clock.at += 1;
    expect(await talk.chats.watchdog.sweep(talk.clock.at)).toBe(1);
    expect(talk.states(chat)).toEqual(['failed orphaned']);
    expect(talk.figures()).toEqual([0, 10]);
    expect(await talk.chats.watchdog.sweep(talk.clock.at)).toBe(0);
  });

  test('watchdog: progress keeps it away, and the hold alive, however long the turn runs', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const { id, holdId } = await talk.running(chat, 'r1');
    for (let minutes = 0; minutes < 60; minutes += 4) {
      talk.clock.at += 240_000;
      await talk.turns.progress(ANN, { chatId: chat, turnId: id });
      expect(await talk.chats.watchdog.sweep(talk.clock.at)).toBe(0);
      expect(talk.ledger.hold(holdId)?.status).toBe('open');
    }
    await talk.complete({ chatId: chat, id });
    expect(talk.figures()).toEqual([0, 4]);
    expect(await refused(() => talk.turns.progress(ANN, { chatId: chat, turnId: id }))).toMatch('conflict');
  });

  test('watchdog: an end and a sweep at once → one of them ends the turn; progress keeps the sweep away', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const sweep = () => talk.chats.watchdog.sweep(talk.clock.at);
    const first = await talk.running(chat, 'r1');
    talk.clock.at += TIMEOUT_MS;
    const [finished, none] = await Promise.all([talk.complete(first), sweep()]);
    expect([finished.turn.state, none]).toEqual(['completed', 0]);
    // Found silent, and showing progress before the step that would end it.
    const alive = await talk.running(chat, 'r2');
    talk.clock.at += TIMEOUT_MS;
    const shown = talk.turns.progress(ANN, { chatId: chat, turnId: alive.id });
    expect((await Promise.all([sweep(), shown]))[0]).toBe(0);
    expect(talk.states(chat)).toEqual(['completed completed', 'running null']);
    expect(talk.figures()).toEqual([10, 4]);
  });

  test('late: a completion after the watchdog corrects the charge, once; the state stays what it was', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const late = await talk.running(chat, 'r1');
    talk.clock.at += TIMEOUT_MS;
    const [swept, ended] = await Promise.all([
      talk.chats.watchdog.sweep(talk.clock.at),
      talk.complete(late, 'it took long'),
    ]);
    expect(swept).toBe(1);
    const corrected = {
      state: 'failed',
      end: 'orphaned',
      isLate: true,
      charged: { usd: 4_000_000n, calls: 1n },
    };
    expect(ended).toMatchObject({ replayed: false, turn: corrected });
    expect(ended.messages.map(({ text }) => text)).toEqual(['ask r1', 'it took long']);
    expect(talk.figures()).toEqual([0, 4]);
    // Its exact repeat is answered as it was, and any other end is told.
    expect(await talk.complete(late, 'it took long')).toMatchObject({ replayed: true, turn: corrected });
    expect(await refused(() => talk.complete(late, 'it took long', 5_000_000n))).toBe(
      `conflict: the turn ${late.id} has ended already: orphaned`,
    );
    const events = await talk.events();
    expect(events.filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
    const [correction] = events.filter(({ type }) => type === 'hold_corrected');
    expect(JSON.parse(String(correction.details.note))).toMatchObject({ turn: late.id, late: true });
    // A retry of it is a turn of its own.
    expect(
      (await talk.turns.retry(ANN, { chatId: chat, turnId: late.id }, { requestId: 'r2', wish })).started,
    ).toBe('now');
  });

  test('late: an end that does not say what was used, or of a turn that ended otherwise, is told and changes nothing', async () => {
    const talk = await Talk.open();
    const chat = await talk.chat();
    const { id } = await talk.running(chat, 'r1');
    const ref = { chatId: chat, turnId: id };
    talk.clock.at += TIMEOUT_MS;
    await talk.chats.watchdog.sweep(talk.clock.at);
    expect(await refused(() => talk.turns.end(ANN, ref, 'completed', { text: 'hi' }))).toBe(
      `conflict: the turn ${id} has ended already: orphaned`,
    );
    expect(
      await refused(() => talk.turns.end(ANN, ref, 'completed', { text: 'hi', amounts: { tokens: 1n } })),
    ).toMatch('invalid_request: amounts.tokens: the turn holds none');
    expect(talk.figures()).toEqual([0, 10]);
    expect(await talk.texts(chat)).toEqual(['ask r1']);
    // Where it was never sent, nothing is charged.
    await talk.turns.end(ANN, ref, 'failed_before', {});
    expect(talk.figures()).toEqual([0, 0]);
    const cancelled = await talk.running(chat, 'r2');
    await talk.turns.end(ANN, { chatId: chat, turnId: cancelled.id }, 'cancelled', {});
    expect(await refused(() => talk.complete(cancelled))).toMatch('has ended already: cancelled');
    await talk.assertWhole();
  });

  test('watchdog: one at a time; hundreds of orphans end in one sweep, each settled once', async () => {
    const talk = await Talk.open();
    const chats = await Promise.all(Array.from({ length: 250 }, () => talk.chat()));
    const tiny = { wish: { amounts: { usd: 1_000n } } };
    await Promise.all(chats.map((chat) => talk.start(chat, 'r1', tiny)));
    talk.clock.at += TIMEOUT_MS;
    const sweeps = Array.from({ length: 5 }, () => talk.chats.watchdog.sweep(talk.clock.at));
    expect(new Set(sweeps).size).toBe(1);
    expect(await sweeps[0]).toBe(250);
    const settled = (await talk.events()).filter(({ type }) => type === 'hold_settled');
    expect(new Set(settled.map(({ holdId }) => holdId)).size).toBe(250);
    expect(settled).toHaveLength(250);
    expect(talk.faults).toEqual([]);
  });
});
