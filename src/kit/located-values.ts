// The text of a budget file or of the configuration as values with their places. Keeps every problem with its line and field,
// so that one run reports them all. Reads YAML 1.2, and JSON, which is a part of it. A YAML alias shares the value that it
// names instead of copying it, so no file expands beyond its own size. file-value.ts takes typed values out of it.

import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
} from 'yaml';
import { quoted } from '../core/labels.js';

/** 100,000 budgets of 160 characters; the parser needs about 100 times this in memory. */
export const FILE_LENGTH_MAX = 16 * 1024 * 1024;
/** A budget's window is four levels down; the rest is room for a message that names what is too deep. */
const DEPTH_MAX = 8;
/** Each use of a YAML alias is one value to read; a file has at most so many budgets, and each may use one. */
const YAML_ALIASES_MAX = 100_000;
/** More problems than a person reads at once; the rest are counted. */
const PROBLEMS_MAX = 100;
/** A longer name is no misspelling of a field. */
const MISSPELLING_LENGTH_MAX = 32;

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As written, for figures that a number would round. */
  readonly source: string;
  readonly offset: number;
}

export interface LocatedMap {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, LocatedEntry>;
  readonly offset: number;
}

export interface LocatedEntry {
  readonly keyOffset: number;
  readonly value: Located;
}

export interface LocatedList {
  readonly kind: 'list';
  readonly items: readonly Located[];
  readonly offset: number;
}

/** A value of the file, with the place where it stands (a character offset). */
export type Located = LocatedScalar | LocatedMap | LocatedList;

export interface BudgetFileProblem {
  readonly line: number;
  /** Empty when the text itself cannot be read. */
  readonly field: string;
  readonly problem: string;
}

/** Everything that is wrong with a budget file: one line of message for each problem, in the order of the file. */
export class BudgetFileError extends Error {
  override readonly name = 'BudgetFileError';
  readonly code = 'invalid_budget_file';
  constructor(
    fileName: string,
    /** At most 100; `more` counts the rest. */
    readonly problems: readonly BudgetFileProblem[],
    readonly more: number,
  ) {
    const lines = problems.map(({ line, field, problem }) =>
      [`${fileName}:${line}`, ...(field === '' ? [] : [field]), problem].join(': '),
    );
    if (more > 0) lines.push(`${fileName}: and ${more} more problems`);
    super(lines.join('\n'));
  }
}

/** Collects problems while a file is read. */
export class Findings {
  readonly #problems: BudgetFileProblem[] = [];
  #more = 0;

  constructor(
    readonly fileName: string,
    readonly lineOf: (offset: number) => number,
  ) {}

  add(offset: number, field: string, problem: string): undefined {
    if (this.#problems.length < PROBLEMS_MAX)
      this.#problems.push({ line: this.lineOf(offset), field, problem });
    else this.#more += 1;
  }

  /** @throws BudgetFileError when anything was found */
  throwIfAny(): void {
    if (this.#problems.length === 0) return;
    const inOrder = [...this.#problems].sort((left, right) => left.line - right.line);
    throw new BudgetFileError(this.fileName, inOrder, this.#more);
  }
}

/** Reads a text into located values. @throws BudgetFileError when it is no YAML or too large */
export function readLocated(text: string, fileName: string): { root: Located; findings: Findings } {
  const lines = new LineCounter();
  const findings = new Findings(fileName, (offset) => lines.linePos(offset).line || 1);
  if (text.length > FILE_LENGTH_MAX) {
    findings.add(0, '', `the file has ${text.length} characters; at most ${FILE_LENGTH_MAX} are read`);
    findings.throwIfAny();
  }
  const document = parsed(text, lines, findings);
  // An unknown tag is only a warning to the parser, but what it asks for would be left undone.
  for (const { message, pos } of [...document.errors, ...document.warnings])
    findings.add(pos[0], '', message);
  if (document.directives?.yaml.version !== '1.2')
    findings.add(0, '', 'only YAML 1.2 is read; leave %YAML out');
  if (document.contents === null) findings.add(0, '', 'the file is empty');
  findings.throwIfAny();
  const root = new Locator(findings).locate(document.contents, '', 0, 0);
  return { root, findings };
}

function parsed(text: string, lineCounter: LineCounter, findings: Findings) {
  // Unique keys are checked below: the parser compares each key with each other one, which 100,000 names make hours of.
  const options = { version: '1.2', uniqueKeys: false, stringKeys: true, resolveKnownTags: false } as const;
  const document = parseDocument(text, { ...options, prettyErrors: false, lineCounter });
  const exhausted = document.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  if (exhausted === undefined) return document;
  findings.add(exhausted.pos[0], '', `values are nested too deeply; at most ${DEPTH_MAX} levels are read`);
  findings.throwIfAny();
  throw exhausted;
}

class Locator {
  readonly #anchored = new Map<string, Located | 'unfinished'>();
  #aliases = 0;

  constructor(readonly findings: Findings) {}

  locate(node: ParsedNode | null, field: string, depth: number, keyOffset: number): Located {
    const offset = node?.range[0] ?? keyOffset;
    const nothing: Located = { kind: 'scalar', value: null, source: '', offset };
    if (node === null) return nothing;
    if (isAlias(node)) return this.#aliased(node.source, field, offset) ?? nothing;
    if (depth > DEPTH_MAX) {
      this.findings.add(offset, field, `is nested too deeply; at most ${DEPTH_MAX} levels are read`);
      return nothing;
    }
    const anchor = node.anchor;
    if (anchor !== undefined) this.#anchored.set(anchor, 'unfinished');
    const located = this.#content(node, field, depth, offset);
    if (anchor !== undefined) this.#anchored.set(anchor, located);
    return located;
  }

  #content(node: Exclude<ParsedNode, Alias.Parsed>, field: string, depth: number, offset: number): Located {
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        this.locate(item as ParsedNode, `${field}[${index}]`, depth + 1, offset),
      );
      return { kind: 'list', items, offset };
    }
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node.items, field, depth), offset };
    const value: unknown = isScalar(node) ? node.value : null;
    const source = isScalar(node) ? (node.source ?? '') : '';
    return { kind: 'scalar', value: value as LocatedScalar['value'], source, offset };
  }

  #entries(
    pairs: readonly { key: unknown; value: unknown }[],
    field: string,
    depth: number,
  ): Map<string, LocatedEntry> {
    const entries = new Map<string, LocatedEntry>();
    for (const { key, value } of pairs) {
      if (!isScalar(key)) continue; // The parser has reported it: keys are texts.
      const name = String(key.value);
      const keyOffset = key.range?.[0] ?? 0;
      const path = pathOf(field, name);
      const earlier = entries.get(name);
      if (name === '__proto__') this.findings.add(keyOffset, path, 'is a reserved name');
      else if (earlier !== undefined) {
        const line = this.findings.lineOf(earlier.keyOffset);
        this.findings.add(keyOffset, path, `is stated twice; the first is on line ${line}`);
      } else {
        entries.set(name, {
          keyOffset,
          value: this.locate(value as ParsedNode | null, path, depth + 1, keyOffset),
        });
      }
    }
    return entries;
  }

  #aliased(name: string, field: string, offset: number): Located | undefined {
    this.#aliases += 1;
    if (this.#aliases > YAML_ALIASES_MAX) {
      if (this.#aliases > YAML_ALIASES_MAX + 1) return undefined;
      return this.findings.add(offset, field, `the file uses more than ${YAML_ALIASES_MAX} YAML aliases`);
    }
    const located = this.#anchored.get(name);
    if (located === undefined)
      return this.findings.add(offset, field, `no anchor &${name} stands before *${name}`);
    if (located === 'unfinished') return this.findings.add(offset, field, `*${name} contains itself`);
    return located;
  }
}

/** A field's path as messages show it: `budgets[0].limit`, `aliases.provider["a b"]`. */
export function pathOf(parent: string, key: string): string {
  if (!/^[\w:-]{1,64}$/.test(key)) return `${parent}[${quoted(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}

/** The known name that a misspelt one is closest to, or null when none is close. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > MISSPELLING_LENGTH_MAX) return null;
  let best: { name: string; distance: number } | null = null;
  for (const each of known) {
    const distance = editDistance(name.toLowerCase(), each.toLowerCase());
    if (distance * 2 < each.length && (best === null || distance < best.distance))
      best = { name: each, distance };
  }
  return best?.name ?? null;
}

function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let left = 1; left <= from.length; left += 1) {
    const next = [left];
    for (let right = 1; right <= to.length; right += 1) {
      const replaced = row[right - 1] + (from[left - 1] === to[right - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[right] + 1, next[right - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}
