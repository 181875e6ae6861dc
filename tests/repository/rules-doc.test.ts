// Keeps docs/rules.md and docs/field-problems.md true. Every rule has a statement, an example with a figure, and tests that
// exist; every rule that the repository names is stated; every field problem has a test whose title names it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ruleIdsIn, texts } from './repository-texts.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Titles of test(…), it(…), scenario(…) and the like in a source, as they are written there. */
function titlesIn(source: string): Set<string> {
  const titles = new Set<string>();
  const call =
    /\b(?:test|it|scenario|scenarioWith|inEachPlace)(?:\.each(?:<[^(]*>)?\([\s\S]*?\))?\(\s*(?:\{[^}]*\},\s*)?(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
  for (const [, , title] of source.matchAll(call)) titles.add((title as string).replace(/\\(.)/g, '$1'));
  return titles;
}

const titlesOf = new Map(
  texts('tests')
    .filter(({ path }) => path.endsWith('.test.ts'))
    .map(({ path, text }) => [path.slice('tests/'.length), titlesIn(text)]),
);

interface Rule {
  readonly statement: string;
  readonly example: string;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

/** The rules of a page: `## L1`, its statement, `_Example._ …`, and under `Tests:` the files with the titles in them. */
function rulesIn(page: string): Map<string, Rule> {
  const rules = new Map<string, Rule>();
  for (const section of page.split(/^## /m).slice(1)) {
    const [id, ...lines] = section.split('\n');
    const body = lines.join('\n');
    const [statement = '', rest = ''] = body.split(/^_Example\._ /m);
    const [example = '', list = ''] = rest.split(/^Tests:$/m);
    const tests: { file: string; title: string }[] = [];
    let file = '';
    for (const line of list.split('\n')) {
      file = /^- `([^`]+)`$/.exec(line)?.[1] ?? file;
      const title = /^ {2}- (.+)$/.exec(line)?.[1];
      if (title !== undefined) tests.push({ file, title });
    }
    rules.set(id.trim(), { statement: statement.trim(), example: example.trim(), tests });
  }
  return rules;
}

const PAGES = new Map(
  texts('docs/rules').map(({ path, text }) => [path, rulesIn(text)] as [string, Map<string, Rule>]),
);
const RULES = new Map([...PAGES.values()].flatMap((rules) => [...rules]));

function problemsOf(id: string, rule: Rule, titles: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const problems: string[] = [];
  if (rule.statement.length < 60) problems.push(`${id} is not stated`);
  if (!/\d/.test(rule.example)) problems.push(`${id} has no example with a figure`);
  if (rule.tests.length === 0) problems.push(`${id} names no test`);
  for (const { file, title } of rule.tests) {
    if (!titles.has(file)) problems.push(`${id} names tests/${file}, which does not exist`);
    else if (!titles.get(file)?.has(title))
      problems.push(`${id} names the test "${title}", which is not in tests/${file}`);
  }
  return problems;
}

describe('rules', () => {
  test('rules: each has a statement, an example, and tests that exist', () => {
    const problems = [...RULES].flatMap(([id, rule]) => problemsOf(id, rule, titlesOf));
    expect(problems).toEqual([]);
    expect(RULES.size).toBeGreaterThanOrEqual(58);
  });

  test('rules: the index names each rule once, with a link to it', () => {
    const index = readFileSync(join(ROOT, 'docs/rules.md'), 'utf8');
    const linked = [...index.matchAll(/^- \[([A-Z]\d+)\]\((rules\/[a-z]+\.md)#([a-z]\d+)\)/gm)];
    const stated = [...PAGES].flatMap(([path, rules]) =>
      [...rules.keys()].map((id) => `${id} ${path.slice('docs/'.length)} ${id.toLowerCase()}`),
    );
    expect(linked.map(([, id, page, anchor]) => `${id} ${page} ${anchor}`).sort()).toEqual(stated.sort());
  });

  test('rules: every rule that a file of the repository names is stated', () => {
    const unknown = texts('.').flatMap(({ path, text }) =>
      ruleIdsIn(path, text)
        .filter((id) => !RULES.has(id))
        .map((id) => `${path}: ${id}`),
    );
    expect(unknown).toEqual([]);
  });

  test('rules: a changed title, a lost file, and a rule without an example are found', () => {
    const page =
      '## X1\n\nSTATEMENT\n\n_Example._ 1 of 2.\n\nTests:\n\n- `a.test.ts`\n  - one: two\n'.replace(
        'STATEMENT',
        'what it says '.repeat(9),
      );
    const problems = (text: string, files: [string, Set<string>][]) =>
      [...rulesIn(text)].flatMap(([id, rule]) => problemsOf(id, rule, new Map(files)));
    expect(problems(page, [['a.test.ts', new Set(['one: two'])]])).toEqual([]);
    expect(problems(page, [['a.test.ts', new Set(['one: three'])]])).toEqual([
      'X1 names the test "one: two", which is not in tests/a.test.ts',
    ]);
    expect(problems(page, [])).toEqual(['X1 names tests/a.test.ts, which does not exist']);
    expect(problems(page.replace('1 of 2', ''), [['a.test.ts', new Set(['one: two'])]])).toEqual([
      'X1 has no example with a figure',
    ]);
    expect(ruleIdsIn('src/a.ts', '// see rules L1, L3 to L5 and Q9; a hold H3 in V8')).toEqual(
      'L1 L3 L4 L5 Q9'.split(' '),
    );
  });

  test('rules: titles are found however a test is written', () => {
    const source = `
      test('plain', () => {});
      it("double", () => {});
      scenario(
        'next line → it’s "quoted"', \`table\`);
      inEachPlace('places', (place) => {});
      test.each([['a', 'b']])('each %s', () => {});
      test.each<[string, unknown]>([\n ['x', f('y')],\n ])('typed %s', () => {});
      scenario(\`lease: "\${verb}" needs\`, '');
      test('it\\'s escaped', () => {});
    `;
    const expected = ['plain', 'double', 'next line → it’s "quoted"', 'places', 'each %s', 'typed %s'];
    expect([...titlesIn(source)]).toEqual([...expected, `lease: "\${verb}" needs`, "it's escaped"]);
  });
});

test('field problems: each of the forty names a file with a test whose title names it', () => {
  const page = readFileSync(join(ROOT, 'docs/field-problems.md'), 'utf8');
  const entries = [...page.matchAll(/^(\d+)\. .*\((.*)\)$/gm)];
  expect(entries.map(([, number]) => Number(number))).toEqual(
    Array.from({ length: 40 }, (_, index) => index + 1),
  );
  const numbersIn = (file: string) =>
    [...(titlesOf.get(file) ?? [])].flatMap(
      (title) => /^problem ([\d, ]+):/.exec(title)?.[1].split(', ') ?? [],
    );
  const without = entries.flatMap(([, number, files]) =>
    [...files.matchAll(/`([^`]+)`/g)]
      .filter(([, file]) => !numbersIn(file).includes(number))
      .map(([, file]) => `${number} is in no title of tests/${file}`),
  );
  expect(without).toEqual([]);
});
