// A whole state as bytes and back: what recovery starts from, and what two states are compared by (invariant 9: replay
// gives the same state to the byte). Columns are written as they lie in memory; indexes and arenas are built anew.

import type { Unit } from '../core/amount.js';
import { BUILT_IN_UNITS } from '../core/amount.js';
import { frozen } from '../core/apply-account.js';
import { Budget, type Standing, Window } from '../core/budgets.js';
import type { Column } from '../core/columns.js';
import type { EndedList, HoldExtras } from '../core/holds.js';
import { OPEN } from '../core/holds.js';
import type { Aliases, BudgetSpec } from '../core/requests.js';
import { State } from '../core/state.js';
import { parseWindow } from '../core/window.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { coldText, coldValue } from './cold.js';

const CHECKPOINT_MAGIC = 0x50435242;
const CHECKPOINT_VERSION = 1;

interface SavedBudget {
  readonly spec: BudgetSpec;
  readonly version: number;
  readonly forGrants: boolean;
  readonly standing: Standing;
  readonly accounts: readonly [string, Standing][];
  readonly windows: readonly { readonly start: number; readonly end: number; readonly first: number }[];
  /** Index in `windows`; -1 = none. */
  readonly current: number;
}

interface SavedHead {
  readonly sequence: number;
  readonly position: number;
  readonly time: number;
  readonly authorityId: string;
  readonly epoch: number;
  readonly retentionMs: number;
  readonly horizon: number;
  readonly endedHoldsMax: number;
  readonly commandSeed: number;
  readonly snapshotVersion: number;
  readonly spentTotal: readonly bigint[];
  readonly certifiedTotal: readonly bigint[];
  readonly units: readonly Unit[];
  readonly aliases: Aliases;
  readonly budgets: readonly SavedBudget[];
  readonly balances: { readonly used: number; readonly live: number; readonly firstFree: number };
  readonly holds: {
    readonly used: number;
    readonly open: number;
    readonly firstFree: number;
    readonly ended: EndedList;
    readonly expired: EndedList;
  };
  readonly extras: readonly [number, HoldExtras][];
}

export function encodeCheckpoint(state: State): Uint8Array {
  const out = new ByteWriter();
  out.restart(1024 * 1024);
  out.u32(CHECKPOINT_MAGIC);
  out.u8(CHECKPOINT_VERSION);
  out.text(coldText(savedHead(state)));
  writeBalances(out, state);
  writeHolds(out, state);
  out.count(state.commandIdAges.size);
  state.commandIdAges.each((tag, sequence, time) => {
    out.u32(tag);
    out.f64(sequence);
    out.f64(time);
  });
  return out.bytes.subarray(0, out.length);
}

/** The state of a checkpoint; null when the bytes are of another version, which recovery then does without. */
export function decodeCheckpoint(bytes: Uint8Array, seed: number): State | null {
  const input = new ByteReader(bytes);
  if (input.u32() !== CHECKPOINT_MAGIC || input.u8() !== CHECKPOINT_VERSION) return null;
  const state = new State({ seed });
  const head = readHead(state, input);
  readBalances(input, state, head);
  readHolds(input, state, head);
  for (let left = input.count(); left > 0; left -= 1) {
    const tag = input.u32();
    const sequence = input.f64();
    state.commandIds.addHash(tag, sequence);
    state.commandIdAges.push(tag, sequence, input.f64());
  }
  return state;
}

function savedHead(state: State): SavedHead {
  const { balances, holds } = state;
  return {
    sequence: state.sequence,
    position: state.position,
    time: state.time,
    authorityId: state.authorityId,
    epoch: state.epoch,
    retentionMs: state.retentionMs,
    horizon: state.horizon,
    endedHoldsMax: state.endedHoldsMax,
    commandSeed: state.commandIds.seed,
    snapshotVersion: state.snapshotVersion,
    spentTotal: [...state.spentTotal],
    certifiedTotal: [...state.certifiedTotal],
    units: state.units.units.slice(BUILT_IN_UNITS.length),
    aliases: state.matcher.aliases,
    budgets: state.budgets.map((budget) => ({
      spec: budget.spec,
      version: budget.version,
      forGrants: budget.forGrants,
      standing: budget.standing,
      accounts: [...budget.accounts],
      windows: budget.windows.map(({ start, end, firstBalance }) => ({ start, end, first: firstBalance })),
      current: budget.current === null ? -1 : budget.windows.indexOf(budget.current),
    })),
    balances: { used: balances.used, live: balances.live, firstFree: balances.firstFree },
    holds: {
      used: holds.used,
      open: holds.open,
      firstFree: holds.firstFree,
      ended: holds.ended,
      expired: holds.expired,
    },
    extras: [...holds.extras],
  };
}

function readHead(state: State, input: ByteReader): SavedHead {
  const text = input.text();
  // Units first: the rest of the head has amounts in them.
  for (const unit of (JSON.parse(text) as SavedHead).units) state.units.add(unit);
  const head = coldValue<SavedHead>(text, state.units);
  state.sequence = head.sequence;
  state.position = head.position;
  state.time = head.time;
  state.authorityId = head.authorityId;
  state.epoch = head.epoch;
  state.term = `${head.authorityId}:${head.epoch}`;
  state.retentionMs = head.retentionMs;
  state.horizon = head.horizon;
  state.endedHoldsMax = head.endedHoldsMax;
  state.commandIds.seed = head.commandSeed;
  state.snapshotVersion = head.snapshotVersion;
  head.spentTotal.forEach((steps, unit) => {
    state.spentTotal[unit] = steps;
    state.certifiedTotal[unit] = head.certifiedTotal[unit];
  });
  state.matcher.aliases = frozen(head.aliases);
  for (const saved of head.budgets) readBudget(state, saved);
  return head;
}

function readBudget(state: State, saved: SavedBudget): void {
  const { forGrants } = saved;
  const spec = frozen(saved.spec);
  const budget = new Budget({
    index: state.budgets.length,
    spec,
    unit: state.units.index(spec.unit),
    window: parseWindow(spec.window, 'window'),
    wildcards: Object.keys(spec.match)
      .filter((key) => spec.match[key] === '*')
      .sort(),
    forGrants,
  });
  budget.version = saved.version;
  const told =
    saved.standing.status !== 'active' || saved.standing.exhaustedUntil !== 0 || saved.accounts.length > 0;
  if (told || saved.standing.limit !== undefined) {
    Object.assign(budget.own(null), { ...saved.standing, limit: saved.standing.limit });
  }
  for (const [values, standing] of saved.accounts)
    budget.accounts.set(values, { ...standing, limit: standing.limit });
  for (const { start, end, first } of saved.windows) {
    const window = new Window(budget, start, end, state.options.seed, (slot) => state.balances.values[slot]);
    window.firstBalance = first;
    budget.windows.push(window);
  }
  budget.current = saved.current === -1 ? null : budget.windows[saved.current];
  state.budgets.push(budget);
  state.budgetById.set(budget.id, budget);
  state.matcher.add(budget);
}

function writeBalances(out: ByteWriter, state: State): void {
  const { balances } = state;
  const rows = balances.used;
  for (const one of [balances.granted, balances.held, balances.spent, balances.remaining])
    column(out, one, rows);
  for (const one of [balances.flags, balances.openHolds, balances.retainedHolds, balances.next])
    column(out, one, rows);
  for (let slot = 0; slot < rows; slot += 1) out.text(balances.values[slot]);
}

function readBalances(input: ByteReader, state: State, head: SavedHead): void {
  const { balances } = state;
  const { used, live, firstFree } = head.balances;
  balances.reserve(used);
  for (const one of [balances.granted, balances.held, balances.spent, balances.remaining])
    readColumn(input, one);
  for (const one of [balances.flags, balances.openHolds, balances.retainedHolds, balances.next])
    readColumn(input, one);
  for (let slot = 0; slot < used; slot += 1) {
    balances.values[slot] = input.text();
    balances.windows[slot] = null;
  }
  balances.used = used;
  balances.live = live;
  balances.firstFree = firstFree;
  for (const budget of state.budgets) {
    for (const window of budget.windows) {
      for (let slot = window.firstBalance; slot !== -1; slot = balances.next[slot]) {
        balances.windows[slot] = window;
        window.index.add(balances.values[slot], slot);
        window.balanceCount += 1;
      }
    }
  }
}

function writeHolds(out: ByteWriter, state: State): void {
  const { holds } = state;
  const rows = holds.used;
  for (const one of [holds.status, holds.flags, holds.ending, holds.next, holds.postingCount])
    column(out, one, rows);
  for (const one of [holds.openedAt, holds.openedSequence, holds.expiresAt, holds.endedAt])
    column(out, one, rows);
  const labels = new Map<string, number>();
  for (let slot = 0; slot < rows; slot += 1) {
    if (holds.isFree(slot)) continue;
    out.text(holds.ids[slot]);
    const number = labels.get(holds.labels[slot]);
    out.count(number ?? labels.size);
    if (number === undefined) {
      out.text(holds.labels[slot]);
      labels.set(holds.labels[slot], labels.size);
    }
    out.count(holds.units[slot].mask);
    for (let place = 0; place < holds.units[slot].units.length; place += 1) {
      out.i64(holds.authorized(slot, place));
      out.i64(holds.figure(slot, place));
    }
    for (let line = 0; line < holds.postingCount[slot]; line += 1) out.u32(holds.posting(slot, line));
  }
}

function readHolds(input: ByteReader, state: State, head: SavedHead): void {
  const { holds } = state;
  const { used, open, firstFree, ended, expired } = head.holds;
  holds.reserve(used);
  for (const one of [holds.status, holds.flags, holds.ending, holds.next, holds.postingCount])
    readColumn(input, one);
  for (const one of [holds.openedAt, holds.openedSequence, holds.expiresAt, holds.endedAt])
    readColumn(input, one);
  holds.used = used;
  holds.open = open;
  holds.firstFree = firstFree;
  Object.assign(holds.ended, ended);
  Object.assign(holds.expired, expired);
  for (const [slot, extras] of head.extras) holds.extras.set(slot, extras);
  const labels: string[] = [];
  holds.index.reserve(open);
  for (let slot = 0; slot < used; slot += 1) readHold(input, state, slot, labels);
}

function readHold(input: ByteReader, state: State, slot: number, labels: string[]): void {
  const { holds } = state;
  holds.ids[slot] = '';
  holds.labels[slot] = '';
  if (holds.isFree(slot)) return;
  holds.ids[slot] = input.text();
  const number = input.count();
  if (number === labels.length) labels.push(input.text());
  holds.labels[slot] = labels[number];
  const set = state.units.set(input.count());
  holds.units[slot] = set;
  holds.cellsAt[slot] = holds.cells.take(set.units.length * 2);
  for (let place = 0; place < set.units.length; place += 1) {
    holds.setAuthorized(slot, place, input.i64());
    holds.setFigure(slot, place, input.i64());
  }
  holds.postingsAt[slot] = holds.postings.take(holds.postingCount[slot]);
  for (let line = 0; line < holds.postingCount[slot]; line += 1) holds.setPosting(slot, line, input.u32());
  holds.tags[slot] = holds.index.add(holds.ids[slot], slot);
  if (holds.status[slot] === OPEN) holds.expiry.add(slot);
}

function column(out: ByteWriter, cells: Column, rows: number): void {
  const bytes = Buffer.from(cells.buffer, cells.byteOffset, rows * cells.BYTES_PER_ELEMENT);
  out.count(bytes.length);
  out.reserve(bytes.length);
  bytes.copy(out.bytes, out.length);
  out.length += bytes.length;
}

function readColumn(input: ByteReader, cells: Column): void {
  const length = input.count();
  if (length > cells.byteLength) throw new RangeError('a column of the checkpoint is longer than it says');
  input.bytes.copy(Buffer.from(cells.buffer, cells.byteOffset, length), 0, input.at, input.at + length);
  input.at += length;
}
