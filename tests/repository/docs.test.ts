// Keeps the documentation true where it repeats the code: the catalogue of rejection codes, the constants of the journal
// format, the README's first program, the rooms and files of ARCHITECTURE.md, and that links lead somewhere. What the pages
// show is run in docs-examples.test.ts.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { EVENT_TYPES } from '#bursar/core/outcomes.js';
import { openLedger, REJECTIONS } from '#bursar/index.js';
import { COMMAND_KINDS } from '#bursar/journal/format.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Cells of the table rows between two comments. */
function tableRows(path: string, name: string): string[][] {
  const marked = new RegExp(`<!-- ${name}[^>]*-->([\\s\\S]*?)<!-- /${name} -->`).exec(text(path));
  if (marked === null) throw new Error(`${path} has no part marked ${name}`);
  return marked[1]
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim()),
    );
}

const code = (cell: string) => cell.replace(/^`(.*)`$/, '$1');

test('docs: the table of rejection codes has every code of the catalogue, as it is there, and no other', () => {
  const documented = Object.fromEntries(
    tableRows('docs/library.md', 'rejections').map(([name, meaning, again]) => [
      code(name),
      { meaning, retry: again === 'yes' },
    ]),
  );
  expect(documented).toEqual(REJECTIONS);
});

test('docs: the journal format numbers every command and every outcome as the codec does', () => {
  const numbered = (rows: string[][]) =>
    rows.sort(([left], [right]) => Number(left) - Number(right)).map(([, name]) => code(name));
  expect(numbered(tableRows('docs/journal-format.md', 'commands'))).toEqual(COMMAND_KINDS);
  expect(numbered(tableRows('docs/journal-format.md', 'outcomes'))).toEqual(EVENT_TYPES);
});

test('docs: the journal format states the tables of a ledger file word for word', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-docs-'));
  try {
    const path = join(folder, 'ledger.db');
    await (await openLedger({ path })).close();
    const db = new Database(path, { readonly: true });
    const tables = db
      .prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL')
      .pluck()
      .all() as string[];
    db.close();
    const stated = /```sql\n([\s\S]*?)\n```/.exec(text('docs/journal-format.md'))?.[1];
    expect(stated).toBe(tables.map((table) => `${table};`).join('\n\n'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('docs: the README has fewer than 900 words, and shows examples/first-use.mjs as it is', () => {
  const page = text('README.md');
  expect(page.split(/\s+/).length).toBeLessThan(900);
  const shown = [...page.matchAll(/```js\n([\s\S]*?)```/g)].at(-1)?.[1];
  const program = text('examples/first-use.mjs').replace(/^(?:\/\/.*\n)+/, '');
  expect(shown).toBe(program);
});

test('docs: every link between the pages leads to a file, and every anchor to a heading', () => {
  const pages = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('src', name)),
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ];
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target] of text(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, anchor] = target.split('#');
      const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
      if (!existsSync(join(ROOT, file))) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(text(file)).includes(anchor))
        broken.push(`${page}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
});

// As code hosts make them: lower case, spaces to hyphens, other signs left out.
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('docs: the drawing of the rooms has every room of the line, in its order', () => {
  const line = /const LINE[^=]*= (\[[\s\S]*?\n\]);/.exec(text('tests/repository/layers.test.ts'))?.[1] ?? '';
  const steps = [...line.matchAll(/^ {2}\[(.*)\],$/gm)].map(([, step]) =>
    [...step.matchAll(/'([\w/]+)'/g)].map(([, room]) => room),
  );
  expect(steps.length).toBeGreaterThan(10);
  const drawing = /```text\n([\s\S]*?)```/.exec(text('ARCHITECTURE.md'))?.[1] ?? '';
  const drawn = drawing.split('\n').map((row) => ` ${row.slice(15, 49)} `.split(/[ ,]+/));
  const rowOf = (room: string) =>
    drawn.findIndex((words) => words.includes(room === 'root' ? 'main.ts' : room));
  for (const [index, rooms] of steps.entries())
    for (const room of rooms) {
      expect([room, rowOf(room)]).not.toEqual([room, -1]);
      const before = (steps[index - 1] ?? []).map(rowOf);
      expect([room, rowOf(room) > Math.max(-1, ...before)]).toEqual([room, true]);
    }
});

test('docs: ARCHITECTURE.md names files that exist, each invariant with one of src/ that keeps it', () => {
  const page = text('ARCHITECTURE.md');
  const missing = [...page.matchAll(/`([a-z][\w/-]*(?:\.test)?\.ts|[a-z][\w/-]*\/)`/g)]
    .map(([, name]) => name)
    .filter((name) => !['src', 'tests', '.'].some((folder) => existsSync(join(ROOT, folder, name))));
  expect(missing).toEqual([]);
  const invariants = [...page.slice(page.indexOf('## Invariants')).matchAll(/^\d+\. .*$/gm)];
  expect(invariants).toHaveLength(12);
  for (const [row] of invariants) expect(row).toMatch(/(?:Kept|Remembered) in `.*; tested in `/);
});

test('docs: a cell of a table in ARCHITECTURE.md is no longer than a line, and a word of the glossary has one row', () => {
  const cells = text('ARCHITECTURE.md')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .flatMap((line) => line.split('|').map((cell) => cell.trim()));
  expect(cells.filter((cell) => cell.length > 110)).toEqual([]);
  const words = text('ARCHITECTURE.md')
    .split('## Glossary')[1]
    .split('\n')
    .filter((line) => /^\| [a-z]/.test(line))
    .flatMap((line) => line.split('|')[1].split(','))
    .map((word) => word.trim());
  expect(words.length).toBeGreaterThan(60);
  expect(words.filter((word, index) => words.indexOf(word) !== index)).toEqual([]);
});
