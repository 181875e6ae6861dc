// Reads the journal for thresholds that are reached, and looks at the figures of accounts where thresholds were stated or a
// limit was changed. What it found and how far it has read are facts of one command, so that a restart goes on where it was:
// nothing is found twice, nothing is passed over. Runs only while thresholds are stated. Started by notices.ts.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ledger } from '../authority/api.js';
import { FencedError, JournalUnavailableError, LedgerClosedError } from '../core/errors.js';
import type { Fact } from '../core/facts.js';
import type { LedgerEvent } from '../core/outcomes.js';
import type { Scales } from '../kit/amounts.js';
import { type AccountFigures, type AccountParts, accountFigures, figuresAfter } from './account-figures.js';
import {
  crossingsIn,
  type Figures,
  type Moment,
  type TenantOf,
  type ThresholdsByBudget,
} from './crossings.js';
import type { Crossing, Thresholds } from './notice.js';
import { noticeBody, noticeId } from './notice-body.js';
import type { NoticeTable, ThresholdTable } from './notice-tables.js';
import { journalRead, noticeFound, thresholdsLooked } from './notices-facts.js';

/** Events, or accounts, looked at before others get a turn: a millisecond or so. */
const LOOKED_PER_TURN = 256;
/** Events after which it is written how far the journal was read, though nothing was found: read again after a crash in less than a second. */
const EVENTS_PER_POSITION = 10_000;
/** A stop does not write how far it read for fewer than 100 new events, else each restart would add a record. */
const OWN_EVENTS_MAX = 100;
/** After a fault: what keeps the ledger from answering takes longer than a moment. */
const RETRY_MS = 1_000;
/** Findings remembered so that the view is not asked at each event of a balance that has passed a threshold. About 2 MB. */
const REMEMBERED_MAX = 10_000;

const LEDGER_STOPPED = [FencedError, JournalUnavailableError, LedgerClosedError];

export interface FinderParts extends AccountParts {
  readonly ledger: AccountParts['ledger'] & Pick<Ledger, 'events' | 'run'>;
  readonly scales: Scales;
  readonly tenantOf: TenantOf;
  readonly thresholds: ThresholdTable;
  readonly notices: NoticeTable;
  /** Told of new notices, once they are durable. */
  readonly onNotices: () => void;
  readonly onFault: (what: string, error: unknown) => void;
}

export class ThresholdFinder {
  readonly #parts: FinderParts;
  readonly #known = new Set<string>();
  #thresholds: ThresholdsByBudget = new Map();
  /** The last sequence number whose event was looked at; what is noted of it is behind by little. */
  #readUpTo = 0;
  #run: { readonly ended: Promise<void>; readonly stop: AbortController } | null = null;

  constructor(parts: FinderParts) {
    this.#parts = parts;
  }

  /** The last sequence number whose event was looked at. */
  get readUpTo(): number {
    return this.#readUpTo;
  }

  /** Follows the thresholds that are stated now; to be called again when they change. */
  async start(): Promise<void> {
    this.#thresholds = byBudget(this.#parts.thresholds);
    // A run begins with what was stated anew. One that is there after the wait began after this call.
    await this.stop();
    if (this.#run !== null || this.#thresholds.size === 0) return;
    const stop = new AbortController();
    this.#run = { ended: this.#follow(stop.signal), stop };
  }

  /** Resolves when no event is looked at any more. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === null) return;
    run.stop.abort();
    await run.ended;
    if (this.#run === run) this.#run = null;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#lookAtStated(signal);
        await this.#read(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#parts.onFault('the journal could not be read for notices', error);
        // A ledger that has stopped says nothing more until the next start.
        if (LEDGER_STOPPED.some((fault) => error instanceof fault)) return;
        await waited(RETRY_MS, signal);
      }
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { ledger, thresholds } = this.#parts;
    this.#readUpTo = Math.max(this.#readUpTo, thresholds.readUpTo());
    let [looked, noted] = [0, this.#readUpTo];
    try {
      for await (const event of ledger.events({ after: this.#readUpTo, follow: true, signal })) {
        await this.#lookAt(event.lines, event, event.sequence);
        await this.#lookAtChanged(event, signal);
        if (signal.aborted) return;
        this.#readUpTo = event.sequence;
        looked += 1;
        if (event.sequence - noted >= EVENTS_PER_POSITION) {
          noted = event.sequence;
          await this.#note(journalRead(noted));
        }
        if (looked % LOOKED_PER_TURN === 0) await nextTurn();
      }
    } finally {
      // Nothing but facts of its own may have come since: then there is nothing to note.
      const unnoted = this.#readUpTo - thresholds.readUpTo();
      if (unnoted > OWN_EVENTS_MAX) await this.#note(journalRead(this.#readUpTo)).catch(() => undefined);
    }
  }

  /** What accounts had passed when thresholds were stated. Written down as looked at once all is found. */
  async #lookAtStated(signal: AbortSignal): Promise<void> {
    for (const stated of this.#parts.thresholds.unchecked()) {
      await this.#lookAtAccounts(await accountFigures(this.#parts, stated.budgetId), signal);
      if (signal.aborted) return;
      await this.#note(thresholdsLooked(stated));
    }
  }

  /** What accounts have passed because their limit is another one; such an event has no lines. */
  async #lookAtChanged(event: LedgerEvent, signal: AbortSignal): Promise<void> {
    if (event.type !== 'definitions_put' && event.type !== 'balance_limit_set') return;
    const changed = await figuresAfter(this.#parts, event, (budgetId) => this.#thresholds.has(budgetId));
    for (const accounts of changed) await this.#lookAtAccounts(accounts, signal);
  }

  async #lookAtAccounts({ figures, moment }: AccountFigures, signal: AbortSignal): Promise<void> {
    for (let from = 0; from < figures.length && !signal.aborted; from += LOOKED_PER_TURN) {
      await this.#lookAt(figures.slice(from, from + LOOKED_PER_TURN), moment, null);
      await nextTurn();
    }
  }

  /** `readUpTo`: how far the journal has then been read; null: as far as before. */
  async #lookAt(figures: readonly Figures[], moment: Moment, readUpTo: number | null): Promise<void> {
    const reached = crossingsIn(figures, moment, this.#thresholds, this.#parts.tenantOf);
    if (reached.length === 0) return;
    const found = reached.filter((crossing) => this.#isNew(crossing));
    if (found.length === 0) return;
    await this.#write(found, readUpTo);
    for (const crossing of found) this.#remember(nameOf(crossing));
    this.#parts.onNotices();
  }

  #isNew(crossing: Crossing): boolean {
    const name = nameOf(crossing);
    if (this.#known.has(name)) return false;
    if (!this.#parts.notices.isKnown(crossing)) return true;
    this.#remember(name);
    return false;
  }

  #remember(name: string): void {
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.add(name);
  }

  #write(found: readonly Crossing[], readUpTo: number | null): Promise<void> {
    const facts = found.map((crossing) => {
      const { tenant, budgetId, values, percent, windowStart, windowEnd, sequence, at } = crossing;
      const about = { tenant, budgetId, values, percent, windowStart, windowEnd, sequence, at };
      const id = noticeId(crossing);
      return noticeFound({ id, ...about, body: noticeBody(id, crossing, this.#parts.scales) });
    });
    return this.#note(...facts, ...(readUpTo === null ? [] : [journalRead(readUpTo)]));
  }

  async #note(...facts: readonly Fact[]): Promise<void> {
    await this.#parts.ledger.run({ command: 'record_facts' }, { facts });
  }
}

function byBudget(table: ThresholdTable): ThresholdsByBudget {
  const found = new Map<string, Thresholds[]>();
  for (const one of table.all()) {
    const known = found.get(one.budgetId);
    if (known === undefined) found.set(one.budgetId, [one]);
    else known.push(one);
  }
  return found;
}

function nameOf({ tenant, budgetId, values, windowStart, percent }: Crossing): string {
  return JSON.stringify([tenant, budgetId, values, windowStart, percent]);
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
