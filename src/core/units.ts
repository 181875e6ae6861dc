// The ledger's units and the sets of them that holds carry. A unit is a small index; a set of units is interned, so
// that a hold stores one number for it and amounts are plain lists in the set's order.

import type { Amounts, Unit } from './amount.js';
import { BUILT_IN_UNITS } from './amount.js';

/** Units are bits of a mask, so 31 of them at most. */
export const UNITS_MAX = 31;

export const USD = 0;
export const CALLS = 2;

/** An interned set of units. `units` ascends; `placeOf[unit]` is its place in amount lists, or -1. */
export interface UnitSet {
  readonly mask: number;
  readonly units: readonly number[];
  readonly placeOf: Int8Array;
  /** Zero for each unit. */
  readonly zeros: readonly bigint[];
}

/** Amounts in steps, one for each unit of the set, in its order. */
export interface Quantities {
  readonly set: UnitSet;
  readonly steps: readonly bigint[];
}

export class UnitTable {
  readonly units: Unit[] = [...BUILT_IN_UNITS];
  readonly #indexOf = new Map<string, number>(BUILT_IN_UNITS.map((unit, index) => [unit.name, index]));
  /** By mask: those of few units are the ones in use, so the list stays short. */
  readonly #sets: UnitSet[] = [];

  /** The unit's index, or -1. */
  index(name: string): number {
    return this.#indexOf.get(name) ?? -1;
  }

  name(index: number): string {
    return this.units[index].name;
  }

  add(unit: Unit): void {
    this.#indexOf.set(unit.name, this.units.length);
    this.units.push({ name: unit.name, scale: unit.scale });
  }

  set(mask: number): UnitSet {
    const known = this.#sets[mask];
    if (known !== undefined) return known;
    const units: number[] = [];
    const placeOf = new Int8Array(UNITS_MAX).fill(-1);
    for (let unit = 0; unit < UNITS_MAX; unit += 1) {
      if ((mask & (1 << unit)) === 0) continue;
      placeOf[unit] = units.length;
      units.push(unit);
    }
    const made: UnitSet = { mask, units, placeOf, zeros: Object.freeze(units.map(() => 0n)) };
    this.#sets[mask] = made;
    return made;
  }

  /** Amounts by name, for people and callers. */
  amounts(set: UnitSet, steps: ArrayLike<bigint>): Amounts {
    const amounts: Record<string, bigint> = {};
    for (let place = 0; place < set.units.length; place += 1)
      amounts[this.units[set.units[place]].name] = steps[place];
    return amounts;
  }
}
