// Reads the parts that many kinds of records share: label sets, which are interned for one batch, and amounts in unit
// sets. Called by batch-reader.ts alone.

import type { Quantities, UnitSet, UnitTable } from '../core/units.js';
import type { ByteReader } from './bytes.js';

export class PartReader {
  readonly #labels: string[] = [];

  constructor(
    private readonly input: ByteReader,
    private readonly units: UnitTable,
  ) {}

  labelText(): string {
    const number = this.input.count();
    if (number === this.#labels.length) this.#labels.push(this.input.text());
    const text = this.#labels[number];
    if (text === undefined) throw new RangeError(`label set ${number} was not spelt out`);
    return text;
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
}
