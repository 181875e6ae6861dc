// The text of a budget file as located values, and the readers that take typed fields out of them. Keeps every problem
// with its line and field, so that one run reports them all. YAML 1.2 only, and JSON as the part of YAML that it is.
// YAML aliases share what they name instead of copying it, so no file expands beyond its own size. Called by budget-file.ts.

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
import { AmountFormatError, parseAmount } from '../core/amount.js';
import { quoted, textProblem } from '../core/labels.js';

/** 100,000 budgets of 160 characters; the parser needs about 100 times this in memory. */
export const FILE_LENGTH_MAX = 16 * 1024 * 1024;
/** A budget's window is four levels down; the rest is room for a message that names what is too deep. */
const DEPTH_MAX = 8;
/** Each use of a YAML alias is one value to read; a file has at most so many budgets, and each may use one. */
const YAML_ALIASES_MAX = 100_000;
/** More problems than a person reads at once; the rest are counted. */
const PROBLEMS_MAX = 100;
/** Longer names are nobody's misspelling of a field. */
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

/** The fields of a map; reports what is no map, and fields that are not known. */
export function readFields(
  node: Located,
  field: string,
  known: readonly string[],
  findings: Findings,
): LocatedMap['entries'] | undefined {
  const entries = readMap(node, field, findings);
  for (const [key, { keyOffset }] of entries ?? []) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near === null ? `known here: ${known.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
    findings.add(keyOffset, field, `unknown field ${quoted(key)}; ${hint}`);
  }
  return entries;
}

export function readMap(node: Located, field: string, findings: Findings): LocatedMap['entries'] | undefined {
  if (node.kind === 'map') return node.entries;
  return findings.add(node.offset, field, `${described(node)} is not a map of names and values`);
}

/** A text within its length, NFC, without control characters. */
export function readText(
  node: Located,
  field: string,
  lengthMax: number,
  findings: Findings,
): string | undefined {
  if (node.kind === 'scalar' && typeof node.value !== 'string' && node.value !== null) {
    const quoted = JSON.stringify(node.source);
    return findings.add(
      node.offset,
      field,
      `${node.source} is a ${typeof node.value}; as a text it is written ${quoted}`,
    );
  }
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    return findings.add(node.offset, field, `${described(node)} is not a text`);
  }
  const problem = textProblem(node.value, lengthMax);
  return problem === null ? node.value : findings.add(node.offset, field, `${quoted(node.value)} ${problem}`);
}

/** An amount in steps of a unit with this scale. */
export function readAmount(
  node: Located,
  field: string,
  scale: number,
  findings: Findings,
): bigint | undefined {
  if (node.kind !== 'scalar' || (typeof node.value !== 'string' && typeof node.value !== 'number')) {
    return findings.add(
      node.offset,
      field,
      `${described(node)} is not a decimal amount such as "12" or "0.25"`,
    );
  }
  // A number is read from its digits as written, which a float could have rounded; only 1e3 needs the number.
  const asNumber = typeof node.value === 'number' && /^\+?[\d.]+e/i.test(node.source);
  try {
    return parseAmount(
      asNumber ? node.value : typeof node.value === 'string' ? node.value : node.source,
      scale,
    );
  } catch (error) {
    if (!(error instanceof AmountFormatError)) throw error;
    return findings.add(node.offset, field, error.message);
  }
}

export function readWholeNumber(
  node: Located,
  field: string,
  bounds: { readonly min: number; readonly max: number },
  findings: Findings,
): number | undefined {
  const value = node.kind === 'scalar' ? node.value : null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= bounds.min && value <= bounds.max)
    return value;
  const problem = `${described(node)} is not a whole number from ${bounds.min} to ${bounds.max}`;
  return findings.add(node.offset, field, problem);
}

export function readOneOf<Word extends string>(
  node: Located,
  field: string,
  words: readonly Word[],
  findings: Findings,
): Word | undefined {
  const word = words.find((each) => node.kind === 'scalar' && node.value === each);
  return word ?? findings.add(node.offset, field, `${described(node)} is not one of ${words.join(', ')}`);
}

/** A value without its places, one level deep: what lies below is an empty list or map. */
export function plainOf(node: Located): unknown {
  const flat = (each: Located) => (each.kind === 'scalar' ? each.value : each.kind === 'list' ? [] : {});
  if (node.kind === 'list') return node.items.map(flat);
  if (node.kind === 'scalar') return node.value;
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, flat(value)]));
}

export function described(node: Located): string {
  if (node.kind === 'scalar') return quoted(node.value);
  return node.kind === 'list' ? 'a list' : 'a map';
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
