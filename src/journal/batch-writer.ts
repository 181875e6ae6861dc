// Writes a batch: its header, then one record a command with its outcome and the figures after it. A batch stands alone:
// labels and balances are spelt out where they first occur in it and referred to by number after. Called by the authority
// as it decides, and by `verify` as it decides again: the same commands give the same bytes.

import { BUILT_IN_UNITS } from '../core/amount.js';
import type { Budget } from '../core/budgets.js';
import type { AuthorizeHold, CoreCommand, RecordSpendCommand, SettleHold } from '../core/commands.js';
import { NO_CLAIMS } from '../core/commands.js';
import type { Effect, HoldAuthorized, HoldCharged, HoldDenied, Skip } from '../core/effects.js';
import { isCarriedOut } from '../core/effects.js';
import { NO_RIDER } from '../core/facts.js';
import { type HoldExtras, NO_EXTRAS } from '../core/holds.js';
import { figuresOf } from '../core/line-figures.js';
import type { LineSet } from '../core/lines.js';
import { LIMIT_STATED } from '../core/lines.js';
import { EVENT_TYPES } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import type { Quantities } from '../core/units.js';
import { ByteWriter } from './bytes.js';
import { coldText } from './cold.js';
import {
  CALLS_STATED,
  CHANGED,
  CHARGE_ON_EXPIRY,
  COMMAND_KINDS,
  FORMAT_VERSION,
  HAS_CANDIDATES,
  HAS_CAPPED,
  HAS_COMMAND_ID,
  HAS_EXPIRY_CHARGE,
  HAS_EXPOSURE,
  HAS_EXTRAS,
  HAS_NOTE,
  HAS_PAUSED,
  HAS_REQUIRE,
  HAS_STATED,
  HAS_USAGE,
  IS_LATE,
  MAGIC,
  NO_SLOT,
} from './format.js';
import { PartWriter } from './record-parts.js';
import { RiderWriter } from './rider-codec.js';

const KIND_CODES = new Map(COMMAND_KINDS.map((kind, code) => [kind, code]));
const EVENT_CODES = new Map(EVENT_TYPES.map((type, code) => [type, code]));

export class BatchWriter {
  readonly #out = new ByteWriter();
  readonly #parts = new PartWriter(this.#out);
  readonly #riders = new RiderWriter(this.#out);
  #version = FORMAT_VERSION;
  #countAt = 0;
  #baseTime = 0;
  firstSequence = 0;
  recordCount = 0;
  readonly #budgetRefs = new Map<string, number>();
  #budgetRefCount = 0;
  /** By balance slot: the batch stamp under which it was spelt out, and its number in this batch. */
  #stamps = new Int32Array(64);
  #refs = new Int32Array(64);
  #stamp = 0;
  #refCount = 0;
  #generation = -1;

  get length(): number {
    return this.#out.length;
  }

  /** Begins a batch after the state's last record. Only `verify` states a version: that of the batch it compares with. */
  begin(state: State, capacity: number, version = FORMAT_VERSION): void {
    const out = this.#out;
    out.restart(capacity);
    this.#version = version;
    this.#parts.restart(version);
    this.#riders.restart();
    this.#forgetBalances(state);
    this.#refCount = 0;
    this.#budgetRefCount = 0;
    this.#baseTime = state.time;
    this.firstSequence = state.sequence + 1;
    this.recordCount = 0;
    out.u32(MAGIC);
    out.u8(version);
    out.f64(this.firstSequence);
    out.f64(state.position);
    out.f64(this.#baseTime);
    this.#countAt = out.length;
    out.u32(0);
    out.text(state.authorityId);
    out.f64(state.epoch);
    const own = state.units.units.slice(BUILT_IN_UNITS.length);
    out.count(own.length);
    for (const unit of own) {
      out.text(unit.name);
      out.u8(unit.scale);
    }
  }

  /** Ends the batch and gives its bytes away. */
  take(): Uint8Array {
    this.#out.setU32(this.#countAt, this.recordCount);
    return this.#out.bytes.subarray(0, this.#out.length);
  }

  /**
   * Writes a command that has just been decided and applied, with its rider and the figures that it led to. Facts of a
   * command that was refused are left out.
   */
  record(state: State, command: CoreCommand, effect: Effect, changed: boolean, rider = NO_RIDER): void {
    if (state.balanceGeneration !== this.#generation) this.#forgetBalances(state);
    const out = this.#out;
    const lengthAt = out.length;
    out.u32(0);
    out.u32(0);
    out.u8(KIND_CODES.get(command.kind) as number);
    const note = noteOf(command);
    const flags =
      (command.commandId === null ? 0 : HAS_COMMAND_ID) |
      (changed ? CHANGED : 0) |
      (note === null ? 0 : HAS_NOTE) |
      this.#riders.flagsOf(rider, isCarriedOut(effect));
    out.u8(flags);
    out.count(state.time - this.#baseTime);
    if (command.commandId !== null) out.text(command.commandId);
    this.#command(state, command);
    if (note !== null) out.text(note);
    this.#riders.write(rider, flags);
    out.setU32(lengthAt + 4, out.length - lengthAt - 8);
    out.u8(EVENT_CODES.get(effect.type) as number);
    this.#effect(state, effect);
    out.setU32(lengthAt, out.length - lengthAt - 4);
    this.recordCount += 1;
  }

  #forgetBalances(state: State): void {
    this.#stamp += 1;
    this.#budgetRefs.clear();
    this.#generation = state.balanceGeneration;
  }

  #command(state: State, command: CoreCommand): void {
    const out = this.#out;
    switch (command.kind) {
      case 'authorize_hold':
        return this.#authorize(command);
      case 'settle_hold':
        return this.#settle(command);
      case 'record_spend':
        return this.#recordSpend(command);
      case 'expire_hold':
        out.text(state.holds.ids[command.slot]);
        out.u32(command.slot);
        return;
      case 'open_window':
        out.text(command.budgetId);
        out.f64(command.start);
        out.f64(command.end);
        return;
      default:
        out.text(coldText({ ...command, kind: undefined, commandId: undefined, note: undefined }));
    }
  }

  #authorize(command: AuthorizeHold): void {
    const out = this.#out;
    const { extras, candidates, require } = command;
    const charge = this.#version === 1 ? null : chargeAlone(extras);
    out.text(command.holdId);
    out.u8(
      command.overrun |
        (command.chargeOnExpiry ? CHARGE_ON_EXPIRY : 0) |
        (command.callsStated ? CALLS_STATED : 0) |
        (extras === NO_EXTRAS ? 0 : charge === null ? HAS_EXTRAS : HAS_EXPIRY_CHARGE) |
        (candidates === null ? 0 : HAS_CANDIDATES) |
        (require.length === 0 ? 0 : HAS_REQUIRE),
    );
    out.count(command.ttlMs);
    this.#parts.labelText(command.labels);
    this.#parts.quantities(command.amounts);
    if (charge !== null) this.#parts.quantities(charge);
    else if (extras !== NO_EXTRAS) out.text(coldText(extras));
    if (candidates !== null) {
      out.count(candidates.length);
      for (const candidate of candidates) {
        this.#parts.labelText(candidate.labels);
        this.#parts.quantities(candidate.amounts);
        out.u8(candidate.callsStated ? 1 : 0);
      }
    }
    if (require.length > 0) out.text(JSON.stringify(require));
  }

  #settle(command: SettleHold): void {
    const out = this.#out;
    const { stated, exposure, usage } = command;
    out.text(command.holdId);
    out.u8(
      (stated === NO_CLAIMS ? 0 : HAS_STATED) |
        (exposure === null ? 0 : HAS_EXPOSURE) |
        (usage === null ? 0 : HAS_USAGE),
    );
    out.u8(command.ending);
    this.#parts.quantities(command.amounts);
    if (stated !== NO_CLAIMS) out.text(coldText(stated));
    if (exposure !== null) this.#parts.quantities(exposure);
    if (usage !== null) this.#parts.usage(usage);
  }

  #recordSpend(command: RecordSpendCommand): void {
    const out = this.#out;
    this.#parts.labelText(command.labels);
    this.#parts.quantities(command.amounts);
    out.f64(command.occurredAt ?? -1);
    this.#parts.usage(command.usage);
  }

  #effect(state: State, effect: Effect): void {
    const out = this.#out;
    switch (effect.type) {
      case 'hold_authorized':
        return this.#authorized(state, effect);
      case 'hold_denied':
        return this.#denied(state, effect);
      case 'hold_settled':
      case 'hold_corrected':
      case 'hold_expired':
        return this.#charged(state, effect);
      case 'spend_recorded':
        out.text(effect.pausedLines.length === 0 ? '' : coldText(effect.pausedLines));
        return this.#lines(state, state.lines);
      case 'command_rejected':
        out.text(effect.code);
        out.text(effect.value);
        out.text(effect.bound);
        return;
      default:
        out.text(coldText({ ...effect, type: undefined }));
        return this.#lines(state, state.lines);
    }
  }

  #authorized(state: State, effect: HoldAuthorized): void {
    this.#out.u32(effect.slot);
    this.#out.count(effect.candidate + 1);
    this.#skipped(state, effect.skipped);
    this.#lines(state, state.lines);
  }

  #denied(state: State, effect: HoldDenied): void {
    this.#out.count(effect.candidate + 1);
    this.#out.text(effect.reason);
    this.#out.count(effect.retryAfterMs);
    this.#out.text(effect.unmet.length === 0 ? '' : coldText(effect.unmet));
    this.#skipped(state, effect.skipped);
    this.#lines(state, state.lines);
  }

  #skipped(state: State, skipped: readonly Skip[]): void {
    this.#out.count(skipped.length);
    for (const one of skipped) {
      this.#out.count(one.candidate);
      this.#out.text(one.reason);
      this.#lines(state, one.lines);
    }
  }

  #charged(state: State, effect: HoldCharged): void {
    const out = this.#out;
    out.u32(effect.slot);
    out.u8(effect.ending);
    out.u8(
      (effect.late ? IS_LATE : 0) |
        (effect.cappedPlaces === 0 ? 0 : HAS_CAPPED) |
        (effect.pausedLines.length === 0 ? 0 : HAS_PAUSED),
    );
    if (effect.cappedPlaces !== 0) out.u32(effect.cappedPlaces);
    if (effect.pausedLines.length > 0) out.text(coldText(effect.pausedLines));
    out.count(effect.set.mask);
    this.#parts.steps(effect.charged);
    this.#parts.steps(effect.returned);
    this.#lines(state, state.lines);
  }

  #lines(state: State, lines: LineSet): void {
    const out = this.#out;
    out.count(lines.count);
    for (let line = 0; line < lines.count; line += 1) {
      this.#balanceRef(lines, line);
      const flags = lines.flags[line];
      out.u16(flags);
      const slot = lines.slots[line];
      if (slot < 0 || flags & LIMIT_STATED || lines.judged !== null) {
        const figures = figuresOf(state, lines, line);
        out.i64(figures.granted);
        out.i64(figures.held);
        out.i64(figures.spent);
      } else {
        const { granted, held, spent } = state.balances;
        out.i64FromEach(granted, held, spent, slot);
      }
    }
  }

  #balanceRef(lines: LineSet, line: number): void {
    const slot = lines.slots[line];
    if (slot >= 0) {
      if (slot >= this.#stamps.length) this.#widen(slot);
      if (this.#stamps[slot] === this.#stamp) return this.#out.count(this.#refs[slot]);
      this.#stamps[slot] = this.#stamp;
      this.#refs[slot] = this.#refCount;
    }
    const out = this.#out;
    out.count(this.#refCount);
    this.#refCount += 1;
    const budget = lines.budgets[line];
    out.u32(slot < 0 ? NO_SLOT : slot);
    this.#budgetRef(budget);
    out.text(lines.values[line]);
    out.f64(lines.windows[line].start);
    out.f64(lines.windows[line].end);
    const limit = budget.limitOf(lines.values[line]);
    out.u8(limit === null ? 0 : 1);
    if (limit !== null) out.i64(limit);
  }

  #budgetRef(budget: Budget): void {
    const out = this.#out;
    const { id, wildcards } = budget;
    const known = this.#budgetRefs.get(id);
    if (known !== undefined) return out.count(known);
    out.count(this.#budgetRefCount);
    this.#budgetRefs.set(id, this.#budgetRefCount);
    this.#budgetRefCount += 1;
    out.text(id);
    out.count(budget.version);
    out.u8(budget.unit);
    out.u8(budget.warnAtPercent);
    out.count(wildcards.length);
    for (const key of wildcards) out.text(key);
  }

  #widen(slot: number): void {
    const length = Math.max(slot + 1, this.#stamps.length * 2);
    const stamps = new Int32Array(length);
    const refs = new Int32Array(length);
    stamps.set(this.#stamps);
    refs.set(this.#refs);
    this.#stamps = stamps;
    this.#refs = refs;
  }
}

/** What an expired hold is charged, where its extras say nothing else: nearly all say just that. */
function chargeAlone({ lease, grants, expiryCharge, tolerancePercent }: HoldExtras): Quantities | null {
  return lease === null && grants.length === 0 && tolerancePercent === 0 ? expiryCharge : null;
}

function noteOf(command: CoreCommand): string | null {
  switch (command.kind) {
    case 'authorize_hold':
    case 'settle_hold':
    case 'record_spend':
    case 'correct_hold':
      return command.note;
    default:
      return null;
  }
}
