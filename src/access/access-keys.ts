// Makes, lists, rotates and revokes access keys. Each change is one fact in the ledger, and counts once it is durable; the
// secret of a key is given out once and kept nowhere. Surfaces call this for people, features for the keys of their own.

import type { Clock, Ledger } from '../authority/api.js';
import type { Fact } from '../core/facts.js';
import { quoted } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { actorOf, type Caller, type Scope } from '../kit/caller.js';
import { invalid, notFound, RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { Vault } from '../vault/vault.js';
import { type KeyRecord, keyFact, tenantOf } from './key-facts.js';
import { hasEnded, type KeyRing, USE_GRAIN_MS } from './key-ring.js';
import {
  assertWithin,
  boundedAs,
  checkNewKey,
  type KeyPowers,
  type KeySpec,
  manages,
  type NewKey,
} from './key-spec.js';
import { newKeyId, newSecret } from './key-text.js';
import { lastUses, removeWaiting, waitingKeys, writeUses } from './keys-in-vault.js';
import { amountMaxUsdOf, requireScope } from './scopes.js';

/** A tenant with a key for each of its people and machines stays below; one whose program makes keys in a loop does not. */
export const KEYS_PER_TENANT_MAX = 10_000;
/** All keys are in memory, at about 1 KiB each. */
export const KEYS_MAX = 1_000_000;
/** How long the secret before a rotation stays good: the default, and the most. */
export const OVERLAP_DEFAULT_MS = 24 * 3_600_000;
export const OVERLAP_MAX_MS = 30 * 24 * 3_600_000;
/** Keys of one page: the default, and the most. */
export const LISTED_DEFAULT = 100;
export const LISTED_MAX = 1_000;
/** How often a request with an unknown key makes the server look for keys made at the command line. */
const OFFLINE_LOOK_EVERY_MS = 1_000;

/** A key as those who manage it see it: everything but the secret. Instants are epoch ms. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly createdAt: number;
  /** The id of the key that made it; null: made at the first start or at the command line. */
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
  /** The whole text of the key, `bur_<id>_<secret>`. It is shown this once. */
  readonly secret: string;
}

/** A key that exists once its fact is durable. */
export interface PreparedKey extends IssuedKey {
  readonly fact: Fact;
}

/** The keys of a server that has none. */
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

export interface AccessKeysParts {
  readonly ring: KeyRing;
  readonly ledger: Pick<Ledger, 'run'>;
  readonly vault: Vault;
  readonly clock: Clock;
}

export class AccessKeys {
  /** Commands that read what another one is changing wait for it: new keys of one tenant, changes of one key. */
  readonly #queue = new SerialQueue();

  #usesTimer: NodeJS.Timeout | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;

  constructor(private readonly parts: AccessKeysParts) {}

  /** Takes up keys that were made at the command line, and recalls last uses. Before the first request. */
  async start(): Promise<void> {
    await this.#takeUpWaiting();
    this.parts.ring.recall(await lastUses(this.parts.vault));
    this.parts.ring.onUnknownId = () => this.#lookForWaiting();
    const write = () => void writeUses(this.parts.vault, this.parts.ring);
    this.#usesTimer = setInterval(write, USE_GRAIN_MS).unref();
  }

  /** Writes the last uses down. The vault stays open. */
  async close(): Promise<void> {
    if (this.#usesTimer !== null) clearInterval(this.#usesTimer);
    await writeUses(this.parts.vault, this.parts.ring);
  }

  /** As `authenticate` of the key ring, also for a key that was made at the command line a moment ago. */
  async authenticate(text: string | undefined): Promise<Caller | null> {
    const caller = this.parts.ring.authenticate(text);
    if (caller !== null || this.#looking === null) return caller;
    await this.#looking;
    return this.parts.ring.authenticate(text);
  }

  #lookForWaiting(): void {
    const now = this.parts.clock.now();
    if (this.#looking !== null || now - this.#lookedAt < OFFLINE_LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    // Where the vault or the ledger takes nothing, the key stays unknown.
    const done = () => {
      this.#looking = null;
    };
    this.#looking = this.#takeUpWaiting().then(done, done);
  }

  async #takeUpWaiting(): Promise<void> {
    const { vault, ring } = this.parts;
    const waiting = await waitingKeys(vault);
    if (waiting.length === 0) return;
    const unknown = waiting.filter(({ id }) => ring.record(id) === undefined);
    if (unknown.length > 0)
      await this.#record(
        unknown.map((key) => keyFact('key_created', key)),
        null,
      );
    await removeWaiting(vault, waiting);
  }

  /** @throws RefusedError invalid_request, forbidden; conflict where there are too many keys */
  async create(caller: Caller, newKey: NewKey): Promise<IssuedKey> {
    requireScope(caller, 'tenant_admin');
    const key = checkNewKey(newKey, this.parts.clock.now());
    assertWithin(caller, key, this.#expiryOf(caller));
    return this.#queue.run(tenantQueue(key), async () => {
      const prepared = this.#prepared(boundedAs(key, caller), caller.keyId);
      await this.#record([prepared.fact], caller);
      return prepared;
    });
  }

  /**
   * A key for a feature that has judged what the key may do. Nothing is written: the key exists once the feature has
   * written the fact. @throws as `create`
   */
  prepare(newKey: NewKey, createdBy: string): PreparedKey {
    const key = checkNewKey(newKey, this.parts.clock.now());
    const max = this.parts.ring.record(createdBy)?.amountMaxUsd ?? null;
    return this.#prepared(boundedAs(key, max === null ? {} : { amountMaxUsd: BigInt(max) }), createdBy);
  }

  /** The fact that revokes a key, for a feature to write; null where there is no such key or it is revoked already. */
  revokeFact(id: string, at: number): Fact | null {
    const record = this.parts.ring.record(id);
    if (record === undefined || record.revokedAt !== null) return null;
    return keyFact('key_revoked', { ...record, revokedAt: at });
  }

  /** Keys that the caller manages, the oldest first. @throws RefusedError */
  list(caller: Caller, page: { readonly after?: string; readonly max?: number } = {}): KeyPage {
    requireScope(caller, 'tenant_admin');
    const { after = '', max = LISTED_DEFAULT } = page;
    if (!Number.isInteger(max) || max < 1 || max > LISTED_MAX)
      throw invalid('max', `${quoted(max)} is not 1 … ${LISTED_MAX}`);
    if (after !== '') this.#managed(caller, after);
    const keys: KeyView[] = [];
    for (const record of this.#recordsAfter(after, caller.tenant ?? undefined)) {
      if (!manages(caller, record)) continue;
      if (keys.length === max) return { keys, next: keys[max - 1].id };
      keys.push(this.#view(record));
    }
    return { keys, next: null };
  }

  /** @throws RefusedError not_found, also for a key that the caller does not manage */
  get(caller: Caller, id: string): KeyView {
    return this.#view(this.#managed(caller, id));
  }

  /**
   * A new secret, good at once. The one before stays good for `overlapMs` (0 … 30 days, a day by default), and an older
   * one ends now. @throws RefusedError not_found, forbidden, invalid_request; conflict when the key has ended
   */
  async rotate(caller: Caller, id: string, { overlapMs }: { overlapMs?: number } = {}): Promise<IssuedKey> {
    const record = this.#managed(caller, id);
    // Who gets the new secret can do all that the key can.
    assertWithin(caller, powersOf(record), this.#expiryOf(caller));
    return this.renew(caller, id, overlapMs);
  }

  /** As `rotate`, for a feature that has judged that the caller may. @throws RefusedError invalid_request, conflict */
  async renew(caller: Caller, id: string, overlapMs = OVERLAP_DEFAULT_MS): Promise<IssuedKey> {
    if (!Number.isInteger(overlapMs) || overlapMs < 0 || overlapMs > OVERLAP_MAX_MS)
      throw invalid('overlapMs', `${quoted(overlapMs)} is not 0 … ${OVERLAP_MAX_MS}`);
    return this.#queue.run(keyQueue(id), async () => {
      const now = this.parts.clock.now();
      const record = this.parts.ring.record(id);
      if (record === undefined || hasEnded(record, now))
        throw new RefusedError('conflict', 'the key was revoked or has expired: make a new one');
      const { text, digest } = newSecret(id);
      const previous = overlapMs === 0 ? null : { digest: record.digest, until: now + overlapMs };
      const renewed = { ...record, digest: digest.toString('hex'), previous };
      await this.#record([keyFact('key_rotated', renewed)], caller);
      return { key: this.#view(renewed), secret: text };
    });
  }

  /** Refuses a key from now on. Revoking it again changes nothing. @throws RefusedError not_found */
  async revoke(caller: Caller, id: string): Promise<KeyView> {
    this.#managed(caller, id);
    return this.#queue.run(keyQueue(id), async () => {
      const fact = this.revokeFact(id, this.parts.clock.now());
      if (fact !== null) await this.#record([fact], caller);
      return this.#view(this.#managed(caller, id));
    });
  }

  /**
   * The keys of the first start: an admin's, and where it is asked for one of a tenant to try things with. Null in a
   * ledger that has had keys before: the keys are in the ledger, so a ledger without one is new.
   */
  async firstKeys(wanted: { readonly demo: boolean }): Promise<FirstKeys | null> {
    if (this.parts.ring.size > 0) return null;
    const now = this.parts.clock.now();
    const first = (key: NewKey) => this.#prepared(checkNewKey(key, now), null);
    const admin = first(FIRST_ADMIN);
    const demo = wanted.demo ? first(DEMO_TENANT) : null;
    await this.#record(demo === null ? [admin.fact] : [admin.fact, demo.fact], null);
    return { admin, demo };
  }

  async #record(facts: readonly Fact[], caller: Caller | null): Promise<void> {
    const actor = caller === null ? null : actorOf(caller);
    await this.parts.ledger.run({ command: 'record_facts' }, { actor, facts });
  }

  #prepared(key: KeySpec, createdBy: string | null): PreparedKey {
    const now = this.parts.clock.now();
    const id = newKeyId();
    const { text, digest } = newSecret(id);
    const { name, scopes, labels, callerLabels, expiresAt, amountMaxUsd } = key;
    const record: KeyRecord = {
      ...{ id, name, scopes, labels, callerLabels, createdAt: now, createdBy, expiresAt },
      amountMaxUsd: amountMaxUsd?.toString() ?? null,
      revokedAt: null,
      digest: digest.toString('hex'),
      previous: null,
    };
    const forgets = this.#roomFor(tenantOf(record), now);
    return { key: this.#view(record), secret: text, fact: keyFact('key_created', record, forgets) };
  }

  /**
   * The ended key that is forgotten for a new one of the tenant: null while there is room, else the oldest.
   * @throws RefusedError conflict where none has ended
   */
  #roomFor(tenant: string | null, now: number): string | null {
    const { ring } = this.parts;
    const isTenantFull = ring.rows.countOf(tenant) >= KEYS_PER_TENANT_MAX;
    if (!isTenantFull && ring.size < KEYS_MAX) return null;
    for (const record of this.#recordsAfter('', isTenantFull ? tenant : undefined))
      if (hasEnded(record, now)) return record.id;
    const bound = isTenantFull
      ? `a tenant has at most ${KEYS_PER_TENANT_MAX}`
      : `there are at most ${KEYS_MAX}`;
    throw new RefusedError('conflict', `keys: ${bound}; revoke one that is not used`);
  }

  /** The oldest first; of one tenant, of the platform (null), or of everybody (undefined). */
  *#recordsAfter(after: string, tenant: string | null | undefined): Generator<KeyRecord> {
    const { ring } = this.parts;
    for (let last = after; ; ) {
      const ids = ring.rows.idsAfter(last, tenant, LISTED_MAX);
      for (const id of ids) {
        const record = ring.record(id);
        if (record !== undefined) yield record;
      }
      if (ids.length < LISTED_MAX) return;
      last = ids[ids.length - 1];
    }
  }

  #managed(caller: Caller, id: string): KeyRecord {
    requireScope(caller, 'tenant_admin');
    const record = this.parts.ring.record(id);
    if (record === undefined || !manages(caller, record)) throw notFound('id', 'key', id);
    return record;
  }

  #expiryOf({ keyId }: Caller): number | null {
    return this.parts.ring.record(keyId)?.expiresAt ?? null;
  }

  #view(record: KeyRecord): KeyView {
    return keyView(record, this.parts.clock.now(), this.parts.ring.lastUsedAt(record.id));
  }
}

export function keyView(record: KeyRecord, now: number, lastUsedAt: number | null): KeyView {
  const { id, name, scopes, labels, callerLabels, createdAt, createdBy, expiresAt, revokedAt } = record;
  const until = record.previous?.until ?? 0;
  return {
    ...{ id, name, scopes, labels, callerLabels, createdAt, createdBy, expiresAt, revokedAt },
    overlapUntil: until > now ? until : null,
    lastUsedAt,
    amountMaxUsd: powersOf(record).amountMaxUsd ?? null,
  };
}

function tenantQueue({ labels }: KeyPowers): string {
  return `tenant ${tenantOf({ labels }) ?? ''}`;
}

function keyQueue(id: string): string {
  return `key ${id}`;
}

function powersOf(record: KeyRecord): KeyPowers {
  const stated = record.amountMaxUsd === null ? undefined : BigInt(record.amountMaxUsd);
  const amountMaxUsd = amountMaxUsdOf({ scopes: new Set(record.scopes), amountMaxUsd: stated });
  return { ...record, amountMaxUsd: amountMaxUsd ?? undefined };
}
