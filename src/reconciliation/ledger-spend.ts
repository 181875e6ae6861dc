// What the ledger charged for one provider, by UTC day and item, read from the journal's events. The two passes run in small
// slices, so that a server goes on serving, and keep days and items in memory, not calls. A call belongs to the day on which it
// was first charged; a later correction or settlement changes the figures of that day. Called by reconcile.ts.

import { setImmediate as breathe } from 'node:timers/promises';
import type { LedgerReads, Progress } from '../authority/api.js';
import { canonicalProvider } from '../budgets/providers.js';
import type { Amounts } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import type { LedgerEvent } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import { lesser } from '../gateway/calls/floor.js';
import { chargeNote, loweredTool, postedNote } from './charge-note.js';
import type { ChargedHold, CorrectableHolds } from './correctable-holds.js';
import { DAY_MS, type DayRange, dayOf } from './days.js';
import { isToolComponent, modelItem, otherItem, type ReportedItem, rowKey } from './items.js';
import { addTo, type Counted, emptyRow, type LedgerRow } from './ledger-row.js';

/** Holds that were corrected or settled late are rare, and each takes some 200 bytes. */
const CHANGED_HOLDS_MAX = 1_000_000;
/** Events looked at before others get a turn: one or two milliseconds. */
const EVENTS_PER_TURN = 128;
/** A hold lives for at most 30 days, unless it is extended again and again; those are looked up in the ledger. */
const HOLD_LIFE_MS = 31 * DAY_MS;

export interface LedgerSpend {
  /** By `rowKey`. */
  readonly rows: ReadonlyMap<string, LedgerRow>;
  /** Charges whose provider is not known: the hold was authorised long before, and the ledger has forgotten it. */
  readonly unknownHolds: number;
}

export interface LedgerSpendOptions {
  readonly ledger: LedgerReads;
  /** Any of its names. */
  readonly provider: string;
  readonly range: DayRange;
  /** Takes the charged holds of the rows that it wants. */
  readonly correctable?: CorrectableHolds;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws InvalidInputError when too many holds of the range were corrected */
export async function ledgerSpend(options: LedgerSpendOptions): Promise<LedgerSpend> {
  const { ledger, range, progress, signal } = options;
  const head = await ledger.whenDurable(() => ledger.head().sequence);
  const first = await sequenceBefore(ledger, range.startAt - HOLD_LIFE_MS, head);
  const inRange = await sequenceBefore(ledger, range.startAt, head);
  const total = head - inRange + (head - first);
  const changed = new Map<string, ChangedHold>();
  await follow({ ledger, after: inRange, head, signal }, (event) => {
    noteChange(changed, event);
    progress?.(event.sequence - inRange, total);
  });
  const tally = new Tally(options, changed);
  await follow({ ledger, after: first, head, signal }, (event) => {
    tally.take(event);
    progress?.(event.sequence - first + (head - inRange), total);
  });
  return { rows: tally.rows, unknownHolds: tally.unknownHolds };
}

interface EventRange {
  readonly ledger: LedgerReads;
  readonly after: number;
  /** What comes later is for the next reconciliation. */
  readonly head: number;
  readonly signal: AbortSignal | undefined;
}

async function follow(
  { ledger, after, head, signal }: EventRange,
  take: (event: LedgerEvent) => void,
): Promise<void> {
  let count = 0;
  for await (const event of ledger.events({ after })) {
    if (event.sequence > head) return;
    take(event);
    count += 1;
    if (count % EVENTS_PER_TURN !== 0) continue;
    signal?.throwIfAborted();
    await breathe();
  }
}

/** The last sequence number before an instant: the ledger's time never runs backwards, so halving finds it. */
async function sequenceBefore(ledger: LedgerReads, at: number, head: number): Promise<number> {
  let low = 0;
  let high = head;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const event = await firstAfter(ledger, middle);
    if (event === null || event.at >= at) high = middle;
    else low = event.sequence;
  }
  return low;
}

async function firstAfter(ledger: LedgerReads, after: number): Promise<LedgerEvent | null> {
  for await (const event of ledger.events({ after })) return event;
  return null;
}

/** A hold after its corrections and late settlements. */
interface ChangedHold {
  readonly charged: Amounts;
  /** What reconciliations took off the charge, by tool that is billed apart. */
  readonly loweredTools: ReadonlyMap<string, bigint>;
}

const NO_TOOLS: ReadonlyMap<string, bigint> = new Map();

function noteChange(changed: Map<string, ChangedHold>, { type, holdId, details }: LedgerEvent): void {
  const changes = type === 'hold_corrected' || (type === 'hold_settled' && details.late === true);
  if (!changes || holdId === null) return;
  if (changed.size >= CHANGED_HOLDS_MAX && !changed.has(holdId))
    throw new InvalidInputError(
      'from',
      `more than ${CHANGED_HOLDS_MAX} holds were corrected or settled late since; ask for a later day`,
    );
  const before = changed.get(holdId)?.loweredTools ?? NO_TOOLS;
  const lowered = loweredTool(details.note);
  const loweredTools =
    lowered === null
      ? before
      : new Map([...before, [lowered.tool, (before.get(lowered.tool) ?? 0n) + lowered.usd]]);
  changed.set(holdId, { charged: details.charged as Amounts, loweredTools });
}

/** What is known of an open hold of the provider. */
interface OpenHold {
  readonly item: ReportedItem | null;
}

class Tally {
  readonly rows = new Map<string, LedgerRow>();
  unknownHolds = 0;
  /** Holds that are open at the event that is being read; null stands for a hold of another provider. */
  readonly #open = new Map<string, OpenHold | null>();
  readonly #isOurs = new Map<string, boolean>();
  readonly #options: LedgerSpendOptions;
  readonly #changed: ReadonlyMap<string, ChangedHold>;
  readonly #provider: string;

  constructor(options: LedgerSpendOptions, changed: ReadonlyMap<string, ChangedHold>) {
    this.#options = options;
    this.#changed = changed;
    this.#provider = canonicalProvider(options.ledger.aliases(), options.provider);
  }

  take(event: LedgerEvent): void {
    switch (event.type) {
      case 'hold_authorized':
        this.#open.set(event.holdId as string, this.#openHold(labelsHeld(event)));
        return;
      case 'hold_reversed':
        this.#open.delete(event.holdId as string);
        return;
      case 'hold_released':
        // A part that was given back leaves the hold open.
        if (event.details.amounts === undefined) this.#open.delete(event.holdId as string);
        return;
      case 'hold_settled':
      case 'hold_expired':
        // A late settlement was counted when the hold expired.
        if (event.details.late !== true) this.#charge(event);
        return;
      case 'spend_recorded':
        this.#record(event);
        return;
      case 'spend_credited':
        this.#credit(event);
    }
  }

  #openHold(labels: Labels): OpenHold | null {
    if (!this.#ours(labels)) return null;
    return { item: labels.model === undefined ? null : modelItem(labels.model) };
  }

  #ours({ provider }: Labels): boolean {
    if (provider === undefined) return false;
    const known = this.#isOurs.get(provider);
    if (known !== undefined) return known;
    const ours = canonicalProvider(this.#options.ledger.aliases(), provider) === this.#provider;
    // Names of providers are few, but a caller may make some up.
    if (this.#isOurs.size < 1_000) this.#isOurs.set(provider, ours);
    return ours;
  }

  #charge(event: LedgerEvent): void {
    const holdId = event.holdId as string;
    const opened = this.#holdOf(holdId);
    this.#open.delete(holdId);
    const { startAt, endAt } = this.#options.range;
    if (opened === null || event.at < startAt || event.at >= endAt) return;
    const changed = this.#changed.get(holdId);
    const charged = changed?.charged ?? (event.details.charged as Amounts);
    const usd = charged.usd ?? 0n;
    const day = dayOf(event.at);
    const row = this.#row(day, opened.item);
    const note = chargeNote(event.details.note);
    const calls = Number(charged.calls ?? 1n);
    const { outcome } = event.details;
    const expired = event.type === 'hold_expired';
    // Estimates are lowered first, and so are charges that no settlement stated.
    const isSoft = note.estimated || expired || outcome === 'cancelled';
    const hold = { holdId, usd, isSoft };
    const modelUsd = usd - this.#chargeTools(day, note.costs, hold, changed?.loweredTools ?? NO_TOOLS);
    row.usd += modelUsd;
    row.calls += calls;
    row.tokens += Number(charged.tokens ?? 0n);
    row.roundedParts += note.costs.size;
    const count = (counted: Counted) => addTo(row.counts[counted], { calls, usd: modelUsd });
    if (note.estimated) count('estimated');
    if (note.isUnpriced) count('unpriced');
    if (outcome === 'cancelled') count('cancelled');
    if (outcome === 'failed' || outcome === 'unknown') count('failed');
    if (expired) count(changed === undefined ? 'expired' : 'late');
    this.#options.correctable?.offer(row, { ...hold, lowerableUsd: modelUsd });
  }

  /** Counts tools that are billed apart in rows of their own, as the bill does. Returns what they cost. */
  #chargeTools(
    day: string,
    costs: ReadonlyMap<string, bigint>,
    hold: Omit<ChargedHold, 'lowerableUsd'>,
    lowered: ReadonlyMap<string, bigint>,
  ): bigint {
    let left = hold.usd;
    for (const [component, cost] of costs) {
      if (!isToolComponent(component)) continue;
      // An estimate that was cut to what was held is less than its parts.
      const own = lesser(cost - lesser(lowered.get(component) ?? 0n, cost), left);
      left -= own;
      const row = this.#row(day, otherItem(component));
      row.usd += own;
      row.roundedParts += 1;
      this.#options.correctable?.offer(row, { ...hold, lowerableUsd: own });
    }
    return hold.usd - left;
  }

  #holdOf(holdId: string): OpenHold | null {
    const known = this.#open.get(holdId);
    if (known !== undefined) return known;
    const view = this.#options.ledger.hold(holdId);
    if (view !== undefined) return this.#openHold(view.labels);
    this.unknownHolds += 1;
    return null;
  }

  /** Spend without a hold: of a caller, of a reconciliation, or of the gateway for a failed attempt that another followed. */
  #record({ at, details }: LedgerEvent): void {
    const labels = details.labels as Labels;
    if (!this.#ours(labels)) return;
    const { usd = 0n, calls = 0n, tokens = 0n } = details.amounts as Amounts;
    const posted = postedNote(labels, details.note);
    const day = posted?.day ?? dayOfSpend(at, details);
    if (!this.#isInRange(day)) return;
    const note = chargeNote(details.note);
    const model = labels.model ?? note.model;
    const item = posted === null ? (model === null ? null : modelItem(model)) : posted.item;
    const row = this.#row(day, item);
    row.usd += usd;
    row.withoutHoldUsd += usd;
    if (note.model === null) {
      addTo(posted === null ? row.counts.recorded : row.counts.posted, { calls: 1, usd });
      return;
    }
    row.calls += Number(calls);
    row.tokens += Number(tokens);
    row.roundedParts += note.costs.size;
    for (const count of [row.counts.estimated, row.counts.failed])
      addTo(count, { calls: Number(calls), usd });
  }

  /** Spend without a hold that was taken back: that much less was recorded on its day. */
  #credit({ at, details }: LedgerEvent): void {
    const labels = details.labels as Labels;
    const day = dayOfSpend(at, details);
    if (!this.#ours(labels) || !this.#isInRange(day)) return;
    const { usd = 0n } = details.returned as Amounts;
    const row = this.#row(day, labels.model === undefined ? null : modelItem(labels.model));
    row.usd -= usd;
    row.withoutHoldUsd -= usd;
    row.counts.recorded.usd -= usd;
  }

  #isInRange(day: string): boolean {
    const { from, to } = this.#options.range;
    return day >= from && day <= to;
  }

  #row(day: string, item: ReportedItem | null): LedgerRow {
    const key = rowKey({ day, item: item?.item ?? null });
    const known = this.rows.get(key);
    if (known !== undefined) return known;
    const made = emptyRow(day, item);
    this.rows.set(key, made);
    return made;
  }
}

function dayOfSpend(at: number, { occurredAt }: LedgerEvent['details']): string {
  return dayOf(typeof occurredAt === 'number' ? occurredAt : at);
}

/** The labels of what was held: those of the candidate that was chosen, over those of the request. */
function labelsHeld({ details }: LedgerEvent): Labels {
  const labels = details.labels as Labels;
  const candidates = details.candidates as readonly { readonly labels?: Labels }[] | undefined;
  const chosen = details.candidate as number | undefined;
  return chosen === undefined ? labels : { ...labels, ...candidates?.[chosen]?.labels };
}
