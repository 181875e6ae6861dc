// Charged holds of the rows that are above the bill, as candidates for a lower charge: estimates first and the largest
// first, and of each row as many as one posting takes. Filled by ledger-spend.ts, used by posting.ts.

import { type DayItem, rowKey } from './items.js';

/** Of a row, and of each of the two kinds: enough for a gap in a day of many calls, and few in memory. */
const HOLDS_OF_ROW_MAX = 1_000;

export interface ChargedHold {
  readonly holdId: string;
  /** All that it is charged, in steps of usd. */
  readonly usd: bigint;
  /** Of it: what stands in the row, and not in that of a tool. */
  readonly lowerableUsd: bigint;
  /** Whether the charge rests on an estimate. */
  readonly isSoft: boolean;
}

export class CorrectableHolds {
  readonly #byRow = new Map<string, { readonly soft: LargestHolds; readonly firm: LargestHolds }>();

  /** `rows`: the `rowKey`s of which holds are wanted; they are `by` item, or by day alone. */
  constructor(
    rows: ReadonlySet<string>,
    private readonly by: 'items' | 'days',
  ) {
    for (const key of rows) this.#byRow.set(key, { soft: new LargestHolds(), firm: new LargestHolds() });
  }

  offer({ day, item, kind }: DayItem, hold: ChargedHold): void {
    const row = this.#byRow.get(rowKey({ day, item: this.by === 'items' ? item : null }));
    if (row === undefined) return;
    // A day's row has the tools as well, and the hold once.
    if (this.by === 'days' && kind === 'tool') return;
    const lowerableUsd = this.by === 'items' ? hold.lowerableUsd : hold.usd;
    if (lowerableUsd > 0n) (hold.isSoft ? row.soft : row.firm).add({ ...hold, lowerableUsd });
  }

  /** In the order in which they are lowered. */
  of(key: string): readonly ChargedHold[] {
    const row = this.#byRow.get(key);
    return row === undefined ? [] : [...row.soft.sorted(), ...row.firm.sorted()];
  }
}

class LargestHolds {
  #holds: ChargedHold[] = [];
  /** Smaller ones are not among the largest. */
  #least = 0n;

  // Sorted only once twice as many have gathered, so that each costs a few comparisons.
  add(hold: ChargedHold): void {
    if (hold.lowerableUsd <= this.#least) return;
    this.#holds.push(hold);
    if (this.#holds.length < 2 * HOLDS_OF_ROW_MAX) return;
    this.#holds = [...this.sorted()];
    this.#least = (this.#holds.at(-1) as ChargedHold).lowerableUsd;
  }

  sorted(): readonly ChargedHold[] {
    return this.#holds
      .sort((left, right) =>
        left.lowerableUsd < right.lowerableUsd ? 1 : left.lowerableUsd > right.lowerableUsd ? -1 : 0,
      )
      .slice(0, HOLDS_OF_ROW_MAX);
  }
}
