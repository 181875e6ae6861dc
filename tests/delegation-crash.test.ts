import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChildMode } from '#bursar/agents/agent.js';
import type { AgentStep } from '#bursar/agents/agent-ends.js';
import { expectConserved, Grove, type Made, USD } from './delegation-setup.js';
import { Crash } from './files-setup.js';

const usd = (amount: bigint) => ({ usd: amount * USD });

describe('a crash between any two steps ends consistent after a restart', () => {
  test.each<AgentStep>(['agent_intended', 'agent_funded', 'agent_made'])(
    'making a carved child, cut at %s',
    async (step) => {
      const grove = await Grove.open();
      const root = await grove.root(100n);
      grove.stopAt = step;
      await expect(grove.tryToMake(root.caller, { mode: 'carved', limits: usd(60n) })).rejects.toThrow(Crash);
      await grove.restart();
      const { views } = grove.delegation.list(root.caller, { max: 10 });
      // Only the step that makes key and agent decides; what was set aside before it is given back.
      expect(views).toHaveLength(step === 'agent_made' ? 1 : 0);
      expect(grove.said(root.id)).toBe(
        `100 = 0 used + ${step === 'agent_made' ? '60 held + 40' : '0 held + 100'} left`,
      );
      await grove.make(root.caller, { mode: 'carved', limits: usd(40n) });
      await expectConserved(grove, [root.id]);
    },
  );

  test.each(['shut', 'left'] as const)(
    'raising a carved child, cut before it is written down, then it is %s',
    async (end) => {
      const grove = await Grove.open();
      const root = await grove.root(100n);
      const child = await grove.make(root.caller, { mode: 'carved', limits: usd(20n) });
      await grove.spend(child, 5n);
      grove.stopAt = 'agent_raised';
      await expect(grove.delegation.raise(root.caller, child.id, usd(50n))).rejects.toThrow(Crash);
      await grove.restart();
      expect(grove.said(child.id)).toBe('50 = 5 used + 0 held + 45 left');
      expect(grove.said(root.id)).toBe('100 = 5 used + 45 held + 50 left');
      if (end === 'shut') {
        await grove.delegation.close(root.caller, child.id);
        expect(grove.figures(child.id)).toMatchObject({ limit: 50n * USD, returned: 45n * USD });
        expect(grove.said(root.id)).toBe('100 = 5 used + 0 held + 95 left');
      }
      await expectConserved(grove, [root.id, child.id]);
    },
  );

  const ends = ['close', 'revoke', 'expire'] as const;
  const cuts = ends.flatMap((end) =>
    (['agent_ended', 'agent_settled'] as const).map((step) => ({ end, step })),
  );
  test.each(cuts)('$end, cut at $step', async ({ end, step }) => {
    const grove = await Grove.open();
    const root = await grove.root(100n);
    const child = await grove.make(root.caller, { mode: 'carved', limits: usd(60n), ttlMs: 60_000 });
    const grandchild = await grove.make(child.caller, { mode: 'carved', limits: usd(20n) });
    await grove.spend(grandchild, 7n);
    if (end === 'close') await grove.delegation.close(child.caller, grandchild.id);
    if (end === 'expire') grove.clock.at += 60_000;
    grove.stopAt = step;
    const ending = end === 'expire' ? grove.delegation.sweep() : grove.delegation[end](root.caller, child.id);
    await ending.catch((error) => expect(error).toBeInstanceOf(Crash));
    await grove.restart();
    expect(grove.said(root.id)).toBe('100 = 7 used + 0 held + 93 left');
    expect(grove.ring.authenticate(child.secret)).toBeNull();
    expect(grove.ring.authenticate(grandchild.secret)).toBeNull();
    expect(await grove.spend(child, 1n)).toBe('closed');
    await grove.restart();
    expect(grove.said(root.id)).toBe('100 = 7 used + 0 held + 93 left');
    await expectConserved(grove, [root.id, child.id, grandchild.id]);
  });

  test('a request that is repeated after its answer was lost makes no second agent, and is answered with the one it made', async () => {
    const grove = await Grove.open();
    const root = await grove.root(100n);
    const stated = { mode: 'carved' as const, limits: usd(60n), requestId: 'once' };
    grove.stopAt = 'agent_funded';
    await expect(grove.tryToMake(root.caller, stated)).rejects.toThrow(Crash);
    await grove.restart();
    const made = await grove.make(root.caller, stated);
    const again = await grove.delegation.create(root.caller, { name: 'an agent', ...stated });
    expect(again).toMatchObject({ made: 'before', view: { agent: { id: made.id } } });
    await grove.restart();
    const later = await grove.delegation.create(root.caller, { name: 'an agent', ...stated });
    expect(later).toMatchObject({ made: 'before', view: { agent: { id: made.id } } });
    expect(grove.said(root.id)).toBe('100 = 0 used + 60 held + 40 left');
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
      const grove = await Grove.open();
      const root = await grove.root(100n);
      const tree: Made[] = [root];
      const holds: { id: string; amount: bigint }[] = [];
      for (const act of sequence) {
        if (act.act === 'restart') await grove.restart();
        else if (act.act === 'sweep') await grove.delegation.sweep();
        else if (act.act === 'settle') {
          const hold = holds.splice(act.hold % (holds.length || 1), 1)[0];
          const actual = BigInt(act.amount) < (hold?.amount ?? 0n) ? BigInt(act.amount) : hold?.amount;
          if (hold !== undefined) await grove.ledger.settle({ holdId: hold.id, amounts: usd(actual ?? 0n) });
        } else await onAgent(grove, { tree, holds }, act);
        expect(grove.figures(root.id).used + grove.figures(root.id).held <= 100n * USD).toBe(true);
      }
      await grove.delegation.recover();
      await expectConserved(
        grove,
        tree.map(({ id }) => id),
      );
      await expectOwnTreesAddUp(grove, tree);
      await grove.close();
    }),
    { numRuns: 8, seed: 40 },
  );
}, 120_000);

type AgentAct = Extract<Act, { readonly by: number }>;

async function onAgent(
  grove: Grove,
  { tree, holds }: { tree: Made[]; holds: { id: string; amount: bigint }[] },
  act: AgentAct,
): Promise<void> {
  const agent = tree[act.by % tree.length];
  const refusedIsFine = (error: { code?: string }): undefined => {
    expect(['conflict', 'forbidden']).toContain(error.code);
    return undefined;
  };
  if (act.act === 'make') {
    const made = await grove
      .tryToMake(agent.caller, { mode: act.mode, limits: usd(BigInt(act.limit)) })
      .catch(refusedIsFine);
    if (made?.made === 'now')
      tree.push({ id: made.view.agent.id, secret: made.secret, caller: grove.caller(made.secret) });
  } else if (act.act === 'hold') {
    const { id, denied } = await grove.hold(agent, BigInt(act.amount));
    if (denied === null) holds.push({ id, amount: BigInt(act.amount) });
  } else if (act.act === 'spend') await grove.spend(agent, BigInt(act.amount));
  else if (agent === tree[0]) return;
  else if (act.act === 'raise')
    await grove.delegation.raise(tree[0].caller, agent.id, usd(BigInt(act.limit))).catch(refusedIsFine);
  else await grove.delegation[act.act](tree[0].caller, agent.id).catch(refusedIsFine);
}

/** Of a living agent: what it holds is what its own calls hold, and what its carved children have not used. */
async function expectOwnTreesAddUp(grove: Grove, tree: readonly Made[]): Promise<void> {
  const views = tree.map(({ id }) => grove.view(id));
  const open = grove.ledger.holds({ status: 'open', max: 1_000 });
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
