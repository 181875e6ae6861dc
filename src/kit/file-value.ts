// Typed values out of a file: a value with its path, a section of named fields, and the readers of each kind of value. A reader
// reports what is wrong at the value's own line and gives undefined, so that reading goes on and one run finds every problem.
// Called by the readers of budget files and of the configuration's sections.

import { AmountFormatError, parseAmount } from '../core/amount.js';
import { ID_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import { type Findings, type Located, nearest, pathOf, readLocated } from './located-values.js';
import { durationText, parseDuration } from './time-texts.js';

/** Reads a value. Reports a wrong value and then gives undefined. */
export type Reader<Value> = (value: FileValue) => Value | undefined;

export class FileValue {
  constructor(
    readonly node: Located,
    readonly findings: Findings,
    /** Null: the whole file. */
    private readonly parent: FileValue | null,
    /** The name or the index under which it stands there. */
    private readonly key: string | number,
    readonly keyOffset: number,
  ) {}

  get name(): string {
    return String(this.key);
  }

  /** As messages show it: `budgets[0].limit`. */
  get path(): string {
    if (this.parent === null) return '';
    if (typeof this.key === 'number') return `${this.parent.path}[${this.key}]`;
    return pathOf(this.parent.path, this.key);
  }

  /** Undefined for a list or a map. */
  get scalar(): string | number | boolean | null | undefined {
    return this.node.kind === 'scalar' ? this.node.value : undefined;
  }

  /** Empty where the value is no text. */
  get text(): string {
    return typeof this.scalar === 'string' ? this.scalar : '';
  }

  /** For messages. */
  get described(): string {
    if (this.node.kind === 'scalar') return quoted(this.node.value);
    return this.node.kind === 'list' ? 'a list' : 'a map';
  }

  problem(text: string): undefined {
    return this.findings.add(this.node.offset, this.path, text);
  }

  /** A problem of the name, not of the value that stands under it. */
  nameProblem(text: string): undefined {
    return this.findings.add(this.keyOffset, this.path, text);
  }

  /** The name itself as a value, for readers of texts. */
  nameValue(): FileValue {
    const node: Located = { kind: 'scalar', value: this.name, source: this.name, offset: this.keyOffset };
    return new FileValue(node, this.findings, this.parent, this.key, this.keyOffset);
  }

  /** Reports what is not a map, or has too many entries. */
  entries(entriesMax = Number.POSITIVE_INFINITY): ReadonlyMap<string, FileValue> | undefined {
    if (this.node.kind !== 'map') return this.problem(`${this.described} is not a map of names and values`);
    const { entries } = this.node;
    if (entries.size > entriesMax)
      return this.problem(`has ${entries.size} entries; at most ${entriesMax} are taken`);
    const values = new Map<string, FileValue>();
    for (const [name, { value, keyOffset }] of entries)
      values.set(name, new FileValue(value, this.findings, this, name, keyOffset));
    return values;
  }

  /** Its fields; reports what is not a map, and fields that are not known. */
  section(known: readonly string[]): Section {
    const entries = this.entries();
    for (const [name, { keyOffset }] of entries ?? []) {
      if (known.includes(name)) continue;
      const near = nearest(name, known);
      const hint = near === null ? `known here: ${known.join(', ')}` : `did you mean ${quoted(near)}?`;
      this.findings.add(keyOffset, this.path, `unknown field ${quoted(name)}; ${hint}`);
    }
    return new Section(entries === undefined ? null : this, entries ?? new Map());
  }

  items(): readonly FileValue[] | undefined {
    if (this.node.kind !== 'list') return undefined;
    return this.node.items.map((item, index) => new FileValue(item, this.findings, this, index, item.offset));
  }
}

/** Reads a text as YAML. @throws BudgetFileError when it is no YAML or too large */
export function readFile(text: string, fileName: string): FileValue {
  const { root, findings } = readLocated(text, fileName);
  return new FileValue(root, findings, null, '', root.offset);
}

/** Named fields of a map. What is no map has no fields. */
export class Section {
  constructor(
    private readonly owner: FileValue | null,
    readonly values: ReadonlyMap<string, FileValue>,
  ) {}

  /** A section that a file may leave out. */
  static of(value: FileValue | undefined, known: readonly string[]): Section {
    return value?.section(known) ?? new Section(null, new Map());
  }

  at(name: string): FileValue | undefined {
    return this.values.get(name);
  }

  /** Undefined where the field is not stated, or is wrong. */
  read<Value>(name: string, read: Reader<Value>): Value | undefined {
    const value = this.at(name);
    return value === undefined ? undefined : read(value);
  }

  /** Undefined where the field is missing or wrong; both are reported. */
  required<Value>(name: string, read: Reader<Value>, problem = 'is required'): Value | undefined {
    if (!this.values.has(name)) this.problem(name, problem);
    return this.read(name, read);
  }

  /** Reports a problem at a field, or at the section where the field is missing. */
  problem(name: string, text: string): undefined {
    const value = this.at(name);
    if (value !== undefined) return value.problem(text);
    if (this.owner === null) return undefined;
    return this.owner.findings.add(this.owner.node.offset, pathOf(this.owner.path, name), text);
  }
}

/** A setting: how its field is read, and its value where the file does not state it. */
export interface Setting<Value> {
  readonly read: Reader<Value>;
  readonly unlessStated: Value;
}

export function setting<Value, Default extends Value | null>(
  read: Reader<Value>,
  unlessStated: Default,
): Setting<Value | Default> {
  return { read, unlessStated };
}

type Settings = Readonly<Record<string, Setting<unknown>>>;

/** The values that a table of settings gives. */
export type ValuesOf<Table extends Settings> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never;
};

/** A section by its table of settings. */
export function readSettings<Table extends Settings>(
  value: FileValue | undefined,
  table: Table,
): ValuesOf<Table> {
  const column = (name: 'read' | 'unlessStated') =>
    Object.fromEntries(Object.entries(table).map(([setting, { [name]: cell }]) => [setting, cell]));
  return readOver(
    value,
    column('read') as Readers<ValuesOf<Table>>,
    column('unlessStated') as ValuesOf<Table>,
  );
}

export type Readers<Values> = { readonly [Name in keyof Values]: Reader<Values[Name]> };

/** A section whose fields take the place of known values. Durations are in ms: `holdTtlMs` is the field `holdTtl`. */
export function readOver<Values extends object>(
  value: FileValue | undefined,
  readers: Readers<Values>,
  known: Values,
): Values {
  const fieldOf = (name: string) => name.replace(/Ms$/, '');
  const names = Object.keys(readers) as (keyof Values & string)[];
  const section = Section.of(value, names.map(fieldOf));
  const read = names.map((name) => [name, section.read(fieldOf(name), readers[name]) ?? known[name]]);
  return Object.fromEntries(read) as Values;
}

/** A text within its length, in NFC, without control characters. */
export function text(lengthMax = ID_LENGTH_MAX): Reader<string> {
  return (value) => {
    const { node, scalar } = value;
    if (node.kind === 'scalar' && (typeof scalar === 'number' || typeof scalar === 'boolean')) {
      const asText = JSON.stringify(node.source);
      return value.problem(`${node.source} is a ${typeof scalar}; as a text it is written ${asText}`);
    }
    if (typeof scalar !== 'string') return value.problem(`${value.described} is not a text`);
    const problem = textProblem(scalar, lengthMax);
    return problem === null ? scalar : value.problem(`${quoted(scalar)} ${problem}`);
  };
}

/** An amount in steps of a unit with this scale. */
export function amount(scale: number): Reader<bigint> {
  return (value) => {
    const { node, scalar } = value;
    if (node.kind !== 'scalar' || (typeof scalar !== 'string' && typeof scalar !== 'number'))
      return value.problem(`${value.described} is not a decimal amount such as "12" or "0.25"`);
    // A number is read from its digits as written, which a float could have rounded; only 1e3 needs the number.
    const isDigits = typeof scalar === 'number' && !/^\+?[\d.]+e/i.test(node.source);
    try {
      return parseAmount(isDigits ? node.source : scalar, scale);
    } catch (error) {
      if (!(error instanceof AmountFormatError)) throw error;
      return value.problem(error.message);
    }
  };
}

export function whole(min: number, max: number): Reader<number> {
  return (value) => {
    const { scalar } = value;
    if (typeof scalar === 'number' && Number.isInteger(scalar) && scalar >= min && scalar <= max)
      return scalar;
    return value.problem(`${value.described} is not a whole number from ${min} to ${max}`);
  };
}

/** A duration such as 30s, in ms. */
export function duration(minMs: number, maxMs: number): Reader<number> {
  return (value) => {
    const ms = parseDuration(value.text);
    if (ms !== null && ms >= minMs && ms <= maxMs) return ms;
    const range = `from ${durationText(minMs)} to ${durationText(maxMs)}`;
    return value.problem(`${value.described} is not a duration ${range}, such as 500ms, 30s, 10m or 2h`);
  };
}

export const flag: Reader<boolean> = (value) =>
  typeof value.scalar === 'boolean' ? value.scalar : value.problem(`${value.described} is not true or false`);

export function oneOf<const Word extends string>(words: readonly Word[]): Reader<Word> {
  return (value) =>
    words.find((word) => word === value.scalar) ??
    value.problem(`${value.described} is not one of ${words.join(', ')}`);
}

/** One of the names that are known. For a misspelt one the problem names the nearest, else it lists them. */
export function nameOf(
  names: readonly string[],
  problem: (described: string) => string,
  known = `known here: ${names.join(', ') || 'none'}`,
): Reader<string> {
  return (value) => {
    const name = value.node.kind === 'scalar' ? String(value.scalar) : '';
    if (names.includes(name)) return name;
    const near = nearest(name, names);
    return value.problem(`${problem(value.described)}; ${near === null ? known : `did you mean "${near}"?`}`);
  };
}

/** A list whose items are read one by one. Those that are wrong are reported and left out. */
export function listOf<Item>(itemsMax: number, read: Reader<Item>): Reader<readonly Item[]> {
  return (value) => {
    const items = value.items();
    if (items === undefined) value.problem(`${value.described} is not a list`);
    else if (items.length > itemsMax)
      value.problem(`has ${items.length} entries; at most ${itemsMax} are taken`);
    else return items.flatMap((item) => read(item) ?? []);
    return [];
  };
}
