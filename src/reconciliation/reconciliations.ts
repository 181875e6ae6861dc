// The reconciliations of a server: one runs at a time, with the report APIs and the keys that the configuration names, and each is
// kept as facts. Called by the HTTP API and by the metrics.

import { setImmediate as breathe } from 'node:timers/promises';
import type { Clock, Ledger } from '../authority/api.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { notFound, RefusedError } from '../kit/refusals.js';
import type { ViewDatabase } from '../views/view.js';
import { dayRange } from './days.js';
import { reconcile } from './reconcile.js';
import {
  type ReconciliationRequest,
  type ReconciliationView,
  reconciliationOut,
} from './reconciliation-api.js';
import { type LastRun, ReconciliationTable, reconciliationFacts } from './reconciliation-facts.js';
import { type ReportReader, reportReader } from './report-pages.js';
import type { ReportSettings, ReportSource } from './report-source.js';
import { NO_TOLERANCE, parseTolerance } from './tolerance.js';
import { ReportError } from './usage-report.js';

/** Some thousand lines of a CSV, which take a few milliseconds. */
const CSV_PIECE_LENGTH = 64 * 1024;

export interface ReconciliationsOptions {
  readonly ledger: Ledger;
  readonly views: ViewDatabase;
  readonly clock: Clock;
  readonly settings: () => readonly ReportSettings[];
  readonly secrets: (name: string) => string | undefined;
  readonly reader?: ReportReader;
}

export class Reconciliations {
  readonly #options: ReconciliationsOptions;
  readonly #table: ReconciliationTable;
  readonly #reader: ReportReader;
  readonly #closing = new AbortController();
  #running: Promise<unknown> | null = null;

  constructor(options: ReconciliationsOptions) {
    this.#options = options;
    this.#table = new ReconciliationTable(options.views);
    this.#reader = options.reader ?? reportReader(() => options.clock.now());
  }

  /** @throws RefusedError overloaded while another one runs, provider_failed for a report that cannot be had */
  async run(caller: Caller, request: ReconciliationRequest): Promise<ReconciliationView> {
    if (this.#running !== null)
      throw new RefusedError('overloaded', 'another reconciliation is running; try again when it has ended', {
        retryAfterMs: 1_000,
      });
    const running = this.#run(caller, request);
    this.#running = running;
    try {
      return await running;
    } finally {
      this.#running = null;
    }
  }

  async #run(caller: Caller, request: ReconciliationRequest): Promise<ReconciliationView> {
    const { ledger, clock } = this.#options;
    const { provider, from, to, tolerance, post = false, labels } = request;
    if (labels !== undefined && !post)
      throw new RefusedError('invalid_request', 'labels: are of what is booked, and post is not true', {
        field: 'labels',
      });
    const options = {
      provider,
      range: dayRange(from, to),
      source: this.#sourceOf(request),
      tolerance: tolerance === undefined ? NO_TOLERANCE : parseTolerance(tolerance),
      now: clock.now(),
      signal: this.#closing.signal,
    };
    try {
      const done = await reconcile(
        ledger,
        options,
        post ? { ledger, actor: actorOf(caller), labels: labels ?? {} } : null,
      );
      const view = reconciliationOut(newId(clock.now()), done);
      const rider = { actor: actorOf(caller), facts: reconciliationFacts(view) };
      await ledger.run({ command: 'record_facts' }, rider);
      return view;
    } catch (error) {
      if (error instanceof ReportError) throw new RefusedError('provider_failed', error.message);
      throw error;
    }
  }

  #sourceOf({ provider, csv }: ReconciliationRequest): ReportSource {
    if (csv !== undefined) return { csv: inPieces(csv), name: 'csv' };
    const stated = this.#options.settings().find((one) => one.provider === provider);
    if (stated === undefined)
      throw new RefusedError(
        'invalid_request',
        `provider: the configuration has no reconciliation of ${JSON.stringify(provider)}; add it under reconciliation, or send a csv`,
        { field: 'provider' },
      );
    const { api, baseUrl, keyFrom } = stated;
    const secret = this.#options.secrets(keyFrom);
    if (secret === undefined || secret === '')
      throw new RefusedError(
        'conflict',
        `the environment variable ${keyFrom} has no admin key for the report`,
      );
    const key = { secret, from: keyFrom };
    return { api, access: { baseUrl, key, reader: this.#reader, signal: this.#closing.signal } };
  }

  list(page: { readonly before: number | null; readonly max: number }) {
    return this.#table.list(page);
  }

  /** @throws RefusedError not_found */
  get(id: string): ReconciliationView {
    const found = this.#table.get(id);
    if (found === undefined) throw notFound('id', 'reconciliation', id);
    return found;
  }

  /** The newest of each provider, for the metrics. */
  last(): readonly LastRun[] {
    return this.#table.last();
  }

  /** Ends the reconciliation that is running. */
  async close(): Promise<void> {
    this.#closing.abort(new RefusedError('draining', 'the server is stopping'));
    await this.#running?.catch(() => undefined);
  }
}

/** Cuts a text into pieces, each read in its own turn of the event loop. */
async function* inPieces(text: string): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += CSV_PIECE_LENGTH) {
    await breathe();
    yield text.slice(at, at + CSV_PIECE_LENGTH);
  }
}
