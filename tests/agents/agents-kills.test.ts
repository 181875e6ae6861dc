import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChildMode } from '#bursar/agents/agent.js';
import { agentFact } from '#bursar/agents/agents-facts.js';
import { VIEWS } from '#bursar/composition/data-folder.js';
import { Crash, killedBeforeEachStep } from '../setup/files-setup.js';
import { expectNoDifference, expectSameAfterRebuild } from '../views/rebuilt.js';
import { AgentsStage, expectConserved, type Made, USD } from './agents-setup.js';

const usd = (amount: bigint) => ({ usd: amount * USD });

/** Everything that can be read of a tree, with the keys that are accepted. */
async function seen(stage: AgentsStage, ids: readonly string[]): Promise<unknown> {
  const admin = await stage.admin();
  const { views } = stage.agents.list(admin, { max: 100 });
  return { said: ids.map((id) => stage.said(id)), states: views.map(({ agent }) => agent.state) };
}

describe('a command that is killed anywhere is done or not, whether or not the views are kept', () => {
  test.each([0, 1])(
    'making a carved child, with budgets of its depth to be put: %i of them there',
    async (there) => {
      let root!: Made;
      const steps = await killedBeforeEachStep({
        ready: async () => {
          const stage = await AgentsStage.open();
          root = await stage.root(100n);
          if (there === 1) {
            const first = await stage.make(root.caller, { mode: 'carved', limits: usd(1n) });
            await stage.agents.revoke(root.caller, first.id);
          }
          return stage;
        },
        act: (stage) => stage.tryToMake(root.caller, { mode: 'carved', limits: usd(60n) }),
        check: async (stage, isDone) => {
          const { views } = stage.agents.list(root.caller, { max: 10 });
          // The child, its limit, what is set aside for it and its key are there, or none of them.
          expect(views).toHaveLength(there + (isDone ? 1 : 0));
          expect(stage.said(root.id)).toBe(`100 = 0 used + ${isDone ? '60 held + 40' : '0 held + 100'} left`);
          const keys = stage.keys
            .list(await stage.admin())
            .keys.filter(({ createdBy }) => createdBy === root.caller.keyId);
          expect(keys).toHaveLength(there + (isDone ? 1 : 0));
          await stage.make(root.caller, { mode: 'carved', limits: usd(40n) });
          await expectConserved(stage, [root.id]);
        },
      });
      expect(steps).toBe(2 - there);
    },
  );

  test('raising a carved child: the limits in the ledger and the agent’s are raised together', async () => {
    let [root, child]: Made[] = [];
    const steps = await killedBeforeEachStep({
      ready: async () => {
        const stage = await AgentsStage.open();
        root = await stage.root(100n);
        child = await stage.make(root.caller, { mode: 'carved', limits: usd(20n) });
        await stage.spend(child, 5n);
        return stage;
      },
      act: (stage) => stage.agents.raise(root.caller, child.id, usd(50n)),
      check: async (stage, isDone) => {
        const limit = isDone ? 50n : 20n;
        expect(stage.said(child.id)).toBe(`${limit} = 5 used + 0 held + ${limit - 5n} left`);
        expect(stage.said(root.id)).toBe(`100 = 5 used + ${limit - 5n} held + ${100n - limit} left`);
        expect(stage.view(child.id).agent.limits).toEqual(usd(limit));
        await stage.agents.close(root.caller, child.id);
        expect(stage.figures(child.id)).toMatchObject({ limit: limit * USD, returned: (limit - 5n) * USD });
        expect(stage.said(root.id)).toBe('100 = 5 used + 0 held + 95 left');
        await expectConserved(stage, [root.id, child.id]);
      },
    });
    expect(steps).toBe(1);
  });

  test.each(['close', 'revoke', 'expire'] as const)(
    '%s: once the first step is done the agent has ended, and the sweep of the next start does the rest',
    async (end) => {
      let [root, child, grandchild]: Made[] = [];
      let step = 0;
      const steps = await killedBeforeEachStep({
        ready: async () => {
          const stage = await AgentsStage.open();
          root = await stage.root(100n);
          child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n), ttlMs: 60_000 });
          grandchild = await stage.make(child.caller, { mode: 'carved', limits: usd(20n) });
          await stage.spend(grandchild, 7n);
          if (end === 'close') await stage.agents.close(child.caller, grandchild.id);
          return stage;
        },
        act: async (stage) => {
          step = stage.killBefore ?? 0;
          if (end === 'expire') stage.clock.at += 60_000;
          await (end === 'expire' ? stage.agents.sweep() : stage.agents[end](root.caller, child.id));
          // What the sweep could not do it leaves to the next one.
          if (stage.faults.length > 0) throw new Crash(stage.faults.pop());
        },
        check: async (stage) => {
          const hasEnded = end === 'expire' || step > 0;
          const before = await seen(stage, [root.id, child.id, grandchild.id]);
          if (step > 0) expect(await stage.spend(child, 1n)).toBe('closed');
          await stage.agents.sweep();
          if (!hasEnded) expect(await seen(stage, [root.id, child.id, grandchild.id])).toEqual(before);
          expect(stage.said(root.id)).toBe(
            hasEnded ? '100 = 7 used + 0 held + 93 left' : '100 = 7 used + 53 held + 40 left',
          );
          const states = { close: 'closed', revoke: 'revoked', expire: 'expired' } as const;
          expect(stage.view(child.id).agent.state).toBe(hasEnded ? states[end] : 'active');
          expect(stage.ring.authenticate(child.secret) === null).toBe(hasEnded);
          if (hasEnded) expect(stage.ring.authenticate(grandchild.secret)).toBeNull();
          await expectConserved(stage, [root.id, child.id, grandchild.id]);
        },
      });
      expect(steps).toBeGreaterThanOrEqual(2);
    },
  );

  test('a request that is repeated after its answer was lost is answered with the agent that it made, or makes it', async () => {
    const stated = { name: 'an agent', mode: 'carved' as const, limits: usd(60n), requestId: 'once' };
    let root!: Made;
    await killedBeforeEachStep({
      ready: async () => {
        const stage = await AgentsStage.open();
        root = await stage.root(100n);
        return stage;
      },
      act: (stage) => stage.agents.create(root.caller, stated),
      check: async (stage, isDone) => {
        const again = await stage.agents.create(root.caller, stated);
        expect(again.made).toBe(isDone ? 'before' : 'now');
        const later = await stage.agents.create(root.caller, stated);
        expect(later).toMatchObject({
          made: 'before',
          view: { agent: { id: again.made === false ? '' : again.view.agent.id } },
        });
        expect(stage.agents.list(root.caller, { max: 10 }).views).toHaveLength(1);
        expect(stage.said(root.id)).toBe('100 = 0 used + 60 held + 40 left');
      },
    });
  });
});

test('a tree that was too large to be revoked in one step → the next sweep revokes what lives on below', async () => {
  const stage = await AgentsStage.open();
  const root = await stage.root(100n);
  const child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n) });
  const grandchild = await stage.make(child.caller, { mode: 'shared' });
  // As after the first of several steps.
  const agent = { ...stage.view(root.id).agent, state: 'revoked' as const, endedAt: stage.clock.now() };
  await stage.ledger.run({ command: 'record_facts' }, { facts: [agentFact('agent_ended', agent)] });
  await stage.restart();
  for (const { id, secret } of [child, grandchild]) {
    expect(stage.view(id).agent.state).toBe('revoked');
    expect(stage.ring.authenticate(secret)).toBeNull();
  }
});

test('after a story of agents, the views are made again with the same rows and the same answers', async () => {
  const stage = await AgentsStage.open();
  const root = await stage.root(100n, { requestId: 'root' });
  const child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n), ttlMs: 60_000 });
  const shared = await stage.make(child.caller, { mode: 'shared', limits: usd(10n) });
  const closed = await stage.make(root.caller, { mode: 'carved', limits: usd(20n) });
  await stage.agents.raise(root.caller, child.id, usd(70n));
  await stage.spend(shared, 4n);
  const { id } = await stage.hold(closed, 2n);
  await stage.agents.close(root.caller, closed.id);
  await stage.ledger.settle({ holdId: id, amounts: usd(1n) });
  await stage.agents.sweep();
  await stage.agents.revoke(root.caller, shared.id);
  await stage.agents.renewKey(root.caller, child.id, 0);
  const ids = [root.id, child.id, shared.id, closed.id];
  const read = () => ids.map((one) => stage.agents.get(root.caller, one));
  expect(read().map(({ agent }) => agent.state)).toEqual(['active', 'active', 'revoked', 'closed']);
  await expectSameAfterRebuild({
    viewsPath: join(stage.folder, 'views.db'),
    read,
    close: () => stage.close(),
    open: () => stage.restart(),
  });
  expectNoDifference({
    ledgerPath: join(stage.folder, 'ledger.db'),
    viewsPath: join(stage.folder, 'views.db'),
    views: VIEWS,
  });
});

type Act =
  | { readonly act: 'make'; readonly by: number; readonly mode: ChildMode; readonly limit: number }
  | { readonly act: 'hold' | 'spend'; readonly by: number; readonly amount: number }
  | { readonly act: 'settle'; readonly hold: number; readonly amount: number }
  | { readonly act: 'raise'; readonly by: number; readonly limit: number }
  | { readonly act: 'close' | 'revoke'; readonly by: number }
  | { readonly act: 'restart' }
  | { readonly act: 'sweep' };

const index = fc.nat({ max: 20 });
const amount = fc.integer({ min: 1, max: 30 });
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('make' as const),
      by: index,
      mode: fc.constantFrom<ChildMode>('carved', 'shared'),
      limit: amount,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ act: fc.constantFrom('hold' as const, 'spend' as const), by: index, amount }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('raise' as const), by: index, limit: amount }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('settle' as const), hold: index, amount }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constantFrom('close' as const, 'revoke' as const), by: index }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ act: 'restart' }, { act: 'sweep' }) },
);

test('whatever a tree does, spent, held and left add up at each level, and no tree spends what its root was not given', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { minLength: 10, maxLength: 40 }), async (sequence) => {
      const stage = await AgentsStage.open();
      const root = await stage.root(100n);
      const tree: Made[] = [root];
      const holds: { id: string; amount: bigint }[] = [];
      for (const act of sequence) {
        if (act.act === 'restart') await stage.restart();
        else if (act.act === 'sweep') await stage.agents.sweep();
        else if (act.act === 'settle') {
          const hold = holds.splice(act.hold % (holds.length || 1), 1)[0];
          const actual = BigInt(act.amount) < (hold?.amount ?? 0n) ? BigInt(act.amount) : hold?.amount;
          if (hold !== undefined) await stage.ledger.settle({ holdId: hold.id, amounts: usd(actual ?? 0n) });
        } else await onAgent(stage, { tree, holds }, act);
        expect(stage.figures(root.id).used + stage.figures(root.id).held <= 100n * USD).toBe(true);
      }
      await stage.agents.sweep();
      await stage.restart();
      await expectConserved(
        stage,
        tree.map(({ id }) => id),
      );
      await expectOwnTreesAddUp(stage, tree);
      await stage.close();
    }),
    { numRuns: 8, seed: 40 },
  );
}, 120_000);

type AgentAct = Extract<Act, { readonly by: number }>;

async function onAgent(
  stage: AgentsStage,
  { tree, holds }: { tree: Made[]; holds: { id: string; amount: bigint }[] },
  act: AgentAct,
): Promise<void> {
  const agent = tree[act.by % tree.length];
  const refusedIsFine = (error: { code?: string }): undefined => {
    expect(['conflict', 'forbidden']).toContain(error.code);
    return undefined;
  };
  if (act.act === 'make') {
    const made = await stage
      .tryToMake(agent.caller, { mode: act.mode, limits: usd(BigInt(act.limit)) })
      .catch(refusedIsFine);
    if (made?.made === 'now')
      tree.push({ id: made.view.agent.id, secret: made.secret, caller: stage.caller(made.secret) });
  } else if (act.act === 'hold') {
    const { id, denied } = await stage.hold(agent, BigInt(act.amount));
    if (denied === null) holds.push({ id, amount: BigInt(act.amount) });
  } else if (act.act === 'spend') await stage.spend(agent, BigInt(act.amount));
  else if (agent === tree[0]) return;
  else if (act.act === 'raise')
    await stage.agents.raise(tree[0].caller, agent.id, usd(BigInt(act.limit))).catch(refusedIsFine);
  else await stage.agents[act.act](tree[0].caller, agent.id).catch(refusedIsFine);
}

/** Of a living agent: what it holds is what its own calls hold, and what its carved children have not used. */
async function expectOwnTreesAddUp(stage: AgentsStage, tree: readonly Made[]): Promise<void> {
  const views = tree.map(({ id }) => stage.view(id));
  const open = stage.ledger.holds({ status: 'open', max: 1_000 });
  for (const { agent, figures } of views) {
    if (agent.state !== 'active') continue;
    const carved = views.filter(
      ({ agent: other }) =>
        other.mode === 'carved' &&
        other.state === 'active' &&
        other.chain[other.drawsOn] ===
          agent.chain[agent.mode === 'shared' ? agent.drawsOn : agent.chain.length - 1] &&
        other.chain.includes(agent.id) &&
        other.id !== agent.id,
    );
    const own = open.filter(({ labels }) => labels[`agent.${agent.chain.length - 1}`] === agent.id);
    const byCarved = (labels: Record<string, string>) =>
      carved.some(({ agent: other }) => labels[`agent.${other.chain.length - 1}`] === other.id);
    const heldByCalls = own
      .filter(({ labels }) => !byCarved(labels))
      .reduce((sum, { held }) => sum + (held.usd ?? 0n), 0n);
    const aside = carved.reduce((sum, { figures: [theirs] }) => sum + (theirs.limit ?? 0n) - theirs.used, 0n);
    expect({ id: agent.id, held: figures[0].held }).toEqual({ id: agent.id, held: heldByCalls + aside });
  }
}
