// Tells from the text of a key who calls. All keys are in memory, and follow the facts of the ledger: a change of a key
// counts as soon as it is durable. Surfaces authenticate every request here. Keys are changed in access-keys.ts.

import type { Clock } from '../authority/api.js';
import type { Caller } from '../kit/caller.js';
import type { Views } from '../views/views.js';
import { changedBy, KEYS, type KeyRecord, KeyRows, tenantOf } from './key-facts.js';
import { digestOf, isSameDigest, isSameText, NO_DIGEST, partsOf } from './key-text.js';

/** The grain of `lastUsedAt`. Noting each request would write to the disk for each request. */
export const USE_GRAIN_MS = 60_000;

interface Entry {
  record: KeyRecord;
  digest: Buffer;
  previous: { readonly digest: Buffer; readonly until: number } | null;
  /** Made at the first use, and the same object for every request after it. */
  caller: Caller | null;
  /** The secret that was last found right. The next request compares it and need not hash. In memory alone. */
  proven: string | null;
}

export class KeyRing {
  readonly rows: KeyRows;
  readonly #entries = new Map<string, Entry>();
  readonly #lastUsed = new Map<string, number>();
  /** Uses that are not written down yet. */
  #fresh = new Map<string, number>();
  /** Is called for each key whose id is unknown: it may have been made at the command line. */
  onUnknownId: () => void = () => undefined;

  /** Reads all keys. @param views up to date with the ledger */
  constructor(
    views: Pick<Views, 'prepare' | 'listen'>,
    private readonly clock: Clock,
  ) {
    this.rows = new KeyRows(views);
    for (const record of this.rows.all()) this.#keep(record);
    views.listen(KEYS, (fact) => {
      for (const id of changedBy(fact)) this.#refresh(id);
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  record(id: string): KeyRecord | undefined {
    return this.#entries.get(id)?.record;
  }

  /**
   * Whose key this is: the same frozen object for every request with it; null for anything else. On the path of every
   * request: one look-up and one comparison for the secret that came last. Any other text, whether or not its id exists,
   * costs one SHA-256 and two comparisons.
   */
  authenticate(text: string | undefined): Caller | null {
    const parts = text === undefined ? null : partsOf(text);
    if (parts === null) return null;
    const now = this.clock.now();
    const entry = this.#entries.get(parts.id);
    if (entry?.caller && isSameText(parts.secret, entry.proven)) {
      if (hasEnded(entry.record, now)) return null;
      this.#noteUse(parts.id, now);
      return entry.caller;
    }
    const previous = entry?.previous ?? null;
    const digest = digestOf(parts.secret);
    const isCurrent = isSameDigest(digest, entry?.digest ?? NO_DIGEST);
    const isPrevious = isSameDigest(digest, previous?.digest ?? NO_DIGEST);
    if (entry === undefined) this.onUnknownId();
    if (entry === undefined || hasEnded(entry.record, now)) return null;
    if (!isCurrent && !(isPrevious && previous !== null && now < previous.until)) return null;
    this.#noteUse(parts.id, now);
    entry.caller ??= callerOf(entry.record);
    if (isCurrent) entry.proven = parts.secret;
    return entry.caller;
  }

  /** Whether the key of a caller still counts: for streams, which outlive the request that was authenticated. */
  isInForce({ keyId }: Caller): boolean {
    const entry = this.#entries.get(keyId);
    return entry !== undefined && !hasEnded(entry.record, this.clock.now());
  }

  /** When the key was last used, to a minute; null when no use is known. */
  lastUsedAt(id: string): number | null {
    return this.#lastUsed.get(id) ?? null;
  }

  /** Takes in uses that an earlier process noted. */
  recall(uses: Iterable<readonly [id: string, at: number]>): void {
    for (const [id, at] of uses) this.#lastUsed.set(id, Math.max(at, this.#lastUsed.get(id) ?? 0));
  }

  /** The uses that were noted since the last call, for whoever writes them down. */
  takeFreshUses(): ReadonlyMap<string, number> {
    const fresh = this.#fresh;
    this.#fresh = new Map();
    return fresh;
  }

  #noteUse(id: string, now: number): void {
    const before = this.#lastUsed.get(id);
    if (before !== undefined && now - before < USE_GRAIN_MS) return;
    this.#lastUsed.set(id, now);
    this.#fresh.set(id, now);
  }

  #refresh(id: string): void {
    const record = this.rows.byId(id);
    if (record !== undefined) {
      this.#keep(record);
      return;
    }
    this.#entries.delete(id);
    this.#lastUsed.delete(id);
  }

  #keep(record: KeyRecord): void {
    const { previous } = record;
    this.#entries.set(record.id, {
      record,
      digest: Buffer.from(record.digest, 'hex'),
      previous: previous && { digest: Buffer.from(previous.digest, 'hex'), until: previous.until },
      // What a key may do never changes, so the caller stays the same object.
      caller: this.#entries.get(record.id)?.caller ?? null,
      proven: null,
    });
  }
}

export function hasEnded({ revokedAt, expiresAt }: KeyRecord, now: number): boolean {
  return revokedAt !== null || (expiresAt !== null && now >= expiresAt);
}

function callerOf(record: KeyRecord): Caller {
  const { id, scopes, labels, callerLabels, amountMaxUsd } = record;
  return Object.freeze({
    keyId: id,
    scopes: new Set(scopes),
    labels,
    callerLabels: new Set(callerLabels),
    ...(amountMaxUsd === null ? {} : { amountMaxUsd: BigInt(amountMaxUsd) }),
    tenant: tenantOf(record),
  });
}
