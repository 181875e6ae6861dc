// Keys as facts: a change counts once it is durable and is never taken back, whatever fails, is killed or happens at the same
// time, and the same answers come from a rebuilt views.db.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AccessKeys, type IssuedKey, KEYS_PER_TENANT_MAX } from '#bursar/access/access-keys.js';
import { type KeyRecord, keyFact } from '#bursar/access/key-facts.js';
import { KeyRing } from '#bursar/access/key-ring.js';
import { putOfflineKey } from '#bursar/access/keys-in-vault.js';
import { LimitSetters } from '#bursar/access/limit-setters.js';
import { VIEWS } from '#bursar/composition/data-folder.js';
import type { Fact } from '#bursar/core/facts.js';
import { JournalUnavailableError, openLedger } from '#bursar/index.js';
import { actorOf, type Caller } from '#bursar/kit/caller.js';
import { MemoryStore, openMemoryJournal } from '#bursar/testing.js';
import type { Vault } from '#bursar/vault/vault.js';
import { openViews } from '#bursar/views/views.js';
import { TestClock } from '../scenario/scenario.js';
import { ANN, Crash, killedBeforeEachStep, PLATFORM, refused } from '../setup/files-setup.js';
import { expectNoDifference, expectSameAfterRebuild } from '../views/rebuilt.js';
import { AccessStage } from './access-setup.js';
import { callerOf } from './tenancy-setup.js';

const ACME = { scopes: ['tenant_admin' as const], labels: { tenant: 'acme' }, callerLabels: ['user'] };

describe('access: keys are facts', () => {
  test('access: a story of keys → the same answers after a restart and without views.db, and every row is proven', async () => {
    const stage = await AccessStage.open();
    const org = await stage.key(ACME);
    const user = await stage.key({ labels: { tenant: 'acme', user: 'ann' } }, org.caller);
    const rotated = await stage.keys.rotate(org.caller, user.id, { overlapMs: 3_600_000 });
    const ended = await stage.key({ amountMaxUsd: 5n, expiresAt: stage.clock.at + 1_000 });
    await stage.keys.revoke(stage.admin, ended.id);
    stage.clock.at += 120_000;
    stage.caller(rotated.secret);
    const secrets = [org.secret, user.secret, rotated.secret, ended.secret];
    await expectSameAfterRebuild({
      viewsPath: join(stage.folder, 'views.db'),
      read: () => ({
        callers: secrets.map((secret) => stage.ring.authenticate(secret)),
        keys: stage.keys.list(stage.admin).keys,
        page: stage.keys.list(org.caller, { max: 1, after: org.id }),
      }),
      close: () => stage.close(),
      open: () => stage.open(),
    });
    const [, view] = stage.keys.list(org.caller).keys;
    expect(view).toMatchObject({ id: user.id, lastUsedAt: stage.clock.at, createdBy: org.id });
    expectNoDifference({
      ledgerPath: join(stage.folder, 'ledger.db'),
      viewsPath: join(stage.folder, 'views.db'),
      views: VIEWS,
    });
  });

  test('access: who made, rotated and revoked a key → is the actor of the journal’s record', async () => {
    const stage = await AccessStage.open();
    const org = await stage.key(ACME);
    const made = await stage.key({}, org.caller);
    await stage.keys.rotate(org.caller, made.id);
    await stage.keys.revoke(stage.admin, made.id);
    const actors = (await stage.events())
      .filter(({ type }) => type === 'facts_recorded')
      .map(({ actor }) => actor?.key ?? null);
    expect(actors).toEqual([null, stage.admin.keyId, org.id, org.id, stage.admin.keyId]);
  });

  test('access: killed before any durable step of a change → the change is whole or not there', async () => {
    const steps = await killedBeforeEachStep({
      ready: () => AccessStage.open(),
      act: async (stage) => {
        const made = await stage.key(ACME);
        await stage.keys.rotate(stage.admin, made.id, { overlapMs: 0 });
        await stage.keys.revoke(stage.admin, made.id);
      },
      check: async (stage, isDone) => {
        const [admin, key] = stage.keys.list(PLATFORM).keys;
        expect(admin).toMatchObject({ id: stage.admin.keyId, revokedAt: null });
        if (isDone) expect(key.revokedAt).toBe(stage.clock.at);
        // What was not done can be done now.
        if (key !== undefined) await stage.keys.revoke(PLATFORM, key.id);
        await stage.key(ACME, PLATFORM);
      },
    });
    expect(steps).toBe(3);
  });

  test('access: killed while the server takes up a key of the folder → the key is there once, and works', async () => {
    let secret = '';
    const steps = await killedBeforeEachStep({
      ready: () => AccessStage.open(),
      act: async (stage) => {
        secret = (await putOfflineKey(stage.vault, 'locked out', stage.clock.at)).secret;
        await stage.keys.authenticate(secret);
        // The request itself is only told that the key is unknown.
        if ((await stage.vault.ids('access/offline-key/')).length > 0) throw new Crash('before the end');
      },
      check: async (stage) => {
        stage.caller(secret);
        expect(stage.keys.list(PLATFORM).keys).toHaveLength(2);
        expect(await stage.vault.ids('access/offline-key/')).toEqual([]);
      },
    });
    // The fact, and the removal from the vault.
    expect(steps).toBe(2);
  });

  test('access: a rotation that was decided before a revocation was known → the key stays revoked', async () => {
    const stage = await AccessStage.open();
    const { id, secret } = await stage.key({});
    const record = stage.ring.record(id) as KeyRecord;
    const fact = stage.keys.revokeFact(id, stage.clock.at) as Fact;
    const facts = [fact, keyFact('key_rotated', { ...record, digest: '00'.repeat(32) })];
    for (const one of facts) await stage.ledger.run({ command: 'record_facts' }, { facts: [one] });
    for (const views of ['kept', 'deleted'] as const) {
      expect(stage.ring.authenticate(secret)).toBeNull();
      expect(stage.keys.get(stage.admin, id).revokedAt).toBe(stage.clock.at);
      await stage.reopenedWith(views);
    }
    expect(stage.keys.revokeFact(id, 1)).toBeNull();
  });

  test('access: many changes of one key at the same time → each sees the one before, and the last secret is good', async () => {
    const stage = await AccessStage.open();
    const { id, secret } = await stage.key({});
    const rotations = await Promise.all([1, 2, 3].map(() => stage.keys.rotate(stage.admin, id)));
    const good = [secret, ...rotations.map((one) => one.secret)].map(
      (text) => stage.ring.authenticate(text) !== null,
    );
    expect(good).toEqual([false, false, true, true]);
    const ends = await Promise.all([1, 2].map(() => stage.keys.revoke(stage.admin, id)));
    expect(ends[0]).toEqual(ends[1]);
    expect(await refused(() => stage.keys.rotate(stage.admin, id))).toMatch(/^conflict/);
  });

  test('access: keys of a tenant that is almost full, made at the same time → as many as there is room for', async () => {
    const stage = await AccessStage.open();
    const facts = Array.from({ length: KEYS_PER_TENANT_MAX - 2 }, (_, at) =>
      keyFact('key_created', { ...(stage.ring.record(stage.admin.keyId) as KeyRecord), ...tenantKey(at) }),
    );
    await stage.ledger.run({ command: 'record_facts' }, { facts });
    const made = await Promise.allSettled([1, 2, 3, 4].map(() => stage.key({})));
    expect(made.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
  });
});

const tenantKey = (at: number) => ({ id: String(at).padStart(16, '0'), labels: { tenant: 'acme' } });

describe('access: a key for a feature', () => {
  test('access: a prepared key → is nothing until its fact is written, and is written with the feature’s command', async () => {
    const stage = await AccessStage.open();
    const org = await stage.key({ ...ACME, amountMaxUsd: 7n });
    const spec = { name: 'of an agent', scopes: ['spend' as const], labels: { tenant: 'acme' } };
    const prepared = stage.keys.prepare(spec, org.id);
    expect(stage.ring.authenticate(prepared.secret)).toBeNull();
    expect(await refused(() => stage.keys.get(stage.admin, prepared.key.id))).toMatch(/^not_found/);
    const budget = { id: 'b', match: {}, unit: 'usd', limit: 1n, window: 'day' } as const;
    const put = { command: 'put_definitions', budgets: [budget] } as const;
    const group = await stage.ledger.runAll([{ command: put, facts: [prepared.fact] }]);
    expect(group.carriedOut).toBe(true);
    expect(stage.caller(prepared.secret)).toMatchObject({ tenant: 'acme', amountMaxUsd: 7n });
    expect(stage.keys.get(stage.admin, prepared.key.id)).toMatchObject({ createdBy: org.id });
  });
});

/** A ledger on a disk that fails when it is told to, with the keys in it. */
class FailingDisk {
  readonly disk = new MemoryStore();
  readonly clock = new TestClock();
  keys!: AccessKeys;
  ring!: KeyRing;

  static async open(): Promise<FailingDisk> {
    const stage = new FailingDisk();
    await stage.start();
    return stage;
  }

  /** As after a kill: only what the disk has is there. */
  async start(): Promise<void> {
    this.disk.crash();
    const { clock } = this;
    const views = openViews(':memory:', VIEWS);
    const ledger = await openLedger({
      path: ':memory:',
      clock,
      follower: views,
      journal: (lease) => openMemoryJournal(this.disk, lease),
    });
    this.ring = new KeyRing(views, clock);
    this.keys = new AccessKeys({ ring: this.ring, ledger, vault: NO_VAULT, clock });
  }

  async key(): Promise<IssuedKey> {
    return this.keys.create(PLATFORM, { name: 'k', scopes: ['read'], labels: { tenant: 'acme' } });
  }

  isGood({ secret }: IssuedKey): boolean {
    return this.ring.authenticate(secret) !== null;
  }
}

const NO_VAULT = {} as Vault;

describe('access: the disk fails', () => {
  test('access: a revocation that the disk does not take → is refused and every later change too; what was acknowledged stays', async () => {
    const stage = await FailingDisk.open();
    const [first, second] = [await stage.key(), await stage.key()];
    await stage.keys.revoke(PLATFORM, first.key.id);
    stage.disk.failNextAppend();
    const revoke = () => stage.keys.revoke(PLATFORM, second.key.id);
    await expect(revoke()).rejects.toBeInstanceOf(JournalUnavailableError);
    // The disk takes everything again, but nobody knows what it has: nothing is acknowledged until a new start.
    await expect(revoke()).rejects.toBeInstanceOf(JournalUnavailableError);
    await expect(stage.key()).rejects.toBeInstanceOf(JournalUnavailableError);
    await stage.start();
    expect([stage.isGood(first), stage.isGood(second)]).toEqual([false, true]);
    await stage.keys.revoke(PLATFORM, second.key.id);
    await stage.start();
    expect(stage.isGood(second)).toBe(false);
  });

  test('access: a revocation that is on the disk although its answer was lost → the key is revoked at the next start', async () => {
    const stage = await FailingDisk.open();
    const issued = await stage.key();
    stage.disk.loseNextReply();
    const revoked = stage.keys.revoke(PLATFORM, issued.key.id);
    await expect(revoked).rejects.toBeInstanceOf(JournalUnavailableError);
    await stage.start();
    expect(stage.isGood(issued)).toBe(false);
  });

  test('access: a change that waits for the disk → counts when it is on it, and not before', async () => {
    const stage = await FailingDisk.open();
    const issued = await stage.key();
    stage.disk.holdAppends();
    const making = stage.key();
    const rotating = stage.keys.rotate(PLATFORM, issued.key.id, { overlapMs: 0 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(stage.isGood(issued)).toBe(true);
    expect(stage.keys.list(PLATFORM).keys).toHaveLength(1);
    stage.disk.releaseAppends();
    const [made, rotated] = await Promise.all([making, rotating]);
    expect([issued, made, rotated].map((one) => stage.isGood(one))).toEqual([false, true, true]);
  });
});

describe('access: who set a limit', () => {
  test('access: the setter of a limit → is known after a restart and without views.db; a weaker key does not raise it', async () => {
    const stage = await AccessStage.open();
    const goal = { kind: 'goal', id: 'g' } as const;
    const set = async (caller: Caller) => {
      const facts = [new LimitSetters(stage.views).fact(caller, goal)];
      await stage.ledger.run({ command: 'record_facts' }, { actor: actorOf(caller), facts });
    };
    const raise = (caller: Caller) =>
      refused(() => new LimitSetters(stage.views).assertMayRaise(caller, goal));
    expect(await raise(ANN)).toBe('nothing was refused');
    await set(callerOf('acme', 'tenant_admin'));
    for (const views of ['kept', 'deleted'] as const) {
      expect(await raise(ANN)).toMatch(/^forbidden: the limit was set by a key with the scope tenant_admin/);
      expect(await raise(PLATFORM)).toBe('nothing was refused');
      await stage.reopenedWith(views);
    }
    await set(ANN);
    expect(await raise({ ...ANN, labels: { ...ANN.labels, user: 'ben' } })).toMatch(/^forbidden/);
    expect(await raise(ANN)).toBe('nothing was refused');
  });
});
