// The charged holds of rows that are above the bill: candidates for a lower charge. Estimates come first, then the largest
// charges; of each row as many are kept as one posting takes. Filled by ledger-spend.ts, used by posting.ts.

import { type DayItem, rowKey } from './items.js';

/** Holds of a row that rest on an estimate, and as many that do not: enough for the gap of a busy day, and few in memory. */
const HOLDS_OF_ROW_MAX = 1_000;

export interface ChargedHold {
  readonly holdId: string;
  /** The whole charge, in steps of usd. */
  readonly usd: bigint;
  /** The part of the charge that counts in this row; what a tool cost counts in the tool's row. */
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
    // The row of a whole day includes the tools, so each hold is offered once, with its whole charge.
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
  /** Smaller charges are not among the largest. */
  #least = 0n;

  // The list is sorted when it has twice as many holds as are kept, so that a hold costs a few comparisons.
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
