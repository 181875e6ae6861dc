// One section of the configuration as named fields, each with its bounds and the value it has when it is not stated.
// What is wrong goes to the findings with its line; the reader then goes on with the default. Called by the
// settings files alone.

import { ID_LENGTH_MAX } from '../core/labels.js';
import {
  described,
  type Findings,
  type Located,
  type LocatedMap,
  readFields,
  readOneOf,
  readText,
  readWholeNumber,
} from './located-values.js';
import { durationText, parseDuration } from './time-texts.js';

type Entries = LocatedMap['entries'];

interface WholeBounds {
  readonly min: number;
  readonly max: number;
}

export class Section {
  private constructor(
    readonly entries: Entries,
    /** The path of the section, as messages show it. */
    readonly field: string,
    readonly offset: number,
    readonly findings: Findings,
  ) {}

  /** A section that is not stated has no fields. */
  static read(
    node: Located | undefined,
    field: string,
    known: readonly string[],
    findings: Findings,
  ): Section {
    const entries = node && readFields(node, field, known, findings);
    return new Section(entries ?? new Map(), field, node?.offset ?? 0, findings);
  }

  node(name: string): Located | undefined {
    return this.entries.get(name)?.value;
  }

  path(name: string): string {
    return this.field === '' ? name : `${this.field}.${name}`;
  }

  /** Reports a problem at a field, or at the section where the field is missing. */
  add(name: string, problem: string): undefined {
    return this.findings.add(this.node(name)?.offset ?? this.offset, this.path(name), problem);
  }

  /** A field that has no default; null when it is missing or wrong, which is then reported. */
  required<Value>(name: string, read: (node: Located, field: string) => Value | undefined): Value | null {
    const node = this.node(name);
    if (node === undefined) this.add(name, 'is required');
    return (node && read(node, this.path(name))) ?? null;
  }

  whole(name: string, bounds: WholeBounds & { readonly unlessStated: number }): number {
    const node = this.node(name);
    return (node && readWholeNumber(node, this.path(name), bounds, this.findings)) ?? bounds.unlessStated;
  }

  /** A whole number, or null when it is not stated. */
  wholeOrNull(name: string, bounds: WholeBounds): number | null {
    const node = this.node(name);
    return (node && readWholeNumber(node, this.path(name), bounds, this.findings)) ?? null;
  }

  /** A duration such as 30s, in ms. */
  durationMs(name: string, bounds: WholeBounds & { readonly unlessStated: number }): number {
    const node = this.node(name);
    if (node === undefined) return bounds.unlessStated;
    const text = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : '';
    const ms = parseDuration(text);
    if (ms !== null && ms >= bounds.min && ms <= bounds.max) return ms;
    const range = `from ${durationText(bounds.min)} to ${durationText(bounds.max)}`;
    this.add(name, `${described(node)} is not a duration ${range}, such as 500ms, 30s, 10m or 2h`);
    return bounds.unlessStated;
  }

  text(name: string, bounds: { readonly max?: number; readonly unlessStated: string }): string {
    const node = this.node(name);
    const max = bounds.max ?? ID_LENGTH_MAX;
    return (node && readText(node, this.path(name), max, this.findings)) ?? bounds.unlessStated;
  }

  flag(name: string, { unlessStated }: { readonly unlessStated: boolean }): boolean {
    const node = this.node(name);
    if (node === undefined) return unlessStated;
    if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
    this.add(name, `${described(node)} is not true or false`);
    return unlessStated;
  }

  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | null {
    return this.required(name, (node, field) => readOneOf(node, field, words, this.findings));
  }

  /** A list whose items are read one by one; those that are wrong are reported and left out. */
  list<Item>(
    name: string,
    itemsMax: number,
    read: (item: Located, field: string) => Item | undefined,
  ): Item[] | null {
    const node = this.node(name);
    if (node === undefined) return null;
    if (node.kind !== 'list') {
      this.add(name, `${described(node)} is not a list`);
      return [];
    }
    if (node.items.length > itemsMax) {
      this.add(name, `has ${node.items.length} entries; at most ${itemsMax} are taken`);
      return [];
    }
    return node.items.flatMap((item, index) => read(item, `${this.path(name)}[${index}]`) ?? []);
  }
}
