// Which provider keeps a response that it can be asked for again, and whose it is. A provider knows the operator's key alone,
// so that any tenant could read, go on from or delete another tenant's response whose id it has: Bursar answers for ids that
// the caller made, and for no others. An answer's id is a fact that rides with its call's settlement; the view is read by
// the gateway's routes of stored responses.

import type { Clock, Ledger } from '../../authority/api.js';
import type { Fact } from '../../core/facts.js';
import type { Labels } from '../../core/requests.js';
import { actorOf, type Caller } from '../../kit/caller.js';
import { factOf, recordOf } from '../../kit/facts.js';
import { RefusedError } from '../../kit/refusals.js';
import { applyByKind, type View, type ViewDatabase } from '../../views/view.js';

const FEATURE = 'gateway';
/** OpenAI keeps responses for 30 days ("Conversation state"); a day more for clocks that differ. */
const KEPT_MS = 31 * 24 * 60 * 60 * 1_000;
/** Of an id; OpenAI's have 69 characters. */
const ID_LENGTH_MAX = 256;
/** Responses whose settlement is not durable yet, or was a moment ago: more than the calls that end at once. */
const RECENT_MAX = 1_000;

interface StoredResponse {
  /** As the provider states it. */
  readonly id: string;
  /** Its name in the configuration. */
  readonly provider: string;
  /** Of the call that made it: the key's, and those that its caller stated. */
  readonly labels: Labels;
  /** Its input and its output: what a request that goes on from it has the provider read. Null where that was not stated. */
  readonly tokens: number | null;
  /** Epoch ms. */
  readonly at: number;
}

export const responseStored = (response: StoredResponse): Fact =>
  factOf(FEATURE, 'response_stored', response);
/** The provider has deleted it. */
const responseDeleted = (id: string): Fact => factOf(FEATURE, 'response_deleted', { id });

interface ResponseRow {
  readonly provider: string;
  readonly labels: string;
  readonly tokens: number | null;
}

/** What has expired leaves the table with the next response that is stored; no fact says so. */
export const STORED_RESPONSES_VIEW: View = {
  feature: FEATURE,
  tables: `
    CREATE TABLE stored_responses (
      id TEXT PRIMARY KEY,
      provider TEXT NOT NULL,
      labels TEXT NOT NULL,
      tokens INTEGER,
      at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX stored_responses_by_age ON stored_responses (at);`,
  open(db) {
    // The first call that states an id keeps it.
    const insert = db.prepare<[string, string, string, number | null, number]>(
      'INSERT OR IGNORE INTO stored_responses (id, provider, labels, tokens, at) VALUES (?, ?, ?, ?, ?)',
    );
    const remove = db.prepare<[string]>('DELETE FROM stored_responses WHERE id = ?');
    const expire = db.prepare<[number]>('DELETE FROM stored_responses WHERE at < ?');
    return applyByKind(FEATURE, {
      response_deleted: (fact) => void remove.run(recordOf<Pick<StoredResponse, 'id'>>(fact).id),
      response_stored: (fact) => {
        const { id, provider, labels, tokens, at } = recordOf<StoredResponse>(fact);
        insert.run(id, provider, JSON.stringify(labels), tokens, at);
        expire.run(at - KEPT_MS);
      },
    });
  },
};

interface StoredResponsesParts {
  readonly views: ViewDatabase;
  readonly ledger: Pick<Ledger, 'run'>;
  readonly clock: Pick<Clock, 'now'>;
}

export class StoredResponses {
  readonly #parts: StoredResponsesParts;
  readonly #find;
  /** A stream's caller has the id before the settlement is durable. */
  readonly #recent = new Map<string, ResponseRow>();

  constructor(parts: StoredResponsesParts) {
    this.#parts = parts;
    this.#find = parts.views.prepare<[string], ResponseRow>(
      'SELECT provider, labels, tokens FROM stored_responses WHERE id = ?',
    );
  }

  /** The facts that ride with the settlement of the call; from now on its caller can ask for the response. */
  stored(response: Omit<StoredResponse, 'at'>): readonly Fact[] {
    const { id, provider, labels, tokens } = response;
    if (id === '' || id.length > ID_LENGTH_MAX || this.#row(id) !== null) return [];
    if (this.#recent.size >= RECENT_MAX) this.#recent.delete(this.#recent.keys().next().value ?? '');
    this.#recent.set(id, { provider, labels: JSON.stringify(labels), tokens });
    return [responseStored({ ...response, at: this.#parts.clock.now() })];
  }

  /**
   * The provider that keeps a response of the caller's: the call that made it carried all labels that the key fixes.
   * @throws RefusedError not_found for every other id, be it known or not
   */
  providerOf(caller: Pick<Caller, 'labels'>, id: string): string {
    const row = this.#row(id);
    if (row !== null && carries(row.labels, caller.labels)) return row.provider;
    throw notFound('response_id');
  }

  /**
   * How many tokens a request reads that goes on from a response; null where nobody knows, as of one that was made without
   * Bursar.
   * @throws RefusedError not_found for an id that is known to be another caller's
   */
  tokensOf(caller: Pick<Caller, 'labels'>, id: string): number | null {
    const row = this.#row(id);
    if (row === null || carries(row.labels, caller.labels)) return row?.tokens ?? null;
    throw notFound('previous_response_id');
  }

  /** The provider has deleted it for the caller. Resolves when that is durable. */
  async forget(caller: Caller, id: string): Promise<void> {
    this.#recent.delete(id);
    const rider = { actor: actorOf(caller), facts: [responseDeleted(id)] };
    await this.#parts.ledger.run({ command: 'record_facts' }, rider);
  }

  #row(id: string): ResponseRow | null {
    return id.length > ID_LENGTH_MAX ? null : (this.#find.get(id) ?? this.#recent.get(id) ?? null);
  }
}

function notFound(field: string): RefusedError {
  return new RefusedError('not_found', 'No stored response of this key has that id.', { field });
}

function carries(text: string, fixed: Labels): boolean {
  const labels = JSON.parse(text) as Labels;
  return Object.keys(fixed).every((name) => Object.hasOwn(labels, name) && labels[name] === fixed[name]);
}
