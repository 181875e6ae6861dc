// Goals by their rules, G1–G4, over real files: states, one active a owner, usage, budgets, and kills between two steps.

import { describe, expect, test } from 'vitest';
import { promptBlock, TEXT_LENGTH_DEFAULT } from '#bursar/goals/goal.js';
import { goalHeaders } from '#bursar/goals/goal-headers.js';
import { OPEN_GOALS_MAX } from '#bursar/goals/goals.js';
import { ACME, ANN, BEN, killedBeforeEachStep, OTHER, PLATFORM, refused } from './files-setup.js';
import { Desk } from './goals-setup.js';
import { expectSameAfterRebuild } from './views/rebuilt.js';

describe('G1', () => {
  const CHANGES = ['pause', 'resume', 'complete', 'clear'] as const;
  /** What each change makes of a goal in each state; null: refused. */
  const TABLE = {
    active: { pause: 'paused', resume: 'active', complete: 'completed', clear: 'cleared' },
    paused: { pause: 'paused', resume: 'active', complete: null, clear: 'cleared' },
    completed: { pause: null, resume: null, complete: 'completed', clear: null },
    cleared: { pause: null, resume: null, complete: null, clear: 'cleared' },
  } as const;
  const WAY = { active: [], paused: ['pause'], completed: ['complete'], cleared: ['clear'] } as const;

  test('goal: active → paused, completed, cleared; paused → active, cleared; the last two are final', async () => {
    const desk = await Desk.open();
    for (const from of ['active', 'paused', 'completed', 'cleared'] as const)
      for (const change of CHANGES) {
        const { id } = await desk.create(`${from} ${change}`);
        for (const step of WAY[from]) await desk.goals[step](ANN, id);
        const wanted = TABLE[from][change];
        const told = await refused(() => desk.goals[change](ANN, id));
        expect(`${from} ${change}: ${told.split(':')[0]}`).toBe(
          `${from} ${change}: ${wanted === null ? 'conflict' : 'nothing was refused'}`,
        );
        expect((await desk.goals.get(ANN, id)).state).toBe(wanted ?? from);
      }
  });

  test('goal: creating one pauses the one before, in the same step', async () => {
    const desk = await Desk.open();
    const first = await desk.create('first');
    const second = await desk.create('second', { tokenBudget: 500n });
    expect(await desk.states()).toEqual(['first paused', 'second active']);
    expect(await desk.goals.active(ANN, {})).toEqual(second);
    const [paused, begun] = (await desk.events()).slice(-2);
    expect([paused.type, paused.details.values]).toEqual([
      'budget_status_set',
      { tenant: 'acme', goal: first.id },
    ]);
    expect([begun.type, begun.details.limit, begun.at]).toEqual(['balance_limit_set', 500n, paused.at]);
    await desk.goals.resume(ANN, first.id);
    expect(await desk.states()).toEqual(['first active', 'second paused']);
  });

  test('goal: of an owner at most one is active, however many are created, resumed and ended at once', async () => {
    const desk = await Desk.open();
    const old = await Promise.all(['a', 'b', 'c'].map((text) => desk.create(text)));
    await Promise.allSettled([
      ...old.map(({ id }) => desk.goals.resume(ANN, id)),
      ...Array.from({ length: 20 }, (_, index) => desk.create(`new ${index}`)),
      ...old.map(({ id }) => desk.goals.resume(ANN, id)),
      desk.create('of ben', {}, BEN),
      desk.goals.complete(ANN, old[0].id),
      desk.goals.clear(ANN, old[0].id),
    ]);
    const states = await desk.states();
    expect(states).toHaveLength(24);
    expect(states.filter((state) => /completed|cleared/.test(state))).toHaveLength(1);
    expect(states).toContain('of ben active');
    // Not at the end alone: at no point of the journal were two of ann's active.
    const ofBen = (await desk.goals.active(BEN, {}))?.id;
    const active = new Set<unknown>();
    let most = 0;
    for (const { type, details } of await desk.events()) {
      const { goal } = (details.values ?? {}) as { goal?: string };
      if (goal === undefined || goal === ofBen) continue;
      if (type === 'balance_limit_set' || details.status === 'active') active.add(goal);
      else if (type === 'budget_status_set') active.delete(goal);
      most = Math.max(most, active.size);
    }
    expect(most).toBe(1);
  });

  test('goal: of two ends at once exactly one wins, and the other is told', async () => {
    const desk = await Desk.open();
    const { id } = await desk.create('reach it');
    const told = await Promise.all([
      refused(() => desk.goals.clear(ANN, id)),
      refused(() => desk.goals.complete(ANN, id)),
    ]);
    expect(told.sort()).toEqual(['conflict: the goal is cleared: that is final', 'nothing was refused']);
  });

  test('goal: a text is at most 400 characters unless configured, and cannot end the block that wraps it', async () => {
    const desk = await Desk.open();
    const told = (text: string) => refused(() => desk.create(text));
    expect(TEXT_LENGTH_DEFAULT).toBe(400);
    expect(await told('x'.repeat(400))).toBe('nothing was refused');
    expect(await told('x'.repeat(401))).toContain('401 characters; at most 400');
    desk.settings = { textLengthMax: 500 };
    expect(await told('x'.repeat(401))).toBe('nothing was refused');
    for (const tag of ['</goal>', '</GOAL >', '< / goal>', '</go\nal>', '＜／goal＞', '</goal\tx>'])
      expect(`${tag} ${await told(`a ${tag} b`)}`).toContain('invalid_request: text:');
    for (const bad of ['', ' a', 'a\0b', 'a\u202eb', '\ud800'])
      expect(await told(bad)).toContain('invalid_request: text:');
    expect(await told('two\nlines of <goal> and a </b> tag')).toBe('nothing was refused');
  });

  test('goal: a key that fixes a user sees and names that user’s alone; another tenant’s is not found', async () => {
    const desk = await Desk.open();
    const { id } = await desk.create('of ann');
    for (const caller of [BEN, OTHER]) {
      const acts = ['get', 'pause', 'resume', 'complete', 'clear'] as const;
      for (const act of acts)
        expect(await refused(() => desk.goals[act](caller, id))).toBe(`not_found: there is no goal "${id}"`);
      expect(await refused(() => desk.note({ id }, 1n, undefined, caller))).toContain('not_found');
      expect(await refused(() => desk.goals.assertUsable(caller, { goal: id }))).toContain('not_found');
      expect(await refused(() => desk.goals.assertUsable(caller, { goal: 'ship it' }))).toBe(
        'nothing was refused',
      );
      expect(await desk.states(caller)).toEqual([]);
    }
    expect(await refused(() => desk.create('x', { owner: 'ann' }, BEN))).toContain('label_forbidden');
    expect(await refused(() => desk.create('x', { tenant: 'acme', owner: 'ann' }, OTHER))).toContain(
      'label_forbidden',
    );
    expect(await refused(() => desk.create('x', {}, ACME))).toContain('owner: is required');
    expect(await refused(() => desk.create('x', { owner: 'ann' }, PLATFORM))).toContain(
      'together with tenant',
    );
    const other = await desk.create('of a session', { tenant: 'other', owner: 'session-1' }, PLATFORM);
    expect(await desk.states(OTHER)).toEqual(['of a session active']);
    expect(await desk.states(ACME)).toEqual(['of ann active']);
    expect((await desk.goals.active(OTHER, { owner: 'session-1' }))?.id).toBe(other.id);
    expect(await desk.goals.active(OTHER, { owner: 'session-2' })).toBeNull();
  });

  test('goal: the same Idempotency-Key gives the same goal again, and with another text is refused', async () => {
    const desk = await Desk.open();
    const both = await Promise.all([
      desk.create('once', { requestKey: 'k1' }),
      desk.create('once', { requestKey: 'k1' }),
    ]);
    expect(both[0]).toEqual(both[1]);
    expect(await desk.states()).toEqual(['once active']);
    expect(await refused(() => desk.create('twice', { requestKey: 'k1' }))).toContain(
      'idempotency_key_reused',
    );
  });

  test('goal: an owner has at most 100 open ones', async () => {
    const desk = await Desk.open();
    for (let count = 0; count < OPEN_GOALS_MAX; count += 1) await desk.create(`goal ${count}`);
    expect(await refused(() => desk.create('one more'))).toContain('conflict: the owner has 100 open goals');
    expect(await refused(() => desk.create('of ben', {}, BEN))).toBe('nothing was refused');
  });

  test('goal: a creation that is killed between any two steps → the new goal is there and the one before is paused, or neither', async () => {
    const steps = await killedBeforeEachStep({
      ready: async () => {
        const desk = await Desk.open();
        await desk.create('first');
        return desk;
      },
      act: (desk) => desk.create('second', { tokenBudget: 70n, requestKey: 'k' }),
      check: async (desk, isDone) => {
        expect(await desk.states()).toEqual(isDone ? ['first paused', 'second active'] : ['first active']);
        const again = await desk.create('second', { tokenBudget: 70n, requestKey: 'k' });
        expect([again.tokenBudget, await desk.states()]).toEqual([70n, ['first paused', 'second active']]);
      },
    });
    expect(steps).toBe(2);
  });

  test.each(['complete', 'clear', 'pause'] as const)(
    'goal: a %s that is killed between any two steps → the goal and its calls agree after the restart',
    async (change) => {
      const states = { complete: 'completed', clear: 'cleared', pause: 'paused' } as const;
      const steps = await killedBeforeEachStep({
        ready: async () => {
          const desk = await Desk.open();
          await desk.create('reach it');
          return desk;
        },
        act: async (desk) => desk.goals[change](ANN, (await desk.only()).id),
        check: async (desk, isDone) => {
          const { id, state } = await desk.only();
          expect(state).toBe(isDone ? states[change] : 'active');
          const labels = { tenant: 'acme', goal: id };
          const { outcome } = await desk.ledger.authorize({ holdId: 'h', labels, amounts: { tokens: 1n } });
          expect(outcome).toBe(isDone ? 'denied' : 'authorized');
        },
      });
      expect(steps).toBe(1);
    },
  );

  test('goal: after a story of goals, views.db is deleted → the same goals, pages and repeats', async () => {
    const desk = await Desk.open();
    const first = await desk.create('first', { tokenBudget: 500n, requestKey: 'k1' });
    const second = await desk.create('second\nline');
    await desk.goals.resume(ANN, first.id);
    await desk.note(first, 30n, 'turn-1');
    await desk.goals.setBudget(ANN, first.id, 400n);
    await desk.goals.clear(ANN, second.id);
    await desk.create('of ben', {}, BEN);
    await expectSameAfterRebuild({
      viewsPath: desk.viewsPath,
      read: async () => [
        await desk.goals.list(ACME, {}, { before: null, max: 2 }),
        await desk.goals.list(ANN, {}, { before: 2, max: 2 }),
        await desk.goals.active(ANN, {}),
      ],
      close: () => desk.close(),
      open: () => desk.open(),
    });
    expect((await desk.create('first', { tokenBudget: 500n, requestKey: 'k1' })).id).toBe(first.id);
  });
});

describe('G2', () => {
  test('usage: counts only while the goal is active; a goal that is not says so, and nothing is recorded', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it');
    expect(await desk.note(goal, 30n)).toMatchObject({
      notCounted: null,
      goal: { tokensUsed: 30n, turns: 1n },
    });
    const count = (await desk.events()).length;
    await desk.goals.pause(ANN, goal.id);
    expect(await desk.note(goal, 5n)).toMatchObject({
      notCounted: 'paused',
      goal: { tokensUsed: 30n, turns: 1n },
    });
    await desk.goals.clear(ANN, goal.id);
    expect(await desk.note(goal, 5n)).toMatchObject({ notCounted: 'cleared', goal: { tokensUsed: 30n } });
    expect((await desk.events()).slice(count).map(({ type }) => type)).toEqual([
      'budget_status_set',
      'budget_status_set',
    ]);
  });

  test('usage: a ledger that cannot take it is logged, and never fails the turn', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it');
    await desk.ledger.close();
    expect(await desk.note(goal, 5n)).toEqual({ notCounted: 'unavailable', goal: null });
    expect(desk.faults.join()).toContain(`goal ${goal.id} could not be counted: the ledger is closed`);
  });

  test('usage: turns and a pause at once → none counts after the pause', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it');
    const turns = Array.from({ length: 60 }, (_, index) => async () => {
      await new Promise((resolve) => setTimeout(resolve, index % 7));
      return desk.note(goal, 10n);
    });
    const [answers] = await Promise.all([
      Promise.all(turns.map((turn) => turn())),
      new Promise((resolve) => setTimeout(resolve, 3)).then(() => desk.goals.pause(ANN, goal.id)),
    ]);
    const counted = answers.filter(({ notCounted }) => notCounted === null).length;
    const { tokensUsed, turns: counting } = await desk.goals.get(ANN, goal.id);
    expect([tokensUsed, counting]).toEqual([BigInt(counted) * 10n, BigInt(counted)]);
    const types = (await desk.events()).map(({ type }) => type);
    expect(types.lastIndexOf('spend_recorded')).toBeLessThan(types.indexOf('budget_status_set'));
    expect(counted).toBeLessThan(60);
  });

  test('usage: the same Idempotency-Key counts once; with other tokens it is refused', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it');
    await Promise.all([desk.note(goal, 30n, 'turn-1'), desk.note(goal, 30n, 'turn-1')]);
    expect((await desk.goals.get(ANN, goal.id)).tokensUsed).toBe(30n);
    expect(await refused(() => desk.note(goal, 31n, 'turn-1'))).toContain('idempotency_key_reused');
    expect(await refused(() => desk.note(goal, 10_000_001n))).toContain('invalid_request: tokens:');
  });
});

describe('G3', () => {
  test('usage: budget 100, a turn of 200 → paused in the same step, and visible at once', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it', { tokenBudget: 100n });
    const noted = desk.note(goal, 200n);
    // Not awaited: what was decided is seen before it is on disk.
    expect((await desk.goals.get(ANN, goal.id)).state).toBe('paused');
    expect(await noted).toMatchObject({ goal: { state: 'paused', tokensUsed: 200n, tokensLeft: 0n } });
    const { type, details } = (await desk.events()).at(-1) ?? {};
    expect([type, details?.pausedLines]).toEqual(['spend_recorded', [expect.any(Number)]]);
    expect(await desk.goals.active(ANN, {})).toBeNull();
  });

  test('usage: many turns at once → counted until the budget is used up, and not beyond', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it', { tokenBudget: 100n });
    const answers = await Promise.all(Array.from({ length: 10 }, () => desk.note(goal, 60n)));
    expect(answers.map(({ notCounted }) => notCounted)).toEqual([null, null, ...Array(8).fill('paused')]);
    expect(await desk.goals.get(ANN, goal.id)).toMatchObject({
      tokensUsed: 120n,
      turns: 2n,
      state: 'paused',
    });
  });

  test('calls: what carries the goal counts by itself; the settlement that uses it up pauses it, then calls are refused', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it', { tokenBudget: 100n });
    const labels = { tenant: 'acme', user: 'ann', goal: goal.id };
    const hold = (holdId: string) =>
      desk.ledger.authorize({ holdId, labels, amounts: { usd: 1n, tokens: 60n } });
    const held = await hold('h1');
    expect(goalHeaders(held.outcome === 'authorized' ? held.lines : [])).toEqual({
      'bursar-goal-state': 'active',
      'bursar-goal-tokens-used': '0',
      'bursar-goal-tokens-left': '40',
    });
    expect(await desk.goals.get(ANN, goal.id)).toMatchObject({ tokensHeld: 60n, tokensLeft: 40n, turns: 0n });
    expect(await hold('h2')).toMatchObject({ outcome: 'denied', reason: 'held' });
    const settled = await desk.ledger.settle({ holdId: 'h1', amounts: { usd: 1n, tokens: 110n, calls: 1n } });
    expect(goalHeaders(settled.outcome === 'settled' ? settled.lines : [])).toEqual({
      'bursar-goal-state': 'paused',
      'bursar-goal-tokens-used': '110',
      'bursar-goal-tokens-left': '0',
    });
    expect(await desk.goals.get(ANN, goal.id)).toMatchObject({
      state: 'paused',
      tokensUsed: 110n,
      turns: 1n,
    });
    const denied = await hold('h3');
    expect(denied).toMatchObject({ outcome: 'denied' });
    expect(goalHeaders(denied.outcome === 'denied' ? denied.lines : [])['bursar-goal-state']).toBe('paused');
    const without = await desk.ledger.authorize({
      holdId: 'h4',
      labels: { tenant: 'acme' },
      amounts: { usd: 1n },
    });
    expect(goalHeaders(without.outcome === 'authorized' ? without.lines : [])).toEqual({});
  });

  test('calls: a goal that ended while a call was under way → the end wins, and the call’s settlement pauses nothing', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it', { tokenBudget: 100n });
    const labels = { tenant: 'acme', goal: goal.id };
    await desk.ledger.authorize({ holdId: 'h1', labels, amounts: { tokens: 60n } });
    await desk.goals.complete(ANN, goal.id);
    const settled = await desk.ledger.settle({ holdId: 'h1', amounts: { tokens: 150n } });
    expect(settled).toMatchObject({ outcome: 'settled', paused: [] });
    expect(await desk.goals.get(ANN, goal.id)).toMatchObject({ state: 'completed', tokensUsed: 150n });
  });
});

describe('G4', () => {
  test('resume: needs budget left: raise it first', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it', { tokenBudget: 100n });
    const next = await desk.create('next');
    await desk.goals.resume(ANN, goal.id);
    await desk.note(goal, 120n);
    await desk.goals.resume(ANN, next.id);
    expect(await refused(() => desk.goals.resume(ANN, goal.id))).toBe(
      'conflict: the goal has used 120 of its 100 tokens: raise its budget first',
    );
    expect(await desk.states()).toEqual(['reach it paused', 'next active']);
    expect(await refused(() => desk.goals.setBudget(ANN, goal.id, 120n))).toContain(
      '120 is not above the 120',
    );
    expect(await desk.goals.setBudget(ANN, goal.id, 300n)).toMatchObject({
      state: 'paused',
      tokensLeft: 180n,
    });
    expect(await desk.goals.resume(ANN, goal.id)).toMatchObject({ state: 'active', tokensLeft: 180n });
    expect(await desk.states()).toEqual(['reach it active', 'next paused']);
    expect(await refused(() => desk.goals.setBudget(ANN, goal.id, null))).toContain('forbidden: tokenBudget');
    expect(await desk.goals.setBudget(PLATFORM, goal.id, null)).toMatchObject({
      tokenBudget: null,
      tokensLeft: null,
    });
    expect(await refused(() => desk.create('x', { tokenBudget: 0n }))).toContain(
      'invalid_request: tokenBudget',
    );
  });

  test('status: a snapshot shows turns, tokens used and tokens left, and states them for a prompt', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('Find three sources.\nQuote each.', { tokenBudget: 2_000n });
    await desk.note(goal, 700n);
    await desk.note(goal, 500n);
    const seen = await desk.goals.get(ANN, goal.id);
    expect(seen).toMatchObject({ turns: 2n, tokensUsed: 1_200n, tokensLeft: 800n, tokenBudget: 2_000n });
    expect(promptBlock(seen)).toBe(
      '<goal state="active" turns="2" tokens_used="1200" tokens_left="800" token_budget="2000">\nFind three sources.\nQuote each.\n</goal>',
    );
    const free = await desk.create('no budget');
    expect(promptBlock(free)).toBe('<goal state="active" turns="0" tokens_used="0">\nno budget\n</goal>');
  });

  test('status: figures and states survive a restart, and the books verify', async () => {
    const desk = await Desk.open();
    const goal = await desk.create('reach it', { tokenBudget: 100n });
    await desk.note(goal, 40n);
    await desk.create('next');
    await desk.restart();
    expect(await desk.states()).toEqual(['reach it paused', 'next active']);
    expect(await desk.goals.get(ANN, goal.id)).toMatchObject({ tokensUsed: 40n, tokensLeft: 60n, turns: 1n });
    expect(await desk.ledger.verify()).toMatchObject({ ok: true });
  });

  test('list: pages by cursor, the newest first', async () => {
    const desk = await Desk.open();
    for (const text of ['a', 'b', 'c']) await desk.create(text);
    const first = await desk.goals.list(ANN, {}, { before: null, max: 2 });
    const rest = await desk.goals.list(ANN, {}, { before: first.next, max: 2 });
    expect([first.goals, rest.goals].map((page) => page.map(({ text }) => text))).toEqual([
      ['c', 'b'],
      ['a'],
    ]);
    expect(rest.next).toBeNull();
  });
});
