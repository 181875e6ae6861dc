// Every reference in the repository's texts leads somewhere that a reader of the repository can open: rules (checked in
// rules-doc.test.ts), invariants, field problems, pages, and files that comments name.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { commentsOf, numbersAfter, texts } from './repository-texts.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OWN = 'tests/repository/references.test.ts';

const all = texts('.').filter(({ path }) => path !== OWN);
const textOf = new Map(all.map(({ path, text }) => [path, text]));

/** Numbers of a list in a page: `1. …`. */
const numbersOf = (path: string, from: RegExp) => {
  const page = textOf.get(path) ?? '';
  const part = page.slice(page.search(from));
  return new Set([...part.matchAll(/^(\d+)\. \S/gm)].map(([, number]) => Number(number)));
};

/** Pages that lie outside the repository: whoever reads only the repository cannot follow these words. */
const OUTSIDE =
  /\bhouse style\b|\bdesign(?:,|'s)? section|\bdesign\.md\b|\bconventions\.md\b|\bstyle\.md\b|\bhouse\.md\b|(?<![\w/])rules\.md\b/i;
/** A numbered section, unless it is that of an RFC. */
const SECTION = /(?<!RFC \d{4}, )\bsections? \d/i;

describe('references', () => {
  test('invariants by number are those of ARCHITECTURE.md', () => {
    const known = numbersOf('ARCHITECTURE.md', /^## Invariants/m);
    expect(known.size).toBeGreaterThanOrEqual(12);
    expect(unknownIn('invariant', known)).toEqual([]);
  });

  test('problems by number are those of docs/field-problems.md', () => {
    expect(unknownIn('problem', numbersOf('docs/field-problems.md', /^## /m))).toEqual([]);
  });

  test('no text refers to a page outside the repository, or to a numbered section', () => {
    const found = all.flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          OUTSIDE.test(line) || SECTION.test(line)
            ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`]
            : [],
        ),
    );
    expect(found).toEqual([]);
  });

  test('paths below docs/, tests/, src/ and the like exist', () => {
    const path = /(?<![\w/.@-])((?:docs|tests|src|bench|scripts|examples|agents)\/[\w./-]*\w)/g;
    const missing = all.flatMap(({ path: file, text }) =>
      [...pathsOf(file, text).matchAll(path)]
        .filter(
          ([, target]) =>
            /\.\w+$/.test(target) &&
            !['', 'src', 'tests'].some((folder) => existsSync(join(ROOT, folder, target))),
        )
        .map(([, target]) => `${file}: ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test('source files that comments and pages name exist', () => {
    const files = texts('.').map(({ path }) => path);
    const missing = all.flatMap(({ path, text }) =>
      [
        ...pathsOf(path, text).matchAll(
          /(?<![\w/.*…-])((?:[a-z][a-z0-9-]*\/)*[a-z][a-z0-9-]*(?:\.test)?\.(?:ts|mjs))\b/g,
        ),
      ]
        .map(([, name]) => name)
        .filter((name) => !files.some((file) => file === name || file.endsWith(`/${name}`)))
        .map((name) => `${path}: ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

function unknownIn(word: string, known: ReadonlySet<number>): string[] {
  return all.flatMap(({ path, text }) =>
    numbersAfter(word, text)
      .filter((number) => !known.has(number))
      .map((number) => `${path}: ${word} ${number}`),
  );
}

/** A page as it is, of code its comments alone: what code names, the compiler and the tests check. */
function pathsOf(path: string, text: string): string {
  return path.endsWith('.md') ? text : commentsOf(text);
}
