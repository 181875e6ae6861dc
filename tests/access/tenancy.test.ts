// Rule T8 on a real ledger: a tenant commands and sees what is its own, meets another's as what does not exist, and of the
// platform's budgets learns that they count and not what others spent.

import { describe, expect, test } from 'vitest';
import { TENANT_BUDGETS_MAX } from '#bursar/access/tenant-commands.js';
import { callHoldId } from '#bursar/access/tenant-ids.js';
import { hasFigures, type VisibleLine } from '#bursar/access/visible.js';
import type { Command } from '#bursar/index.js';
import { refusal } from './access-setup.js';
import { ACME, ADMIN, callerOf, leaves, OTHER, TenancyStage } from './tenancy-setup.js';

function linesOf(shown: unknown): Record<string, VisibleLine> {
  const { lines } = shown as { lines: readonly VisibleLine[] };
  return Object.fromEntries(lines.map((line) => [line.budgetId, line]));
}

describe('tenancy: holds', () => {
  test('tenancy: two tenants use one id → two holds, each seen and ended by its own tenant alone', async () => {
    const stage = await TenancyStage.open();
    const mine = await stage.hold(ACME, 'h1', 10n, { user: 'ann' });
    expect(mine).toMatchObject({ outcome: 'authorized', holdId: 'h1' });
    expect(await stage.hold(OTHER, 'h1', 20n)).toMatchObject({ outcome: 'authorized', holdId: 'h1' });
    expect(stage.tenancy.hold(ACME, 'h1')).toMatchObject({ holdId: 'h1', held: { usd: 10n } });
    expect(await stage.ask(OTHER, { command: 'release_hold', holdId: 'h1' })).toMatchObject({
      outcome: 'done',
    });
    expect(stage.tenancy.hold(ACME, 'h1').status).toBe('open');
    expect(stage.tenancy.hold(OTHER, 'h1').status).toBe('released');
    expect(stage.tenancy.hold(ADMIN, 'tenant/acme/h1').labels).toEqual({ tenant: 'acme', user: 'ann' });
  });

  test('tenancy: a command id of two tenants → two commands, and the first answer again only to its own', async () => {
    const stage = await TenancyStage.open();
    const command = { command: 'record_spend', commandId: 'c', labels: {}, amounts: { usd: 5n } } as const;
    for (const caller of [ACME, OTHER])
      expect(await stage.ask(caller, command)).toMatchObject({ replayed: false });
    for (const caller of [ACME, OTHER])
      expect(await stage.ask(caller, command)).toMatchObject({ replayed: true });
  });

  test('tenancy: the platform takes spend back → its tenant sees what was taken, and nothing of what could not be', async () => {
    const stage = await TenancyStage.open();
    await stage.ask(ACME, { command: 'record_spend', labels: {}, amounts: { usd: 5n } });
    const credit = { command: 'credit_spend', labels: { tenant: 'acme' } } as const;
    const refused = await stage.ask(ADMIN, { ...credit, amounts: { usd: 777n }, reason: 'refused-credit' });
    expect(refused).toMatchObject({ outcome: 'rejected', code: 'credit_exceeds_spent' });
    const done = await stage.ask(ADMIN, { ...credit, amounts: { usd: 5n }, reason: 'done-credit' });
    expect(done).toMatchObject({ outcome: 'settled', returned: { usd: 5n } });
    const text = JSON.stringify(leaves(await stage.allShownTo(ACME)));
    expect(text).toContain('done-credit');
    expect(text).not.toContain('refused-credit');
    expect(JSON.stringify(leaves(await stage.allShownTo(OTHER)))).not.toContain('done-credit');
  });

  test.each([
    ['an unknown hold', 'h2'],
    ['another tenant’s id in full', 'tenant/other/h1'],
    ['its own id in full', 'tenant/acme/mine'],
    ['a way up', '../other/h1'],
    ['an encoded way up', '..%2Fother%2Fh1'],
    ['NUL', 'h1\0'],
    ['a megabyte', 'h'.repeat(1 << 20)],
    ['__proto__', '__proto__'],
  ])('tenancy: a tenant names %s → the same as a hold that does not exist', async (_what, id) => {
    const stage = await TenancyStage.open();
    await stage.hold(OTHER, 'h1');
    await stage.hold(ACME, 'mine');
    expect(refusal(() => stage.tenancy.hold(ACME, id))).toBe('not_found: there is no such hold');
    const answer = async () => {
      const outcome = await stage.ask(ACME, { command: 'settle_hold', holdId: id, amounts: { usd: 1n } });
      return outcome.outcome === 'rejected' ? outcome.code : outcome.outcome;
    };
    expect(await answer().catch((error: { code: string }) => error.code)).toMatch(/^(hold_)?not_found$/);
    expect(stage.ledger.hold('tenant/other/h1')?.status).toBe('open');
  });

  test('tenancy: the rejection of a command names the tenant’s id, without the prefix', async () => {
    const stage = await TenancyStage.open();
    const outcome = await stage.ask(ACME, { command: 'release_hold', holdId: 'h9' });
    expect(outcome).toMatchObject({ code: 'hold_not_found' });
    expect(JSON.stringify(leaves(outcome))).not.toContain('tenant/');
  });

  test('tenancy: a hold of the gateway → its tenant sees it, and can neither end nor imitate it', async () => {
    const stage = await TenancyStage.open();
    const holdId = callHoldId(ACME, 'u1');
    await stage.ledger.authorize({ holdId, labels: { tenant: 'acme', model: 'm' }, amounts: { usd: 10n } });
    expect(stage.tenancy.hold(ACME, 'call/u1')).toMatchObject({ holdId: 'call/u1', status: 'open' });
    const commands: Command[] = [
      { command: 'release_hold', holdId: 'call/u1' },
      { command: 'reverse_hold', holdId: 'call/u1' },
      { command: 'settle_hold', holdId: 'call/u1', amounts: { usd: 0n } },
      { command: 'correct_hold', holdId: 'call/u1', amounts: { usd: 0n }, reason: 'free' },
      { command: 'extend_hold', holdId: 'call/u1', ttlMs: 1 },
    ];
    for (const command of commands)
      expect(refusal(() => stage.tenancy.command(ACME, command))).toMatch(
        /^forbidden: the hold belongs to a call of the gateway/,
      );
    const imitation = { command: 'authorize_hold', holdId: 'call/u2', labels: {}, amounts: {} } as const;
    expect(refusal(() => stage.tenancy.command(ACME, imitation))).toMatch(/^invalid_request: holdId/);
  });

  test('tenancy: a hold that the platform opened for the tenant → is seen by its full id, and commanded by nobody else', async () => {
    const stage = await TenancyStage.open();
    await stage.hold(ADMIN, 'desk-1', 10n, { tenant: 'acme' });
    expect(stage.tenancy.hold(ACME, 'desk-1').holdId).toBe('desk-1');
    expect(refusal(() => stage.tenancy.hold(OTHER, 'desk-1'))).toMatch(/^not_found/);
    expect(await stage.ask(ACME, { command: 'release_hold', holdId: 'desk-1' })).toMatchObject({
      code: 'hold_not_found',
    });
    const astray = { command: 'authorize_hold', amounts: { usd: 1n }, holdId: 'tenant/acme/x' } as const;
    for (const labels of [{}, { tenant: 'other' }])
      expect(refusal(() => stage.tenancy.command(ADMIN, { ...astray, labels }))).toMatch(
        /^invalid_request: holdId/,
      );
    await stage.ask(ADMIN, { ...astray, labels: { tenant: 'acme' } });
    expect(await stage.ask(ACME, { command: 'release_hold', holdId: 'x' })).toMatchObject({
      outcome: 'done',
    });
  });

  test('tenancy: labels forged in a request, a candidate or a later command → label_forbidden', async () => {
    const stage = await TenancyStage.open();
    const hold = { command: 'authorize_hold', holdId: 'h', labels: {}, amounts: {} } as const;
    const forged: Command[] = [
      { ...hold, labels: { tenant: 'other' } },
      { ...hold, candidates: [{ labels: { user: 'ann' } }, { labels: { tenant: 'other' } }] },
      { ...hold, candidates: [{ labels: { provider: 'cheap' } }] },
      { command: 'record_spend', labels: { tenant: 'other' }, amounts: { usd: 1n } },
      { command: 'settle_hold', holdId: 'h', labels: { tenant: 'other' }, amounts: {} },
    ];
    for (const command of forged)
      expect(refusal(() => stage.tenancy.command(ACME, command))).toMatch(/^label_forbidden: /);
    expect(refusal(() => stage.tenancy.holdLabels(ACME, { tenant: 'other' }))).toMatch(/^label_forbidden/);
    expect(stage.tenancy.holdLabels(ACME, { user: 'ann' })).toEqual({ user: 'ann', tenant: 'acme' });
  });

  test('tenancy: two tenants bring grants of one name → each has figures of its own, under its own name', async () => {
    const stage = await TenancyStage.open();
    const grants = [{ capability: 'cap', grant: 'g', unit: 'usd', maxTotal: 15n }];
    const ask = (caller: typeof ACME, holdId: string) =>
      stage.ask(caller, { command: 'authorize_hold', holdId, labels: {}, amounts: { usd: 10n }, grants });
    expect(await ask(OTHER, 'h1')).toMatchObject({ outcome: 'authorized' });
    const mine = await ask(ACME, 'h1');
    expect(linesOf(mine)['grant/usd']).toMatchObject({
      values: { capability: 'cap' },
      held: 10n,
      scope: 'tenant',
    });
    const seen = stage.ledger.grants().map((grant) => stage.tenancy.visibleBalance(ACME, grant));
    expect(seen.filter((grant) => grant?.unit === 'usd')).toMatchObject([
      { values: { capability: 'cap', grant: 'g' }, held: 10n },
    ]);
    expect(await ask(ACME, 'h2')).toMatchObject({ outcome: 'denied' });
    const settle = { command: 'settle_hold', holdId: 'h1', amounts: { usd: 1n } } as const;
    const stated = { ...settle, grant: { capability: 'cap', grant: 'g' } };
    expect(await stage.ask(ACME, stated)).toMatchObject({ outcome: 'settled' });
  });
});

describe('tenancy: budgets', () => {
  test('tenancy: a budget of a tenant’s own → counts its own calls, under its own id', async () => {
    const stage = await TenancyStage.open();
    const mine = linesOf(await stage.hold(ACME, 'h1', 30n)).mine;
    expect(mine).toMatchObject({ budgetId: 'mine', scope: 'tenant', held: 30n, remaining: 770n });
    expect(linesOf(await stage.hold(OTHER, 'h1', 1n)).mine).toMatchObject({ held: 1n });
    const topUp = { command: 'top_up', budgetId: 'mine', amount: 5n } as const;
    expect(linesOf(await stage.ask(ACME, topUp)).mine).toMatchObject({ granted: 805n });
    expect(stage.ledger.balances({ budgetId: 'tenant/other/mine' })[0].granted).toBe(800n);
  });

  test.each([
    ['each', 'forbidden: the budget "each" is the platform\'s'],
    ['acmes', 'forbidden: the budget "acmes" is the platform\'s'],
    ['all', 'not_found: there is no budget "all"'],
    ['none', 'not_found: there is no budget "none"'],
    ['tenant/other/mine', 'not_found: there is no budget "tenant/other/mine"'],
    ['__proto__', 'not_found: there is no budget "__proto__"'],
  ])('tenancy: a tenant’s admin commands the budget %s → %s', async (budgetId, expected) => {
    const stage = await TenancyStage.open();
    const commands: Command[] = [
      { command: 'top_up', budgetId, amount: 1n },
      { command: 'top_up', budgetId, values: { tenant: 'acme' }, amount: 1n },
      { command: 'set_budget_status', budgetId, status: 'paused' },
      { command: 'exhaust_budget', budgetId },
      { command: 'set_balance_limit', budgetId, limit: null },
      { command: 'put_definitions', close: [budgetId] },
    ];
    for (const command of commands)
      expect(refusal(() => stage.tenancy.command(ACME, command))).toBe(expected);
  });

  test.each([
    ['another tenant', { tenant: 'other' }],
    ['every tenant', { tenant: '*' }],
    ['no tenant', {}],
    ['a tenant that it only inherits', Object.create({ tenant: 'acme' })],
  ])('tenancy: a tenant’s admin puts a budget for %s → forbidden', async (_what, match) => {
    const stage = await TenancyStage.open();
    const spec = { id: 'b', match, unit: 'usd', limit: 1n, window: 'day' } as const;
    const refused = refusal(() =>
      stage.tenancy.command(ACME, { command: 'put_definitions', budgets: [spec] }),
    );
    expect(refused).toBe('forbidden: match.tenant: a budget of the tenant\'s own states "acme" here');
  });

  test('tenancy: a tenant’s admin puts units, aliases, an id of the platform’s, or too many budgets → refused', async () => {
    const stage = await TenancyStage.open();
    const put = (parts: object) =>
      refusal(() => stage.tenancy.command(ACME, { command: 'put_definitions', ...parts }));
    const budget = (id: string) => ({ id, match: { tenant: 'acme' }, unit: 'usd', limit: 1n, window: 'day' });
    expect(put({ units: [{ name: 'x', scale: 0 }] })).toMatch(/^forbidden: units/);
    expect(put({ aliases: { provider: { a: 'b' } } })).toMatch(/^forbidden: aliases/);
    expect(put({ budgets: [budget('all')] })).toMatch(/^conflict: the platform has a budget "all"/);
    expect(put({ budgets: [budget('tenant/other/mine')] })).toMatch(/^invalid_request: id: .*reserved/);
    const many = (count: number) => Array.from({ length: count }, (_, at) => budget(`b${at}`));
    expect(put({ budgets: [budget('mine'), ...many(TENANT_BUDGETS_MAX - 1)] })).toBe('nothing was refused');
    expect(put({ budgets: many(TENANT_BUDGETS_MAX) })).toMatch(
      /^conflict: budgets: a tenant has at most 1000/,
    );
  });

  test('tenancy: each command → needs its scope, in a batch as alone', async () => {
    const stage = await TenancyStage.open();
    const reader = callerOf('acme', 'read');
    const spender = callerOf('acme', 'spend');
    const spend = { command: 'record_spend', labels: {}, amounts: {} } as const;
    const topUp = { command: 'top_up', budgetId: 'mine', amount: 1n } as const;
    expect(refusal(() => stage.tenancy.command(reader, spend))).toMatch(/^forbidden: .* scope spend$/);
    expect(refusal(() => stage.tenancy.command(spender, topUp))).toMatch(
      /^forbidden: .* scope tenant_admin$/,
    );
    stage.tenancy.command(spender, spend);
    stage.tenancy.command(ADMIN, { command: 'top_up', budgetId: 'all', amount: 1n });
  });
});

describe('tenancy: what is seen', () => {
  test('tenancy: a budget that others count towards → its line says that it counts, and has no figures', async () => {
    const stage = await TenancyStage.open();
    await stage.hold(OTHER, 'h', 500n);
    const lines = linesOf(await stage.hold(ACME, 'h', 10n));
    expect(Object.keys(lines).sort()).toEqual(['acmes', 'all', 'each', 'mine']);
    expect(Object.keys(lines.all).sort()).toEqual(
      ['budgetId', 'resetsAt', 'scope', 'unit', 'violated', 'violations', 'window'].sort(),
    );
    for (const id of ['acmes', 'each', 'mine'])
      expect(lines[id]).toMatchObject({ scope: 'tenant', held: 10n });
    const full = linesOf(await stage.hold(ADMIN, 'x', 10n, { tenant: 'acme' }));
    expect(full.all).toMatchObject({ scope: 'platform', held: 520n });
    expect(full['tenant/acme/mine']).toMatchObject({ scope: 'tenant', held: 20n });
  });

  test('tenancy: the platform’s budget is near, by others’ spend → the tenant’s verdict stays its own', async () => {
    const stage = await TenancyStage.open();
    const verdict = () => stage.tenancy.verdict(ACME, stage.ledger.check({ labels: { tenant: 'acme' } }));
    await stage.ledger.record({ labels: {}, amounts: { usd: 90_000n } });
    expect(verdict()).toMatchObject({
      verdict: 'within',
      worst: { budgetId: expect.not.stringMatching(/^all$/) },
    });
    expect(await stage.hold(ACME, 'h')).toMatchObject({ outcome: 'authorized', verdict: 'within' });
    await stage.ledger.record({ labels: {}, amounts: { usd: 90_000n } });
    expect(verdict()).toMatchObject({ verdict: 'exhausted', fits: false, worst: { budgetId: 'all' } });
    const denied = await stage.hold(ACME, 'h2');
    expect(denied).toMatchObject({ outcome: 'denied', reason: 'exhausted', verdict: 'exhausted' });
    expect(linesOf(denied).all).toMatchObject({ violated: 'limit', scope: 'platform' });
    const sentence = (caller: typeof ACME, explanation: Parameters<typeof stage.tenancy.explanation>[1]) =>
      stage.tenancy.explanation(caller, explanation).sentence;
    const { decisionId } = denied as { decisionId: string };
    const explanation = await stage.ledger.explain(decisionId);
    expect(sentence(ADMIN, explanation)).toContain('0.0018 usd');
    expect(sentence(ACME, explanation)).toBe(
      'Hold h2 was denied (exhausted): all, a budget of the platform (limit).',
    );
  });

  test('tenancy: all that a tenant is shown → has nothing of another tenant: no id, label, figure or prefix', async () => {
    const stage = await TenancyStage.open();
    const grants = [{ capability: 'secret-cap', grant: 'secret-grant', unit: 'usd', maxTotal: 77_777n }];
    // What the other does has figures that occur nowhere else.
    await stage.ask(OTHER, {
      command: 'authorize_hold',
      holdId: 'secret-hold',
      commandId: 'secret-command',
      labels: { user: 'secret-user' },
      amounts: { usd: 777n },
      note: 'secret-note',
      grants,
    });
    await stage.hold(OTHER, 'secret-denied', 7_777n);
    await stage.ask(OTHER, { command: 'settle_hold', holdId: 'secret-hold', amounts: { usd: 771n } });
    await stage.ask(OTHER, { command: 'release_hold', holdId: 'secret-unknown' });
    await stage.ask(OTHER, { command: 'top_up', budgetId: 'mine', amount: 77n });
    await stage.ask(OTHER, {
      command: 'record_spend',
      labels: { user: 'secret-user' },
      amounts: { usd: 1n },
    });
    const spec = {
      id: 'secret-budget',
      match: { tenant: 'other' },
      unit: 'usd',
      limit: 1n,
      window: 'day',
    } as const;
    await stage.ask(OTHER, { command: 'put_definitions', budgets: [spec] });
    await stage.ask(OTHER, { command: 'set_budget_status', budgetId: 'secret-budget', status: 'closed' });
    const each = { budgetId: 'each', values: { tenant: 'other' } };
    await stage.ask(ADMIN, { command: 'exhaust_budget', ...each, commandId: 'secret-desk' });
    stage.ledger.snapshot();
    const text = JSON.stringify(leaves(await stage.allShownTo(ACME)));
    expect(text).toContain('acmes');
    expect(text.match(/secret|other|tenant\/|77\d/g)).toBeNull();
    // The same search finds it all where it may be seen.
    const own = leaves(await stage.allShownTo(OTHER)).join(' ');
    for (const found of [
      'secret-hold',
      'secret-denied',
      'secret-unknown',
      'secret-note',
      'secret-cap',
      '7777',
      '771',
    ])
      expect(own).toContain(found);
    expect(own).not.toMatch(/acme|tenant\/|secret-desk/);
    expect(leaves(await stage.allShownTo(ADMIN)).join(' ')).toMatch(/tenant\/other\/secret-hold/);
  });

  test('tenancy: events of one’s own holds → all of them, by its own ids, in order', async () => {
    const stage = await TenancyStage.open();
    await stage.hold(ACME, 'h');
    await stage.ask(ACME, { command: 'settle_hold', holdId: 'h', amounts: { usd: 4n } });
    await stage.ask(ADMIN, {
      command: 'correct_hold',
      holdId: 'tenant/acme/h',
      amounts: { usd: 5n },
      reason: 'r',
    });
    await stage.ledger.authorize({
      holdId: 'desk',
      labels: { tenant: 'acme' },
      amounts: { usd: 1n },
      ttlMs: 1_000,
    });
    stage.clock.at += 2_000;
    await stage.hold(OTHER, 'h');
    const seen = (await stage.events()).map((event) => stage.tenancy.visibleEvent(ACME, event));
    expect(seen.flatMap((event) => (event === null ? [] : [`${event.type} ${event.holdId}`]))).toEqual([
      'definitions_put null',
      'window_opened null',
      'window_opened null',
      'hold_authorized h',
      'hold_settled h',
      'hold_corrected h',
      'hold_authorized desk',
      'hold_expired desk',
    ]);
  });

  test('tenancy: a hold of the platform’s that left memory → its events are still its tenant’s alone', async () => {
    const stage = await TenancyStage.open({ endedHoldsMax: 1 });
    for (const holdId of ['desk-1', 'desk-2']) {
      await stage.hold(ADMIN, holdId, 10n, { tenant: 'acme' });
      await stage.ask(ADMIN, { command: 'settle_hold', holdId, amounts: { usd: 4n } });
    }
    expect(stage.ledger.hold('desk-1')).toBeUndefined();
    const settled = (await stage.events()).filter(({ type }) => type === 'hold_settled');
    const seenBy = (caller: typeof ACME) =>
      settled.flatMap((event) => stage.tenancy.visibleEvent(caller, event)?.holdId ?? []);
    expect(seenBy(ACME)).toEqual(['desk-1', 'desk-2']);
    expect(seenBy(OTHER)).toEqual([]);
  });

  test('tenancy: two tenants’ names share a quota by an alias → they share figures, and see no hold of each other', async () => {
    const stage = await TenancyStage.open();
    await stage.ask(ADMIN, { command: 'put_definitions', aliases: { tenant: { other: 'acme' } } });
    await stage.hold(OTHER, 'theirs', 20n);
    const { decisionId } = (await stage.hold(ACME, 'mine', 10n)) as { decisionId: string };
    const explained = stage.tenancy.explanation(ACME, await stage.ledger.explain(decisionId));
    const each = explained.lines.find(({ line }) => line.budgetId === 'each');
    expect(each).toMatchObject({ line: { held: 30n }, openHolds: 2, holds: [{ holdId: 'mine' }] });
    const seen = (await stage.events()).map((event) => stage.tenancy.visibleEvent(ACME, event)?.holdId ?? '');
    expect(seen).toContain('mine');
    expect(seen.join(' ')).not.toContain('theirs');
  });

  test('tenancy: another tenant’s decision → the same as one that does not exist', async () => {
    const stage = await TenancyStage.open();
    const { decisionId } = (await stage.hold(OTHER, 'h')) as { decisionId: string };
    const explanation = await stage.ledger.explain(decisionId);
    expect(refusal(() => stage.tenancy.explanation(ACME, explanation))).toBe(
      'not_found: there is no such decision',
    );
    expect(stage.tenancy.explanation(OTHER, explanation).event.holdId).toBe('h');
  });

  test('tenancy: budgets → a tenant sees its own and those of each tenant, not how many tenants there are', async () => {
    const stage = await TenancyStage.open();
    for (const caller of [ACME, OTHER]) await stage.hold(caller, 'h');
    const shown = stage.ledger.budgets().map((budget) => stage.tenancy.visibleBudget(ACME, budget));
    expect(shown.flatMap((budget) => (budget === null ? [] : [[budget.id, budget.balances]]))).toEqual([
      ['each', undefined],
      ['acmes', 1],
      ['mine', 1],
    ]);
    for (const line of Object.values(linesOf(await stage.hold(ACME, 'h2'))))
      expect(hasFigures(line)).toBe(line.budgetId !== 'all');
  });
});
