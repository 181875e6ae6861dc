// The table of a budget's fields: what it says of a field is what the ledger does, for every field that there is.

import { expect, test } from 'vitest';
import { openLedger } from '#bursar/authority/open.js';
import { BUDGET_FIELD_LIST, type BudgetField, type BudgetFieldName } from '#bursar/core/budget-fields.js';
import type { BudgetSpec } from '#bursar/core/requests.js';

/** Every field; a new one does not compile until it stands here as well. */
const WHOLE: Required<BudgetSpec> = {
  id: 'b',
  match: { tenant: 'acme' },
  unit: 'usd',
  limit: 100n,
  window: 'day',
  perHoldMax: 50n,
  heldMax: 70n,
  warnAtPercent: 90,
  onExhausted: 'pause',
};

const OTHER: Required<BudgetSpec> = {
  id: 'other',
  match: { tenant: 'other' },
  unit: 'tokens',
  limit: null,
  window: 'hour',
  perHoldMax: 51n,
  heldMax: 71n,
  warnAtPercent: 91,
  onExhausted: 'refuse',
};

const names = BUDGET_FIELD_LIST.map(([name]) => name);

test('every field is stated → it is in the view, the event and the snapshot as it was stated', async () => {
  const ledger = await openLedger({ path: ':memory:' });
  expect(await ledger.putBudget(WHOLE)).toMatchObject(WHOLE);
  expect(ledger.snapshot().budgets).toEqual([WHOLE]);
  for await (const { details } of ledger.events({ type: 'definitions_put' }))
    expect(details.budgets).toEqual([WHOLE]);
  expect(Object.keys(WHOLE).sort()).toEqual([...names].sort());
});

test.each(names)(
  '%s: another value is put → what the table says of a change',
  async (name: BudgetFieldName) => {
    const ledger = await openLedger({ path: ':memory:' });
    await ledger.putBudget(WHOLE);
    const put = await ledger.putDefinitions({ budgets: [{ ...WHOLE, [name]: OTHER[name] }] });
    const { change } = BUDGET_FIELD_LIST.find(([known]) => known === name)![1];
    const version = ledger.budget('b')?.version;
    if (change === 'fixed')
      expect(put).toMatchObject({ code: 'definition_conflict', message: new RegExp(name) });
    else expect(put.outcome).toBe('done');
    expect(version).toBe(change === 'version' ? 2 : 1);
    expect(ledger.budgets()).toHaveLength(change === 'identity' ? 2 : 1);
  },
);

test.each(BUDGET_FIELD_LIST.filter(([, { required }]) => !required))(
  '%s: it is left out, or stated as what that means → the same version',
  async (name, { absent }) => {
    const ledger = await openLedger({ path: ':memory:' });
    const { [name]: _left, ...without } = WHOLE;
    await ledger.putBudget(without as BudgetSpec);
    await ledger.putBudget(without as BudgetSpec);
    if (absent !== undefined) await ledger.putBudget({ ...without, [name]: absent } as BudgetSpec);
    expect(ledger.budget('b')?.version).toBe(1);
  },
);

test('a choice without its choices → does not compile, so no reader can drop its value', () => {
  // @ts-expect-error: `choices` is missing
  const field: BudgetField = { kind: 'choice', required: false, change: 'version' };
  expect(field.kind).toBe('choice');
});
