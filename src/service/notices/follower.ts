// Reads the journal for thresholds that are reached. What it found and how far it has read are one write, so that a restart
// goes on where it was: nothing is found twice, nothing is passed over. Runs only while thresholds are stated: without any,
// it costs nothing. Started by notices.ts.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Ledger } from '../../authority/api.js';
import { FencedError, JournalUnavailableError, LedgerClosedError } from '../../core/errors.js';
import type { LedgerEvent } from '../../core/outcomes.js';
import type { ServiceStore } from '../store/service-store.js';
import type { Scales } from '../wire/amounts.js';
import { crossingsIn, type TenantOf, type ThresholdsByBudget } from './crossings.js';
import type { Crossing, Thresholds } from './notice.js';
import { noticeBody, noticeId } from './notice-body.js';
import type { NoticeTable } from './notice-table.js';
import type { ThresholdTable } from './threshold-table.js';
import type { WebhookTable } from './webhook-table.js';

/** Events looked at before others get a turn: a millisecond or so. */
const EVENTS_PER_TURN = 256;
/** Events after which the position is written though nothing was found: read again after a crash in less than a second. */
const EVENTS_PER_POSITION = 10_000;
/** After a fault of the file's: what keeps it from writing takes longer than a moment. */
const RETRY_MS = 1_000;
/** Findings remembered so that the file is not asked at each event of a balance that has passed a threshold. About 2 MB. */
const REMEMBERED_MAX = 10_000;
/** How long a notice is kept once its window is over. */
export const KEPT_MS = 90 * 86_400_000;

const LEDGER_STOPPED = [FencedError, JournalUnavailableError, LedgerClosedError];

export interface FollowerParts {
  readonly store: ServiceStore;
  readonly ledger: Pick<Ledger, 'events' | 'head'>;
  readonly clock: Clock;
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
    if (this.#thresholds.size === 0) return this.stop();
    // One that is stopping writes its position last.
    while (this.#run?.stop.signal.aborted) await this.stop();
    if (this.#run !== null) return;
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
        last = event.sequence;
        looked += 1;
        if (last - written >= EVENTS_PER_POSITION) {
          this.#writePosition(last);
          written = last;
        }
        if (looked % EVENTS_PER_TURN === 0) await nextTurn();
      }
    } finally {
      if (last > written && this.#parts.store.isOpen) this.#writePosition(last);
    }
  }

  #look(event: LedgerEvent): void {
    const reached = crossingsIn(event, this.#thresholds, this.#parts.tenantOf);
    if (reached.length === 0) return;
    const found = reached.filter((crossing) => this.#isNew(crossing));
    if (found.length === 0) return;
    this.#write(found, event.sequence);
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

  #write(found: readonly Crossing[], sequence: number): void {
    const { store, thresholds, webhooks, notices, clock, scales } = this.#parts;
    const now = clock.now();
    store.transaction(() => {
      for (const crossing of found) {
        const id = noticeId(crossing);
        const number = notices.insert(id, crossing, noticeBody(id, crossing, scales));
        for (const webhook of webhooks.ofTenant(crossing.tenant)) notices.ask(number, webhook.number, now);
      }
      notices.forget(now - KEPT_MS);
      thresholds.setPosition(sequence);
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
