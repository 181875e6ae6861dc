// Goals by their rules, G1–G4, over real files: states, one active a owner, usage, budgets, and kills between two steps.

import { describe, expect, test } from 'vitest';
import { promptBlock, TEXT_LENGTH_DEFAULT } from '#bursar/goals/goal.js';
import { goalHeaders } from '#bursar/goals/goal-headers.js';
import { OPEN_GOALS_MAX } from '#bursar/goals/goals.js';
import { ACME, ANN, BEN, killedBeforeEachStep, OTHER, PLATFORM, refused } from '../setup/files-setup.js';
import { expectSameAfterRebuild } from '../views/rebuilt.js';
import { GoalsStage } from './goals-setup.js';

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
    const stage = await GoalsStage.open();
    for (const from of ['active', 'paused', 'completed', 'cleared'] as const)
      for (const change of CHANGES) {
        const { id } = await stage.create(`${from} ${change}`);
        for (const step of WAY[from]) await stage.goals[step](ANN, id);
        const wanted = TABLE[from][change];
        const told = await refused(() => stage.goals[change](ANN, id));
        expect(`${from} ${change}: ${told.split(':')[0]}`).toBe(
          `${from} ${change}: ${wanted === null ? 'conflict' : 'nothing was refused'}`,
        );
        expect((await stage.goals.get(ANN, id)).state).toBe(wanted ?? from);
      }
  });

  test('goal: creating one pauses the one before, in the same step', async () => {
    const stage = await GoalsStage.open();
    const first = await stage.create('first');
    const second = await stage.create('second', { tokenBudget: 500n });
    expect(await stage.states()).toEqual(['first paused', 'second active']);
    expect(await stage.goals.active(ANN, {})).toEqual(second);
    const [paused, begun] = (await stage.events()).slice(-2);
    expect([paused.type, paused.details.values]).toEqual([
      'budget_status_set',
      { tenant: 'acme', goal: first.id },
    ]);
    expect([begun.type, begun.details.limit, begun.at]).toEqual(['balance_limit_set', 500n, paused.at]);
    await stage.goals.resume(ANN, first.id);
    expect(await stage.states()).toEqual(['first active', 'second paused']);
  });

  test('goal: of an owner at most one is active, however many are created, resumed and ended at once', async () => {
    const stage = await GoalsStage.open();
    const old = await Promise.all(['a', 'b', 'c'].map((text) => stage.create(text)));
    await Promise.allSettled([
      ...old.map(({ id }) => stage.goals.resume(ANN, id)),
      ...Array.from({ length: 20 }, (_, index) => stage.create(`new ${index}`)),
      ...old.map(({ id }) => stage.goals.resume(ANN, id)),
      stage.create('of ben', {}, BEN),
      stage.goals.complete(ANN, old[0].id),
      stage.goals.clear(ANN, old[0].id),
    ]);
    const states = await stage.states();
    expect(states).toHaveLength(24);
    expect(states.filter((state) => /completed|cleared/.test(state))).toHaveLength(1);
    expect(states).toContain('of ben active');
    // Not at the end alone: at no point of the journal were two of ann's active.
    const ofBen = (await stage.goals.active(BEN, {}))?.id;
    const active = new Set<unknown>();
    let most = 0;
    for (const { type, details } of await stage.events()) {
      const { goal } = (details.values ?? {}) as { goal?: string };
      if (goal === undefined || goal === ofBen) continue;
      if (type === 'balance_limit_set' || details.status === 'active') active.add(goal);
      else if (type === 'budget_status_set') active.delete(goal);
      most = Math.max(most, active.size);
    }
    expect(most).toBe(1);
  });

  test('goal: of two ends at once exactly one wins, and the other is told', async () => {
    const stage = await GoalsStage.open();
    const { id } = await stage.create('reach it');
    const told = await Promise.all([
      refused(() => stage.goals.clear(ANN, id)),
      refused(() => stage.goals.complete(ANN, id)),
    ]);
    expect(told.sort()).toEqual(['conflict: the goal is cleared: that is final', 'nothing was refused']);
  });

  test('goal: a text is at most 400 characters unless configured, and cannot end the block that wraps it', async () => {
    const stage = await GoalsStage.open();
    const told = (text: string) => refused(() => stage.create(text));
    expect(TEXT_LENGTH_DEFAULT).toBe(400);
    expect(await told('x'.repeat(400))).toBe('nothing was refused');
    expect(await told('x'.repeat(401))).toContain('401 characters; at most 400');
    stage.settings = { textLengthMax: 500 };
    expect(await told('x'.repeat(401))).toBe('nothing was refused');
    for (const tag of ['</goal>', '</GOAL >', '< / goal>', '</go\nal>', '＜／goal＞', '</goal\tx>'])
      expect(`${tag} ${await told(`a ${tag} b`)}`).toContain('invalid_request: text:');
    for (const bad of ['', ' a', 'a\0b', 'a\u202eb', '\ud800'])
      expect(await told(bad)).toContain('invalid_request: text:');
    expect(await told('two\nlines of <goal> and a </b> tag')).toBe('nothing was refused');
  });

  test('goal: a key that fixes a user sees and names that user’s alone; another tenant’s is not found', async () => {
    const stage = await GoalsStage.open();
    const { id } = await stage.create('of ann');
    for (const caller of [BEN, OTHER]) {
      const acts = ['get', 'pause', 'resume', 'complete', 'clear'] as const;
      for (const act of acts)
        expect(await refused(() => stage.goals[act](caller, id))).toBe(`not_found: there is no goal "${id}"`);
      expect(await refused(() => stage.note({ id }, 1n, undefined, caller))).toContain('not_found');
      expect(await refused(() => stage.goals.assertUsable(caller, { goal: id }))).toContain('not_found');
      expect(await refused(() => stage.goals.assertUsable(caller, { goal: 'ship it' }))).toBe(
        'nothing was refused',
      );
      expect(await stage.states(caller)).toEqual([]);
    }
    expect(await refused(() => stage.create('x', { owner: 'ann' }, BEN))).toContain('label_forbidden');
    expect(await refused(() => stage.create('x', { tenant: 'acme', owner: 'ann' }, OTHER))).toContain(
      'label_forbidden',
    );
    expect(await refused(() => stage.create('x', {}, ACME))).toContain('owner: is required');
    expect(await refused(() => stage.create('x', { owner: 'ann' }, PLATFORM))).toContain(
      'together with tenant',
    );
    const other = await stage.create('of a session', { tenant: 'other', owner: 'session-1' }, PLATFORM);
    expect(await stage.states(OTHER)).toEqual(['of a session active']);
    expect(await stage.states(ACME)).toEqual(['of ann active']);
    expect((await stage.goals.active(OTHER, { owner: 'session-1' }))?.id).toBe(other.id);
    expect(await stage.goals.active(OTHER, { owner: 'session-2' })).toBeNull();
  });

  test('goal: the same Idempotency-Key gives the same goal again, and with another text is refused', async () => {
    const stage = await GoalsStage.open();
    const both = await Promise.all([
      stage.create('once', { requestKey: 'k1' }),
      stage.create('once', { requestKey: 'k1' }),
    ]);
    expect(both[0]).toEqual(both[1]);
    expect(await stage.states()).toEqual(['once active']);
    expect(await refused(() => stage.create('twice', { requestKey: 'k1' }))).toContain(
      'idempotency_key_reused',
    );
    expect(await refused(() => stage.create('once', { requestKey: 'k1', tokenBudget: 5n }))).toContain(
      'idempotency_key_reused',
    );
    // Stands for a field that a later version adds: the digest covers it without a change there.
    const later = (note: string) => stage.create('later', { requestKey: 'k2', ...{ note } });
    expect((await later('a')).id).toBe((await later('a')).id);
    expect(await refused(() => later('b'))).toContain('idempotency_key_reused');
  });

  test('goal: an owner has at most 100 open ones', async () => {
    const stage = await GoalsStage.open();
    for (let count = 0; count < OPEN_GOALS_MAX; count += 1) await stage.create(`goal ${count}`);
    expect(await refused(() => stage.create('one more'))).toContain('conflict: the owner has 100 open goals');
    expect(await refused(() => stage.create('of ben', {}, BEN))).toBe('nothing was refused');
  });

  test('goal: a creation that is killed between any two steps → the new goal is there and the one before is paused, or neither', async () => {
    const steps = await killedBeforeEachStep({
      ready: async () => {
        const stage = await GoalsStage.open();
        await stage.create('first');
        return stage;
      },
      act: (stage) => stage.create('second', { tokenBudget: 70n, requestKey: 'k' }),
      check: async (stage, isDone) => {
        expect(await stage.states()).toEqual(isDone ? ['first paused', 'second active'] : ['first active']);
        const again = await stage.create('second', { tokenBudget: 70n, requestKey: 'k' });
        expect([again.tokenBudget, await stage.states()]).toEqual([70n, ['first paused', 'second active']]);
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
          const stage = await GoalsStage.open();
          await stage.create('reach it');
          return stage;
        },
        act: async (stage) => stage.goals[change](ANN, (await stage.only()).id),
        check: async (stage, isDone) => {
          const { id, state } = await stage.only();
          expect(state).toBe(isDone ? states[change] : 'active');
          const labels = { tenant: 'acme', goal: id };
          const { outcome } = await stage.ledger.authorize({ holdId: 'h', labels, amounts: { tokens: 1n } });
          expect(outcome).toBe(isDone ? 'denied' : 'authorized');
        },
      });
      expect(steps).toBe(1);
    },
  );

  test('goal: a text that was changed in the vault is refused, and one that is lost is shown empty', async () => {
    const stage = await GoalsStage.open();
    const { id } = await stage.create('reach it');
    const [textId] = await stage.vault.ids('goals/');
    await stage.vault.put([{ id: textId, body: 'do something else' }]);
    expect(await refused(() => stage.goals.get(ANN, id))).toContain(
      'store_unavailable: a text in vault.db is not the one that the ledger names',
    );
    await stage.vault.delete([textId]);
    expect((await stage.goals.get(ANN, id)).text).toBe('');
  });

  test('goal: after a story of goals, views.db is deleted → the same goals, pages and repeats', async () => {
    const stage = await GoalsStage.open();
    const first = await stage.create('first', { tokenBudget: 500n, requestKey: 'k1' });
    const second = await stage.create('second\nline');
    await stage.goals.resume(ANN, first.id);
    await stage.note(first, 30n, 'turn-1');
    await stage.goals.setBudget(ANN, first.id, 400n);
    await stage.goals.clear(ANN, second.id);
    await stage.create('of ben', {}, BEN);
    await expectSameAfterRebuild({
      viewsPath: stage.viewsPath,
      read: async () => [
        await stage.goals.list(ACME, {}, { before: null, max: 2 }),
        await stage.goals.list(ANN, {}, { before: 2, max: 2 }),
        await stage.goals.active(ANN, {}),
      ],
      close: () => stage.close(),
      open: () => stage.open(),
    });
    expect((await stage.create('first', { tokenBudget: 500n, requestKey: 'k1' })).id).toBe(first.id);
  });
});

describe('G2', () => {
  test('usage: counts only while the goal is active; a goal that is not says so, and nothing is recorded', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it');
    expect(await stage.note(goal, 30n)).toMatchObject({
      notCounted: null,
      goal: { tokensUsed: 30n, turns: 1n },
    });
    const count = (await stage.events()).length;
    await stage.goals.pause(ANN, goal.id);
    expect(await stage.note(goal, 5n)).toMatchObject({
      notCounted: 'paused',
      goal: { tokensUsed: 30n, turns: 1n },
    });
    await stage.goals.clear(ANN, goal.id);
    expect(await stage.note(goal, 5n)).toMatchObject({ notCounted: 'cleared', goal: { tokensUsed: 30n } });
    expect((await stage.events()).slice(count).map(({ type }) => type)).toEqual([
      'budget_status_set',
      'budget_status_set',
    ]);
  });

  test('usage: noted, or the goal looked at, while its end is on its way to disk → all say how it ended', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it');
    const [, note, seen, listed] = await Promise.all([
      stage.goals.complete(ANN, goal.id),
      stage.note(goal, 5n),
      stage.goals.get(ANN, goal.id),
      stage.states(),
    ]);
    expect(note).toMatchObject({ notCounted: 'completed', goal: { state: 'completed' } });
    expect([seen.state, seen.endedAt, listed]).toEqual([
      'completed',
      stage.clock.now(),
      ['reach it completed'],
    ]);
  });

  test('usage: a ledger that cannot take it is logged, and never fails the turn', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it');
    await stage.ledger.close();
    expect(await stage.note(goal, 5n)).toEqual({ notCounted: 'unavailable', goal: null });
    expect(stage.faults.join()).toContain(`goal ${goal.id} could not be counted: the ledger is closed`);
  });

  test('usage: turns and a pause at once → none counts after the pause', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it');
    const turns = Array.from({ length: 60 }, (_, index) => async () => {
      await new Promise((resolve) => setTimeout(resolve, index % 7));
      return stage.note(goal, 10n);
    });
    const [answers] = await Promise.all([
      Promise.all(turns.map((turn) => turn())),
      new Promise((resolve) => setTimeout(resolve, 3)).then(() => stage.goals.pause(ANN, goal.id)),
    ]);
    const counted = answers.filter(({ notCounted }) => notCounted === null).length;
    const { tokensUsed, turns: counting } = await stage.goals.get(ANN, goal.id);
    expect([tokensUsed, counting]).toEqual([BigInt(counted) * 10n, BigInt(counted)]);
    const types = (await stage.events()).map(({ type }) => type);
    expect(types.lastIndexOf('spend_recorded')).toBeLessThan(types.indexOf('budget_status_set'));
    expect(counted).toBeLessThan(60);
  });

  test('usage: the same Idempotency-Key counts once; with other tokens it is refused', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it');
    await Promise.all([stage.note(goal, 30n, 'turn-1'), stage.note(goal, 30n, 'turn-1')]);
    expect((await stage.goals.get(ANN, goal.id)).tokensUsed).toBe(30n);
    expect(await refused(() => stage.note(goal, 31n, 'turn-1'))).toContain('idempotency_key_reused');
    expect(await refused(() => stage.note(goal, 10_000_001n))).toContain('invalid_request: tokens:');
  });
});

describe('G3', () => {
  test('usage: budget 100, a turn of 200 → paused in the same step, and visible at once', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it', { tokenBudget: 100n });
    const noted = stage.note(goal, 200n);
    // Not awaited: what was decided is seen before it is on disk.
    expect((await stage.goals.get(ANN, goal.id)).state).toBe('paused');
    expect(await noted).toMatchObject({ goal: { state: 'paused', tokensUsed: 200n, tokensLeft: 0n } });
    const { type, details } = (await stage.events()).at(-1) ?? {};
    expect([type, details?.pausedLines]).toEqual(['spend_recorded', [expect.any(Number)]]);
    expect(await stage.goals.active(ANN, {})).toBeNull();
  });

  test('usage: many turns at once → counted until the budget is used up, and not beyond', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it', { tokenBudget: 100n });
    const answers = await Promise.all(Array.from({ length: 10 }, () => stage.note(goal, 60n)));
    expect(answers.map(({ notCounted }) => notCounted)).toEqual([null, null, ...Array(8).fill('paused')]);
    expect(await stage.goals.get(ANN, goal.id)).toMatchObject({
      tokensUsed: 120n,
      turns: 2n,
      state: 'paused',
    });
  });

  test('calls: what carries the goal counts by itself; the settlement that uses it up pauses it, then calls are refused', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it', { tokenBudget: 100n });
    const labels = { tenant: 'acme', user: 'ann', goal: goal.id };
    const hold = (holdId: string) =>
      stage.ledger.authorize({ holdId, labels, amounts: { usd: 1n, tokens: 60n } });
    const held = await hold('h1');
    expect(goalHeaders(held.outcome === 'authorized' ? held.lines : [])).toEqual({
      'bursar-goal-state': 'active',
      'bursar-goal-tokens-used': '0',
      'bursar-goal-tokens-left': '40',
    });
    expect(await stage.goals.get(ANN, goal.id)).toMatchObject({
      tokensHeld: 60n,
      tokensLeft: 40n,
      turns: 0n,
    });
    expect(await hold('h2')).toMatchObject({ outcome: 'denied', reason: 'held' });
    const settled = await stage.ledger.settle({
      holdId: 'h1',
      amounts: { usd: 1n, tokens: 110n, calls: 1n },
    });
    expect(goalHeaders(settled.outcome === 'settled' ? settled.lines : [])).toEqual({
      'bursar-goal-state': 'paused',
      'bursar-goal-tokens-used': '110',
      'bursar-goal-tokens-left': '0',
    });
    expect(await stage.goals.get(ANN, goal.id)).toMatchObject({
      state: 'paused',
      tokensUsed: 110n,
      turns: 1n,
    });
    const denied = await hold('h3');
    expect(denied).toMatchObject({ outcome: 'denied' });
    expect(goalHeaders(denied.outcome === 'denied' ? denied.lines : [])['bursar-goal-state']).toBe('paused');
    const without = await stage.ledger.authorize({
      holdId: 'h4',
      labels: { tenant: 'acme' },
      amounts: { usd: 1n },
    });
    expect(goalHeaders(without.outcome === 'authorized' ? without.lines : [])).toEqual({});
  });

  test('calls: a goal that ended while a call was under way → the end wins, and the call’s settlement pauses nothing', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it', { tokenBudget: 100n });
    const labels = { tenant: 'acme', goal: goal.id };
    await stage.ledger.authorize({ holdId: 'h1', labels, amounts: { tokens: 60n } });
    await stage.goals.complete(ANN, goal.id);
    const settled = await stage.ledger.settle({ holdId: 'h1', amounts: { tokens: 150n } });
    expect(settled).toMatchObject({ outcome: 'settled', paused: [] });
    expect(await stage.goals.get(ANN, goal.id)).toMatchObject({ state: 'completed', tokensUsed: 150n });
  });
});

describe('G4', () => {
  test('resume: needs budget left: raise it first', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it', { tokenBudget: 100n });
    const next = await stage.create('next');
    await stage.goals.resume(ANN, goal.id);
    await stage.note(goal, 120n);
    await stage.goals.resume(ANN, next.id);
    expect(await refused(() => stage.goals.resume(ANN, goal.id))).toBe(
      'conflict: the goal has used 120 of its 100 tokens: raise its budget first',
    );
    expect(await stage.states()).toEqual(['reach it paused', 'next active']);
    expect(await refused(() => stage.goals.setBudget(ANN, goal.id, 120n))).toContain(
      '120 is not above the 120',
    );
    expect(await stage.goals.setBudget(ANN, goal.id, 300n)).toMatchObject({
      state: 'paused',
      tokensLeft: 180n,
    });
    expect(await stage.goals.resume(ANN, goal.id)).toMatchObject({ state: 'active', tokensLeft: 180n });
    expect(await stage.states()).toEqual(['reach it active', 'next paused']);
    expect(await refused(() => stage.goals.setBudget(ANN, goal.id, null))).toContain(
      'forbidden: tokenBudget',
    );
    expect(await stage.goals.setBudget(PLATFORM, goal.id, null)).toMatchObject({
      tokenBudget: null,
      tokensLeft: null,
    });
    expect(await refused(() => stage.create('x', { tokenBudget: 0n }))).toContain(
      'invalid_request: tokenBudget',
    );
  });

  test('status: a snapshot shows turns, tokens used and tokens left, and states them for a prompt', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('Find three sources.\nQuote each.', { tokenBudget: 2_000n });
    await stage.note(goal, 700n);
    await stage.note(goal, 500n);
    const seen = await stage.goals.get(ANN, goal.id);
    expect(seen).toMatchObject({ turns: 2n, tokensUsed: 1_200n, tokensLeft: 800n, tokenBudget: 2_000n });
    expect(promptBlock(seen)).toBe(
      '<goal state="active" turns="2" tokens_used="1200" tokens_left="800" token_budget="2000">\nFind three sources.\nQuote each.\n</goal>',
    );
    const free = await stage.create('no budget');
    expect(promptBlock(free)).toBe('<goal state="active" turns="0" tokens_used="0">\nno budget\n</goal>');
  });

  test('status: figures and states survive a restart, and the books verify', async () => {
    const stage = await GoalsStage.open();
    const goal = await stage.create('reach it', { tokenBudget: 100n });
    await stage.note(goal, 40n);
    await stage.create('next');
    await stage.restart();
    expect(await stage.states()).toEqual(['reach it paused', 'next active']);
    expect(await stage.goals.get(ANN, goal.id)).toMatchObject({
      tokensUsed: 40n,
      tokensLeft: 60n,
      turns: 1n,
    });
    expect(await stage.ledger.verify()).toMatchObject({ ok: true });
  });

  test('list: pages by cursor, the newest first', async () => {
    const stage = await GoalsStage.open();
    for (const text of ['a', 'b', 'c']) await stage.create(text);
    const first = await stage.goals.list(ANN, {}, { before: null, max: 2 });
    const rest = await stage.goals.list(ANN, {}, { before: first.next, max: 2 });
    expect([first.goals, rest.goals].map((page) => page.map(({ text }) => text))).toEqual([
      ['c', 'b'],
      ['a'],
    ]);
    expect(rest.next).toBeNull();
  });
});
