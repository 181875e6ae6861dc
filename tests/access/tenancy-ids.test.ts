// Ids of tenants in the ledger: distinct for distinct tenants, invisible to them, and not to be written by hand.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Tenancy } from '#bursar/access/tenancy.js';
import {
  findableId,
  fromLedgerId,
  tenantPrefix,
  tenantProblem,
  toLedgerId,
} from '#bursar/access/tenant-ids.js';
import { refusal } from './access-setup.js';
import { ACME, ADMIN, callerOf, OTHER, TenancyStage } from './tenancy-setup.js';

describe('tenancy: ids', () => {
  test('tenancy: any id of any tenant → comes back the same to it, and is nothing to any other', () => {
    const names = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 });
    const slippery = fc.constantFrom(
      'a',
      'a/b',
      'a%2Fb',
      'A',
      '..',
      '.',
      '%',
      '/',
      'tenant',
      'а',
      'a/',
      'b/a',
    );
    const text = fc.oneof(names, slippery).filter((name) => name.isWellFormed());
    fc.assert(
      fc.property(text, text, text, (tenant, other, id) => {
        const caller = callerOf(tenant, 'spend');
        if (findableId(caller, id) === null) return;
        const ledgerId = toLedgerId(caller, id);
        expect(fromLedgerId(caller, ledgerId)).toBe(id);
        expect(fromLedgerId(ADMIN, ledgerId)).toBe(ledgerId);
        if (other !== tenant) expect(fromLedgerId(callerOf(other, 'spend'), ledgerId)).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  test('tenancy: an id too long for what the prefix leaves → the message names what is left', () => {
    expect(toLedgerId(ACME, 'h'.repeat(116))).toHaveLength(128);
    expect(refusal(() => toLedgerId(ACME, 'h'.repeat(117), 'holdId'))).toMatch(
      /^invalid_request: holdId: .* has 117 characters; at most 116 are allowed \(128, less the 12 that name the tenant\)$/,
    );
  });

  test('tenancy: the longest name of a tenant → leaves 64 characters', () => {
    const longest = 'a'.repeat(56);
    expect(tenantProblem(longest)).toBeNull();
    expect(tenantProblem(`${longest}a`)).toMatch(/1 characters? too long/);
    expect(toLedgerId(callerOf(longest, 'spend'), 'h'.repeat(64))).toHaveLength(128);
  });

  test('tenancy: an id below a tenant’s prefix → a tenant neither makes nor finds one', () => {
    for (const id of [`${tenantPrefix('other')}h`, `${tenantPrefix('acme')}h`, 'tenant/']) {
      expect(refusal(() => toLedgerId(ACME, id))).toMatch(
        /^invalid_request: id: ids that begin with tenant\//,
      );
      expect(findableId(ACME, id)).toBeNull();
      expect(findableId(ADMIN, id)).toBe(id);
    }
  });

  test('tenancy: ids that do not exist, asked for again and again → no budget is listed; a tenant’s are counted once each', async () => {
    const stage = await TenancyStage.open();
    let listed = 0;
    const ledger = {
      budget: (id: string) => stage.ledger.budget(id),
      hold: (id: string) => stage.ledger.hold(id),
      holdLabels: (id: string) => stage.ledger.holdLabels(id),
      budgets(filter: Parameters<typeof stage.ledger.budgets>[0]) {
        const found = stage.ledger.budgets(filter);
        listed += found.length;
        return found;
      },
    };
    const tenancy = new Tenancy(ledger);
    for (let index = 0; index < 1_000; index += 1) {
      const exhaust = { command: 'exhaust_budget', budgetId: `b${index}` } as const;
      expect(refusal(() => tenancy.command(ACME, exhaust))).toMatch(/^not_found/);
      await stage.hold(OTHER, `h${index}`);
    }
    expect(listed).toBe(0);
    for (const id of ['b1', 'b2', 'b3']) {
      const budget = { id, match: { tenant: 'acme' }, unit: 'usd', limit: 1n, window: 'day' } as const;
      await stage.ledger.submit([tenancy.command(ACME, { command: 'put_definitions', budgets: [budget] })]);
    }
    // Five when the stage was opened, and two of the three: the last came after the last count.
    expect(listed).toBe(7);
    expect(stage.ledger.budgets()).toHaveLength(8);
  });
});
