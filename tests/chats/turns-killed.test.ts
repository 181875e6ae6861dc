// Rules T2 and T6 when things go wrong: the process is killed between any two durable steps, with views.db kept and
// deleted, and ends come late, from the watchdog or from the caller. The files are real.

import { describe, expect, test } from 'vitest';
import { ANN, Crash, killedBeforeEachStep, refused } from '../setup/files-setup.js';
import { ChatsStage, TIMEOUT_MS } from './turns-setup.js';

const wish = { amounts: { usd: 10_000_000n } };

/** A stage with a chat, whose id is the first in the list. */
async function ready(prepare: (stage: ChatsStage, chat: string) => Promise<unknown> = async () => undefined) {
  const stage = await ChatsStage.open();
  await prepare(stage, await stage.chat());
  return stage;
}

async function chatOf(stage: ChatsStage): Promise<string> {
  const [{ chat }] = await stage.read(ANN);
  return chat.id;
}

const lastOf = (stage: ChatsStage, chat: string) => ({
  chatId: chat,
  turnId: stage.turns.last(ANN, chat)?.id as string,
});

/** What a step does to a chat with the turn r1, and how the turns and figures are without it and with it. */
interface Step {
  readonly what: string;
  readonly prepare?: (stage: ChatsStage, chat: string) => Promise<unknown>;
  readonly act: (stage: ChatsStage, chat: string) => Promise<unknown>;
  readonly without: string;
  readonly done: string;
  /** Durable steps, deletions of texts that nobody waits for left out. */
  readonly steps: number;
}

const running = (stage: ChatsStage, chat: string) => stage.running(chat, 'r1', { systemText: 'be short' });
const completed = async (stage: ChatsStage, chat: string) => stage.complete(await running(stage, chat));
const orphaned = async (stage: ChatsStage, chat: string) => {
  await running(stage, chat);
  stage.clock.at += TIMEOUT_MS;
  await stage.chats.watchdog.sweep(stage.clock.at);
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
    act: (stage, chat) => stage.complete({ chatId: chat, id: lastOf(stage, chat).turnId }),
    without: '[r1 running null: be short, ask r1] held 10 spent 0',
    done: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    steps: 2,
  },
  {
    what: 'a failure before the provider',
    prepare: running,
    act: (stage, chat) => stage.turns.end(ANN, lastOf(stage, chat), 'failed_before', {}),
    without: '[r1 running null: be short, ask r1] held 10 spent 0',
    done: '[r1 failed failed_before: be short, ask r1] held 0 spent 0',
    steps: 1,
  },
  {
    what: 'a retry',
    prepare: completed,
    act: (stage, chat) => stage.turns.retry(ANN, lastOf(stage, chat), { requestId: 'r2', wish }),
    without: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    done: '[r2 running null: be short, ask r1] held 10 spent 4',
    steps: 2,
  },
  {
    what: 'an edit',
    prepare: completed,
    act: (stage, chat) =>
      stage.turns.edit(ANN, lastOf(stage, chat), { requestId: 'r2', text: 'what I meant', wish }),
    without: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    done: '[r2 running null: be short, what I meant] held 10 spent 4',
    steps: 2,
  },
  {
    what: 'the watchdog’s end',
    prepare: running,
    act: async (stage) => {
      stage.clock.at += TIMEOUT_MS;
      await stage.chats.watchdog.sweep(stage.clock.at);
      // The watchdog logs what stops it.
      if (stage.faults.length > 0) throw new Crash(stage.faults.join());
    },
    // The next start finds it silent as well.
    without: '[r1 failed orphaned: be short, ask r1] held 0 spent 10',
    done: '[r1 failed orphaned: be short, ask r1] held 0 spent 10',
    steps: 1,
  },
  {
    what: 'a late completion',
    prepare: orphaned,
    act: (stage, chat) => stage.complete({ chatId: chat, id: lastOf(stage, chat).turnId }),
    without: '[r1 failed orphaned: be short, ask r1] held 0 spent 10',
    done: '[r1 failed orphaned: be short, ask r1, an answer] held 0 spent 4',
    steps: 2,
  },
  {
    what: 'the deletion of a turn',
    prepare: completed,
    act: (stage, chat) => stage.turns.remove(ANN, lastOf(stage, chat)),
    without: '[r1 completed completed: be short, ask r1, an answer] held 0 spent 4',
    done: '[] held 0 spent 4',
    steps: 1,
  },
];

async function stateOf(stage: ChatsStage, chat: string): Promise<string> {
  const turns = stage.turns.list(ANN, chat, { after: 0, max: 9 }).rows;
  const said = turns.length === 0 ? '' : `: ${(await stage.texts(chat)).join(', ')}`;
  const [held, spent] = stage.figures();
  const listed = turns.map(({ requestId, state, end }) => `${requestId} ${state} ${end}`);
  return `[${listed}${said}] held ${held} spent ${spent}`;
}

describe('T2: the process is killed between two durable steps', () => {
  test.each(STEPS)(
    'killed: before any step of $what → all of it is there or nothing, with views.db kept and deleted',
    async ({ prepare, act, without, done, steps }) => {
      const count = await killedBeforeEachStep({
        ready: () => ready(prepare),
        act: async (stage) => act(stage, await chatOf(stage)),
        check: async (stage, isDone) => {
          expect(await stateOf(stage, await chatOf(stage))).toBe(isDone ? done : without);
          await stage.assertWhole();
        },
      });
      expect(count).toBe(steps);
    },
  );

  test('killed: what was cut can be asked for again, with the same request id', async () => {
    await killedBeforeEachStep({
      ready: () => ready(),
      act: async (stage) => {
        const chat = await chatOf(stage);
        await stage.complete(await running(stage, chat));
      },
      check: async (stage) => {
        const chat = await chatOf(stage);
        const turn = stage.turns.running(ANN, chat) ?? stage.turns.last(ANN, chat);
        if (turn === null) await stage.complete(await running(stage, chat));
        else await stage.complete({ chatId: chat, id: turn.id });
        expect(stage.states(chat)).toEqual(['completed completed']);
        expect(stage.figures()).toEqual([0, 4]);
        expect((await stage.events()).filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
      },
    });
  });

  test('killed: while it shows progress → the hold is extended or not, the turn runs on', async () => {
    const step = 9 * 60_000;
    await killedBeforeEachStep({
      ready: async () => {
        const stage = await ChatsStage.open({ turnTimeoutMs: 600_000, watchdogIntervalMs: 60_000 });
        await running(stage, await stage.chat());
        return stage;
      },
      act: async (stage) => {
        stage.clock.at += step;
        const chat = await chatOf(stage);
        await stage.turns.progress(ANN, lastOf(stage, chat));
        stage.clock.at += 5 * 60_000;
        await stage.turns.progress(ANN, lastOf(stage, chat));
      },
      check: async (stage, isDone) => {
        const turn = stage.turns.running(ANN, await chatOf(stage));
        expect(turn?.progressAt).toBeLessThanOrEqual(stage.clock.at);
        if (isDone) expect(turn?.progressAt).toBe(stage.clock.at);
        const hold = stage.ledger.hold(turn?.holdId as string);
        if (isDone) expect(hold?.expiresAt).toBeGreaterThan(stage.clock.at + 660_000);
        expect(hold?.status).toBe('open');
        await stage.assertWhole();
      },
    });
  });

  test.each([
    ['made', async (stage: ChatsStage) => void (await stage.chats.create(ANN, { title: 'a new one' }))],
    [
      'renamed',
      async (stage: ChatsStage, chat: string) => void (await stage.chats.change(ANN, chat, { title: 'b' })),
    ],
    ['deleted', (stage: ChatsStage, chat: string) => stage.chats.remove(ANN, chat)],
  ])('killed: while a chat is %s → as before or as after', async (what, act) => {
    const count = await killedBeforeEachStep({
      ready: () =>
        ready(async (stage, chat) => {
          await stage.chats.change(ANN, chat, { title: 'a' });
          await completed(stage, chat);
        }),
      act: async (stage) => act(stage, await chatOf(stage)),
      check: async (stage, isDone) => {
        const titles = (await stage.read(ANN)).map(({ chat }) => chat.title);
        const after = { made: ['a new one', 'a'], renamed: ['b'], deleted: [] };
        // The texts go after the fact, so the last kill finds the chat gone already.
        const isGone = what === 'deleted' && titles.length === 0;
        const isRenamed = what === 'renamed' && titles[0] === 'b';
        expect(titles).toEqual(isDone || isGone || isRenamed ? after[what as keyof typeof after] : ['a']);
        await stage.assertWhole();
      },
    });
    expect(count).toBe(what === 'renamed' ? 3 : 2);
  });

  test('crash: a turn whose hold is over when Bursar comes back is orphaned, at what was held, by one usage event', async () => {
    const stage = await ready(running);
    const chat = await chatOf(stage);
    stage.clock.at += 3_600_000;
    await stage.restart();
    expect(stage.orphaned).toBe(1);
    expect(stage.states(chat)).toEqual(['failed orphaned']);
    expect(stage.figures()).toEqual([0, 10]);
    const types = (await stage.events())
      .map(({ type }) => type)
      .filter((type) => /expired|settled/.test(type));
    expect(types).toEqual(['hold_expired', 'hold_settled']);
  });
});

describe('T2: a hold that is no longer as the turn left it', () => {
  test('end: the hold has expired → settled late, once', async () => {
    const stage = await ready(running);
    const chat = await chatOf(stage);
    const { turnId } = lastOf(stage, chat);
    stage.clock.at += 2 * (TIMEOUT_MS + 60_000) + 1;
    const { turn } = await stage.complete({ chatId: chat, id: turnId });
    expect(turn).toMatchObject({ state: 'completed', charged: { usd: 4_000_000n } });
    expect(stage.ledger.hold(turn.holdId)).toMatchObject({ status: 'settled', late: true });
    expect(stage.figures()).toEqual([0, 4]);
  });

  test('end: somebody else ended the hold → the turn ends by its fact alone, at what the ledger charged', async () => {
    const stage = await ready(running);
    const chat = await chatOf(stage);
    const { turnId } = lastOf(stage, chat);
    const { holdId } = stage.turns.last(ANN, chat) as { holdId: string };
    await stage.ledger.settle({ holdId, amounts: { usd: 7_000_000n } });
    const { turn } = await stage.complete({ chatId: chat, id: turnId });
    expect(turn).toMatchObject({ state: 'completed', charged: { usd: 7_000_000n, calls: 1n } });
    expect(stage.figures()).toEqual([0, 7]);
    expect(stage.faults.join()).toMatch('could not be settled: hold_already_settled');
  });
});

describe('T6: the watchdog', () => {
  test('watchdog: a turn without progress for the time-out is ended, at its estimate; not a moment before', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    await stage.running(chat, 'r1');
    stage.clock.at += TIMEOUT_MS - 1;
    expect(await stage.chats.watchdog.sweep(stage.clock.at)).toBe(0);
    expect(stage.states(chat)).toEqual(['running null']);
    stage.clock.at += 1;
    expect(await stage.chats.watchdog.sweep(stage.clock.at)).toBe(1);
    expect(stage.states(chat)).toEqual(['failed orphaned']);
    expect(stage.figures()).toEqual([0, 10]);
    expect(await stage.chats.watchdog.sweep(stage.clock.at)).toBe(0);
  });

  test('watchdog: progress keeps it away, and the hold alive, however long the turn runs', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { id, holdId } = await stage.running(chat, 'r1');
    for (let minutes = 0; minutes < 60; minutes += 4) {
      stage.clock.at += 240_000;
      await stage.turns.progress(ANN, { chatId: chat, turnId: id });
      expect(await stage.chats.watchdog.sweep(stage.clock.at)).toBe(0);
      expect(stage.ledger.hold(holdId)?.status).toBe('open');
    }
    await stage.complete({ chatId: chat, id });
    expect(stage.figures()).toEqual([0, 4]);
    expect(await refused(() => stage.turns.progress(ANN, { chatId: chat, turnId: id }))).toMatch('conflict');
  });

  test('watchdog: an end and a sweep at once → one of them ends the turn; progress keeps the sweep away', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const sweep = () => stage.chats.watchdog.sweep(stage.clock.at);
    const first = await stage.running(chat, 'r1');
    stage.clock.at += TIMEOUT_MS;
    const [finished, none] = await Promise.all([stage.complete(first), sweep()]);
    expect([finished.turn.state, none]).toEqual(['completed', 0]);
    // Found silent, and showing progress before the step that would end it.
    const alive = await stage.running(chat, 'r2');
    stage.clock.at += TIMEOUT_MS;
    const shown = stage.turns.progress(ANN, { chatId: chat, turnId: alive.id });
    expect((await Promise.all([sweep(), shown]))[0]).toBe(0);
    expect(stage.states(chat)).toEqual(['completed completed', 'running null']);
    expect(stage.figures()).toEqual([10, 4]);
  });

  test('late: a completion after the watchdog corrects the charge, once; the state stays what it was', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const late = await stage.running(chat, 'r1');
    stage.clock.at += TIMEOUT_MS;
    const [swept, ended] = await Promise.all([
      stage.chats.watchdog.sweep(stage.clock.at),
      stage.complete(late, 'it took long'),
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
    expect(stage.figures()).toEqual([0, 4]);
    // Its exact repeat is answered as it was, and any other end is told.
    expect(await stage.complete(late, 'it took long')).toMatchObject({ replayed: true, turn: corrected });
    expect(await refused(() => stage.complete(late, 'it took long', 5_000_000n))).toBe(
      `conflict: the turn ${late.id} has ended already: orphaned`,
    );
    const events = await stage.events();
    expect(events.filter(({ type }) => type === 'hold_settled')).toHaveLength(1);
    const [correction] = events.filter(({ type }) => type === 'hold_corrected');
    expect(JSON.parse(String(correction.details.note))).toMatchObject({ turn: late.id, late: true });
    // A retry of it is a turn of its own.
    expect(
      (await stage.turns.retry(ANN, { chatId: chat, turnId: late.id }, { requestId: 'r2', wish })).started,
    ).toBe('now');
  });

  test('late: an end that does not say what was used, or of a turn that ended otherwise, is told and changes nothing', async () => {
    const stage = await ChatsStage.open();
    const chat = await stage.chat();
    const { id } = await stage.running(chat, 'r1');
    const ref = { chatId: chat, turnId: id };
    stage.clock.at += TIMEOUT_MS;
    await stage.chats.watchdog.sweep(stage.clock.at);
    expect(await refused(() => stage.turns.end(ANN, ref, 'completed', { text: 'hi' }))).toBe(
      `conflict: the turn ${id} has ended already: orphaned`,
    );
    expect(
      await refused(() => stage.turns.end(ANN, ref, 'completed', { text: 'hi', amounts: { tokens: 1n } })),
    ).toMatch('invalid_request: amounts.tokens: the turn holds none');
    expect(stage.figures()).toEqual([0, 10]);
    expect(await stage.texts(chat)).toEqual(['ask r1']);
    // Where it was never sent, nothing is charged.
    await stage.turns.end(ANN, ref, 'failed_before', {});
    expect(stage.figures()).toEqual([0, 0]);
    const cancelled = await stage.running(chat, 'r2');
    await stage.turns.end(ANN, { chatId: chat, turnId: cancelled.id }, 'cancelled', {});
    expect(await refused(() => stage.complete(cancelled))).toMatch('has ended already: cancelled');
    await stage.assertWhole();
  });

  test('watchdog: one at a time; hundreds of orphans end in one sweep, each settled once', async () => {
    const stage = await ChatsStage.open();
    const chats = await Promise.all(Array.from({ length: 250 }, () => stage.chat()));
    const tiny = { wish: { amounts: { usd: 1_000n } } };
    await Promise.all(chats.map((chat) => stage.start(chat, 'r1', tiny)));
    stage.clock.at += TIMEOUT_MS;
    const sweeps = Array.from({ length: 5 }, () => stage.chats.watchdog.sweep(stage.clock.at));
    expect(new Set(sweeps).size).toBe(1);
    expect(await sweeps[0]).toBe(250);
    const settled = (await stage.events()).filter(({ type }) => type === 'hold_settled');
    expect(new Set(settled.map(({ holdId }) => holdId)).size).toBe(250);
    expect(settled).toHaveLength(250);
    expect(stage.faults).toEqual([]);
  });
});
