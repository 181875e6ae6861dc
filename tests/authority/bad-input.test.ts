// Hostile and mistaken input: each error is an InvalidInputError that names field, value and bound in a message of
// bounded length, and nothing changes: no record, no figure, and the ledger goes on.

import { describe, expect, test } from 'vitest';
import type { Authorize, Command, Ledger } from '#bursar/index.js';
import { AMOUNT_MAX, AmountFormatError, InvalidInputError, parseAmount, usd } from '#bursar/index.js';
import { memoryPlace, onStage } from '../scenario/scenario.js';

const MEGABYTE = 'x'.repeat(1_000_000);
const bare = Object.create(null) as object;
const deepList = (): unknown => {
  let list: unknown = [];
  for (let depth = 0; depth < 100_000; depth += 1) list = [list];
  return list;
};
const hostileText = {
  toString() {
    throw new Error('toString of the caller was called');
  },
};

/** Values that no id and no label value may be, and what the message says. */
const BAD_TEXTS: readonly [string, unknown, RegExp][] = [
  ['nothing', undefined, /expected text, got undefined/],
  ['null', null, /expected text, got null/],
  ['a number', 5, /expected text, got number/],
  ['an object', {}, /expected text, got object/],
  ['an object without prototype', bare, /expected text, got object/],
  ['an object whose toString throws', hostileText, /expected text, got object/],
  ['a deep list', deepList(), /expected text, got object/],
  ['a symbol', Symbol('s'), /expected text, got symbol/],
  ['empty text', '', /is empty/],
  ['a megabyte', MEGABYTE, /has 1000000 characters; at most (?:128|256)/],
  ['NUL', 'a\0b', /control or invisible/],
  ['a line break', 'a\nb', /control or invisible/],
  ['the separator of canonical texts', 'a\u001fb', /control or invisible/],
  ['a lone surrogate', 'a\ud800', /not well-formed/],
  ['a bidi override', 'abc\u202edef', /control or invisible/],
  ['a zero-width joiner', 'a\u200db', /control or invisible/],
  ['a byte order mark', '\ufeffa', /control or invisible/],
  ['an unassigned character', 'a\u0378', /control or invisible/],
  ['decomposed letters', 'Mu\u0308nchen', /normal form C/],
  ['a space at the end', 'acme ', /begins or ends with a space/],
  ['a no-break space at the start', '\u00a0acme', /begins or ends with a space/],
];

async function refuses(
  ledger: Ledger,
  call: () => Promise<unknown> | unknown,
  field: string | RegExp,
  message: RegExp,
) {
  const before = ledger.head();
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InvalidInputError);
  const invalid = error as InvalidInputError;
  if (typeof field === 'string') expect(invalid.field).toBe(field);
  else expect(invalid.field).toMatch(field);
  expect(invalid.message).toMatch(message);
  expect(invalid.message.length).toBeLessThan(1_000);
  await ledger.verify();
  expect(ledger.head()).toEqual(before);
}

const as = <T>(value: unknown) => value as T;
const hold = (change: object): Authorize =>
  as({ holdId: 'H', labels: { tenant: 'acme' }, amounts: { usd: 1n }, ...change });

/** One ledger that every case must leave untouched. */
const onLedger = (body: (ledger: Ledger) => Promise<void>) =>
  onStage(memoryPlace, async ({ ledger }) => {
    await ledger.putBudget({ id: 'B', match: { user: '*' }, unit: 'usd', limit: 10n, window: 'lifetime' });
    // Label sets that are remembered: a look-up by text must not let others pass.
    await ledger.authorize({ holdId: 'known', labels: { tenant: 'acme', user: '5' }, amounts: { usd: 1n } });
    await ledger.authorize({ holdId: 'empty', labels: {}, amounts: { usd: 1n } });
    await body(ledger);
  });

describe('texts', () => {
  test.each(BAD_TEXTS)('id: %s → refused by name, nothing changes', (_what, value, message) =>
    onLedger(async (ledger) => {
      const id = as<string>(value);
      await refuses(ledger, () => ledger.authorize(hold({ holdId: value })), 'holdId', message);
      await refuses(ledger, () => ledger.settle({ holdId: id, amounts: {} }), 'holdId', message);
      await refuses(ledger, () => ledger.topUp({ budgetId: id, amount: 1n }), 'budgetId', message);
      if (value !== undefined)
        await refuses(ledger, () => ledger.authorize(hold({ commandId: value })), 'commandId', message);
      await refuses(
        ledger,
        () => ledger.putBudget({ id, match: {}, unit: 'usd', limit: 1n, window: 'day' }),
        'budgets[0].id',
        message,
      );
    }),
  );

  test.each(BAD_TEXTS)('label value: %s → refused by label, nothing changes', (_what, value, message) =>
    onLedger(async (ledger) => {
      const labels = as<Record<string, string>>({ tenant: 'acme', user: value });
      await refuses(ledger, () => ledger.authorize(hold({ labels })), 'labels.user', message);
      await refuses(ledger, () => ledger.record({ labels, amounts: { usd: 1n } }), 'labels.user', message);
      await refuses(ledger, () => ledger.check({ labels }), 'labels.user', message);
      const candidates = [{ labels: as<Record<string, string>>({ user: value }) }];
      const field = 'candidates[0].labels.user';
      await refuses(ledger, () => ledger.authorize(hold({ candidates })), field, message);
      const caps = { capability: 'c', grant: as<string>(value), unit: 'usd' };
      await refuses(ledger, () => ledger.authorize(hold({ grants: [caps] })), 'grants[0].grant', message);
    }),
  );

  test('label value: longer than 256 characters, key longer than 64, more than 32 labels → refused', () =>
    onLedger(async (ledger) => {
      const check = (labels: Record<string, string>) => () => ledger.check({ labels });
      expect(check({ t: 'x'.repeat(256) })().fits).toBe(true);
      await refuses(ledger, check({ t: 'x'.repeat(257) }), 'labels.t', /257 characters; at most 256/);
      await refuses(ledger, check({ ['k'.repeat(65)]: 'v' }), /^labels\./, /65 characters; at most 64/);
      await refuses(ledger, check({ [MEGABYTE]: 'v' }), /^labels\./, /at most 64/);
      const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`k${index}`, 'v']));
      await refuses(ledger, check(many), 'labels', /33 labels; at most 32/);
    }));

  test.each([
    '__proto__',
    '',
    ' tenant',
    'ten ant',
    '1st',
    'ta\u0000b',
    'tenant\u001f',
    'tеnant',
    'a\u202eb',
    '=',
  ])('label key: %j → refused, nothing changes', (key) =>
    onLedger(async (ledger) => {
      const labels = as<Record<string, string>>(JSON.parse(`{${JSON.stringify(key)}: "v"}`));
      await refuses(ledger, () => ledger.authorize(hold({ labels })), /^labels\./, /the label key/);
      const spec = { id: 'X', match: labels, unit: 'usd', limit: 1n, window: 'day' } as const;
      await refuses(ledger, () => ledger.putBudget(spec), /^budgets\[0\]\.match\./, /the label key/);
    }),
  );

  test('label keys and ids of JavaScript’s own names are names like others', () =>
    onLedger(async (ledger) => {
      for (const name of ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']) {
        await ledger.putBudget({ id: name, match: { [name]: '*' }, unit: 'usd', limit: 5n, window: 'day' });
        const held = await ledger.authorize(hold({ holdId: `h-${name}`, labels: { [name]: '__proto__' } }));
        expect(held).toMatchObject({ outcome: 'authorized', lines: [{ budgetId: name, remaining: 4n }] });
        expect(await ledger.authorize(hold({ holdId: name }))).toMatchObject({ lines: [] });
        expect(ledger.hold(name)?.holdId).toBe(name);
      }
      expect(ledger.hold('__proto__')).toBeUndefined();
      const ids = ledger.balances({ values: { constructor: '__proto__' } }).map(({ budgetId }) => budgetId);
      expect(ids).toEqual(['constructor']);
    }));

  test('look-alikes are different values, and separators in values make no other balance', () =>
    onLedger(async (ledger) => {
      const users = ['acme', 'асme', 'ACME', 'acme|x', 'acme%7Cx', 'acme,x', 'münchen'];
      for (const user of users) await ledger.authorize(hold({ holdId: user, labels: { user } }));
      const views = ledger.balances({ budgetId: 'B' });
      expect(new Set(views.map(({ id }) => id)).size).toBe(users.length + 1);
      for (const user of users) expect(ledger.balances({ values: { user } })).toHaveLength(1);
    }));
});

const BAD_AMOUNTS: readonly [string, unknown, RegExp][] = [
  ['a number', 5, /expected a bigint number of steps, got 5/],
  ['NaN', Number.NaN, /expected a bigint.*NaN/],
  ['a fraction', 0.25, /expected a bigint.*0\.25/],
  ['text', '5', /expected a bigint.*"5"/],
  ['null', null, /expected a bigint/],
  ['a list', [1n], /expected a bigint/],
  ['an object without prototype', bare, /expected a bigint/],
  ['an object whose valueOf is a bigint', { valueOf: () => 5n }, /expected a bigint/],
  ['2^63', AMOUNT_MAX + 1n, /9223372036854775808.*2\^63−1|9223372036854775807/],
  ['2^64 + 5', 2n ** 64n + 5n, /18446744073709551621/],
  ['−2^63', -(2n ** 63n), /9223372036854775808/],
];

describe('amounts', () => {
  test.each(BAD_AMOUNTS)('amount: %s → refused by field, nothing changes', (_what, value, message) =>
    onLedger(async (ledger) => {
      const amounts = as<{ usd: bigint }>({ usd: value });
      await refuses(ledger, () => ledger.authorize(hold({ amounts })), 'amounts.usd', message);
      await refuses(ledger, () => ledger.settle({ holdId: 'known', amounts }), 'amounts.usd', message);
      await refuses(ledger, () => ledger.extend({ holdId: 'known', add: amounts }), 'add.usd', message);
      await refuses(ledger, () => ledger.check({ labels: {}, amounts }), 'amounts.usd', message);
      await refuses(ledger, () => ledger.record({ labels: {}, amounts }), 'amounts.usd', message);
      const onExpiry = { charge: amounts };
      await refuses(ledger, () => ledger.authorize(hold({ onExpiry })), 'onExpiry.charge.usd', message);
      if (value === null) return;
      const limit = as<bigint>(value);
      const put = () => ledger.putBudget({ id: 'X', match: {}, unit: 'usd', limit, window: 'day' });
      await refuses(ledger, put, 'budgets[0].limit', /expected a bigint|is not between 0 and/);
    }),
  );

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a list', [['usd', 1n]]],
    ['a bigint', 5n],
    ['text', 'usd'],
  ])('amounts: %s → refused by field', (_what, value) =>
    onLedger(async (ledger) => {
      const amounts = as<{ usd: bigint }>(value);
      await refuses(ledger, () => ledger.authorize(hold({ amounts })), 'amounts', /expected an object/);
    }),
  );

  test.each(['pounds', 'USD', '__proto__', 'constructor', '', MEGABYTE])(
    'unit: an unknown one → refused',
    (unit) =>
      onLedger(async (ledger) => {
        const amounts = as<{ usd: bigint }>(JSON.parse(`{${JSON.stringify(unit)}: 1}`));
        await refuses(
          ledger,
          () => ledger.authorize(hold({ amounts })),
          /^amounts\./,
          /it has usd, tokens, calls/,
        );
      }),
  );

  test('amount text: floats, signs, exponents and what is too fine or too large are refused, exact text is exact', () => {
    for (const text of [
      '',
      ' 1',
      '1 ',
      '+1',
      '-1',
      '1e3',
      '0x10',
      '1,5',
      '1.',
      '.5',
      '1_000',
      '１',
      'NaN',
      '∞',
    ])
      expect(() => usd(text)).toThrow(AmountFormatError);
    expect(() => usd('0.123456789')).toThrow('at most 8 fit');
    expect(() => usd('92233720368.54775808')).toThrow('above the largest');
    expect(() => usd(2 ** 53)).toThrow('not exact');
    expect(() => usd(Number.NaN)).toThrow(AmountFormatError);
    expect(usd('92233720368.54775807')).toBe(AMOUNT_MAX);
    expect(usd(0.1)).toBe(10_000_000n);
    expect(parseAmount('9223372036854775807', 0)).toBe(AMOUNT_MAX);
    expect(() => usd(MEGABYTE)).toThrow(/^.{1,200}$/);
  });
});

describe('requests', () => {
  const cases: readonly [string, object, string | RegExp][] = [
    ['ttlMs of zero', { ttlMs: 0 }, 'ttlMs'],
    ['ttlMs of a part of a millisecond', { ttlMs: 0.5 }, 'ttlMs'],
    ['ttlMs beyond thirty days', { ttlMs: 30 * 86_400_000 + 1 }, 'ttlMs'],
    ['ttlMs of NaN', { ttlMs: Number.NaN }, 'ttlMs'],
    ['an unknown overrun policy', { overrun: 'allow' }, 'overrun'],
    ['a null overrun policy', { overrun: null }, 'overrun'],
    ['a cap without tolerance', { overrun: { cap: {} } }, 'overrun.cap.tolerancePercent'],
    ['a negative tolerance', { overrun: { cap: { tolerancePercent: -1 } } }, 'overrun.cap.tolerancePercent'],
    ['an unknown expiry policy', { onExpiry: 'keep' }, 'onExpiry'],
    ['an expiry charge above the hold', { onExpiry: { charge: { usd: 2n } } }, 'onExpiry.charge.usd'],
    ['an expiry charge below zero', { onExpiry: { charge: { usd: -1n } } }, 'onExpiry.charge.usd'],
    ['no candidates', { candidates: [] }, 'candidates'],
    ['too many candidates', { candidates: Array(17).fill({}) }, 'candidates'],
    ['candidates that are no list', { candidates: { length: 1 } }, 'candidates'],
    ['a candidate that is no object', { candidates: [null] }, 'candidates[0]'],
    ['require that is no list', { require: 'tenant' }, 'require'],
    ['require of empty text', { require: [''] }, 'require[0]'],
    ['too many grants', { grants: Array(17).fill({ capability: 'c', grant: 'g', unit: 'usd' }) }, 'grants'],
    [
      'a grant in an unknown unit',
      { grants: [{ capability: 'c', grant: 'g', unit: 'x' }] },
      'grants[0].unit',
    ],
    [
      'a grant of −1 calls',
      { grants: [{ capability: 'c', grant: 'g', unit: 'usd', maxCalls: -1 }] },
      'grants[0].maxCalls',
    ],
    ['a lease without epoch', { authority: { authorityId: 'a', leaseId: 'l' } }, 'authority.epoch'],
    ['labels that are a list', { labels: [] }, 'labels'],
    ['labels that are text', { labels: 'tenant=acme' }, 'labels'],
    ['no labels', { labels: undefined }, 'labels'],
  ];

  test.each(cases)('authorize: %s → refused by field, nothing changes', (_what, change, field) =>
    onLedger((ledger) => refuses(ledger, () => ledger.authorize(hold(change)), field, /./)),
  );

  test('requests that are no objects, and commands that are none → refused', () =>
    onLedger(async (ledger) => {
      for (const request of [undefined, null, 5, 'x', [], Symbol('s')]) {
        const no = as<never>(request);
        const calls = [ledger.authorize, ledger.settle, ledger.release, ledger.reverse, ledger.extend];
        calls.push(ledger.correct as never, ledger.record as never);
        for (const call of calls)
          await refuses(
            ledger,
            () => (call as (it: never) => unknown).call(ledger, no),
            'request',
            /expected an object/,
          );
        await refuses(ledger, () => ledger.submit([no]), 'command', /expected an object/);
      }
      const commands: unknown[] = [{ command: 'drop_table' }, { command: 'constructor' }, {}];
      for (const command of commands)
        await refuses(ledger, () => ledger.submit([command as Command]), 'command', /./);
      await refuses(ledger, () => ledger.submit(as('x')), 'commands', /expected a list/);
      await refuses(
        ledger,
        () => ledger.submit(Array(10_001).fill({})),
        'commands',
        /10001 entries; at most 10000/,
      );
    }));

  test('settle, correct, record and budgets: mistaken fields → refused by name', () =>
    onLedger(async (ledger) => {
      const amounts = { usd: 1n };
      const settle = (change: object) => () => ledger.settle(as({ holdId: 'known', amounts, ...change }));
      await refuses(ledger, settle({ outcome: 'done' }), 'outcome', /none of completed/);
      await refuses(ledger, settle({ usage: { tokens: 1 } }), /usage/, /none of inputTokens/);
      await refuses(ledger, settle({ usage: { inputTokens: -1 } }), 'usage.inputTokens', /whole number/);
      await refuses(ledger, settle({ usage: { inputTokens: 1.5 } }), 'usage.inputTokens', /whole number/);
      const correct = (reason: unknown) => () =>
        ledger.correct({ holdId: 'known', amounts, reason: as(reason) });
      await refuses(ledger, correct(MEGABYTE), 'reason', /at most 512/);
      await refuses(ledger, correct(undefined), 'reason', /expected text/);
      const record = (occurredAt: unknown) => () =>
        ledger.record({ labels: {}, amounts, occurredAt: as(occurredAt) });
      for (const bad of [Number.NaN, -1, 1.5, 9e15, '2026-01-01', null])
        await refuses(ledger, record(bad), 'occurredAt', /whole number/);
      const put = (change: object) => () =>
        ledger.putBudget(as({ id: 'X', match: {}, unit: 'usd', limit: 1n, window: 'day', ...change }));
      await refuses(ledger, put({ unit: 'pounds' }), 'budgets[0].unit', /none of usd/);
      await refuses(ledger, put({ window: 'fortnight' }), /^budgets\[0\]\.window/, /is no window/);
      await refuses(
        ledger,
        put({ window: { calendar: 'day', timeZone: 'Mars/Base' } }),
        /timeZone/,
        /no known time zone/,
      );
      await refuses(ledger, put({ warnAtPercent: 0 }), 'budgets[0].warnAtPercent', /from 1 to 100/);
      await refuses(
        ledger,
        put({ onExhausted: 'explode' }),
        'budgets[0].onExhausted',
        /none of refuse, pause/,
      );
      await refuses(ledger, put({ limits: 5n }), /limits/, /no field of a budget/);
      await refuses(ledger, put({ id: 'grant/usd' }), 'budgets[0].id', /ledger's own/);
      await refuses(ledger, put({ heldMax: 5 }), 'budgets[0].heldMax', /bigint/);
      await refuses(ledger, put({ limit: undefined }), 'budgets[0].limit', /bigint/);
    }));
});
