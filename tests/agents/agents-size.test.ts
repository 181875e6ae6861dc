import { expect, test } from 'vitest';
import { AgentsStage, type Made, USD } from './agents-setup.js';

const CHILDREN = 5_000;
/** Calls in one group, and groups: the fastest counts, since the machine does other things too. */
const GROUP = 400;
const GROUPS = 3;

/** Calls of agents, one after another of them; ms a call. */
async function timeOf(stage: AgentsStage, agents: readonly Pick<Made, 'caller'>[]): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let group = 0; group < GROUPS; group += 1) {
    const began = performance.now();
    const calls = Array.from({ length: GROUP }, (_, index) =>
      stage.spend(agents[(group * GROUP + index) % agents.length], 1n),
    );
    for (const denied of await Promise.all(calls)) expect(denied).toBeNull();
    fastest = Math.min(fastest, (performance.now() - began) / GROUP);
  }
  return fastest;
}

test('with 5,000 children, and at depth 8, a call costs what its depth costs, and an agent is made and shown as fast', async () => {
  const stage = await AgentsStage.open();
  const plain = { caller: await stage.admin('bare') };
  await timeOf(stage, [plain]);
  const root = await stage.root(50_000n);
  const few: Made[] = [];
  const making = async (count: number): Promise<[Made[], number]> => {
    const began = performance.now();
    const made = await Promise.all(
      Array.from({ length: count }, () =>
        stage.make(root.caller, { mode: 'carved', limits: { usd: 2n * USD } }),
      ),
    );
    return [made, (performance.now() - began) / count];
  };
  const [first, firstMs] = await making(100);
  few.push(...first);
  const withFew = await timeOf(stage, [root]);
  const [many] = await making(CHILDREN - 200);
  const [last, lastMs] = await making(100);
  const bare = await timeOf(stage, [plain]);
  const withMany = await timeOf(stage, [root]);
  const byMany = await timeOf(stage, [...few, ...many, ...last]);
  let deepest = await stage.make(root.caller, { mode: 'carved', limits: { usd: 5_000n * USD } });
  for (let depth = 2; depth <= 8; depth += 1) deepest = await stage.make(deepest.caller, { mode: 'shared' });
  const deep = await timeOf(stage, [deepest]);
  const bareAgain = await timeOf(stage, [plain]);
  const beganShow = performance.now();
  for (let look = 0; look < 100; look += 1) stage.agents.get(root.caller, 'self');
  const show = (performance.now() - beganShow) / 100;
  const ratio = (ms: number, to: number) => ((2 * ms) / (to + bareAgain)).toFixed(2);
  console.log(
    `an authorise+settle against one without agents: root with 100 children ${ratio(withFew, bare)}, with ${CHILDREN} ${ratio(withMany, bare)}, ` +
      `5,000 children in turn ${ratio(byMany, bare)}, at depth 8 ${ratio(deep, bare)}; ` +
      `making the last 100 children against the first 100: ${(lastMs / firstMs).toFixed(2)}; a look at the root: ${show.toFixed(3)} ms`,
  );
  expect(stage.view(root.id).children).toBe(CHILDREN + 1);
  const began = performance.now();
  await stage.agents.revoke(await stage.admin(), root.id);
  console.log(`revoking it: ${(performance.now() - began).toFixed(0)} ms`);
  for (const agent of [many[0], many[many.length - 1], deepest])
    expect(stage.ring.authenticate(agent.secret)).toBeNull();
  expect(await stage.spend(deepest, 1n)).toBe('closed');
  expect((await stage.ledger.verify()).failure).toBeNull();
}, 180_000);
