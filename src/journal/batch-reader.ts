// Reads a batch record by record, out of its own bytes alone. Malformed bytes throw JournalCorruptError with the
// position; nothing is skipped. Used by recovery, verification, events and replays of outcomes.

import type { AuthorizeHold, CandidateCommand, CoreCommand, SettleHold } from '../core/commands.js';
import { NO_CLAIMS, unitsBroughtBy } from '../core/commands.js';
import type { Effect, HoldCharged } from '../core/effects.js';
import { JournalCorruptError } from '../core/errors.js';
import type { CheckedRider } from '../core/facts.js';
import { NO_RIDER } from '../core/facts.js';
import type { HoldExtras } from '../core/holds.js';
import { NO_EXTRAS } from '../core/holds.js';
import type { EventType } from '../core/outcomes.js';
import { EVENT_TYPES } from '../core/outcomes.js';
import type { RejectionCode } from '../core/rejections.js';
import type { Quantities } from '../core/units.js';
import { UnitTable } from '../core/units.js';
import { ByteReader } from './bytes.js';
import { coldValue } from './cold.js';
import {
  CALLS_STATED,
  CHANGED,
  CHARGE_ON_EXPIRY,
  COMMAND_KINDS,
  FORMAT_VERSION,
  FORMAT_VERSION_MIN,
  HAS_CANDIDATES,
  HAS_CAPPED,
  HAS_COMMAND_ID,
  HAS_EXPIRY_CHARGE,
  HAS_EXPOSURE,
  HAS_EXTRAS,
  HAS_FACTS,
  HAS_NOTE,
  HAS_PAUSED,
  HAS_REQUIRE,
  HAS_STATED,
  HAS_USAGE,
  IS_LATE,
  MAGIC,
} from './format.js';
import type { LineReader, RecordedSkip } from './line-reader.js';
import { RecordedLines, readLineReader } from './line-reader.js';
import { PartReader } from './record-parts.js';
import { RiderReader } from './rider-codec.js';
import { UNREAD_SETTLEMENT, type Wanted } from './wanted.js';

export class BatchReader {
  readonly firstSequence: number;
  readonly recordCount: number;
  readonly version: number;
  authorityId: string;
  epoch: number;
  readonly units = new UnitTable();
  readonly #in: ByteReader;
  readonly #baseTime: number;
  readonly #parts: PartReader;
  readonly #lineReader: LineReader;
  readonly #riders: RiderReader;
  readonly #flagsEnd: number;
  #read = 0;
  /** Of the record read last. */
  sequence: number;
  position: number;
  changed = false;
  at = 0;
  command!: CoreCommand;
  effect!: Effect;
  /** Not read where the outcome alone is wanted. */
  rider: CheckedRider = NO_RIDER;
  lines = new RecordedLines();
  skipped: RecordedSkip[] = [];
  /** Whether the command was rejected; known where commands alone are read. */
  wasRejected = false;
  /** Of an expiry: the hold's id. */
  expiredHoldId = '';
  /** Where its bytes begin and end in the batch. */
  start = 0;
  end = 0;

  /** `at` is the sequence number that the batch must begin with. */
  constructor(
    bytes: Uint8Array,
    at: number,
    readonly wanted: Wanted = 'all',
  ) {
    this.sequence = at - 1;
    this.#in = new ByteReader(bytes);
    try {
      const input = this.#in;
      if (input.u32() !== MAGIC) throw new RangeError('the batch does not begin with its mark');
      this.version = input.u8();
      if (this.version < FORMAT_VERSION_MIN || this.version > FORMAT_VERSION)
        throw new RangeError(
          `format version ${this.version} is not from ${FORMAT_VERSION_MIN} to ${FORMAT_VERSION}`,
        );
      this.firstSequence = input.f64();
      this.position = input.f64();
      this.#baseTime = input.f64();
      this.recordCount = input.u32();
      this.authorityId = input.text();
      this.epoch = input.f64();
      for (let left = input.count(); left > 0; left -= 1)
        this.units.add({ name: input.text(), scale: input.u8() });
      if (this.firstSequence !== at)
        throw new RangeError(`the batch says that it begins at ${this.firstSequence}`);
      this.start = input.at;
      this.end = input.at;
    } catch (error) {
      throw this.#corrupt(at, error);
    }
    this.#parts = new PartReader(this.#in, this.units, this.version);
    this.#lineReader = readLineReader(this.#in, this.units);
    this.#riders = new RiderReader(this.#in);
    this.#flagsEnd = (this.version === 1 ? HAS_NOTE : HAS_FACTS) * 2;
  }

  get bytes(): Buffer {
    return this.#in.bytes;
  }

  get term(): string {
    return `${this.authorityId}:${this.epoch}`;
  }

  /** Reads the next record; false after the last. */
  next(): boolean {
    if (this.#read === this.recordCount) {
      if (this.#in.at !== this.#in.bytes.length)
        throw this.#corrupt(this.sequence, new RangeError('bytes follow the last record'));
      return false;
    }
    try {
      this.#record();
    } catch (error) {
      throw this.#corrupt(this.sequence + 1, error);
    }
    this.#read += 1;
    this.sequence += 1;
    if (this.changed) this.position += 1;
    return true;
  }

  #corrupt(sequence: number, error: unknown): JournalCorruptError {
    return new JournalCorruptError(sequence, error instanceof Error ? error.message : String(error));
  }

  #record(): void {
    const input = this.#in;
    this.start = input.at;
    this.end = input.u32() + this.start + 4;
    const commandEnd = input.u32() + this.start + 8;
    const code = input.u8();
    const flags = input.u8();
    if (flags >= this.#flagsEnd) throw new RangeError(`the record has unknown flags (${flags})`);
    this.changed = (flags & CHANGED) !== 0;
    this.at = this.#baseTime + input.count();
    const commandId = flags & HAS_COMMAND_ID ? input.text() : null;
    if (this.wanted === 'outcome' && code === SETTLE_CODE) {
      this.command = commandId === null ? UNREAD_SETTLEMENT : { ...UNREAD_SETTLEMENT, commandId };
      input.at = commandEnd;
    } else {
      const kind = COMMAND_KINDS[code];
      if (kind === undefined) throw new RangeError('the record is of no known kind');
      this.command = this.#command(kind, commandId);
      if (this.wanted === 'outcome') input.at = commandEnd;
      else {
        if (flags & HAS_NOTE) this.#note(this.command);
        this.rider = this.#riders.read(flags);
      }
      if (input.at !== commandEnd) throw new RangeError('the command is not as long as it says');
    }
    if (this.wanted === 'command') {
      this.wasRejected = EVENT_TYPES[input.bytes[input.at]] === 'command_rejected';
      input.at = this.end;
    } else this.#outcome();
    if (input.at !== this.end || this.end > input.bytes.length)
      throw new RangeError('the record is not as long as it says');
    if (code >= FIRST_COLD_CODE) this.#learn(this.command);
  }

  #note(command: CoreCommand): void {
    if ('note' in command) (command as { note: string | null }).note = this.#in.text();
    else throw new RangeError(`a ${command.kind} has no note`);
  }

  #outcome(): void {
    const type = EVENT_TYPES[this.#in.u8()];
    if (type === undefined) throw new RangeError('the outcome is of no known type');
    this.lines.count = 0;
    if (this.skipped.length > 0) this.skipped = [];
    this.effect = this.#effect(type);
  }

  // Later records of the batch are read with the units and under the term that this one brought.
  #learn(command: CoreCommand): void {
    if (command.kind === 'open_ledger') {
      this.authorityId = command.authorityId;
      this.epoch = command.epoch;
    }
    if (!this.changed) return;
    for (const unit of unitsBroughtBy(command)) {
      if (this.units.index(unit.name) === -1) this.units.add(unit);
    }
  }

  #command(kind: CoreCommand['kind'], commandId: string | null): CoreCommand {
    const input = this.#in;
    switch (kind) {
      case 'authorize_hold':
        return this.#authorize(commandId);
      case 'settle_hold':
        return this.#settle(commandId);
      case 'record_spend': {
        const labels = this.#parts.labelText();
        const amounts = this.#parts.quantities();
        const occurredAt = input.f64();
        const usage = this.#parts.usage();
        return {
          kind,
          commandId,
          labels,
          amounts,
          occurredAt: occurredAt === -1 ? null : occurredAt,
          usage,
          note: null,
        };
      }
      case 'expire_hold':
        this.expiredHoldId = input.text();
        return { kind, commandId, slot: input.u32() };
      case 'open_window':
        return { kind, commandId, budgetId: input.text(), start: input.f64(), end: input.f64() };
      default: {
        const body = coldValue<object>(input.text(), this.units);
        const note = kind === 'correct_hold' ? NO_NOTE : {};
        return { kind, commandId, ...body, ...note } as CoreCommand;
      }
    }
  }

  #authorize(commandId: string | null): AuthorizeHold {
    const input = this.#in;
    const holdId = input.text();
    const options = input.u8();
    const ttlMs = input.count();
    const labels = this.#parts.labelText();
    const amounts = this.#parts.quantities();
    const extras = this.#extras(options);
    let candidates: CandidateCommand[] | null = null;
    if (options & HAS_CANDIDATES) {
      candidates = [];
      for (let left = input.count(); left > 0; left -= 1) {
        candidates.push({
          labels: this.#parts.labelText(),
          amounts: this.#parts.quantities(),
          callsStated: input.u8() !== 0,
        });
      }
    }
    const require = options & HAS_REQUIRE ? coldValue<string[]>(input.text(), this.units) : NOTHING_REQUIRED;
    return {
      kind: 'authorize_hold',
      commandId,
      holdId,
      labels,
      amounts,
      ttlMs,
      extras,
      candidates,
      require,
      callsStated: (options & CALLS_STATED) !== 0,
      overrun: options & 3,
      chargeOnExpiry: (options & CHARGE_ON_EXPIRY) !== 0,
      note: null,
    };
  }

  #extras(options: number): HoldExtras {
    if (options & HAS_EXTRAS) return coldValue<HoldExtras>(this.#in.text(), this.units);
    if ((options & HAS_EXPIRY_CHARGE) === 0) return NO_EXTRAS;
    return { ...NO_EXTRAS, expiryCharge: this.#parts.quantities() };
  }

  #settle(commandId: string | null): SettleHold {
    const input = this.#in;
    const holdId = input.text();
    const options = input.u8();
    const ending = input.u8();
    const amounts = this.#parts.quantities();
    const stated =
      options & HAS_STATED ? coldValue<SettleHold['stated']>(input.text(), this.units) : NO_CLAIMS;
    const exposure = options & HAS_EXPOSURE ? this.#parts.quantities() : null;
    const usage = options & HAS_USAGE ? this.#parts.usage() : null;
    return { kind: 'settle_hold', commandId, holdId, stated, amounts, exposure, usage, ending, note: null };
  }

  #effect(type: EventType): Effect {
    const input = this.#in;
    switch (type) {
      case 'hold_authorized': {
        const slot = input.u32();
        const candidate = input.count() - 1;
        this.#skips();
        this.#lineReader(this.lines);
        const command = this.command as AuthorizeHold;
        const { labels, amounts } = candidate < 0 ? command : this.#candidate(command, candidate);
        return { type, slot, candidate, labels, amounts, expiresAt: this.at + command.ttlMs, skipped: NONE };
      }
      case 'hold_denied': {
        const candidate = input.count() - 1;
        const reason = input.text() as never;
        const retryAfterMs = input.count();
        const unmet = input.text();
        this.#skips();
        this.#lineReader(this.lines);
        const command = this.command as AuthorizeHold;
        const { amounts } = candidate < 0 ? command : this.#candidate(command, candidate);
        return {
          type,
          candidate,
          reason,
          retryAfterMs,
          amounts,
          skipped: NONE,
          unmet: unmet === '' ? NOTHING_REQUIRED : coldValue<string[]>(unmet, this.units),
        };
      }
      case 'hold_settled':
      case 'hold_corrected':
      case 'hold_expired':
        return this.#charged(type);
      case 'spend_recorded': {
        const paused = input.text();
        this.#lineReader(this.lines);
        const { amounts } = this.command as { amounts: Quantities };
        return { type, amounts, pausedLines: paused === '' ? [] : coldValue<number[]>(paused, this.units) };
      }
      case 'command_rejected':
        return { type, code: input.text() as RejectionCode, value: input.text(), bound: input.text() };
      default: {
        const rest = coldValue<object>(input.text(), this.units);
        this.#lineReader(this.lines);
        return { type, ...rest } as Effect;
      }
    }
  }

  #candidate(command: AuthorizeHold, candidate: number): { labels: string; amounts: Quantities } {
    const named = command.candidates?.[candidate];
    if (named === undefined) throw new RangeError(`candidate ${candidate} was not stated`);
    return named;
  }

  #skips(): void {
    for (let left = this.#in.count(); left > 0; left -= 1) {
      const candidate = this.#in.count();
      const reason = this.#in.text();
      const lines = new RecordedLines();
      this.#lineReader(lines);
      this.skipped.push({ candidate, reason, lines });
    }
  }

  #charged(type: HoldCharged['type']): HoldCharged {
    const input = this.#in;
    const slot = input.u32();
    const ending = input.u8();
    const options = input.u8();
    const cappedPlaces = options & HAS_CAPPED ? input.u32() : 0;
    const pausedLines = options & HAS_PAUSED ? coldValue<number[]>(input.text(), this.units) : NONE;
    const set = this.#parts.set();
    const charged = this.#parts.steps(set);
    // To apply a charge, only the charged amounts are needed: the hold itself knows what it held.
    const returned = this.wanted === 'outcome' ? this.#parts.skipSteps(set) : this.#parts.steps(set);
    this.#lineReader(this.lines);
    return {
      type,
      slot,
      set,
      charged,
      returned,
      late: (options & IS_LATE) !== 0,
      ending,
      cappedPlaces,
      pausedLines,
    };
  }
}

const SETTLE_CODE = COMMAND_KINDS.indexOf('settle_hold');
const NO_NOTE = { note: null };
const FIRST_COLD_CODE = COMMAND_KINDS.indexOf('extend_hold');
const NOTHING_REQUIRED: readonly string[] = [];
const NONE: readonly never[] = [];
