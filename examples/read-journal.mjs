// Reads a ledger file without Bursar's code: written from docs/journal-format.md alone, to show that the page is enough.
// Walks the hash chain, checks every hash, and prints each record. The ledger may be open elsewhere.
// `node examples/read-journal.mjs FILE [--json]`

import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';

const COMMANDS = [
  ...['authorize_hold', 'settle_hold', 'expire_hold', 'record_spend', 'open_window', 'extend_hold'],
  ...['release_hold', 'reverse_hold', 'correct_hold', 'top_up', 'set_budget_status', 'exhaust_budget'],
  ...['set_balance_limit', 'put_definitions', 'restore_snapshot', 'take_snapshot', 'open_ledger'],
  ...['credit_spend', 'record_facts'],
];
const EVENTS = [
  ...['hold_authorized', 'hold_denied', 'hold_extended', 'hold_released', 'hold_reversed', 'hold_settled'],
  ...['hold_corrected', 'spend_recorded', 'command_rejected', 'balance_topped_up', 'budget_status_set'],
  ...['budget_exhausted', 'balance_limit_set', 'definitions_put', 'snapshot_restored', 'snapshot_taken'],
  ...['hold_expired', 'window_opened', 'ledger_opened', 'spend_credited'],
  'facts_recorded',
];
const USAGE = [
  ...['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens', 'reasoningTokens'],
  'toolCalls',
];
const ENDINGS = [null, 'completed', 'failed', 'cancelled', 'unknown'];
const OVERRUN = ['record', 'reject', 'forbid', 'cap'];
const LINE_FLAGS = [
  'unit_missing',
  'closed',
  'per_hold_max',
  'paused',
  'forced_exhausted',
  'limit',
  'held_max',
];
const METERED = 512;
const SEPARATOR = '\u001f';

/** One batch: its bytes are read from the front, and everything that records refer to is in them. */
class Batch {
  at = 0;
  labelSets = [];
  budgets = [];
  balances = [];
  actors = [];
  words = [];
  units = ['usd', 'tokens', 'calls'];

  constructor(bytes) {
    this.bytes = bytes;
    if (this.bytes.toString('latin1', 0, 4) !== 'BRSR') throw new Error('not a batch');
    this.at = 4;
    this.version = this.u8();
    if (this.version !== 1 && this.version !== 2) throw new Error('another format version');
    this.firstSequence = this.f64();
    this.position = this.f64();
    this.baseTime = this.f64();
    this.recordCount = this.u32();
    this.term = `${this.text()}:${this.f64()}`;
    for (let left = this.count(); left > 0; left -= 1) {
      this.units.push(this.text());
      this.u8();
    }
  }

  u8() {
    this.at += 1;
    return this.bytes.readUInt8(this.at - 1);
  }
  u16() {
    this.at += 2;
    return this.bytes.readUInt16LE(this.at - 2);
  }
  u32() {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }
  f64() {
    this.at += 8;
    return this.bytes.readDoubleLE(this.at - 8);
  }
  i64() {
    this.at += 8;
    return this.bytes.readBigInt64LE(this.at - 8);
  }
  count() {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.u8();
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  }
  text() {
    const bytes = this.count();
    this.at += bytes;
    return this.bytes.toString('utf8', this.at - bytes, this.at);
  }
  /** JSON in which an amount is a string that begins with U+001F. */
  cold() {
    const text = this.text();
    if (text === '') return null;
    return JSON.parse(text, (_key, part) =>
      typeof part === 'string' && part.startsWith(SEPARATOR) ? BigInt(part.slice(1)) : part,
    );
  }
  /** Something spelt out where it first occurs, and named by its number after. */
  spelt(known, read) {
    const number = this.count();
    if (number > known.length) throw new Error(`number ${number} was not spelt out`);
    if (number === known.length) known.push(read());
    return known[number];
  }
  labels() {
    const parts = this.spelt(this.labelSets, () => this.labelParts());
    const labels = {};
    for (let index = 0; index + 1 < parts.length; index += 2) labels[parts[index]] = parts[index + 1];
    return labels;
  }
  /** Keys and values in turn: in version 2 only those that the set before does not begin or end with. */
  labelParts() {
    const split = () =>
      this.text()
        .split(SEPARATOR)
        .filter((part) => part !== '');
    if (this.version === 1) return split();
    const last = this.labelSets.at(-1) ?? [];
    const [head, tail] = [this.count(), this.count()];
    return [...last.slice(0, head), ...split(), ...last.slice(last.length - tail)];
  }
  usage() {
    if (this.version === 1) return this.cold();
    const stated = this.u8();
    if (stated === 0) return null;
    const fields = USAGE.filter((_name, bit) => (stated & (1 << bit)) !== 0);
    return Object.fromEntries(fields.map((name) => [name, this.count()]));
  }
  steps(mask) {
    const named = this.units.filter((_name, unit) => (mask & (1 << unit)) !== 0);
    return Object.fromEntries(named.map((name) => [name, this.i64()]));
  }
  amounts() {
    return this.steps(this.count());
  }
  times(read) {
    return Array.from({ length: this.count() }, read);
  }

  budget() {
    return this.spelt(this.budgets, () => ({
      budgetId: this.text(),
      budgetVersion: this.count(),
      unit: this.units[this.u8()],
      warnAtPercent: this.u8(),
      wildcards: this.times(() => this.text()),
    }));
  }
  balance() {
    return this.spelt(this.balances, () => {
      this.u32(); // the slot: where the writer keeps the balance in memory
      const { wildcards, ...budget } = this.budget();
      const parts = this.text().split(SEPARATOR);
      const values = Object.fromEntries(wildcards.map((key, index) => [key, parts[index]]));
      const bound = (at) => (Math.abs(at) === 8.64e15 ? null : at);
      const window = { start: bound(this.f64()), end: bound(this.f64()) };
      return { ...budget, values, window, limit: this.u8() === 0 ? null : this.i64() };
    });
  }
  lines() {
    return this.times(() => {
      const balance = this.balance();
      const flags = this.u16();
      const [granted, held, spent] = [this.i64(), this.i64(), this.i64()];
      const violations = LINE_FLAGS.filter((_name, bit) => (flags & (1 << bit)) !== 0);
      return { ...balance, granted: flags & METERED ? null : granted, held, spent, violations };
    });
  }

  actor() {
    return this.spelt(this.actors, () => ({ key: this.text(), address: this.text() || null }));
  }
  fact() {
    const word = () => this.spelt(this.words, () => this.text());
    return { feature: word(), kind: word(), body: this.text() };
  }

  command(kind) {
    switch (kind) {
      case 'authorize_hold': {
        const holdId = this.text();
        const options = this.u8();
        const body = { holdId, overrun: OVERRUN[options & 3], ttlMs: this.count(), labels: this.labels() };
        body.amounts = this.amounts();
        if (options & 16) body.extras = this.cold();
        if (options & 128) body.extras = { expiryCharge: this.amounts() };
        if (options & 32) body.candidates = this.times(() => [this.labels(), this.amounts(), this.u8()]);
        if (options & 64) body.require = this.cold();
        return body;
      }
      case 'settle_hold': {
        const holdId = this.text();
        const options = this.u8();
        const body = { holdId, outcome: ENDINGS[this.u8()], amounts: this.amounts() };
        if (options & 1) body.stated = this.cold();
        if (options & 2) body.exposure = this.amounts();
        if (options & 4) body.usage = this.usage();
        return body;
      }
      case 'expire_hold':
        return { holdId: this.text(), slot: this.u32() };
      case 'record_spend':
        return {
          labels: this.labels(),
          amounts: this.amounts(),
          occurredAt: this.f64(),
          usage: this.usage(),
        };
      case 'open_window':
        return { budgetId: this.text(), start: this.f64(), end: this.f64() };
      default:
        return this.cold();
    }
  }

  outcome(type) {
    const skipped = () =>
      this.times(() => ({ candidate: this.count(), reason: this.text(), lines: this.lines() }));
    switch (type) {
      case 'hold_authorized':
        this.u32();
        return { candidate: this.count() - 1, skipped: skipped(), lines: this.lines() };
      case 'hold_denied': {
        const candidate = this.count() - 1;
        const [reason, retryAfterMs, unmet] = [this.text(), this.count(), this.cold()];
        return { candidate, reason, retryAfterMs, unmet, skipped: skipped(), lines: this.lines() };
      }
      case 'hold_settled':
      case 'hold_corrected':
      case 'hold_expired': {
        this.u32();
        const ending = ENDINGS[this.u8()];
        const options = this.u8();
        const cappedPlaces = options & 2 ? this.u32() : 0;
        const pausedLines = options & 4 ? this.cold() : [];
        const mask = this.count();
        const body = { ending, late: (options & 1) !== 0, cappedPlaces, pausedLines };
        return { ...body, charged: this.steps(mask), returned: this.steps(mask), lines: this.lines() };
      }
      case 'spend_recorded':
        return { pausedLines: this.cold() ?? [], lines: this.lines() };
      case 'command_rejected':
        return { code: this.text(), value: this.text(), bound: this.text(), lines: [] };
      default:
        return { ...this.cold(), lines: this.lines() };
    }
  }

  record(sequence) {
    const end = this.u32() + this.at;
    const commandEnd = this.u32() + this.at;
    const kind = COMMANDS[this.u8()];
    const flags = this.u8();
    const at = this.baseTime + this.count();
    const commandId = flags & 1 ? this.text() : null;
    const command = this.command(kind);
    if (flags & 4) command.note = this.text();
    const actor = flags & 8 ? this.actor() : null;
    const facts = flags & 16 ? this.times(() => this.fact()) : [];
    if (this.at !== commandEnd) throw new Error('the command is not as long as it says');
    const type = EVENTS[this.u8()];
    const outcome = this.outcome(type);
    if (this.at !== end) throw new Error('the record is not as long as it says');
    const changed = (flags & 2) !== 0;
    if (changed) this.position += 1;
    // Later records of the batch use what these brought.
    if (kind === 'open_ledger') this.term = `${command.authorityId}:${command.epoch}`;
    const brought = kind === 'restore_snapshot' ? command.snapshot.units : command.units;
    if (changed && brought !== undefined) {
      for (const { name } of brought) if (!this.units.includes(name)) this.units.push(name);
    }
    const position = changed ? this.position : null;
    return { sequence, kind, type, at, position, commandId, term: this.term, actor, facts, command, outcome };
  }
}

const [path, option] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: node examples/read-journal.mjs FILE [--json]');
const db = new Database(path, { readonly: true, fileMustExist: true });
if (db.pragma('application_id', { simple: true }) !== 0x42525352) throw new Error(`${path} is no ledger`);

let previousHash = Buffer.alloc(32);
let sequence = 0;
for (const row of db.prepare('SELECT * FROM batches ORDER BY first_sequence').iterate()) {
  const hash = createHash('sha256')
    .update('bursar/batch/1\0')
    .update(previousHash)
    .update(row.bytes)
    .digest();
  const follows = row.first_sequence === sequence + 1 && row.previous_hash.equals(previousHash);
  if (!follows || !row.hash.equals(hash)) throw new Error(`the chain breaks at #${sequence + 1}`);
  const batch = new Batch(row.bytes);
  if (batch.firstSequence !== row.first_sequence || batch.recordCount !== row.record_count)
    throw new Error(`the row of #${row.first_sequence} is not that of its batch`);
  for (let left = batch.recordCount; left > 0; left -= 1) {
    sequence += 1;
    const record = batch.record(sequence);
    if (option === '--json') console.log(JSON.stringify(record, (_key, part) => exact(part)));
    else
      console.log(
        `#${sequence} ${record.kind} ${new Date(record.at).toISOString()} ${record.command.holdId ?? '-'}`,
      );
  }
  if (batch.at !== row.bytes.length) throw new Error(`bytes follow #${sequence}`);
  previousHash = hash;
}
db.close();
console.log(
  option === '--json'
    ? JSON.stringify({ head: previousHash.toString('hex') })
    : `head #${sequence} ${previousHash.toString('hex')}`,
);

function exact(part) {
  return typeof part === 'bigint' ? part.toString() : part;
}
