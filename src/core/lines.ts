// The budget lines of one decision, as parallel lists that every decision fills anew. Decide finds the lines, apply
// posts to them, the journal writes them and the reply shows them: all use these.

import type { Budget, Window } from './budgets.js';
import type { Violation } from './outcomes.js';

/** Bits of a line's flags: its violations in this order, then what else the reply says of it. REASONS orders their causes. */
export const VIOLATIONS: readonly Violation[] = [
  'unit_missing',
  'closed',
  'per_hold_max',
  'paused',
  'forced_exhausted',
  'limit',
  'held_max',
];
export const UNIT_MISSING = 1;
export const CLOSED = 2;
export const PER_HOLD_MAX = 4;
export const PAUSED = 8;
export const FORCED_EXHAUSTED = 16;
export const LIMIT = 32;
export const HELD_MAX = 64;
export const ALL_VIOLATIONS = 127;
/** The account is forced exhausted at this moment, whether or not that is why the request fails. */
export const IS_FORCED = 128;
/** Its limit is stated by the request (a grant's cap) and written with the line. */
export const LIMIT_STATED = 256;
export const IS_METERED = 512;

/** The figures behind a line. */
export interface Figures {
  readonly granted: bigint;
  readonly held: bigint;
  readonly spent: bigint;
}

export class LineSet {
  count = 0;
  readonly budgets: Budget[] = [];
  readonly windows: Window[] = [];
  readonly values: string[] = [];
  /** Balance slots; -1 where the balance does not exist yet. */
  readonly slots: number[] = [];
  readonly requested: bigint[] = [];
  readonly flags: number[] = [];
  /** The cap that the request states for the line, when LIMIT_STATED. */
  readonly stated: bigint[] = [];

  /**
   * The figures by which the lines were judged, where the balances have other figures by now; null = those of the
   * balances.
   */
  judged: readonly Figures[] | null = null;

  clear(): void {
    this.count = 0;
  }

  /** Takes over the lines of another set. */
  copy(other: LineSet): void {
    this.count = 0;
    for (let line = 0; line < other.count; line += 1) {
      this.add(
        other.budgets[line],
        other.windows[line],
        other.values[line],
        other.slots[line],
        other.requested[line],
      );
      this.flags[line] = other.flags[line];
      this.stated[line] = other.stated[line];
    }
  }

  add(budget: Budget, window: Window, values: string, slot: number, requested: bigint): number {
    const line = this.count;
    this.budgets[line] = budget;
    this.windows[line] = window;
    this.values[line] = values;
    this.slots[line] = slot;
    this.requested[line] = requested;
    this.flags[line] = 0;
    this.stated[line] = 0n;
    this.count = line + 1;
    return line;
  }
}
