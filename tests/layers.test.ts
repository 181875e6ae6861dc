// Enforces the arrows of the design, section 6, and what goes with them: who may import what, who may touch the process,
// the clock and the environment, and how a file begins and how long it gets. Each failure says where the code belongs.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Files stay below this, or there is a concept in them that wants a name (house style, 3). */
const LINES_MAX = 400;

interface SourceFile {
  /** Below src/, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly layer: Layer;
  readonly imports: readonly Import[];
}

interface Import {
  readonly specifier: string;
  /** Below src/; null for a package or a node built-in. */
  readonly path: string | null;
  readonly typeOnly: boolean;
}

type Layer = 'core' | 'journal' | 'authority' | 'service' | 'surfaces' | 'client' | 'root';

/** Files that put the program together: the only ones outside a surface that import it. */
const COMPOSITION: readonly string[] = ['main.ts', 'serve.ts'];

/** What a layer may import of others, and what of node and packages; `advice` says where the code belongs instead. */
const RULES: Readonly<
  Record<Exclude<Layer, 'root'>, { may: (of: Import, to: Layer) => boolean; advice: string }>
> = {
  core: {
    may: (of, to) => of.path !== null && to === 'core',
    advice:
      'core imports nothing outside core, not even node:. What needs I/O, a clock or randomness belongs in authority/ (or behind a port that core declares); bytes and hashes belong in journal/.',
  },
  journal: {
    may: (of, to) =>
      of.path === null
        ? of.specifier.startsWith('node:') || of.specifier === 'better-sqlite3'
        : to === 'core' || to === 'journal',
    advice:
      'journal imports core, node built-ins and its drivers. What decides or replies belongs in authority/.',
  },
  authority: {
    may: (of, to) =>
      of.path === null ? of.specifier.startsWith('node:') : ['core', 'journal', 'authority'].includes(to),
    advice:
      'authority imports core and the journal. What is made of requests, files or prices belongs in service/; drivers belong in journal/.',
  },
  service: {
    may: (of, to) => of.path === null || ['core', 'authority', 'service'].includes(to),
    advice:
      'service imports core and authority and knows no journal and no transport. Storage belongs in journal/, what parses arguments or answers HTTP in surfaces/.',
  },
  client: {
    may: (of, to) =>
      of.path !== null &&
      (to === 'client' || (of.typeOnly && (to === 'core' || of.path.startsWith('service/wire/')))),
    advice:
      'the client is loaded without the rest: no packages, not even node:, and of core and service/wire types alone. What it needs of a server belongs into an answer.',
  },
  surfaces: {
    may: (of, to) =>
      of.path === null ||
      to === 'service' ||
      to === 'surfaces' ||
      to === 'client' ||
      to === 'core' ||
      (to === 'authority' && (of.typeOnly || of.path === 'authority/api.ts')),
    advice:
      'a surface is thin: it imports service, the client, types of core, and authority/api. It is given its ledger by main.ts or serve.ts; logic that a second surface would need belongs in service/.',
  },
};

function layerOf(path: string): Layer {
  const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
  return folder in RULES ? (folder as Layer) : 'root';
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
  return { path, text, layer: layerOf(path), imports: importsOf(path, text) };
}

const sources: readonly SourceFile[] = filesIn(SRC).map((file) =>
  readSource(relative(SRC, file).replaceAll('\\', '/'), readFileSync(file, 'utf8')),
);

function importProblems(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, layer, imports }) => {
    if (layer === 'root') return [];
    const { may, advice } = RULES[layer];
    return imports
      .filter((of) => !may(of, of.path === null ? 'root' : layerOf(of.path)))
      .map(({ specifier }) => `src/${path} imports ${specifier}: ${advice}`);
  });
}

/** A surface imports no other surface. */
function surfaceProblems(files: readonly SourceFile[]): string[] {
  const surfaceOf = (path: string) => path.split('/')[1];
  return files.flatMap(({ path, layer, imports }) =>
    imports
      .filter((of) => of.path !== null && layerOf(of.path) === 'surfaces' && !COMPOSITION.includes(path))
      .filter((of) => layer !== 'surfaces' || surfaceOf(path) !== surfaceOf(of.path as string))
      .map(
        ({ specifier }) =>
          `src/${path} imports ${specifier}: only main.ts and serve.ts import a surface. What two surfaces share belongs in service/.`,
      ),
  );
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
    allowed: ['config.ts'],
    advice: 'only config.ts reads the environment; take the value as a parameter and read it there.',
  },
  {
    what: /\bprocess\.(?!env\b)/,
    // The lease names the process that holds it, and asks whether that one lives; a file's owner is checked by platform.
    allowed: [
      'main.ts',
      'config.ts',
      'surfaces/cli/context.ts',
      'journal/process-identity.ts',
      'journal/sqlite-schema.ts',
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
    allowed: ['authority/turn.ts', 'journal/sqlite-store.ts', 'surfaces/'],
    advice:
      'how long something took is for surfaces to show, for the lease to measure, and for long work to pause by; a ledger’s time is the clock’s.',
  },
  {
    what: /\bMath\.random\b/,
    allowed: [],
    advice:
      'randomness that nobody can repeat belongs nowhere: take a seed (service/seeded-random.ts) or node:crypto in authority/.',
  },
  {
    what: /\bIntl\b|\.toLocale\w*\(|\blocaleCompare\b/,
    allowed: ['authority/time-zones.ts', 'surfaces/'],
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
    .filter(({ layer }) => layer === 'core')
    .flatMap(({ path, text }) => {
      const use = NOT_IN_CORE.exec(codeOf(text));
      return use === null
        ? []
        : [`src/${path} uses ${use[0]}: ${RULES.core.advice} A clock’s time reaches the core as \`at\`.`];
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
  ['imports follow the arrows core ← journal ← authority ← service ← surfaces', importProblems],
  ['no surface is imported but by main.ts, serve.ts and itself', surfaceProblems],
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
      'imports ../authority/api.js: core imports',
    ],
    ['core/a.ts', "export * from '../journal/port.js';", 'imports ../journal/port.js'],
    ['core/a.ts', 'const at = Date.now();', 'src/core/a.ts uses Date.now'],
    ['core/a.ts', `const text = \`\${new Date()}\`;`, 'uses new Date()'],
    ['core/a.ts', 'const at = Math.random();', 'uses Math.random'],
    [
      'journal/a.ts',
      "import {\n  a,\n  b,\n} from '../authority/api.js';",
      'What decides or replies belongs in authority/',
    ],
    ['journal/a.ts', "import yaml from 'yaml';", 'imports yaml'],
    ['authority/a.ts', "import Database from 'better-sqlite3';", 'drivers belong in journal/'],
    ['service/a.ts', "import { a } from '../journal/port.js';", 'service imports core and authority'],
    ['surfaces/cli/a.ts', "import { openLedger } from '../../authority/open.js';", 'a surface is thin'],
    [
      'surfaces/cli/a.ts',
      "const http = await import('../http/server.js');",
      'only main.ts and serve.ts import a surface',
    ],
    [
      'service/a.ts',
      "import { a } from '../surfaces/cli/a.js';",
      'only main.ts and serve.ts import a surface',
    ],
    [
      'surfaces/http/a.ts',
      "import type { A } from '../gateway/a.js';",
      'What two surfaces share belongs in service/',
    ],
    ['index.ts', "export * from './surfaces/cli/a.js';", 'only main.ts and serve.ts import a surface'],
    ['client/a.ts', "import { randomUUID } from 'node:crypto';", 'the client is loaded without the rest'],
    ['client/a.ts', "import { schema } from '../service/wire/a.js';", 'types alone'],
    [
      'service/a.ts',
      "import { BursarClient } from '../client/index.js';",
      'service imports core and authority',
    ],
    ['service/a.ts', 'const x = process.env.HOME;', 'only config.ts reads the environment'],
    ['service/a.ts', 'process.exit(1);', 'the process belongs to main.ts'],
    ['service/a.ts', 'const x = 1;'.repeat(3), 'does not begin with a comment'],
    ['service/a.ts', `// Long.\n${'\n'.repeat(400)}`, 'has 401 lines'],
  ])('layers: %s with %j → is found and told where it belongs', (path, text, message) => {
    const files = [readSource(path, text)];
    const problems = CHECKS.flatMap(([, problemsOf]) => problemsOf(files)).join('\n');
    expect(problems).toContain(message);
  });

  test('layers: what only a comment or a text says → is no use of it', () => {
    const text = "// Never Date.now() nor process.env.\nconst say = 'Math.random() and process.exit(1)';\n";
    expect(CHECKS.flatMap(([, problemsOf]) => problemsOf([readSource('core/a.ts', text)]))).toEqual([]);
  });
});
