// Budgets as code: what a file says, every way in which it can be wrong, and what applying it would change.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type InForce, planApply, renderPlan } from '#bursar/budgets/budget-diff.js';
import { ALIASES_MAX, BUDGETS_MAX, type BudgetFile, parseBudgetFile } from '#bursar/budgets/budget-file.js';
import { BUILT_IN_UNITS, usd } from '#bursar/core/amount.js';
import type { BudgetView } from '#bursar/core/outcomes.js';
import type { BudgetSpec } from '#bursar/core/requests.js';
import { BudgetFileError } from '#bursar/kit/located-values.js';

const EXAMPLE = readFileSync(new URL('../../examples/budgets.yaml', import.meta.url), 'utf8');

/** The lines of what is wrong with a text, without the file's name. */
function problemsOf(text: string): string[] {
  try {
    parseBudgetFile(text, 'f');
  } catch (error) {
    expect(error).toBeInstanceOf(BudgetFileError);
    return (error as Error).message.split('\n').map((line) => line.replace(/^f:/, ''));
  }
  return [];
}

/** A file with one budget, the given fields laid over sound ones; `null` leaves a field out. */
function budgetWith(fields: Record<string, string | null>): string {
  const sound = { id: 'b', match: '{ tenant: acme }', unit: 'usd', limit: '"100"', window: 'day' };
  const lines = Object.entries({ ...sound, ...fields }).filter(([, value]) => value !== null);
  return `budgets:\n  -\n${lines.map(([key, value]) => `    ${key}: ${value}`).join('\n')}\n`;
}

function fileOf(text: string): BudgetFile {
  return parseBudgetFile(text, 'f');
}

function budgetOf(fields: Record<string, string | null>): BudgetSpec {
  return fileOf(budgetWith(fields)).budgets[0];
}

/** What a ledger has after a file was put. */
function inForceAfter(file: BudgetFile, views: Partial<BudgetView> = {}): InForce {
  const budgets = file.budgets.map((spec) => viewOf(spec, views));
  return { units: [...BUILT_IN_UNITS, ...file.units], aliases: file.aliases, budgets };
}

function viewOf(spec: BudgetSpec, more: Partial<BudgetView> = {}): BudgetView {
  const standing = {
    version: 1,
    status: 'active',
    forcedExhaustedUntil: null,
    currentWindow: null,
    balances: 0,
  } as const;
  return { ...spec, ...standing, ...more };
}

const EMPTY_LEDGER: InForce = { units: BUILT_IN_UNITS, aliases: {}, budgets: [] };

describe('a sound file', () => {
  test('the example file is read as it is meant', () => {
    const file = parseBudgetFile(EXAMPLE, 'budgets.yaml');
    expect(file.units).toEqual([{ name: 'credits', scale: 6 }]);
    expect(file.aliases).toEqual({
      provider: {
        anthropic: 'claude-code',
        sonnet: 'claude-code',
        opus: 'claude-code',
        haiku: 'claude-code',
      },
    });
    expect(file.budgets.slice(0, 2)).toEqual([
      {
        id: 'acme-day',
        match: { tenant: 'acme' },
        unit: 'usd',
        limit: usd('100'),
        window: 'day',
        perHoldMax: usd('5'),
        heldMax: usd('20'),
      },
      {
        id: 'acme-month',
        match: { tenant: 'acme' },
        unit: 'usd',
        limit: usd('1500'),
        window: { calendar: 'month', timeZone: 'Europe/Berlin', anchorDay: 15 },
        warnAtPercent: 90,
      },
    ]);
    expect(file.budgets.find(({ id }) => id === 'acme-user-credits')?.limit).toBe(20_500_000n);
    expect(file.budgets.find(({ id }) => id === 'goal-quarterly-report')?.onExhausted).toBe('pause');
    expect(file.budgets.at(-2)).toEqual({
      id: 'provider/claude-code/hour',
      match: { provider: 'claude-code' },
      unit: 'usd',
      limit: usd('100'),
      window: 'hour',
    });
    expect(file.budgets.at(-1)).toEqual({
      id: 'provider/claude-code/day',
      match: { provider: 'claude-code' },
      unit: 'usd',
      limit: usd('150'),
      window: 'day',
    });
    expect(file.budgets).toHaveLength(9);
  });

  test('the examples in the documentation are read, and planned as they are shown there', () => {
    const page = readFileSync(new URL('../../docs/budgets.md', import.meta.url), 'utf8');
    const blocks = [...page.matchAll(/```(yaml|json)\n([\s\S]*?)```/g)].map((match) => match[2]);
    expect(blocks.length).toBeGreaterThanOrEqual(2);
    for (const block of blocks) expect(problemsOf(block)).toEqual([]);
    // What the page shows as the answer is the answer.
    expect(page).toContain(`\`\`\`\n${renderPlan(planApply(fileOf(blocks[0]), EMPTY_LEDGER))}\n\`\`\``);
    const changed = fileOf(blocks[0].replace('limit: "100"', 'limit: "120"'));
    expect(page).toContain(
      `\`\`\`\n${renderPlan(planApply(changed, inForceAfter(fileOf(blocks[0]))))}\n\`\`\``,
    );
  });

  test('JSON says the same as YAML', () => {
    const json = JSON.stringify({
      units: { credits: { scale: 2 } },
      aliases: { provider: { a: 'b' } },
      budgets: [
        { id: 'x', match: { tenant: '*' }, unit: 'credits', limit: '1.25', window: { every: 'PT5H' } },
      ],
    });
    const expected: BudgetFile = {
      units: [{ name: 'credits', scale: 2 }],
      aliases: { provider: { a: 'b' } },
      budgets: [{ id: 'x', match: { tenant: '*' }, unit: 'credits', limit: 125n, window: { every: 'PT5H' } }],
    };
    expect(fileOf(json)).toEqual(expected);
    expect(fileOf(JSON.stringify(JSON.parse(json), null, '\t'))).toEqual(expected);
    expect(fileOf(`\ufeff${json}`)).toEqual(expected);
  });

  test.each<[string, string, bigint | null]>([
    ['usd', '"0.00000001"', 1n],
    ['usd', '100', 10_000_000_000n],
    ['usd', '100.50', 10_050_000_000n],
    ['usd', '0.1', 10_000_000n],
    ['usd', '0.00000003', 3n],
    ['usd', '1e3', 100_000_000_000n],
    ['usd', '0', 0n],
    ['usd', 'null', null],
    ['usd', '~', null],
    ['usd', '"92233720368.54775807"', 9_223_372_036_854_775_807n],
    ['tokens', '9223372036854775807', 9_223_372_036_854_775_807n],
    ['calls', '"200"', 200n],
  ])('limit in %s: %s is %s steps', (unit, limit, steps) => {
    expect(budgetOf({ unit, limit }).limit).toBe(steps);
  });

  test('windows are kept in their shortest form', () => {
    expect(budgetOf({ window: '{ calendar: day, timeZone: utc }' }).window).toBe('day');
    expect(budgetOf({ window: '{ every: PT300M, anchor: 2026-01-01T01:00:00+01:00 }' }).window).toEqual({
      every: 'PT5H',
      anchor: '2026-01-01T00:00:00Z',
    });
  });

  test('YAML aliases stand for what they name', () => {
    const file = fileOf(
      'budgets:\n- { id: a, match: &m { tenant: acme }, unit: usd, limit: 1, window: day }\n- { id: b, match: *m, unit: usd, limit: 2, window: day }\n',
    );
    expect(file.budgets.map(({ match }) => match)).toEqual([{ tenant: 'acme' }, { tenant: 'acme' }]);
  });

  test('an empty match, a restated unit and a provider without caps are sound', () => {
    expect(budgetOf({ match: '{}' }).match).toEqual({});
    expect(fileOf('units: { usd: { scale: 8 } }').units).toEqual([]);
    expect(fileOf('providers: { openai: {} }').budgets).toEqual([]);
  });

  test('text of any script and names like those of object members are plain text', () => {
    const file = fileOf(
      'aliases: { provider: { constructor: toString } }\nbudgets:\n- { id: größe-予算, match: { constructor: "ü" }, unit: usd, limit: 1, window: day }',
    );
    expect(Object.hasOwn(file.aliases.provider, 'constructor')).toBe(true);
    expect(file.budgets[0]).toMatchObject({ id: 'größe-予算' });
    expect(Object.hasOwn(file.budgets[0].match, 'constructor')).toBe(true);
  });
});

describe('a file with problems', () => {
  test('every problem is reported, by line and field, in the order of the file', () => {
    const text = [
      'units:',
      '  credits: { scale: 19 }',
      'budgets:',
      '  - id: acme-day',
      '    match: { tenant: acme }',
      '    unit: usd',
      '    limit: "-3"',
      '    window: fortnight',
      '    perHoldMx: "5"',
      '  - id: acme-day',
      '    match: { tenant: "" }',
      '    unit: usdd',
      '    window: { calendar: month, anchorDay: 32 }',
    ].join('\n');
    expect(() => parseBudgetFile(text, 'budgets.yaml')).toThrow(BudgetFileError);
    expect(problemsOf(text)).toEqual([
      '2: units.credits.scale: 19 is not a whole number from 0 to 18',
      '7: budgets[0].limit: "-3" is not a decimal amount such as "12" or "0.25"',
      '8: budgets[0].window: "fortnight" is no window; state lifetime, hour, day, week, month, {calendar: …} or {every: …}',
      '9: budgets[0]: unknown field "perHoldMx"; did you mean "perHoldMax"?',
      '10: budgets[1].id: the id "acme-day" stands on lines 4 and 10; each budget has its own',
      '10: budgets[1].limit: is required; state an amount for each window, or null to meter only',
      '11: budgets[1].match.tenant: "" is empty',
      '12: budgets[1].unit: "usdd" is no unit known here; did you mean "usd"?',
      '13: budgets[1].window.anchorDay: 32 is not a whole number from 1 to 31',
    ]);
  });

  test('the error states its code, lines and fields for programs', () => {
    try {
      parseBudgetFile(budgetWith({ limit: '-1' }), 'x.yaml');
      expect.fail('accepted');
    } catch (error) {
      expect(error).toMatchObject({
        code: 'invalid_budget_file',
        problems: [{ line: 6, field: 'budgets[0].limit' }],
        more: 0,
      });
      expect((error as Error).message).toBe(
        'x.yaml:6: budgets[0].limit: "-1" is not a decimal amount such as "12" or "0.25"',
      );
    }
  });

  test.each<[Record<string, string | null>, string]>([
    [{ id: null }, '3: budgets[0].id: is required'],
    [{ id: '7' }, '3: budgets[0].id: 7 is a number; as a text it is written "7"'],
    [{ id: '""' }, '3: budgets[0].id: "" is empty'],
    [{ id: 'x'.repeat(129) }, 'has 129 characters; at most 128'],
    [{ id: '[a]' }, '3: budgets[0].id: a list is not a text'],
    [{ id: '"a\\u0007b"' }, 'contains a control or invisible character'],
    [{ id: '"e\\u0301"' }, 'is not in Unicode normal form C'],
    [{ id: '"\\ud83d"' }, 'is not well-formed Unicode'],
    [{ id: 'grant/x' }, '"grant/x": ids that begin with grant/ are the ledger\'s own'],
    [{ match: null }, '3: budgets[0].match: is required; {} matches every hold'],
    [{ match: 'acme' }, '4: budgets[0].match: "acme" is not a map of names and values'],
    [{ match: '{ tenant: 4 }' }, '4: budgets[0].match.tenant: 4 is a number; as a text it is written "4"'],
    [{ match: '{ tenant: true }' }, 'true is a boolean; as a text it is written "true"'],
    [{ match: '{ tenant: null }' }, 'budgets[0].match.tenant: null is not a text'],
    [{ match: '{ tenant }' }, 'budgets[0].match.tenant: null is not a text'],
    [{ match: '{ "a b": x }' }, '4: budgets[0].match["a b"]: the label key may contain only letters'],
    [{ match: `{ ${'k'.repeat(65)}: x }` }, 'the label key has 65 characters; at most 64'],
    [{ match: `{ tenant: ${'v'.repeat(257)} }` }, 'has 257 characters; at most 256'],
    [
      { match: `{ ${Array.from({ length: 33 }, (_, index) => `k${index}: v`).join(', ')} }` },
      'has 33 labels; at most 32',
    ],
    [{ match: '{ __proto__: { admin: x } }' }, 'budgets[0].match.__proto__: is a reserved name'],
    [{ unit: null }, '3: budgets[0].unit: is required'],
    [
      { unit: 'euro' },
      '5: budgets[0].unit: "euro" is no unit known here; declare it under units, or take one of usd, tokens, calls',
    ],
    [{ unit: 'toknes' }, 'did you mean "tokens"?'],
    [{ unit: 'constructor' }, '"constructor" is no unit known here'],
    [{ unit: '[usd]' }, 'a list is no unit known here'],
    [
      { limit: null },
      '3: budgets[0].limit: is required; state an amount for each window, or null to meter only',
    ],
    [{ limit: '"0.000000001"' }, '6: budgets[0].limit: "0.000000001" has 9 decimal digits; at most 8 fit'],
    [{ limit: '0.123456789' }, '"0.123456789" has 9 decimal digits; at most 8 fit'],
    [{ limit: '0.1000000000000000055' }, 'is not a decimal amount'],
    [{ limit: '"92233720368.54775808"' }, 'is above the largest amount, 92233720368.54775807'],
    [{ limit: '"1,000"' }, '"1,000" is not a decimal amount'],
    [{ limit: '$100' }, '"$100" is not a decimal amount'],
    [{ limit: '-0' }, '"-0" is not a decimal amount'],
    [{ limit: '.inf' }, 'is not a decimal amount'],
    [{ limit: '.nan' }, 'is not a decimal amount'],
    [{ limit: '0x10' }, '"0x10" is not a decimal amount'],
    [{ limit: '1e-9' }, 'has more decimal digits than 8'],
    [{ limit: '1e30' }, 'is not exact; write it as a string'],
    [{ limit: 'true' }, 'budgets[0].limit: true is not a decimal amount'],
    [{ limit: '[1]' }, 'budgets[0].limit: a list is not a decimal amount'],
    [{ unit: 'calls', limit: '1.5' }, '"1.5" has 1 decimal digits; at most 0 fit'],
    [{ perHoldMax: 'null' }, '8: budgets[0].perHoldMax: null is not a decimal amount'],
    [{ heldMax: '-1' }, '8: budgets[0].heldMax: "-1" is not a decimal amount'],
    [{ warnAtPercent: '0' }, '8: budgets[0].warnAtPercent: 0 is not a whole number from 1 to 100'],
    [{ warnAtPercent: '101' }, '101 is not a whole number from 1 to 100'],
    [{ warnAtPercent: '80.5' }, '80.5 is not a whole number'],
    [{ warnAtPercent: '"80"' }, '"80" is not a whole number'],
    [{ onExhausted: 'stop' }, '8: budgets[0].onExhausted: "stop" is not one of refuse, pause'],
    [{ window: null }, '3: budgets[0].window: is required'],
    [
      { window: '{ calendar: day, timeZone: Europe/Atlantis }' },
      '7: budgets[0].window.timeZone: "Europe/Atlantis" is no known time zone',
    ],
    [{ window: '{ every: P1M }' }, '7: budgets[0].window.every: "P1M" is no ISO 8601 duration'],
    [{ window: '{ calendar: day, zone: UTC }' }, '7: budgets[0].window: unknown field "zone"'],
    [{ window: '{ calendar: { a: { b: c } } }' }, 'budgets[0].window.calendar: an object is not one of'],
    [{ Limit: '5' }, '8: budgets[0]: unknown field "Limit"; did you mean "limit"?'],
    [{ colour: 'red' }, 'unknown field "colour"; known here: id, match, unit, limit, window, perHoldMax'],
    [{ [`x${'y'.repeat(500)}`]: '1' }, 'unknown field "xyyy'],
  ])('%j', (fields, problem) => {
    const problems = problemsOf(budgetWith(fields));
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems[0].length).toBeLessThan(400);
  });

  test.each<[string, string]>([
    ['', '1: the file is empty'],
    ['# nothing\n', '1: the file is empty'],
    ['{}', '1: the file states nothing; begin with budgets:'],
    ['[]', '1: a list is not a map of names and values'],
    ['budget: []', '1: unknown field "budget"; did you mean "budgets"?'],
    ['budgets: 5', '1: budgets: 5 is not a list of budgets'],
    ['budgets:\n  a: {}', '2: budgets: a map is not a list of budgets'],
    ['budgets: [5]', '1: budgets[0]: 5 is not a map of names and values'],
    ['units: []', '1: units: a list is not a map'],
    ['units: { credits: 6 }', '1: units.credits: 6 is not a map'],
    ['units: { credits: {} }', '1: units.credits.scale: is required'],
    ['units: { credits: { scale: "6" } }', 'units.credits.scale: "6" is not a whole number from 0 to 18'],
    ['units: { usd: { scale: 2 } }', '1: units.usd.scale: usd always has scale 8, not 2'],
    ['units: { "a b": { scale: 2 } }', '1: units["a b"]: a unit name has letters'],
    [
      `units: { ${Array.from({ length: 29 }, (_, index) => `u${index}: { scale: 0 }`).join(', ')} }`,
      '32 units with usd, tokens and calls; a ledger has at most 31',
    ],
    [
      'aliases: { provider: { a: b, b: c } }',
      '1: aliases.provider.a: "b" is itself an alias; state the name that it stands for',
    ],
    ['aliases: { provider: { a: a } }', 'aliases.provider.a: "a" is itself an alias'],
    ['aliases: { provider: { a: "*" } }', '"*" stands for every value and has no alias'],
    ['aliases: { provider: { "*": a } }', '"*" stands for every value and has no alias'],
    ['aliases: { provider: { a: b/c } }', 'aliases.provider.a: "b/c" names a model'],
    ['aliases: { provider: { a: 1 } }', '1 is a number'],
    ['aliases: { provider: { "": b } }', 'aliases.provider[""]: "" is empty'],
    ['aliases: { "a b": { a: b } }', 'aliases["a b"]: the label key may contain only letters'],
    ['aliases: { provider: sonnet }', 'aliases.provider: "sonnet" is not a map'],
    ['aliases: { __proto__: { a: b } }', 'aliases.__proto__: is a reserved name'],
    ['aliases: { provider: { __proto__: b } }', 'aliases.provider.__proto__: is a reserved name'],
    ['{"aliases": {"provider": {"__proto__": "b"}}}', 'is a reserved name'],
    [
      'providers: { a: { hourlimit: 1 } }',
      '1: providers.a: unknown field "hourlimit"; did you mean "hourLimit"?',
    ],
    ['providers: { a: { hourLimit: null } }', 'providers.a.hourLimit: null is not a decimal amount'],
    [
      'providers: { a: { dayLimit: "0.000000001" } }',
      'providers.a.dayLimit: "0.000000001" has 9 decimal digits',
    ],
    ['providers: { a: { dayLimit: 1, warnAtPercent: 0 } }', 'providers.a.warnAtPercent: 0 is not'],
    ['providers: { "*": { dayLimit: 1 } }', 'caps are for one provider each'],
    [
      'providers: { a/b: { dayLimit: 1 } }',
      'providers["a/b"]: "a/b" names a model of "a"; state the caps there',
    ],
    [`providers: { ${'p'.repeat(115)}: { dayLimit: 1 } }`, 'has 115 characters; at most 114'],
    [
      'aliases: { provider: { a: b } }\nproviders: { a: { dayLimit: 1 } }',
      '2: providers.a: "a" is an alias of "b"; state the caps there',
    ],
    ['budgets:\n- id: x\n  id: y', '3: budgets[0].id: is stated twice; the first is on line 2'],
    ['a: 1\nbudgets: [\n', '3: Flow sequence'],
    ['budgets: *x', '1: budgets: no anchor &x stands before *x'],
    ['budgets: &x [*x]', '1: budgets[0]: *x contains itself'],
    ['budgets: !!set { a }', 'Unresolved tag'],
    ['units: !thing {}', 'Unresolved tag: !thing'],
    ['%YAML 1.1\n---\nbudgets: []', '1: only YAML 1.2 is read; leave %YAML out'],
    ['budgets: []\n---\nbudgets: []', 'multiple documents'],
    ['? [a]\n: 1', 'keys must be strings'],
    ['[[[[[[[[[[[]]]]]]]]]]]', '[0][0][0][0][0][0][0][0][0]: is nested too deeply; at most 8 levels'],
    ['['.repeat(50_000), 'nested too deeply; at most 8 levels are read'],
  ])('%.60s', (text, problem) => {
    expect(problemsOf(text)).toEqual(expect.arrayContaining([expect.stringContaining(problem)]));
  });

  test('the same id again and again names the first line each time', () => {
    const budget = '- { id: x, match: {}, unit: usd, limit: 1, window: day }';
    expect(problemsOf(['budgets:', budget, budget, budget].join('\n'))).toEqual([
      '3: budgets[1].id: the id "x" stands on lines 2 and 3; each budget has its own',
      '4: budgets[2].id: the id "x" stands on lines 2 and 4; each budget has its own',
    ]);
  });

  test('the same id twice names both lines, those that providers make included', () => {
    const text =
      'providers: { a: { hourLimit: 1 } }\nbudgets:\n- { id: provider/a/hour, match: {}, unit: usd, limit: 1, window: day }\n';
    expect(problemsOf(text)).toEqual([
      '1: providers.a: the id "provider/a/hour" stands on lines 3 and 1; each budget has its own',
    ]);
  });

  test('a bomb of YAML aliases is read in the time that its text takes', () => {
    const levels = Array.from(
      { length: 7 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(', ')}]`,
    );
    const problems = problemsOf(`l0: &l0 [x]\n${levels.join('\n')}\nbudgets: *l7\n`);
    expect(problems.length).toBeLessThan(30);
    expect(problemsOf(`x: &a 1\nbudgets: [${Array(100_001).fill('*a').join(',')}]`).join('\n')).toContain(
      'more than 100000 YAML aliases',
    );
  });

  test('limits on size, budgets, aliases and problems are named', () => {
    expect(problemsOf('#'.repeat(16 * 1024 * 1024 + 1))).toEqual([
      '1: the file has 16777217 characters; at most 16777216 are read',
    ]);
    const many = `budgets: [${Array(BUDGETS_MAX + 1)
      .fill('0')
      .join(',')}]`;
    expect(problemsOf(many)).toEqual(['1: budgets: 100001 budgets; a file has at most 100000']);
    const names = Array.from({ length: ALIASES_MAX + 1 }, (_, index) => `  n${index}: c`);
    expect(problemsOf(`aliases:\n provider:\n${names.join('\n')}`)).toEqual([
      '2: aliases: more than 10000 names in all',
    ]);
    const providers = Array.from({ length: BUDGETS_MAX / 2 + 1 }, (_, index) => `  p${index}: *caps`);
    expect(
      problemsOf(`providers:\n  p: &caps { hourLimit: 1, dayLimit: 2 }\n${providers.join('\n')}`),
    ).toEqual(['50002: providers: more than 100000 budgets with those of the providers']);
    const wrong = problemsOf(`budgets: [${Array(150).fill('0').join(',')}]`);
    expect(wrong).toHaveLength(101);
    expect(wrong[100]).toBe(' and 50 more problems');
  });

  test('any text is either read or refused as a budget file, never anything else', () => {
    const piece = fc.constantFrom(
      'budgets:',
      '- ',
      '\n',
      '  ',
      'id: ',
      'a',
      '{',
      '}',
      '[',
      ']',
      '"',
      ': ',
      ',',
      '&a ',
      '*a',
      '!!str ',
      '|',
      '1',
      'null',
      '__proto__: ',
      '#',
      '---',
      'limit: ',
      'units: ',
      '\t',
      '\u0000',
      '\ud800',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
        (text) => {
          problemsOf(text);
          expect(Object.hasOwn(Object.prototype, 'a')).toBe(false);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('planApply', () => {
  const file = parseBudgetFile(EXAMPLE, 'budgets.yaml');

  test('into an empty ledger: all is made, in one request', () => {
    const plan = planApply(file, EMPTY_LEDGER);
    expect(plan.request).toEqual({ units: file.units, aliases: file.aliases, budgets: file.budgets });
    expect(renderPlan(plan).split('\n')).toEqual([
      '+ unit credits  scale 6',
      '+ alias provider anthropic  → claude-code',
      '+ alias provider sonnet  → claude-code',
      '+ alias provider opus  → claude-code',
      '+ alias provider haiku  → claude-code',
      '+ acme-day  tenant=acme: 100 usd each day, perHoldMax 5, heldMax 20',
      '+ acme-month  tenant=acme: 1500 usd each month Europe/Berlin from day 15, warnAtPercent 90',
      '+ acme-user-day  tenant=acme user=*: 7.5 usd each day',
      '+ acme-user-credits  tenant=acme tier=premium user=*: 20.5 credits each month',
      '+ researcher-calls  agent=researcher tenant=acme: 200 calls each hour',
      '+ acme-session-tokens  tenant=acme: tokens metered only each PT5H from 2026-01-01T00:00:00Z',
      '+ goal-quarterly-report  goal=quarterly-report tenant=acme: 2000000 tokens for its lifetime, onExhausted pause',
      '+ provider/claude-code/hour  provider=claude-code: 100 usd each hour',
      '+ provider/claude-code/day  provider=claude-code: 150 usd each day',
    ]);
  });

  test('applying twice changes nothing', () => {
    for (const prune of [false, true]) {
      const plan = planApply(file, inForceAfter(file), { prune });
      expect(plan).toEqual({ changes: [], unchangedBudgets: 9, request: null });
      expect(renderPlan(plan)).toBe('= no change');
    }
  });

  test('defaults stated or left out, the order of labels and the form of a window are no change', () => {
    const before = budgetOf({
      match: '{ b: x, a: y }',
      window: 'day',
      heldMax: '0',
      warnAtPercent: '80',
      onExhausted: 'refuse',
    });
    const after = fileOf(budgetWith({ match: '{ a: y, b: x }', window: '{ calendar: day, timeZone: UTC }' }));
    const view = viewOf(before, { window: { calendar: 'day' } });
    expect(planApply(after, { ...EMPTY_LEDGER, budgets: [view] }).request).toBeNull();
  });

  test('a changed budget: field by field, in the natural scale, and only it is put', () => {
    const before = fileOf(
      `${budgetWith({ perHoldMax: '5' })}  - { id: c, match: {}, unit: calls, limit: 1, window: hour }`,
    );
    const after = fileOf(
      `${budgetWith({ limit: '120.25', heldMax: '20', warnAtPercent: '50', onExhausted: 'pause' })}  - { id: c, match: {}, unit: calls, limit: 1, window: hour }`,
    );
    const plan = planApply(after, inForceAfter(before));
    expect(plan.changes).toEqual([
      {
        subject: 'budget',
        id: 'b',
        kind: 'change',
        fields: [
          { field: 'limit', from: '100', to: '120.25' },
          { field: 'perHoldMax', from: '5', to: 'none' },
          { field: 'heldMax', from: 'none', to: '20' },
          { field: 'warnAtPercent', from: '80', to: '50' },
          { field: 'onExhausted', from: 'refuse', to: 'pause' },
        ],
      },
    ]);
    expect(plan.request).toEqual({ budgets: [after.budgets[0]] });
    expect(renderPlan(plan)).toBe(
      '~ b  limit 100 → 120.25, perHoldMax 5 → none, heldMax none → 20, warnAtPercent 80 → 50, onExhausted refuse → pause\n= 1 budget unchanged',
    );
  });

  test('limits of null and 0 are not the same', () => {
    const plan = planApply(
      fileOf(budgetWith({ limit: '0' })),
      inForceAfter(fileOf(budgetWith({ limit: 'null' }))),
    );
    expect(renderPlan(plan)).toBe('~ b  limit metered only → 0');
  });

  test('what the file no longer has is left alone, and closed only when pruning', () => {
    const views = ['b', 'old', 'shut', 'grant/usd'].map((id) =>
      viewOf({ ...budgetOf({}), id }, { status: id === 'shut' ? 'closed' : 'active' }),
    );
    const inForce = { ...EMPTY_LEDGER, budgets: views };
    const kept = planApply(fileOf(budgetWith({})), inForce);
    expect(kept.request).toBeNull();
    expect(renderPlan(kept)).toBe('? old  not in the file, left alone\n= no change');
    const pruned = planApply(fileOf(budgetWith({})), inForce, { prune: true });
    expect(pruned.request).toEqual({ close: ['old'] });
    expect(renderPlan(pruned)).toBe('- old  not in the file: closed\n= 1 budget unchanged');
  });

  test.each<[Record<string, string>, string]>([
    [
      { window: 'week' },
      '! b  window day → week  window cannot change in a budget with a history; give the new budget another id',
    ],
    [{ unit: 'calls', limit: '100' }, '! b  unit usd → calls  unit cannot change'],
    [
      { match: '{ tenant: other }', limit: '5' },
      '! b  match tenant=acme → tenant=other, limit 100 → 5  match cannot change',
    ],
  ])('%j cannot be applied: a conflict is shown and nothing is requested', (fields, line) => {
    const more = '  - { id: c, match: {}, unit: calls, limit: 1, window: hour }';
    const plan = planApply(fileOf(budgetWith(fields) + more), inForceAfter(fileOf(budgetWith({}))));
    expect(renderPlan(plan)).toContain(line);
    expect(renderPlan(plan)).toContain('+ c  every hold: 1 calls each hour');
    expect(plan.request).toBeNull();
  });

  test('a closed budget in the file is a conflict, a paused one is not', () => {
    const closed = planApply(
      fileOf(budgetWith({})),
      inForceAfter(fileOf(budgetWith({})), { status: 'closed' }),
    );
    expect(renderPlan(closed)).toBe(
      '! b  it is closed for good; give the budget another id, or take it out of the file',
    );
    const paused = planApply(
      fileOf(budgetWith({ limit: '5' })),
      inForceAfter(fileOf(budgetWith({})), { status: 'paused' }),
    );
    expect(paused.request?.budgets).toHaveLength(1);
  });

  test('matches that would read the same unquoted are told apart', () => {
    const [left, right] = [budgetOf({ match: '{ a: "x b=y" }' }), budgetOf({ match: '{ a: x, b: y }' })];
    const plan = planApply(
      { units: [], aliases: {}, budgets: [left] },
      { ...EMPTY_LEDGER, budgets: [viewOf(right)] },
    );
    expect(renderPlan(plan)).toContain('! b  match a=x b=y → a="x b=y"');
  });

  test('aliases: added and changed in one table that keeps the others, taken away only when pruning', () => {
    const inForce: InForce = {
      ...EMPTY_LEDGER,
      aliases: { provider: { a: 'x', b: 'x' }, model: { m: 'n' } },
    };
    const stated = fileOf('aliases: { provider: { a: y, c: y } }');
    const kept = planApply(stated, inForce);
    expect(kept.request).toEqual({ aliases: { provider: { a: 'y', b: 'x', c: 'y' }, model: { m: 'n' } } });
    expect(renderPlan(kept).split('\n')).toEqual([
      '~ alias provider a  name x → y',
      '+ alias provider c  → y',
      '? alias provider b  not in the file, left alone',
      '? alias model m  not in the file, left alone',
    ]);
    const pruned = planApply(stated, inForce, { prune: true });
    expect(pruned.request).toEqual({ aliases: { provider: { a: 'y', c: 'y' } } });
    expect(renderPlan(pruned)).toContain('- alias model m  → n');
    expect(
      planApply(stated, { ...EMPTY_LEDGER, aliases: pruned.request?.aliases ?? {} }, { prune: true }).request,
    ).toBeNull();
  });

  test('an alias that is left alone may not lead to an alias of the file', () => {
    const inForce: InForce = { ...EMPTY_LEDGER, aliases: { provider: { sonnet: 'anthropic' } } };
    const stated = fileOf('aliases: { provider: { anthropic: claude-code } }');
    expect(planApply(stated, inForce).request).toBeNull();
    expect(renderPlan(planApply(stated, inForce))).toContain(
      '! alias provider sonnet  → anthropic is itself an alias now',
    );
    expect(planApply(stated, inForce, { prune: true }).request).toEqual({ aliases: stated.aliases });
  });

  test('a unit in use keeps its scale', () => {
    const stated = fileOf('units: { credits: { scale: 2 } }');
    const plan = planApply(stated, {
      ...EMPTY_LEDGER,
      units: [...BUILT_IN_UNITS, { name: 'credits', scale: 6 }],
    });
    expect(plan.request).toBeNull();
    expect(renderPlan(plan)).toContain(
      '! unit credits  scale 6 → 2  amounts in the journal have the old scale',
    );
  });

  test('applying any file over any other, then again, changes nothing more', () => {
    const cap = fc.option(fc.bigInt({ min: 0n, max: 9n }), { nil: undefined });
    const spec = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      limit: fc.option(fc.bigInt({ min: 0n, max: 9n })),
      perHoldMax: cap,
      heldMax: cap,
      warnAtPercent: fc.option(fc.constantFrom(80, 50), { nil: undefined }),
      onExhausted: fc.option(fc.constantFrom('refuse' as const, 'pause' as const), { nil: undefined }),
    });
    const anyFile = fc.uniqueArray(spec, { selector: ({ id }) => id }).map(
      (specs): BudgetFile => ({
        units: [],
        aliases: {},
        budgets: specs.map((each) =>
          withoutUndefined({ ...each, match: { t: 'x' }, unit: 'usd', window: 'day' }),
        ),
      }),
    );
    fc.assert(
      fc.property(anyFile, anyFile, fc.boolean(), (before, after, prune) => {
        const inForce = inForceAfter(before);
        const { request } = planApply(after, inForce, { prune });
        const put = new Map(request?.budgets?.map((each) => [each.id, each]));
        const views = new Map(inForce.budgets.map((view) => [view.id, view]));
        for (const each of put.values()) views.set(each.id, viewOf(each));
        for (const id of request?.close ?? []) views.set(id, viewOf(views.get(id)!, { status: 'closed' }));
        const again = planApply(after, { ...inForce, budgets: [...views.values()] }, { prune });
        expect(again.request).toBeNull();
        expect(again.unchangedBudgets).toBe(after.budgets.length);
        if (prune)
          expect([...views.values()].filter(({ status }) => status === 'active').length).toBe(
            after.budgets.length,
          );
      }),
    );
  });
});

/** Without fields that are undefined: a budget leaves out what it does not state. */
function withoutUndefined(spec: { [Key in keyof BudgetSpec]: BudgetSpec[Key] | undefined }): BudgetSpec {
  return Object.fromEntries(
    Object.entries(spec).filter(([, value]) => value !== undefined),
  ) as unknown as BudgetSpec;
}
