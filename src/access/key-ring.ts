// Access keys: made, shown once, rotated, revoked, and told from one another on every request. All keys are in memory;
// a change is on disk before it counts. Surfaces authenticate here; nothing else ever sees a secret.

import type { Clock } from '../authority/api.js';
import { quoted } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import type { Caller, Scope } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore } from '../kit/service-store.js';
import { assertWithin, boundedAs, type CheckedKey, checkNewKey, manages, type NewKey } from './key-spec.js';
import { type KeyRecord, KeyTable } from './key-table.js';
import { digestOf, isSameDigest, isSameText, NO_DIGEST, newKeyId, newSecret, partsOf } from './key-text.js';
import { amountMaxUsdOf, requireScope } from './scopes.js';

/** A tenant with a key for each of its people and machines stays below; one that makes keys in a loop does not. */
export const KEYS_PER_TENANT_MAX = 10_000;
/** They are all in memory: about 1 KiB each. */
export const KEYS_MAX = 1_000_000;
/** Rotation: how long the secret before stays good unless stated, and at most. ms */
export const OVERLAP_DEFAULT_MS = 24 * 3_600_000;
export const OVERLAP_MAX_MS = 30 * 24 * 3_600_000;
/** Keys listed at once unless stated, and at most. */
export const LISTED_DEFAULT = 100;
export const LISTED_MAX = 1_000;

/** `lastUsedAt` is as fine as this, and written as seldom: a write for each request would be all that a disk does. */
const USE_NOTED_EVERY_MS = 60_000;
/** Uses written in one transaction: a few ms. */
const USES_WAITING_MAX = 1_000;
/** How often an unknown id makes the ring ask whether another process made keys: rarely enough to cost nothing. */
const OTHERS_ASKED_EVERY_MS = 1_000;

/** A key as its managers see it: all but the secret. Instants are epoch ms. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly createdAt: number;
  /** The key that made it; null: made at the command line. */
  readonly createdBy: string | null;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** Until when the secret before the last rotation is good too; null when only one is. */
  readonly overlapUntil: number | null;
  /** To a minute; null: never. */
  readonly lastUsedAt: number | null;
  /** The most that one command may state in USD, in steps; null: as much as the ledger takes. */
  readonly amountMaxUsd: bigint | null;
}

export interface IssuedKey {
  readonly key: KeyView;
  /** The whole text of the key, `bur_<id>_<secret>`: this once, and never again. */
  readonly secret: string;
}

/** What a server without any key starts with. */
export interface FirstKeys {
  readonly admin: IssuedKey;
  /** Of the tenant `demo`; null where the server has no demonstration. */
  readonly demo: IssuedKey | null;
}

const FIRST_ADMIN: NewKey = { name: 'First admin key', scopes: ['admin'] };
const DEMO_TENANT: NewKey = {
  name: 'Demo tenant',
  scopes: ['spend', 'read'],
  labels: { tenant: 'demo' },
  callerLabels: ['user', 'agent', 'goal', 'turn', 'chat', 'session'],
};

export interface KeyPage {
  readonly keys: readonly KeyView[];
  /** What `after` continues with; null at the end. */
  readonly next: string | null;
}

interface Entry {
  readonly record: KeyRecord;
  /** Made at the first use and the same from then on. */
  caller: Caller | null;
  /** The secret that was proven last: it is compared on the next request, and not hashed again. In memory alone. */
  proven: string | null;
}

export class KeyRing {
  readonly #table: KeyTable;
  #entries = new Map<string, Entry>();
  #counts = new Map<string | null, number>();
  readonly #used = new Set<KeyRecord>();
  #usesWrittenAt: number;
  #othersAskedAt = 0;
  #storeVersion: number;

  constructor(
    private readonly store: ServiceStore,
    private readonly clock: Clock,
  ) {
    this.#table = new KeyTable(store);
    this.#usesWrittenAt = clock.now();
    this.#storeVersion = store.version();
    this.#load();
  }

  /**
   * Whose key this is: the same frozen object for every request with it; null for anything else. On every request's
   * path: one look-up and one comparison for the secret that came last; for any other, whether or not the id exists, a
   * SHA-256 and two more.
   */
  authenticate(text: string | undefined): Caller | null {
    const parts = text === undefined ? null : partsOf(text);
    if (parts === null) return null;
    const now = this.clock.now();
    const entry = this.#entries.get(parts.id) ?? this.#madeElsewhere(parts.id, now);
    if (entry?.caller && isSameText(parts.secret, entry.proven)) {
      if (hasEnded(entry.record, now)) return null;
      this.#noteUse(entry.record, now);
      return entry.caller;
    }
    const previous = entry?.record.previous ?? null;
    const digest = digestOf(parts.secret);
    const isCurrent = isSameDigest(digest, entry?.record.digest ?? NO_DIGEST);
    const isPrevious = isSameDigest(digest, previous?.digest ?? NO_DIGEST);
    if (entry === undefined || hasEnded(entry.record, now)) return null;
    if (!isCurrent && !(isPrevious && previous !== null && now < previous.until)) return null;
    this.#noteUse(entry.record, now);
    entry.caller ??= callerOf(entry.record);
    if (isCurrent) entry.proven = parts.secret;
    return entry.caller;
  }

  /** Whether the key of a caller still counts: for streams, which outlive the request that was authenticated. */
  isInForce({ keyId }: Caller): boolean {
    const entry = this.#entries.get(keyId);
    return entry !== undefined && !hasEnded(entry.record, this.clock.now());
  }

  /** @throws RefusedError invalid_request, forbidden, conflict at a bound, store_unavailable */
  create(actor: Caller, stated: NewKey): IssuedKey {
    requireScope(actor, 'tenant_admin');
    const key = checkNewKey(stated, this.clock.now());
    assertWithin(actor, key, this.#expiryOf(actor));
    return this.#issue([boundedAs(key, actor)], actor.keyId)[0];
  }

  /** A key for what the service itself gives keys to: it has judged what the key may do. @throws as `create` */
  issueFor(stated: NewKey, createdBy: string): IssuedKey {
    const key = checkNewKey(stated, this.clock.now());
    return this.#issue([boundedAs(key, this.#entries.get(createdBy)?.record ?? {})], createdBy)[0];
  }

  /** Revokes keys in one step, since what they were made for has ended. */
  end(ids: readonly string[]): void {
    const now = this.clock.now();
    const records = ids.flatMap((id) => this.#entries.get(id)?.record ?? []);
    const good = records.filter(({ revokedAt }) => revokedAt === null);
    this.store.transaction(() => {
      for (const { id } of good) this.#table.setRevoked(id, now);
    });
    for (const record of good) record.revokedAt = now;
  }

  /** Keys that the caller manages, the oldest first. @throws RefusedError */
  list(actor: Caller, page: { readonly after?: string; readonly max?: number } = {}): KeyPage {
    requireScope(actor, 'tenant_admin');
    const { after = '', max = LISTED_DEFAULT } = page;
    if (!Number.isInteger(max) || max < 1 || max > LISTED_MAX)
      throw new RefusedError('invalid_request', `max: ${quoted(max)} is not 1 … ${LISTED_MAX}`, {
        field: 'max',
      });
    if (after !== '') this.#managed(actor, after);
    const keys: KeyView[] = [];
    for (const id of this.#table.idsAfter(after, actor.tenant)) {
      const record = this.#entries.get(id)?.record;
      if (record === undefined || !manages(actor, record)) continue;
      if (keys.length === max) return { keys, next: keys[max - 1].id };
      keys.push(this.#view(record));
    }
    return { keys, next: null };
  }

  /** @throws RefusedError not_found, also for a key that the caller does not manage */
  get(actor: Caller, id: string): KeyView {
    return this.#view(this.#managed(actor, id));
  }

  /**
   * A new secret, good at once; the one before stays good for `overlapMs` (0 … 30 days, a day unless stated), any
   * older one ends now. @throws RefusedError not_found, forbidden, conflict when the key has ended
   */
  rotate(actor: Caller, id: string, options: { readonly overlapMs?: number } = {}): IssuedKey {
    const record = this.#managed(actor, id);
    // Who gets the new secret can do all that the key can.
    const amountMaxUsd = this.#view(record).amountMaxUsd ?? undefined;
    assertWithin(actor, { ...record, amountMaxUsd }, this.#expiryOf(actor));
    return this.#renew(record, options.overlapMs);
  }

  /** As `rotate`, for whoever the service itself has judged. @throws RefusedError invalid_request, conflict */
  renewFor(id: string, overlapMs?: number): IssuedKey {
    const record = this.#entries.get(id)?.record;
    if (record === undefined) throw new RefusedError('conflict', `there is no key ${quoted(id)} any more`);
    return this.#renew(record, overlapMs);
  }

  #renew(record: KeyRecord, overlapMs = OVERLAP_DEFAULT_MS): IssuedKey {
    const { id } = record;
    if (!Number.isInteger(overlapMs) || overlapMs < 0 || overlapMs > OVERLAP_MAX_MS)
      throw new RefusedError(
        'invalid_request',
        `overlapMs: ${quoted(overlapMs)} is not 0 … ${OVERLAP_MAX_MS}`,
        {
          field: 'overlapMs',
        },
      );
    const now = this.clock.now();
    if (hasEnded(record, now))
      throw new RefusedError('conflict', 'the key was revoked or has expired: make a new one');
    const { text, digest } = newSecret(id);
    const previous = overlapMs === 0 ? null : { digest: record.digest, until: now + overlapMs };
    this.store.transaction(() => this.#table.setSecrets(id, { digest, previous }));
    record.digest = digest;
    record.previous = previous;
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.proven = null;
    return { key: this.#view(record), secret: text };
  }

  /** The key is refused from now on; revoking it again changes nothing. @throws RefusedError not_found */
  revoke(actor: Caller, id: string): KeyView {
    const record = this.#managed(actor, id);
    if (record.revokedAt === null) {
      const now = this.clock.now();
      this.store.transaction(() => this.#table.setRevoked(id, now));
      record.revokedAt = now;
    }
    return this.#view(record);
  }

  /** The first start's keys: an admin's, and where asked one of a tenant to try things with; null when there is any key. */
  firstKeys(wanted: { readonly demo: boolean }): FirstKeys | null {
    // Another process may have made some since this one looked.
    if (this.#entries.size === 0) this.#load();
    if (this.#entries.size > 0) return null;
    const keys = wanted.demo ? [FIRST_ADMIN, DEMO_TENANT] : [FIRST_ADMIN];
    const now = this.clock.now();
    const [admin, demo = null] = this.#issue(
      keys.map((key) => checkNewKey(key, now)),
      null,
    );
    return { admin, demo };
  }

  /** An admin key for whoever can write the file: the way back in. A server that has it open takes the key at once. */
  createOffline(name: string): IssuedKey {
    return this.#issue([checkNewKey({ name, scopes: ['admin'] }, this.clock.now())], null)[0];
  }

  /** Writes what is not yet written; the store stays open. */
  close(): void {
    this.#writeUses();
  }

  #load(): void {
    const before = this.#entries;
    this.#entries = new Map();
    this.#counts = new Map();
    for (const record of this.#table.all()) {
      const known = before.get(record.id)?.record.lastUsedAt ?? null;
      if (known !== null && known > (record.lastUsedAt ?? 0)) record.lastUsedAt = known;
      this.#keep(record);
    }
  }

  #keep(record: KeyRecord): void {
    this.#entries.set(record.id, { record, caller: null, proven: null });
    this.#counts.set(record.tenant, (this.#counts.get(record.tenant) ?? 0) + 1);
  }

  #forget({ id, tenant }: KeyRecord): void {
    this.#entries.delete(id);
    this.#counts.set(tenant, (this.#counts.get(tenant) ?? 1) - 1);
  }

  /** The entry of an id that this process does not know, if another one has written keys since. */
  #madeElsewhere(id: string, now: number): Entry | undefined {
    if (now - this.#othersAskedAt < OTHERS_ASKED_EVERY_MS) return undefined;
    this.#othersAskedAt = now;
    const version = this.store.version();
    if (version === this.#storeVersion) return undefined;
    this.#storeVersion = version;
    this.#load();
    return this.#entries.get(id);
  }

  /** Makes keys in one step. They count once they are on disk, and so does what made room for them. */
  #issue(keys: readonly CheckedKey[], createdBy: string | null): IssuedKey[] {
    const now = this.clock.now();
    const made = keys.map((key) => {
      const { name, scopes, labels, callerLabels, expiresAt, amountMaxUsd } = key;
      const tenant = Object.hasOwn(labels, 'tenant') ? labels.tenant : null;
      const id = newKeyId();
      const { text, digest } = newSecret(id);
      const record: KeyRecord = {
        ...{ id, tenant, name, scopes, labels, callerLabels, createdAt: now, createdBy, expiresAt, digest },
        ...{ revokedAt: null, lastUsedAt: null, previous: null, amountMaxUsd },
      };
      return { record, text, forgotten: this.#roomFor(tenant, now) };
    });
    this.store.transaction(() => {
      for (const { record, forgotten } of made) {
        if (forgotten !== null) this.#table.remove(forgotten.id);
        this.#table.insert(record);
      }
    });
    return made.map(({ record, text, forgotten }) => {
      if (forgotten !== null) this.#forget(forgotten);
      this.#keep(record);
      return { key: this.#view(record), secret: text };
    });
  }

  // Keys that have ended are kept to be looked up; where there is no room, the oldest of them is forgotten.
  #roomFor(tenant: string | null, now: number): KeyRecord | null {
    const isFull = (this.#counts.get(tenant) ?? 0) >= KEYS_PER_TENANT_MAX;
    if (!isFull && this.#entries.size < KEYS_MAX) return null;
    for (const { record } of this.#entries.values()) {
      if ((!isFull || record.tenant === tenant) && hasEnded(record, now)) return record;
    }
    const bound = isFull ? `a tenant has at most ${KEYS_PER_TENANT_MAX}` : `there are at most ${KEYS_MAX}`;
    throw new RefusedError('conflict', `keys: ${bound}; revoke one that is not used`);
  }

  #managed(actor: Caller, id: string): KeyRecord {
    requireScope(actor, 'tenant_admin');
    const record = this.#entries.get(id)?.record;
    if (record === undefined || !manages(actor, record))
      throw new RefusedError('not_found', `there is no key ${quoted(id)}`, { field: 'id' });
    return record;
  }

  #expiryOf(actor: Caller): number | null {
    return this.#entries.get(actor.keyId)?.record.expiresAt ?? null;
  }

  #noteUse(record: KeyRecord, now: number): void {
    if (record.lastUsedAt !== null && now - record.lastUsedAt < USE_NOTED_EVERY_MS) return;
    record.lastUsedAt = now;
    this.#used.add(record);
    if (this.#used.size < USES_WAITING_MAX && now - this.#usesWrittenAt < USE_NOTED_EVERY_MS) return;
    this.#usesWrittenAt = now;
    // After the request that noticed, not before its answer.
    setImmediate(() => this.#writeUses()).unref();
  }

  #writeUses(): void {
    if (this.#used.size === 0 || !this.store.isOpen) return;
    try {
      this.store.casually(() => {
        for (const record of this.#used) this.#table.setUsed(record);
      });
      this.#used.clear();
    } catch (error) {
      // When a key was last used is worth no failed request; the next minute tries again.
      if (!(error instanceof RefusedError)) throw error;
    }
  }

  #view(record: KeyRecord): KeyView {
    const { id, name, scopes, labels, callerLabels, createdAt, createdBy, expiresAt, revokedAt, lastUsedAt } =
      record;
    const until = record.previous?.until ?? 0;
    const overlapUntil = until > this.clock.now() ? until : null;
    return {
      ...{ id, name, scopes, labels, callerLabels, createdAt, createdBy, expiresAt, revokedAt },
      overlapUntil,
      lastUsedAt,
      amountMaxUsd: amountMaxUsdOf({ scopes: new Set(scopes), amountMaxUsd: record.amountMaxUsd }),
    };
  }
}

function hasEnded(record: KeyRecord, now: number): boolean {
  return record.revokedAt !== null || (record.expiresAt !== null && now >= record.expiresAt);
}

function callerOf({ id, scopes, labels, callerLabels, amountMaxUsd, tenant }: KeyRecord): Caller {
  return Object.freeze({
    keyId: id,
    scopes: new Set(scopes),
    labels,
    callerLabels: new Set(callerLabels),
    ...(amountMaxUsd === undefined ? {} : { amountMaxUsd }),
    tenant,
  });
}
