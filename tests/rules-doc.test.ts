// Keeps docs/rules.md true: every rule of the rule book has rows, and every row names a rule and a test that exists.
// And keeps that each known field problem has a test that names it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const TESTS = fileURLToPath(new URL('.', import.meta.url));
const DOC = fileURLToPath(new URL('../docs/rules.md', import.meta.url));

const numbered = (letter: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${letter}${from + index}`);

/** The rule book's ids. */
const RULES = [
  ...numbered('L', 1, 10),
  ...numbered('S', 1, 5),
  ...numbered('H', 1, 11),
  ...numbered('P', 1, 10),
  ...numbered('Q', 1, 10),
  ...numbered('T', 1, 8),
  ...numbered('G', 1, 4),
];

/** Titles of test(…), it(…), scenario(…) and the like in a source, as they are written there. */
function titlesIn(source: string): Set<string> {
  const titles = new Set<string>();
  const call =
    /\b(?:test|it|scenario|scenarioWith|inEachPlace)(?:\.each(?:<[^(]*>)?\([\s\S]*?\))?\(\s*(?:\{[^}]*\},\s*)?(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
  for (const [, , title] of source.matchAll(call)) titles.add((title as string).replace(/\\(.)/g, '$1'));
  return titles;
}

const titlesOf = new Map(
  readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => [name.replaceAll('\\', '/'), titlesIn(readFileSync(join(TESTS, name), 'utf8'))]),
);

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

/** Rows of the table, without its head; cells between the bars. */
function rowsOf(text: string): Row[] {
  const rows: Row[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.startsWith('|') || /^\|\s*(?:-+|rule)\s*\|/.test(line)) continue;
    const cells = line.slice(1, line.lastIndexOf('|')).split('|');
    rows.push({ line: index + 1, cells: cells.map((cell) => cell.trim()) });
  }
  return rows;
}

function problemsOf(text: string, titles: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const problems: string[] = [];
  const rows = rowsOf(text);
  for (const { line, cells } of rows) {
    const [rule = '', , title = '', file = ''] = cells;
    if (cells.length !== 4)
      problems.push(`line ${line}: has ${cells.length} cells, not rule, brief, test, file`);
    else if (!RULES.includes(rule)) problems.push(`line ${line}: ${rule} is no rule`);
    else if (!titles.has(file))
      problems.push(`line ${line}: ${rule} names tests/${file}, which does not exist`);
    else if (!titles.get(file)?.has(title))
      problems.push(`line ${line}: ${rule} names the test "${title}", which is not in tests/${file}`);
  }
  const proven = new Set(rows.map(({ cells }) => cells[0]));
  for (const rule of RULES) if (!proven.has(rule)) problems.push(`${rule} has no row`);
  return problems;
}

describe('rules', () => {
  const doc = readFileSync(DOC, 'utf8');

  test('rules: every rule names its tests, and every test named exists', () => {
    expect(problemsOf(doc, titlesOf)).toEqual([]);
  });

  test('rules: a title that changed, a rule without a row and an unknown rule are found', () => {
    const renamed = doc.replace('race: 32 holds of 80 k', 'race: 33 holds of 80 k');
    expect(problemsOf(renamed, titlesOf).join()).toContain('"race: 33 holds of 80 k under an exposure cap');
    const without = doc.replaceAll(/^\| S4\s.*\n/gm, '');
    expect(problemsOf(without, titlesOf)).toEqual(['S4 has no row']);
    expect(problemsOf(doc.replace('| S1 ', '| S9 '), titlesOf)[0]).toContain('S9 is no rule');
    const moved = doc.replaceAll('rules-holds.test.ts', 'rules-gone.test.ts');
    expect(problemsOf(moved, titlesOf)[0]).toContain('tests/rules-gone.test.ts, which does not exist');
  });

  test('field problems: each of the 40 is named by the title of a test', () => {
    const named = new Set<number>();
    for (const titles of titlesOf.values())
      for (const title of titles)
        for (const number of /^problem ([\d, ]+):/.exec(title)?.[1].split(', ') ?? [])
          named.add(Number(number));
    expect([...named].sort((left, right) => left - right)).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
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
