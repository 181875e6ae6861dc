// Which provider keeps a response that it can be asked for again, and whose it is. A provider knows the operator's key
// alone, so that any tenant could read, go on from or delete another tenant's response whose id it has: Bursar answers for
// ids that the caller made, and for no others. Written when an answer states its id, read by the gateway's routes of stored
// responses. It may be lost without harm: a response that is not known is answered as one that does not exist.

import type { Clock } from '../../authority/api.js';
import type { Labels } from '../../core/requests.js';
import type { Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import type { ServiceStore, StoreArea } from '../../kit/service-store.js';

/** OpenAI keeps responses for 30 days ("Conversation state"); a day more for clocks that differ. */
const KEPT_MS = 31 * 24 * 60 * 60 * 1_000;
/** Responses between two clean-ups: each takes a millisecond then. */
const SWEEP_EVERY = 1_000;
/** Of an id; OpenAI's have 69 characters. */
const ID_LENGTH_MAX = 256;

export const STORED_RESPONSE_AREA: StoreArea = {
  name: 'stored_responses',
  migrations: [
    `CREATE TABLE stored_responses (
      id TEXT PRIMARY KEY,
      provider TEXT NOT NULL,
      labels TEXT NOT NULL,
      tokens INTEGER,
      created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX stored_responses_by_age ON stored_responses (created_at);`,
  ],
};

interface Row {
  readonly provider: string;
  readonly labels: string;
  readonly tokens: number | null;
}

export interface NewStoredResponse {
  /** As the provider states it. */
  readonly id: string;
  /** Its name in the configuration. */
  readonly provider: string;
  /** Of the call that made it: the key's, and those that its caller stated. */
  readonly labels: Labels;
  /** Its input and its output: what a request that goes on from it has the provider read. Null where that was not stated. */
  readonly tokens: number | null;
}

export class StoredResponses {
  readonly #insert;
  readonly #find;
  readonly #forget;
  readonly #sweep;
  readonly #store: ServiceStore;
  #untilSweep = 0;

  constructor(
    store: ServiceStore,
    private readonly clock: Pick<Clock, 'now'>,
  ) {
    this.#store = store;
    this.#insert = store.prepare<[string, string, string, number | null, number]>(
      'INSERT OR IGNORE INTO stored_responses (id, provider, labels, tokens, created_at) VALUES (?, ?, ?, ?, ?)',
    );
    this.#find = store.prepare<[string], Row>(
      'SELECT provider, labels, tokens FROM stored_responses WHERE id = ?',
    );
    this.#forget = store.prepare<[string]>('DELETE FROM stored_responses WHERE id = ?');
    this.#sweep = store.prepare<[number]>('DELETE FROM stored_responses WHERE created_at < ?');
  }

  /** Notes a response; the first who states an id keeps it. @throws RefusedError store_unavailable */
  add({ id, provider, labels, tokens }: NewStoredResponse): void {
    if (id === '' || id.length > ID_LENGTH_MAX) return;
    const now = this.clock.now();
    this.#store.casually(() => {
      this.#insert.run(id, provider, JSON.stringify(labels), tokens, now);
      if (this.#untilSweep-- > 0) return;
      this.#untilSweep = SWEEP_EVERY;
      this.#sweep.run(now - KEPT_MS);
    });
  }

  /**
   * The provider that keeps a response of the caller's: the call that made it carried all labels that the key fixes.
   * @throws RefusedError not_found for every other id, be it known or not
   */
  providerOf(caller: Pick<Caller, 'labels'>, id: string): string {
    const row = this.#row(id);
    if (row !== null && carries(row.labels, caller.labels)) return row.provider;
    throw new RefusedError('not_found', 'No stored response of this key has that id.', {
      field: 'response_id',
    });
  }

  /**
   * How many tokens a request reads that goes on from a response; null where nobody knows, as of one that was made without
   * Bursar.
   * @throws RefusedError not_found for an id that is known to be another caller's
   */
  tokensOf(caller: Pick<Caller, 'labels'>, id: string): number | null {
    const row = this.#row(id);
    if (row === null || carries(row.labels, caller.labels)) return row?.tokens ?? null;
    const field = 'previous_response_id';
    throw new RefusedError('not_found', 'No stored response of this key has that id.', { field });
  }

  /** The provider has deleted it. */
  forget(id: string): void {
    this.#store.casually(() => this.#forget.run(id));
  }

  #row(id: string): Row | null {
    return id.length > ID_LENGTH_MAX ? null : (this.#find.get(id) ?? null);
  }
}

function carries(text: string, fixed: Labels): boolean {
  const labels = JSON.parse(text) as Labels;
  return Object.keys(fixed).every((name) => Object.hasOwn(labels, name) && labels[name] === fixed[name]);
}
