// The parts that several kinds of records share: label sets, amounts in unit sets, usage. Version 1 spelt each label set out
// and wrote usage as JSON; since version 2 a label set states only what differs from the one before it in the batch.

import { SEPARATOR } from '../core/labels.js';
import { USAGE_FIELDS, type Usage } from '../core/requests.js';
import type { Quantities, UnitSet, UnitTable } from '../core/units.js';
import type { ByteReader, ByteWriter } from './bytes.js';
import { coldValue } from './cold.js';

/** The bit that says that usage is stated at all; below it, a bit for each field that is. */
const USAGE_STATED = 128;

export class PartWriter {
  readonly #labels = new Map<string, number>();
  #lastParts: readonly string[] = [];
  #version = 0;

  constructor(private readonly out: ByteWriter) {}

  /** Begins a batch of a version: what the batch before spelt out is forgotten. */
  restart(version: number): void {
    this.#labels.clear();
    this.#lastParts = [];
    this.#version = version;
  }

  labelText(text: string): void {
    const known = this.#labels.get(text);
    this.out.count(known ?? this.#labels.size);
    if (known !== undefined) return;
    this.#labels.set(text, this.#labels.size);
    if (this.#version === 1) this.out.text(text);
    else this.#difference(partsOf(text));
  }

  // Candidates of one call differ in two labels, and calls of one user in none or few.
  #difference(parts: readonly string[]): void {
    const last = this.#lastParts;
    const most = Math.min(parts.length, last.length);
    let head = 0;
    while (head < most && parts[head] === last[head]) head += 1;
    let tail = 0;
    while (tail < most - head && parts[parts.length - 1 - tail] === last[last.length - 1 - tail]) tail += 1;
    this.out.count(head);
    this.out.count(tail);
    this.out.text(parts.slice(head, parts.length - tail).join(SEPARATOR));
    this.#lastParts = parts;
  }

  quantities({ set, steps }: Quantities): void {
    this.out.count(set.mask);
    this.steps(steps);
  }

  steps(steps: readonly bigint[]): void {
    for (let place = 0; place < steps.length; place += 1) this.out.i64(steps[place]);
  }

  usage(usage: Usage | null): void {
    if (this.#version === 1) return this.out.text(usage === null ? '' : JSON.stringify(usage));
    let stated = usage === null ? 0 : USAGE_STATED;
    for (const [bit, field] of USAGE_FIELDS.entries()) if (usage?.[field] !== undefined) stated |= 1 << bit;
    this.out.u8(stated);
    for (const field of USAGE_FIELDS) {
      const count = usage?.[field];
      if (count !== undefined) this.out.count(count);
    }
  }
}

export class PartReader {
  readonly #labels: string[] = [];
  #lastParts: readonly string[] = [];

  constructor(
    private readonly input: ByteReader,
    private readonly units: UnitTable,
    private readonly version: number,
  ) {}

  labelText(): string {
    const number = this.input.count();
    if (number === this.#labels.length)
      this.#labels.push(this.version === 1 ? this.input.text() : this.#differing());
    const text = this.#labels[number];
    if (text === undefined) throw new RangeError(`label set ${number} was not spelt out`);
    return text;
  }

  #differing(): string {
    const last = this.#lastParts;
    const head = this.input.count();
    const tail = this.input.count();
    if (head + tail > last.length) throw new RangeError('a label set shares more than there is');
    const parts = [...last.slice(0, head), ...partsOf(this.input.text()), ...last.slice(last.length - tail)];
    this.#lastParts = parts;
    return parts.join(SEPARATOR);
  }

  quantities(): Quantities {
    const set = this.set();
    return { set, steps: this.steps(set) };
  }

  set(): UnitSet {
    const mask = this.input.count();
    if (mask >>> this.units.units.length !== 0) throw new RangeError('an amount is in no known unit');
    return this.units.set(mask);
  }

  steps(set: UnitSet): bigint[] {
    const steps = new Array<bigint>(set.units.length);
    for (let place = 0; place < steps.length; place += 1) steps[place] = this.input.i64();
    return steps;
  }

  skipSteps(set: UnitSet): readonly bigint[] {
    this.input.at += set.units.length * 8;
    return [];
  }

  usage(): Usage | null {
    if (this.version === 1) {
      const text = this.input.text();
      return text === '' ? null : coldValue(text, this.units);
    }
    const stated = this.input.u8();
    if (stated === 0) return null;
    const usage: Record<string, number> = {};
    for (const [bit, field] of USAGE_FIELDS.entries())
      if (stated & (1 << bit)) usage[field] = this.input.count();
    return usage;
  }
}

function partsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(SEPARATOR);
}
