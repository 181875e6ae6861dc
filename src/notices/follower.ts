// Reads the journal for thresholds that are reached, and looks at the figures of accounts where thresholds were stated or a
// limit was changed. What it found and how far it has read are one write, so that a restart goes on where it was: nothing is
// found twice, nothing is passed over. Runs only while thresholds are stated: without any, it costs nothing. Started by
// notices.ts.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ledger } from '../authority/api.js';
import { FencedError, JournalUnavailableError, LedgerClosedError } from '../core/errors.js';
import type { LedgerEvent } from '../core/outcomes.js';
import type { Scales } from '../kit/amounts.js';
import type { ServiceStore } from '../kit/service-store.js';
import {
  crossingsIn,
  type Figures,
  type Moment,
  type TenantOf,
  type ThresholdsByBudget,
} from './crossings.js';
import type { Crossing, Thresholds } from './notice.js';
import { noticeBody, noticeId } from './notice-body.js';
import type { NoticeTable } from './notice-table.js';
import { type Standing, type StandingParts, standingAfter, standingOf } from './standing.js';
import type { ThresholdTable } from './threshold-table.js';
import type { WebhookTable } from './webhook-table.js';

/** Events, or accounts, looked at before others get a turn: a millisecond or so. */
const LOOKED_PER_TURN = 256;
/** Events after which the position is written though nothing was found: read again after a crash in less than a second. */
const EVENTS_PER_POSITION = 10_000;
/** After a fault of the file's: what keeps it from writing takes longer than a moment. */
const RETRY_MS = 1_000;
/** Findings remembered so that the file is not asked at each event of a balance that has passed a threshold. About 2 MB. */
const REMEMBERED_MAX = 10_000;
/** How long a notice is kept once its window is over. */
export const KEPT_MS = 90 * 86_400_000;

const LEDGER_STOPPED = [FencedError, JournalUnavailableError, LedgerClosedError];

export interface FollowerParts extends StandingParts {
  readonly store: ServiceStore;
  readonly ledger: StandingParts['ledger'] & Pick<Ledger, 'events'>;
  readonly scales: Scales;
  readonly tenantOf: TenantOf;
  readonly thresholds: ThresholdTable;
  readonly webhooks: WebhookTable;
  readonly notices: NoticeTable;
  /** Told of new notices, once they are on disk. */
  readonly onNotices: () => void;
  readonly onFault: (what: string, error: unknown) => void;
}

export class Follower {
  readonly #parts: FollowerParts;
  readonly #known = new Set<string>();
  #thresholds: ThresholdsByBudget = new Map();
  #run: { readonly ended: Promise<void>; readonly stop: AbortController } | null = null;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
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
    const after = thresholds.position();
    let [looked, written, last] = [0, after, after];
    try {
      for await (const event of ledger.events({ after, follow: true, signal })) {
        this.#look(event);
        await this.#lookAtChanged(event, signal);
        if (signal.aborted) return;
        last = event.sequence;
        looked += 1;
        if (last - written >= EVENTS_PER_POSITION) {
          this.#writePosition(last);
          written = last;
        }
        if (looked % LOOKED_PER_TURN === 0) await nextTurn();
      }
    } finally {
      if (last > written && this.#parts.store.isOpen) this.#writePosition(last);
    }
  }

  #look(event: LedgerEvent): void {
    this.#lookAt(event.lines, event, event.sequence);
  }

  /** What accounts had passed when thresholds were stated. Written down as looked at once all is found. */
  async #lookAtStated(signal: AbortSignal): Promise<void> {
    const { store, thresholds } = this.#parts;
    for (const stated of thresholds.unlooked()) {
      await this.#lookAtStanding(await standingOf(this.#parts, stated.budgetId), signal);
      if (signal.aborted) return;
      store.casually(() => thresholds.setLooked(stated));
    }
  }

  /** What accounts have passed because their limit is another one; such an event has no lines. */
  async #lookAtChanged(event: LedgerEvent, signal: AbortSignal): Promise<void> {
    if (event.type !== 'definitions_put' && event.type !== 'balance_limit_set') return;
    const changed = await standingAfter(this.#parts, event, (budgetId) => this.#thresholds.has(budgetId));
    for (const standing of changed) await this.#lookAtStanding(standing, signal);
  }

  async #lookAtStanding({ figures, moment }: Standing, signal: AbortSignal): Promise<void> {
    for (let from = 0; from < figures.length && !signal.aborted; from += LOOKED_PER_TURN) {
      this.#lookAt(figures.slice(from, from + LOOKED_PER_TURN), moment, null);
      await nextTurn();
    }
  }

  /** `position`: how far the journal has then been read; null: as far as before. */
  #lookAt(figures: readonly Figures[], moment: Moment, position: number | null): void {
    const reached = crossingsIn(figures, moment, this.#thresholds, this.#parts.tenantOf);
    if (reached.length === 0) return;
    const found = reached.filter((crossing) => this.#isNew(crossing));
    if (found.length === 0) return;
    this.#write(found, position);
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

  #write(found: readonly Crossing[], position: number | null): void {
    const { store, thresholds, webhooks, notices, clock, scales } = this.#parts;
    const now = clock.now();
    store.transaction(() => {
      for (const crossing of found) {
        const id = noticeId(crossing);
        const number = notices.insert(id, crossing, noticeBody(id, crossing, scales));
        for (const webhook of webhooks.ofTenant(crossing.tenant)) notices.ask(number, webhook.number, now);
      }
      notices.forget(now - KEPT_MS);
      if (position !== null) thresholds.setPosition(position);
    });
  }

  // May be lost: then those events are looked at again, and nothing new is found in them.
  #writePosition(sequence: number): void {
    this.#parts.store.casually(() => this.#parts.thresholds.setPosition(sequence));
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
