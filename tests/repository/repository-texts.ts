// The repository's own texts, and the references in them: rules, invariants, field problems. For the tests that keep docs
// and comments true.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['src', 'tests', 'bench', 'docs', 'scripts', 'examples', 'agents'];
/** What others wrote, what is generated, and bytes. */
const LEFT_OUT = /(?:^|\/)(?:golden|fixtures|node_modules)\/|openapi\.json$|\.bench-/;

export interface Text {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** All texts below a folder of the repository; `.` is the pages at its root and every folder that has texts. */
export function texts(folder: string): Text[] {
  if (folder === '.') {
    const pages = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
    return [...pages.map(read), ...FOLDERS.flatMap(texts)];
  }
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => /\.(?:ts|mjs|md|yaml)$/.test(path) && !LEFT_OUT.test(path))
    .sort()
    .map(read);
}

function read(path: string): Text {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') };
}

const LIST = String.raw`((?:[A-Z]\d{1,2}|\d{1,2})(?:(?:,| and| or| to|–|, and)\s?(?:[A-Z]\d{1,2}|\d{1,2})\b)*)`;

/** The ids of the rules that a text names: `rule Q9`, `Rules L1 to L7`, and titles of tests such as `'Q9: …'`. */
export function ruleIdsIn(path: string, text: string): string[] {
  const lists = [...text.matchAll(new RegExp(String.raw`\b[Rr]ules? ${LIST}`, 'g'))].map(([, list]) => list);
  if (path.startsWith('tests/'))
    for (const [, id] of text.matchAll(/\((?:['"`])([LSHPQTG]\d{1,2})(?=:)/g)) lists.push(id);
  return lists.flatMap(spread).filter((id) => /^[A-Z]/.test(id));
}

/** `L1, L3 to L5` → L1, L3, L4, L5. */
function spread(list: string): string[] {
  const ids: string[] = [];
  for (const [, before, letter, number] of list.matchAll(/(\bto |–)?([A-Z]?)(\d{1,2})/g)) {
    const last = /^([A-Z]?)(\d+)$/.exec(ids.at(-1) ?? '');
    const from = before !== undefined && last !== null ? Number(last[2]) + 1 : Number(number);
    for (let id = from; id <= Number(number); id += 1) ids.push(`${letter}${id}`);
  }
  return ids;
}

/** The numbers after a word such as `invariant` or `problem` (also in the plural). */
export function numbersAfter(word: string, text: string): number[] {
  return [...text.matchAll(new RegExp(String.raw`\b${word}s? ${LIST}`, 'gi'))]
    .flatMap(([, list]) => spread(list))
    .filter((id) => /^\d/.test(id))
    .map(Number);
}

/** The comments of a TypeScript or JavaScript source. */
export function commentsOf(source: string): string {
  const pieces = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return [...source.matchAll(pieces)]
    .map(([piece]) => piece)
    .filter((piece) => piece.startsWith('/'))
    .join('\n');
}
