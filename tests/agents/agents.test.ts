import { describe, expect, test } from 'vitest';
import type { ChildMode } from '#bursar/agents/agent.js';
import { AgentsStage, expectConserved, type Made, refused, USD } from './agents-setup.js';

const usd = (amount: bigint) => ({ usd: amount * USD });

describe('field problems', () => {
  test('problem 39: what an agent’s children spend is carved out of its budget, or bound by it', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const carved = await stage.make(root.caller, { mode: 'carved', limits: usd(60n) });
    expect(stage.said(root.id)).toBe('100 = 0 used + 60 held + 40 left');
    expect(await stage.spend(carved, 25n)).toBeNull();
    expect(stage.said(root.id)).toBe('100 = 25 used + 35 held + 40 left');
    expect(await stage.spend(root, 41n)).not.toBeNull();
    const shared = await stage.make(root.caller, { mode: 'shared', limits: usd(90n) });
    expect(await stage.spend(shared, 40n)).toBeNull();
    expect(await stage.spend(shared, 1n)).not.toBeNull();
    expect(await stage.spend(carved, 35n)).toBeNull();
    expect(stage.said(root.id)).toBe('100 = 100 used + 0 held + 0 left');
    for (const agent of [root, carved, shared]) expect(await stage.spend(agent, 1n)).not.toBeNull();
    await expectConserved(stage, [root.id, carved.id, shared.id]);
  });

  test('problem 40: an agent with nothing but its key sees what it has left, and what its next call may cost', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const capless = await stage.make(root.caller, { mode: 'shared' });
    await stage.spend(root, 30n);
    const { id } = await stage.hold(capless, 20n);
    const [figures] = stage.agents.get(capless.caller, 'self').figures;
    expect(figures).toMatchObject({ limit: null, left: null, held: 20n * USD, available: 50n * USD });
    await stage.ledger.settle({ holdId: id, amounts: usd(5n) });
    expect(stage.agents.get(capless.caller, 'self').figures[0].available).toBe(65n * USD);
    expect(await stage.spend(capless, 66n)).not.toBeNull();
    expect(await stage.spend(capless, 65n)).toBeNull();
  });
});

describe('raising', () => {
  test('a root’s limit is raised by an administrator, also once it has carved, and asking again changes nothing', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(10n) });
    expect(await stage.spend(root, 1n)).toBe('exhausted');
    for (const _ of ['first', 'again'])
      expect(await stage.agents.raise(await stage.admin(), root.id, usd(15n))).toMatchObject({
        raised: true,
      });
    expect(stage.said(root.id)).toBe('15 = 0 used + 10 held + 5 left');
    expect(await stage.spend(root, 6n)).toBe('too_large');
    expect(await stage.spend(root, 5n)).toBe(null);
    expect(await stage.spend(child, 10n)).toBe(null);
    expect(stage.said(root.id)).toBe('15 = 15 used + 0 held + 0 left');
    await expectConserved(stage, [root.id, child.id]);
  });

  test('a carved child’s comes out of what its parent has left, in one step, and goes back with the rest', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(20n) });
    const shared = await stage.make(child.caller, { mode: 'shared', limits: usd(10n) });
    const grandchild = await stage.make(shared.caller, { mode: 'carved', limits: usd(5n) });
    await stage.spend(root, 60n);
    const lacking = await stage.agents.raise(root.caller, child.id, usd(41n));
    expect(lacking).toMatchObject({ raised: false, line: { remaining: 20n * USD, requested: 21n * USD } });
    expect(stage.said(child.id)).toBe('20 = 0 used + 5 held + 15 left');
    expect(stage.said(root.id)).toBe('100 = 60 used + 20 held + 20 left');
    await stage.agents.raise(root.caller, child.id, usd(40n));
    expect(stage.said(child.id)).toBe('40 = 0 used + 5 held + 35 left');
    expect(stage.said(root.id)).toBe('100 = 60 used + 40 held + 0 left');
    // Below a shared one: within what that one may have, and out of the money of the one it draws on.
    expect(await stage.agents.raise(child.caller, grandchild.id, usd(11n))).toMatchObject({
      raised: false,
    });
    await stage.agents.raise(child.caller, grandchild.id, usd(10n));
    expect(stage.said(child.id)).toBe('40 = 0 used + 10 held + 30 left');
    expect(stage.said(shared.id)).toBe('10 = 0 used + 10 held + 0 left');
    await stage.agents.raise(root.caller, shared.id, usd(12n));
    expect(stage.said(shared.id)).toBe('12 = 0 used + 10 held + 2 left');
    await stage.spend(grandchild, 4n);
    await stage.agents.revoke(root.caller, child.id);
    expect(stage.said(root.id)).toBe('100 = 64 used + 0 held + 36 left');
    await expectConserved(stage, [root.id, child.id, shared.id, grandchild.id]);
  });

  test('a parent that spends between the look and the move → nothing is raised', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(4n) });
    stage.meanwhile = () => stage.spend(root, 3n);
    expect(await stage.agents.raise(root.caller, child.id, usd(9n))).toMatchObject({ raised: false });
    expect(stage.said(child.id)).toBe('4 = 0 used + 0 held + 4 left');
    expect(stage.said(root.id)).toBe('10 = 3 used + 4 held + 3 left');
    await expectConserved(stage, [root.id, child.id]);
  });

  test('what is no raise is refused: by itself, from beside, lowered, no unit of the tree, wider than above, ended', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(4n) });
    const shared = await stage.make(root.caller, { mode: 'shared' });
    const capped = await stage.make(root.caller, { mode: 'shared', limits: usd(2n) });
    const raise = (by: Made['caller'], id: string, limits: Record<string, bigint>) =>
      refused(stage.agents.raise(by, id, limits));
    expect(await raise(root.caller, root.id, usd(20n))).toBe('forbidden');
    expect(await raise(child.caller, child.id, usd(5n))).toBe('forbidden');
    expect(await raise(shared.caller, child.id, usd(5n))).toBe('not_found id');
    expect(await raise(await stage.admin('other'), root.id, usd(20n))).toBe('not_found id');
    expect(await raise(root.caller, child.id, usd(3n))).toBe('conflict limits.usd');
    expect(await raise(root.caller, shared.id, usd(3n))).toBe('conflict limits.usd');
    expect(await raise(root.caller, capped.id, usd(11n))).toBe('forbidden limits.usd');
    expect(await raise(root.caller, child.id, { tokens: 1n })).toBe('invalid_request limits');
    expect(await raise(root.caller, child.id, {})).toBe('invalid_request limits');
    expect(await raise(root.caller, child.id, usd(0n))).toBe('invalid_request limits.usd');
    await stage.agents.close(root.caller, child.id);
    expect(await raise(root.caller, child.id, usd(5n))).toBe('conflict');
    expect(stage.said(root.id)).toBe('10 = 0 used + 0 held + 10 left');
  });
});

describe('carving', () => {
  test('what a carved child spends is counted once: in budgets of the tenant, of everything, and in the totals', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(50n) });
    const grandchild = await stage.make(child.caller, { mode: 'carved', limits: usd(20n) });
    const all = () => stage.ledger.balances({ budgetId: 'all' })[0] ?? { held: 0n, spent: 0n };
    expect(all().held).toBe(0n);
    await stage.spend(grandchild, 7n);
    expect(all()).toMatchObject({ held: 0n, spent: 7n * USD });
    expect(stage.ledger.balances({ budgetId: 'each' })[0].spent).toBe(7n * USD);
    expect(stage.ledger.totals().spent.usd).toBe(7n * USD);
  });

  test('a child that is larger than what is left is not made, says where it lacks, and leaves everything as it was', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    await stage.spend(root, 3n);
    const { id } = await stage.hold(root, 2n);
    const answer = await stage.tryToMake(root.caller, { mode: 'carved', limits: usd(6n) });
    expect(answer).toMatchObject({
      made: false,
      isHeldByCalls: true,
      line: { remaining: 5n * USD, requested: 6n * USD, held: 2n * USD },
    });
    expect(stage.said(root.id)).toBe('10 = 3 used + 2 held + 5 left');
    await stage.ledger.release({ holdId: id });
    await stage.make(root.caller, { mode: 'carved', limits: usd(6n) });
    expect(stage.said(root.id)).toBe('10 = 3 used + 6 held + 1 left');
    expect(stage.agents.list(root.caller, { max: 10 }).views).toHaveLength(1);
  });

  test('of twenty children that race for room for eleven while their parent spends, those that fit are made', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const racing = Array.from({ length: 20 }, () =>
      stage.tryToMake(root.caller, { mode: 'carved', limits: usd(9n) }),
    );
    const spending = Array.from({ length: 10 }, () => stage.spend(root, 1n));
    const made = (await Promise.all(racing)).filter((one) => one.made);
    const spent = (await Promise.all(spending)).filter((denied) => denied === null).length;
    const { held, left } = stage.figures(root.id);
    expect(held).toBe(BigInt(made.length) * 9n * USD);
    expect(left).toBe(100n * USD - held - BigInt(spent) * USD);
    expect(made.length).toBeGreaterThanOrEqual(10);
    await expectConserved(stage, [root.id, ...made.map((one) => (one.made ? one.view.agent.id : ''))]);
  });

  test('a call that takes what was about to be set aside wins: the child is not made, and the limit is as it was', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    stage.meanwhile = () => stage.hold(root, 5n);
    const answer = await stage.tryToMake(root.caller, { mode: 'carved', limits: usd(6n) });
    expect(answer).toMatchObject({ made: false, isHeldByCalls: true, line: { remaining: 5n * USD } });
    expect(stage.said(root.id)).toBe('10 = 0 used + 5 held + 5 left');
    expect(await stage.spend(root, 5n)).toBeNull();
    expect(stage.agents.list(root.caller, { max: 10 }).views).toEqual([]);
  });

  test('a call that ends while its agent is closed is given back once', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(6n) });
    const { id } = await stage.hold(child, 4n);
    stage.meanwhile = () => stage.ledger.settle({ holdId: id, amounts: usd(1n) });
    await stage.agents.close(root.caller, child.id);
    await stage.agents.sweep();
    expect(stage.said(root.id)).toBe('10 = 1 used + 0 held + 9 left');
    await expectConserved(stage, [root.id, child.id]);
  });

  test('carving from a shared child takes from its limit and from those it draws on', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const shared = await stage.make(root.caller, { mode: 'shared', limits: usd(50n) });
    const carved = await stage.make(shared.caller, { mode: 'carved', limits: usd(30n) });
    expect(stage.said(shared.id)).toBe('50 = 0 used + 30 held + 20 left');
    expect(stage.said(root.id)).toBe('100 = 0 used + 30 held + 70 left');
    expect((await stage.tryToMake(shared.caller, { mode: 'carved', limits: usd(21n) })).made).toBe(false);
    await stage.spend(carved, 10n);
    await stage.agents.close(shared.caller, carved.id);
    expect(stage.said(shared.id)).toBe('50 = 10 used + 0 held + 40 left');
    expect(stage.said(root.id)).toBe('100 = 10 used + 0 held + 90 left');
  });

  test('a tree counts several units, and a child is carved out of all of them or not at all', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.make(await stage.admin(), { limits: { usd: 10n * USD, tokens: 1_000n } });
    const wanted = { mode: 'carved' as const };
    expect(await refused(stage.tryToMake(root.caller, { ...wanted, limits: usd(1n) }))).toBe(
      'invalid_request limits.tokens',
    );
    const lacking = await stage.tryToMake(root.caller, { ...wanted, limits: { usd: USD, tokens: 1_001n } });
    expect(lacking).toMatchObject({ made: false, line: { unit: 'tokens' } });
    expect(stage.view(root.id).figures.map(({ left }) => left)).toEqual([1_000n, 10n * USD]);
    const child = await stage.make(root.caller, { ...wanted, limits: { usd: USD, tokens: 400n } });
    const amounts = { usd: USD / 2n, tokens: 100n };
    await stage.ledger.authorize({ holdId: 'h', labels: child.caller.labels, amounts });
    expect(stage.view(root.id).figures.map(({ held }) => held)).toEqual([400n, USD]);
    expect(stage.view(child.id).figures.map(({ left }) => left)).toEqual([300n, USD / 2n]);
  });
});

describe('ends', () => {
  test('closing gives back what was not used, what open calls hold follows when they end, and only then ends the key', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n) });
    await stage.spend(child, 10n);
    const { id } = await stage.hold(child, 20n);
    const closing = await stage.agents.close(root.caller, child.id);
    expect(closing.agent.state).toBe('closing');
    expect(stage.said(root.id)).toBe('100 = 10 used + 20 held + 70 left');
    expect(await stage.spend(child, 1n)).toBe('closed');
    expect(stage.ring.authenticate(child.secret)).not.toBeNull();
    await stage.ledger.settle({ holdId: id, amounts: usd(5n) });
    await stage.agents.sweep();
    expect(stage.said(root.id)).toBe('100 = 15 used + 0 held + 85 left');
    expect(stage.view(child.id).agent.state).toBe('closed');
    expect(stage.figures(child.id)).toMatchObject({
      limit: 60n * USD,
      used: 15n * USD,
      returned: 45n * USD,
      left: 0n,
    });
    expect(stage.ring.authenticate(child.secret)).toBeNull();
    await expectConserved(stage, [root.id, child.id]);
  });

  test('closing what has children is refused, and closing twice gives back once', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n) });
    const grandchild = await stage.make(child.caller, { mode: 'carved', limits: usd(10n) });
    expect(await refused(stage.agents.close(root.caller, child.id))).toBe('conflict');
    await stage.agents.close(child.caller, grandchild.id);
    await Promise.all([stage.agents.close(root.caller, child.id), stage.agents.close(root.caller, child.id)]);
    await stage.agents.close(root.caller, child.id);
    expect(stage.said(root.id)).toBe('100 = 0 used + 0 held + 100 left');
  });

  test('revoking ends an agent and all below it: no key is accepted, no call authorised, and what was left goes back', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const chain: Made[] = [root];
    for (let depth = 1; depth <= 8; depth += 1) {
      const mode: ChildMode = depth % 3 === 0 ? 'shared' : 'carved';
      chain.push(await stage.make(chain[depth - 1].caller, { mode, limits: usd(90n - BigInt(depth) * 10n) }));
    }
    await stage.spend(chain[8], 4n);
    const { id } = await stage.hold(chain[8], 3n);
    await stage.agents.revoke(root.caller, chain[1].id);
    for (const agent of chain.slice(1)) {
      expect(stage.ring.authenticate(agent.secret)).toBeNull();
      expect(await stage.spend(agent, 1n)).toBe('closed');
      expect(stage.view(agent.id).agent.state).toBe('revoked');
    }
    expect(stage.said(root.id)).toBe('100 = 4 used + 3 held + 93 left');
    await stage.ledger.settle({ holdId: id, amounts: usd(1n) });
    await stage.restart();
    expect(stage.said(root.id)).toBe('100 = 5 used + 0 held + 95 left');
    expect(await stage.spend(root, 95n)).toBeNull();
    await expectConserved(
      stage,
      chain.map((agent) => agent.id),
    );
  });

  test('revoking a shared agent gives back what was carved below it out of what lives on', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const shared = await stage.make(root.caller, { mode: 'shared' });
    const carved = await stage.make(shared.caller, { mode: 'carved', limits: usd(30n) });
    await stage.spend(carved, 12n);
    expect(stage.said(root.id)).toBe('100 = 12 used + 18 held + 70 left');
    await stage.agents.revoke(root.caller, shared.id);
    expect(stage.said(root.id)).toBe('100 = 12 used + 0 held + 88 left');
    expect(await stage.spend(carved, 1n)).toBe('closed');
  });

  test('an agent that expires is refused at once, and the sweep gives back what it had left', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n), ttlMs: 1_000 });
    const grandchild = await stage.make(child.caller, { mode: 'carved', limits: usd(10n) });
    await stage.spend(grandchild, 2n);
    stage.clock.at += 1_000;
    for (const agent of [child, grandchild]) expect(stage.ring.authenticate(agent.secret)).toBeNull();
    await stage.agents.sweep();
    expect(stage.said(root.id)).toBe('100 = 2 used + 0 held + 98 left');
    expect(stage.view(grandchild.id).agent.state).toBe('expired');
    await expectConserved(stage, [root.id, child.id, grandchild.id]);
  });

  test('a correction after an agent has ended is moved to its parent, whichever way it goes', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(60n) });
    const { id } = await stage.hold(child, 20n);
    await stage.ledger.settle({ holdId: id, amounts: usd(20n) });
    await stage.agents.close(root.caller, child.id);
    for (const [amount, left] of [
      [35n, 65n],
      [8n, 92n],
    ] as const) {
      await stage.ledger.correct({ holdId: id, amounts: usd(amount), reason: 'the invoice says so' });
      for (let sweep = 0; sweep < 60; sweep += 1) await stage.agents.sweep();
      expect(stage.said(root.id)).toBe(`100 = ${amount} used + 0 held + ${left} left`);
      expect((await stage.hold(root, left + 1n)).denied).not.toBeNull();
    }
    await expectConserved(stage, [root.id, child.id]);
  });

  test('a child that is charged above its limit takes it from what its tree has left, and never more is authorised', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(100n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(90n) });
    const { id } = await stage.hold(child, 90n);
    await stage.ledger.settle({ holdId: id, amounts: usd(97n) });
    expect(stage.figures(root.id).left).toBe(3n * USD);
    expect(await stage.spend(root, 4n)).not.toBeNull();
    await stage.agents.close(root.caller, child.id);
    expect(stage.said(root.id)).toBe('100 = 97 used + 0 held + 3 left');
    expect(await stage.spend(root, 3n)).toBeNull();
    await expectConserved(stage, [root.id, child.id]);
  });

  test('a child that is charged more than its tree has can be closed, and the debt stays where it was made', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    const child = await stage.make(root.caller, { mode: 'carved', limits: usd(10n) });
    const { id } = await stage.hold(child, 10n);
    await stage.ledger.settle({ holdId: id, amounts: usd(12n) });
    await stage.agents.close(root.caller, child.id);
    expect(stage.view(child.id).agent.state).toBe('closed');
    expect(stage.said(root.id)).toBe('10 = 12 used + 0 held + -2 left');
    expect(await stage.spend(root, 1n)).not.toBeNull();
    await expectConserved(stage, [root.id, child.id]);
  });
});

describe('a child is never wider than its parent', () => {
  test('in limit, labels, scopes, life, units and depth', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n, { ttlMs: 60_000, callerLabels: ['user', 'task'] });
    const shared = (more: object) => stage.tryToMake(root.caller, { mode: 'shared', ...more });
    expect(await refused(shared({ limits: usd(11n) }))).toBe('forbidden limits.usd');
    expect(await refused(shared({ labels: { team: 'x' } }))).toBe('label_forbidden labels.team');
    expect(await refused(shared({ labels: { tenant: 'other' } }))).toBe('label_forbidden labels.tenant');
    expect(await refused(shared({ labels: { 'agent.0': 'x' } }))).toBe('label_forbidden labels.agent.0');
    expect(await refused(shared({ callerLabels: ['team'] }))).toBe('forbidden callerLabels');
    expect(await refused(shared({ callerLabels: ['agent.1'] }))).toBe('invalid_request labels');
    expect(await refused(shared({ scopes: ['read'] }))).toBe('forbidden scopes');
    expect(await refused(shared({ scopes: ['tenant_admin'] }))).toBe('invalid_request scopes');
    expect(await refused(shared({ ttlMs: 60_001 }))).toBe('forbidden expiresAt');
    expect(await refused(shared({ limits: { tokens: 1n } }))).toMatch(/^invalid_request limits/);
    expect(await refused(shared({ limits: usd(0n) }))).toBe('invalid_request limits.usd');
    let deepest = await stage.make(root.caller, { mode: 'shared', labels: { user: 'ann' } });
    expect(deepest.caller.labels).toMatchObject({ tenant: 'acme', user: 'ann' });
    expect([...deepest.caller.callerLabels]).toEqual(['task']);
    expect(stage.view(deepest.id).agent.expiresAt).toBe(stage.view(root.id).agent.expiresAt);
    for (let depth = 2; depth <= 8; depth += 1)
      deepest = await stage.make(deepest.caller, { mode: 'shared' });
    expect(await refused(stage.tryToMake(deepest.caller, { mode: 'shared' }))).toBe('conflict');
  });

  test('roots are made by administrators of the tenant alone, and children by their parent’s key alone', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n, { scopes: ['spend', 'read'] });
    const plain = { ...root.caller, keyId: 'another', labels: { tenant: 'acme' } };
    expect(await refused(stage.tryToMake(plain, { limits: usd(1n) }))).toBe('forbidden');
    expect(await refused(stage.tryToMake(await stage.admin(), { mode: 'carved', limits: usd(1n) }))).toBe(
      'invalid_request mode',
    );
    expect(await refused(stage.tryToMake(root.caller, { limits: usd(1n) }))).toBe('invalid_request mode');
    expect(
      await refused(stage.tryToMake(await stage.admin(), { limits: usd(1n), callerLabels: ['agent.1'] })),
    ).toBe('invalid_request labels');
  });

  test('rule T8: agents of another tenant, or above and beside, are not found', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n, { scopes: ['spend', 'read'] });
    const [one, two] = [
      await stage.make(root.caller, { mode: 'shared' }),
      await stage.make(root.caller, { mode: 'shared' }),
    ];
    const get = (caller: Made['caller'], id: string) => refused((async () => stage.agents.get(caller, id))());
    expect(await get(one.caller, root.id)).toBe('not_found id');
    expect(await get(one.caller, two.id)).toBe('not_found id');
    expect(await refused(stage.agents.revoke(one.caller, two.id))).toBe('not_found id');
    expect(await get(await stage.admin('other'), root.id)).toBe('not_found id');
    expect(await get(await stage.admin('acme', { team: 'x' }), root.id)).toBe('not_found id');
    const ids = (caller: Made['caller']) =>
      stage.agents.list(caller, { max: 10 }).views.map(({ agent }) => agent.id);
    expect(ids(await stage.admin('other'))).toEqual([]);
    expect(ids(root.caller)).toEqual([one.id, two.id].sort());
    expect(stage.agents.list(one.caller, { max: 10, after: '0' }).views).toEqual([]);
  });

  test('labels of an agent that does not exist have no money', async () => {
    const stage = await AgentsStage.open();
    const root = await stage.root(10n);
    const labels = { ...root.caller.labels, 'agent.0': 'nobody', 'agent.own.0': 'nobody' };
    expect(await stage.spend({ caller: { ...root.caller, labels } }, 1n)).toBe('exhausted');
  });
});
