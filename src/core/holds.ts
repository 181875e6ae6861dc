// Holds as columns, open ones and those ended within the retention period. Amounts and postings of a hold are blocks in
// two arenas. Keeps invariant 6: a hold's status leaves `open` once (`end`), and later only from expired to settled.
// Slots are reused last-in first-out, so that replay gives the same slots.

import { Arena } from './arena.js';
import { grown, ROWS_MIN } from './columns.js';
import { ExpiryQueue } from './expiry-queue.js';
import { HashIndex } from './hash-index.js';
import type { HoldStatus } from './outcomes.js';
import type { GrantCaps, HoldEnding, Lease } from './requests.js';
import type { Quantities, UnitSet } from './units.js';

export const HOLD_STATUSES: readonly HoldStatus[] = ['open', 'settled', 'released', 'reversed', 'expired'];
export const HOLD_ENDINGS: readonly (HoldEnding | null)[] = [
  null,
  'completed',
  'failed',
  'cancelled',
  'unknown',
];
export const OPEN = 0;
export const SETTLED = 1;
export const RELEASED = 2;
export const REVERSED = 3;
export const EXPIRED = 4;
const FREE = 255;

export const OVERRUN_RECORD = 0;
export const OVERRUN_REJECT = 1;
export const OVERRUN_FORBID = 2;
export const OVERRUN_CAP = 3;

const OVERRUN_MASK = 3;
const CHARGE_ON_EXPIRY = 4;
const TOUCHED = 8;
const LATE = 16;

/** What few holds have, kept beside the columns. */
export interface HoldExtras {
  readonly lease: Lease | null;
  readonly grants: readonly GrantCaps[];
  /** What expiry charges of the units named here; of others, all that is held. null = of all. */
  readonly expiryCharge: Quantities | null;
  /** For the overrun policy `cap`. */
  readonly tolerancePercent: number;
}

export const NO_EXTRAS: HoldExtras = { lease: null, grants: [], expiryCharge: null, tolerancePercent: 0 };

export interface NewHold {
  readonly id: string;
  readonly labels: string;
  readonly units: UnitSet;
  readonly steps: readonly bigint[];
  readonly openedAt: number;
  readonly openedSequence: number;
  readonly expiresAt: number;
  readonly overrun: number;
  readonly chargeOnExpiry: boolean;
  readonly extras: HoldExtras;
}

/** A first-in first-out list of ended slots, linked through the `next` column. */
export interface EndedList {
  first: number;
  last: number;
  count: number;
}

export class HoldTable {
  ids: string[] = [];
  labels: string[] = [];
  units: UnitSet[] = [];
  status = new Uint8Array(ROWS_MIN);
  flags = new Uint8Array(ROWS_MIN);
  ending = new Uint8Array(ROWS_MIN);
  openedAt = new Float64Array(ROWS_MIN);
  openedSequence = new Float64Array(ROWS_MIN);
  expiresAt = new Float64Array(ROWS_MIN);
  endedAt = new Float64Array(ROWS_MIN);
  /** Hashes of the ids in `index`. */
  tags = new Uint32Array(ROWS_MIN);
  cellsAt = new Int32Array(ROWS_MIN);
  postingsAt = new Int32Array(ROWS_MIN);
  postingCount = new Uint16Array(ROWS_MIN);
  /** The next slot in the free list or in an ended list. */
  next = new Int32Array(ROWS_MIN);
  readonly extras = new Map<number, HoldExtras>();
  /** For each hold: authorised steps by unit, then held steps (charged steps once it ended). */
  readonly cells = new Arena(new BigInt64Array(ROWS_MIN));
  /** For each hold: the balance slots that it is posted to. */
  readonly postings = new Arena(new Int32Array(ROWS_MIN));
  readonly index: HashIndex;
  readonly expiry: ExpiryQueue = new ExpiryQueue(this);
  /** Ended otherwise than by expiry; leave memory after the retention period, or the oldest first beyond the maximum. */
  readonly ended: EndedList = { first: -1, last: -1, count: 0 };
  /** Expired: may still be settled late, so they leave memory by time alone. */
  readonly expired: EndedList = { first: -1, last: -1, count: 0 };
  firstFree = -1;
  used = 0;
  open = 0;

  constructor(seed: number) {
    this.index = new HashIndex(seed, (slot) => this.ids[slot]);
  }

  /** The slot that the next hold will get. */
  nextSlot(): number {
    return this.firstFree === -1 ? this.used : this.firstFree;
  }

  /** Opens a hold; the caller then posts it to its balances and writes their slots with `setPosting`. */
  add(hold: NewHold, postings: number): number {
    const slot = this.#take();
    const places = hold.steps.length;
    this.ids[slot] = hold.id;
    this.labels[slot] = hold.labels;
    this.units[slot] = hold.units;
    this.status[slot] = OPEN;
    this.flags[slot] = hold.overrun | (hold.chargeOnExpiry ? CHARGE_ON_EXPIRY : 0);
    this.ending[slot] = 0;
    this.openedAt[slot] = hold.openedAt;
    this.openedSequence[slot] = hold.openedSequence;
    this.expiresAt[slot] = hold.expiresAt;
    this.endedAt[slot] = 0;
    this.cellsAt[slot] = this.cells.take(places * 2);
    this.postingsAt[slot] = this.postings.take(postings);
    this.postingCount[slot] = postings;
    for (let place = 0; place < places; place += 1) {
      this.cells.column[this.cellsAt[slot] + place] = hold.steps[place];
      this.cells.column[this.cellsAt[slot] + places + place] = hold.steps[place];
    }
    if (hold.extras !== NO_EXTRAS) this.extras.set(slot, hold.extras);
    this.tags[slot] = this.index.add(hold.id, slot);
    this.expiry.add(slot);
    this.open += 1;
    return slot;
  }

  setPosting(slot: number, line: number, balance: number): void {
    this.postings.column[this.postingsAt[slot] + line] = balance;
  }

  posting(slot: number, line: number): number {
    return this.postings.column[this.postingsAt[slot] + line];
  }

  authorized(slot: number, place: number): bigint {
    return this.cells.column[this.cellsAt[slot] + place];
  }

  /** Still held while the hold is open; charged once it ended. */
  figure(slot: number, place: number): bigint {
    return this.cells.column[this.cellsAt[slot] + this.units[slot].units.length + place];
  }

  setAuthorized(slot: number, place: number, steps: bigint): void {
    this.cells.column[this.cellsAt[slot] + place] = steps;
  }

  setFigure(slot: number, place: number, steps: bigint): void {
    this.cells.column[this.cellsAt[slot] + this.units[slot].units.length + place] = steps;
  }

  extrasOf(slot: number): HoldExtras {
    return this.extras.size === 0 ? NO_EXTRAS : (this.extras.get(slot) ?? NO_EXTRAS);
  }

  overrun(slot: number): number {
    return this.flags[slot] & OVERRUN_MASK;
  }

  chargesOnExpiry(slot: number): boolean {
    return (this.flags[slot] & CHARGE_ON_EXPIRY) !== 0;
  }

  isTouched(slot: number): boolean {
    return (this.flags[slot] & TOUCHED) !== 0;
  }

  touch(slot: number): void {
    this.flags[slot] |= TOUCHED;
  }

  isLate(slot: number): boolean {
    return (this.flags[slot] & LATE) !== 0;
  }

  isFree(slot: number): boolean {
    return slot >= this.used || this.status[slot] === FREE;
  }

  setExpiry(slot: number, expiresAt: number): void {
    this.expiresAt[slot] = expiresAt;
    this.expiry.move(slot);
  }

  /** Ends an open hold; the caller has posted what that means. */
  end(slot: number, status: number, endedAt: number, ending: number): void {
    this.expiry.remove(slot);
    this.status[slot] = status;
    this.endedAt[slot] = endedAt;
    this.ending[slot] = ending;
    this.open -= 1;
    this.append(status === EXPIRED ? this.expired : this.ended, slot);
  }

  /** A settlement came after the expiry: it stays where it is in the list of expired ones. */
  settleLate(slot: number, ending: number): void {
    this.status[slot] = SETTLED;
    this.flags[slot] |= LATE;
    this.ending[slot] = ending;
  }

  /** Takes the oldest of an ended list out of memory. */
  freeFirst(list: EndedList): void {
    const slot = list.first;
    list.first = this.next[slot];
    if (list.first === -1) list.last = -1;
    list.count -= 1;
    this.index.removeHash(this.tags[slot], slot);
    this.cells.free(this.cellsAt[slot], this.units[slot].units.length * 2);
    this.postings.free(this.postingsAt[slot], this.postingCount[slot]);
    if (this.extras.size > 0) this.extras.delete(slot);
    this.ids[slot] = '';
    this.labels[slot] = '';
    this.status[slot] = FREE;
    this.next[slot] = this.firstFree;
    this.firstFree = slot;
  }

  append(list: EndedList, slot: number): void {
    this.next[slot] = -1;
    if (list.last === -1) list.first = slot;
    else this.next[list.last] = slot;
    list.last = slot;
    list.count += 1;
  }

  /** Makes room for so many slots. */
  reserve(rows: number): void {
    if (rows <= this.status.length) return;
    let capacity = this.status.length;
    while (capacity < rows) capacity *= 2;
    this.status = grown(this.status, capacity);
    this.flags = grown(this.flags, capacity);
    this.ending = grown(this.ending, capacity);
    this.openedAt = grown(this.openedAt, capacity);
    this.openedSequence = grown(this.openedSequence, capacity);
    this.expiresAt = grown(this.expiresAt, capacity);
    this.endedAt = grown(this.endedAt, capacity);
    this.tags = grown(this.tags, capacity);
    this.cellsAt = grown(this.cellsAt, capacity);
    this.postingsAt = grown(this.postingsAt, capacity);
    this.postingCount = grown(this.postingCount, capacity);
    this.next = grown(this.next, capacity);
  }

  #take(): number {
    if (this.firstFree !== -1) {
      const slot = this.firstFree;
      this.firstFree = this.next[slot];
      return slot;
    }
    const slot = this.used;
    this.reserve(slot + 1);
    this.used += 1;
    return slot;
  }
}
