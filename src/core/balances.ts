// Balances as columns: a posting is five exact 64-bit updates, and no balance is an object. Keeps invariant 1: the
// four counters granted, held, spent and remaining change only through `post`, `settle` and `grant`, and each of
// these leaves the books balanced. A metered balance denies nothing. Where its figure would pass the largest amount,
// it stops there and is flagged: more was spent than it says. A slot names a balance while the balance lives. Freed
// slots are reused last-in first-out, so that a replay gives the same slots.

import { AMOUNT_MAX } from './amount.js';
import type { Window } from './budgets.js';
import { grown, ROWS_MIN } from './columns.js';

const LIVE = 1;
const METERED = 2;
const MAY_BE_NEGATIVE = 4;
const SATURATED = 8;
/**
 * A balance that is metered, or was when its figure stopped. A correction may take more off it than its figure has.
 */
const STOPS = METERED | SATURATED;

const NONE = -1;

export class BalanceTable {
  granted = new BigInt64Array(ROWS_MIN);
  held = new BigInt64Array(ROWS_MIN);
  spent = new BigInt64Array(ROWS_MIN);
  remaining = new BigInt64Array(ROWS_MIN);
  flags = new Uint8Array(ROWS_MIN);
  openHolds = new Int32Array(ROWS_MIN);
  /** Holds in memory, open or ended, that are posted to the balance: while there are any, its slot is not freed. */
  retainedHolds = new Int32Array(ROWS_MIN);
  /** The next balance of the same window; the next free slot for a free one. */
  next = new Int32Array(ROWS_MIN);
  windows: (Window | null)[] = [];
  values: string[] = [];
  firstFree = NONE;
  /** Slots ever used. */
  used = 0;
  live = 0;

  /** Opens a balance in a window. `granted` is its limit, 0 when metered. */
  open(window: Window, values: string, limit: bigint | null): number {
    const slot = this.#take();
    this.granted[slot] = limit ?? 0n;
    this.held[slot] = 0n;
    this.spent[slot] = 0n;
    this.remaining[slot] = limit ?? 0n;
    this.flags[slot] = limit === null ? LIVE | METERED : LIVE;
    this.openHolds[slot] = 0;
    this.retainedHolds[slot] = 0;
    this.windows[slot] = window;
    this.values[slot] = values;
    this.next[slot] = window.firstBalance;
    window.firstBalance = slot;
    window.balanceCount += 1;
    window.index.add(values, slot);
    this.live += 1;
    return slot;
  }

  /** Moves held and spent by these differences, and remaining by their opposite. */
  post(slot: number, heldBy: bigint, spentBy: bigint): void {
    this.held[slot] = BigInt.asIntN(64, this.held[slot] + heldBy);
    this.spent[slot] = BigInt.asIntN(64, this.spent[slot] + spentBy);
    this.remaining[slot] = BigInt.asIntN(64, this.remaining[slot] - BigInt.asIntN(64, heldBy + spentBy));
    if ((this.flags[slot] & STOPS) !== 0) this.#saturate(slot, spentBy);
  }

  /** Ends a hold's part: what it held leaves held, what it cost is spent, the rest remains. */
  settle(slot: number, held: bigint, spent: bigint): void {
    this.held[slot] = BigInt.asIntN(64, this.held[slot] - held);
    this.spent[slot] = BigInt.asIntN(64, this.spent[slot] + spent);
    this.remaining[slot] = BigInt.asIntN(64, this.remaining[slot] + BigInt.asIntN(64, held - spent));
    if ((this.flags[slot] & STOPS) !== 0) this.#saturate(slot, spent);
  }

  // Held and spent are each at most the largest amount, so a sum beyond it appears as a negative number. Once a
  // figure has stopped, a correction may take off more than it has.
  #saturate(slot: number, spentBy: bigint): void {
    const held = this.held[slot];
    const spent = this.spent[slot];
    if (spent >= 0n && BigInt.asIntN(64, held + spent) >= 0n) return;
    this.flags[slot] |= SATURATED;
    this.spent[slot] = spentBy < 0n ? 0n : AMOUNT_MAX - held;
    this.remaining[slot] = BigInt.asIntN(64, this.granted[slot] - held - this.spent[slot]);
  }

  /** Whether the balance has ever stopped at the largest figure, so that more was spent than it says. */
  isSaturated(slot: number): boolean {
    return (this.flags[slot] & SATURATED) !== 0;
  }

  /** Moves granted and remaining together. */
  grant(slot: number, by: bigint): void {
    this.granted[slot] = BigInt.asIntN(64, this.granted[slot] + by);
    this.remaining[slot] = BigInt.asIntN(64, this.remaining[slot] + by);
  }

  isLive(slot: number): boolean {
    return slot < this.used && (this.flags[slot] & LIVE) !== 0;
  }

  isMetered(slot: number): boolean {
    return (this.flags[slot] & METERED) !== 0;
  }

  setMetered(slot: number, metered: boolean): void {
    this.flags[slot] = metered ? this.flags[slot] | METERED : this.flags[slot] & ~METERED;
  }

  /** Whether recorded spend or a lowered limit may have taken `remaining` below zero. */
  mayBeNegative(slot: number): boolean {
    return (this.flags[slot] & MAY_BE_NEGATIVE) !== 0;
  }

  /** Marks the balance when `remaining` is below zero: the command just applied was allowed to do that. */
  allowNegative(slot: number): void {
    if (this.remaining[slot] < 0n) this.flags[slot] |= MAY_BE_NEGATIVE;
  }

  /** Frees a slot. The caller has taken it out of its window. */
  free(slot: number): void {
    this.flags[slot] = 0;
    this.windows[slot] = null;
    this.values[slot] = '';
    this.next[slot] = this.firstFree;
    this.firstFree = slot;
    this.live -= 1;
  }

  /** Makes room for so many slots. */
  reserve(rows: number): void {
    if (rows <= this.flags.length) return;
    let capacity = this.flags.length;
    while (capacity < rows) capacity *= 2;
    this.granted = grown(this.granted, capacity);
    this.held = grown(this.held, capacity);
    this.spent = grown(this.spent, capacity);
    this.remaining = grown(this.remaining, capacity);
    this.flags = grown(this.flags, capacity);
    this.openHolds = grown(this.openHolds, capacity);
    this.retainedHolds = grown(this.retainedHolds, capacity);
    this.next = grown(this.next, capacity);
  }

  #take(): number {
    if (this.firstFree !== NONE) {
      const slot = this.firstFree;
      this.firstFree = this.next[slot];
      return slot;
    }
    const slot = this.used;
    this.reserve(slot + 1);
    this.used += 1;
    return slot;
  }

  /** The slot that the next balance will get. */
  nextSlot(): number {
    return this.firstFree === NONE ? this.used : this.firstFree;
  }
}
