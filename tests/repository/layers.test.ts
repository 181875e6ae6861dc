// Enforces the line of the rooms (ARCHITECTURE.md) and what goes with it: who may import what, who may touch the process,
// the clock and the environment, and how a file begins and how long it gets. Each failure says where the code belongs.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** Files stay below this, or there is a concept in them that wants a name. */
const LINES_MAX = 400;

interface SourceFile {
  /** Below src/, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly room: Room;
  readonly imports: readonly Import[];
}

interface Import {
  readonly specifier: string;
  /** Below src/; null for a package or a node built-in. */
  readonly path: string | null;
  readonly typeOnly: boolean;
}

/** A folder of src/, or `root` for the files beside them. The gateway's folders are rooms of their own. */
type Room = string;

/**
 * The line of the rooms, as ARCHITECTURE.md draws it: a room imports itself and rooms of earlier steps. Rooms of one step do
 * not know each other: what a feature needs of another feature, it declares, and the composition hands it over.
 */
const LINE: readonly (readonly Room[])[] = [
  ['core'],
  ['journal'],
  ['authority'],
  ['kit'],
  ['views', 'vault'],
  ['access'],
  ['budgets'],
  ['gateway/metering'],
  ['gateway/prices'],
  ['gateway/profiles'],
  ['gateway/dialects'],
  ['gateway/routing'],
  ['gateway/calls'],
  ['gateway/front'],
  ['agents', 'chats', 'goals', 'notices', 'quotas', 'reconciliation', 'backtest'],
  ['http'],
  ['client'],
  ['cli'],
  ['composition'],
  ['root'],
];

const STEP = new Map(LINE.flatMap((rooms, step) => rooms.map((room) => [room, step] as const)));

/** Packages and parts of Node that a room may use, where it may not use all of them; the advice says where the rest belongs. */
const PACKAGES: Readonly<Record<string, { readonly may: RegExp; readonly advice: string }>> = {
  core: {
    may: /^$/,
    advice:
      'core imports nothing outside core, not even node:. What needs I/O, a clock or randomness belongs in authority/ (or behind a port that core declares); bytes and hashes belong in journal/.',
  },
  journal: {
    may: /^(node:.*|better-sqlite3)$/,
    advice:
      'journal imports core, node built-ins and its drivers. What decides or replies belongs in authority/.',
  },
  authority: {
    may: /^node:/,
    advice: 'authority imports core and the journal. Drivers belong in journal/.',
  },
  views: { may: /^(node:.*|better-sqlite3)$/, advice: 'views/ knows node built-ins and its driver alone.' },
  vault: { may: /^(node:.*|better-sqlite3)$/, advice: 'vault/ knows node built-ins and its driver alone.' },
  client: { may: /^$/, advice: 'the client is loaded without the rest: no packages, not even node:.' },
};

/** Rooms whose code runs without the rest: they import types of others, and values of themselves alone. */
const TYPES_ONLY: readonly Room[] = ['client'];

function roomOf(path: string): Room {
  const [first, second, third] = path.split('/');
  if (second === undefined) return 'root';
  return first === 'gateway' && third !== undefined ? `gateway/${second}` : first;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

// Comments and texts are blanked, so that what they say is not taken for code.
function codeOf(text: string): string {
  const pieces = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replace(pieces, (piece) => (piece.startsWith('`') ? templateCode(piece) : ''));
}

function templateCode(piece: string): string {
  return [...piece.matchAll(/\$\{([^}]*)\}/g)].map(([, code]) => code).join(';');
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const statement = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]/g;
  for (const [, type, specifier] of text.matchAll(statement))
    found.push(importOf(path, specifier as string, type !== undefined));
  for (const [, specifier] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
    found.push(importOf(path, specifier as string, false));
  return found;
}

function importOf(from: string, specifier: string, typeOnly: boolean): Import {
  if (!specifier.startsWith('.')) return { specifier, path: null, typeOnly };
  const path = join('/', from, '..', specifier).slice(1).replace(/\.js$/, '.ts');
  return { specifier, path, typeOnly };
}

function readSource(path: string, text: string): SourceFile {
  return { path, text, room: roomOf(path), imports: importsOf(path, text) };
}

const sources: readonly SourceFile[] = filesIn(SRC).map((file) =>
  readSource(relative(SRC, file).replaceAll('\\', '/'), readFileSync(file, 'utf8')),
);

function importProblems(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, room, imports }) => {
    if (!STEP.has(room)) return [`src/${path}: ${room} has no place in the line of the rooms`];
    return imports.flatMap((of) => {
      const problem = of.path === null ? packageProblem(room, of) : roomProblem(room, of);
      return problem === null ? [] : [`src/${path} imports ${of.specifier}: ${problem}`];
    });
  });
}

function packageProblem(room: Room, { specifier }: Import): string | null {
  const rule = PACKAGES[room];
  return rule === undefined || rule.may.test(specifier) ? null : rule.advice;
}

function roomProblem(room: Room, of: Import): string | null {
  const to = of.path as string;
  const other = roomOf(to);
  if (room === other) return null;
  if (TYPES_ONLY.includes(room) && !of.typeOnly)
    return `${room} is loaded without the rest, and imports types alone; what it needs belongs in an answer.`;
  const isEarlier = (STEP.get(other) ?? Number.POSITIVE_INFINITY) < (STEP.get(room) as number);
  return isEarlier
    ? null
    : `${other} is no earlier step of the line than ${room}. Declare what is needed as an interface here, or move what both need down.`;
}

/** Circles of files, type imports included. */
function circleProblems(files: readonly SourceFile[]): string[] {
  const importsOfFile = new Map(
    files.map(({ path, imports }) => [path, imports.flatMap(({ path: to }) => (to === null ? [] : [to]))]),
  );
  const done = new Set<string>();
  const problems: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at !== -1) problems.push(`circle: ${[...way.slice(at), path].join(' -> ')}`);
    if (at !== -1 || done.has(path)) return;
    for (const to of importsOfFile.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  };
  for (const path of importsOfFile.keys()) visit(path, []);
  return problems;
}

interface Ambient {
  readonly what: RegExp;
  /** Paths, or beginnings of paths that end in a slash, where it may stand. */
  readonly allowed: readonly string[];
  readonly advice: string;
}

/** The world outside the program, and who may look at it. */
const AMBIENT: readonly Ambient[] = [
  {
    what: /\bprocess\.env\b/,
    allowed: ['composition/config.ts'],
    advice: 'only config.ts reads the environment; take the value as a parameter and read it there.',
  },
  {
    what: /\bprocess\.(?!env\b)/,
    // The lease names the process that holds it, and asks whether that one lives; a file's owner is checked by platform.
    allowed: [
      'main.ts',
      'composition/config.ts',
      'cli/context.ts',
      'journal/sqlite/process-identity.ts',
      'journal/sqlite/schema.ts',
    ],
    advice:
      'the process belongs to main.ts and the context of the command line; take what is needed as a parameter.',
  },
  {
    what: /\bDate\.now\b|\bnew Date\(\s*\)/,
    allowed: ['authority/open.ts'],
    advice: 'time is read in one place, the clock of authority/open.ts; take a Clock, or an instant.',
  },
  {
    what: /\bperformance\./,
    allowed: [
      'authority/time-slice.ts',
      'journal/sqlite/store.ts',
      'kit/breather.ts',
      'http/',
      'cli/',
      'gateway/front/',
    ],
    advice:
      'how long something took is for surfaces to show, for the lease to measure, and for long work to pause by; a ledger’s time is the clock’s.',
  },
  {
    what: /\bMath\.random\b/,
    allowed: [],
    advice:
      'randomness that nobody can repeat belongs nowhere: take a seed (backtest/seeded-random.ts) or node:crypto in authority/.',
  },
  {
    what: /\bIntl\b|\.toLocale\w*\(|\blocaleCompare\b/,
    allowed: ['authority/time-zones.ts', 'http/', 'cli/', 'gateway/front/'],
    advice:
      'tables of the engine differ between versions: time zones are read in authority/time-zones.ts, formatting for people is for surfaces.',
  },
];

function ambientProblems(files: readonly SourceFile[]): string[] {
  const isAllowed = (path: string, allowed: readonly string[]) =>
    allowed.some((place) => path === place || (place.endsWith('/') && path.startsWith(place)));
  return files.flatMap(({ path, text }) => {
    const code = codeOf(text);
    return AMBIENT.filter(({ what, allowed }) => what.test(code) && !isAllowed(path, allowed)).map(
      ({ what, advice }) => `src/${path} uses ${what.exec(code)?.[0]}: ${advice}`,
    );
  });
}

/** What core may not use at all, beyond its imports: it gives one answer for one state, command and time. */
const NOT_IN_CORE =
  /\b(?:Date\.now|new Date\(\s*\)|performance|Math\.random|process|Intl|setTimeout|setInterval|setImmediate|queueMicrotask|Promise|async|await|globalThis|crypto|Buffer|console|fetch)\b/;

function coreProblems(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ room }) => room === 'core')
    .flatMap(({ path, text }) => {
      const use = NOT_IN_CORE.exec(codeOf(text));
      return use === null
        ? []
        : [`src/${path} uses ${use[0]}: ${PACKAGES.core.advice} A clock’s time reaches the core as \`at\`.`];
    });
}

function shapeProblems(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const problems: string[] = [];
    if (!/^(?:#!.*\n)?(?:\/\/ |\/\*\*)/.test(text))
      problems.push(
        `src/${path} does not begin with a comment: say what it owns, which invariant it keeps, who calls it.`,
      );
    const lines = text.split('\n').length - 1;
    if (lines > LINES_MAX)
      problems.push(
        `src/${path} has ${lines} lines, more than ${LINES_MAX}: there is a concept in it that wants a file of its own.`,
      );
    return problems;
  });
}

const CHECKS = [
  ['imports follow the line of the rooms', importProblems],
  ['no files import each other in a circle', circleProblems],
  ['the environment, the process, the clock and randomness are touched where they belong', ambientProblems],
  ['the core is pure', coreProblems],
  ['every file begins with a comment and stays within its length', shapeProblems],
] as const;

describe('layers', () => {
  test.each(CHECKS)('layers: %s', (_what, problemsOf) => {
    expect(problemsOf(sources)).toEqual([]);
  });

  test('layers: the checks read the sources at all', () => {
    expect(sources.length).toBeGreaterThan(50);
    const decide = sources.find(({ path }) => path === 'core/decide.ts');
    expect(decide?.imports.map(({ path }) => path)).toContain('core/amount.ts');
    const pipeline = sources.find(({ path }) => path === 'authority/pipeline.ts');
    expect(pipeline?.imports.map(({ path }) => path)).toContain('journal/batch-writer.ts');
  });

  test.each([
    [
      'core/a.ts',
      "import { createHash } from 'node:crypto';",
      'src/core/a.ts imports node:crypto: core imports nothing',
    ],
    [
      'core/a.ts',
      "import type { Clock } from '../authority/api.js';",
      'imports ../authority/api.js: authority is no earlier step',
    ],
    ['core/a.ts', "export * from '../journal/port.js';", 'imports ../journal/port.js'],
    ['core/a.ts', 'const at = Date.now();', 'src/core/a.ts uses Date.now'],
    ['core/a.ts', `const text = \`\${new Date()}\`;`, 'uses new Date()'],
    ['core/a.ts', 'const at = Math.random();', 'uses Math.random'],
    [
      'journal/a.ts',
      "import {\n  a,\n  b,\n} from '../authority/api.js';",
      'authority is no earlier step of the line than journal',
    ],
    ['journal/a.ts', "import yaml from 'yaml';", 'imports yaml'],
    ['authority/a.ts', "import Database from 'better-sqlite3';", 'Drivers belong in journal/'],
    [
      'kit/a.ts',
      "import type { A } from '../access/a.js';",
      'access is no earlier step of the line than kit',
    ],
    ['goals/a.ts', "import type { A } from '../chats/a.js';", 'Declare what is needed as an interface here'],
    ['gateway/calls/a.ts', "import { a } from '../front/a.js';", 'gateway/front is no earlier step'],
    ['http/a.ts', "const cli = await import('../cli/a.js');", 'cli is no earlier step of the line than http'],
    ['client/a.ts', "import { randomUUID } from 'node:crypto';", 'the client is loaded without the rest'],
    ['client/a.ts', "import { schema } from '../goals/a.js';", 'imports types alone'],
    ['goals/a.ts', "import { BursarClient } from '../client/index.js';", 'client is no earlier step'],
    ['attic/a.ts', '// Old.', 'attic has no place in the line'],
    ['goals/a.ts', 'const x = process.env.HOME;', 'only config.ts reads the environment'],
    ['goals/a.ts', 'process.exit(1);', 'the process belongs to main.ts'],
    ['goals/a.ts', 'const x = 1;'.repeat(3), 'does not begin with a comment'],
    ['goals/a.ts', `// Long.\n${'\n'.repeat(400)}`, 'has 401 lines'],
  ])('layers: %s with %j → is found and told where it belongs', (path, text, message) => {
    const files = [readSource(path, text)];
    const problems = CHECKS.flatMap(([, problemsOf]) => problemsOf(files)).join('\n');
    expect(problems).toContain(message);
  });

  test('layers: files that import each other, by types alone → are found', () => {
    const files = [
      readSource('kit/a.ts', "import type { B } from './b.js';"),
      readSource('kit/b.ts', "import type { A } from './a.js';"),
    ];
    expect(circleProblems(files)).toEqual(['circle: kit/a.ts -> kit/b.ts -> kit/a.ts']);
  });

  test('layers: what only a comment or a text says → is no use of it', () => {
    const text = "// Never Date.now() nor process.env.\nconst say = 'Math.random() and process.exit(1)';\n";
    const files = [readSource('core/a.ts', text)];
    expect(CHECKS.flatMap(([, problemsOf]) => problemsOf(files))).toEqual([]);
  });
});
