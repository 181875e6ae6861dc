// Access keys on a real store: shown once, kept as hashes, rotated with an overlap, revoked at once, expired; and who may
// make and manage which.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KEYS_PER_TENANT_MAX, OVERLAP_DEFAULT_MS, OVERLAP_MAX_MS } from '#bursar/access/access-keys.js';
import { type KeyRecord, keyFact } from '#bursar/access/key-facts.js';
import type { NewKey } from '#bursar/access/key-spec.js';
import { putOfflineKey } from '#bursar/access/keys-in-vault.js';
import type { Scope } from '#bursar/kit/caller.js';
import { refused } from '../setup/files-setup.js';
import { AccessStage } from './access-setup.js';

const DAY_MS = 86_400_000;

describe('access: the life of a key', () => {
  test('access: a key → stands for one frozen caller, the same on every request and after a restart', async () => {
    const stage = await AccessStage.open();
    const { secret } = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['goal'] });
    const caller = stage.caller(secret);
    expect(secret).toMatch(/^bur_[0-9A-Za-z]{16}_[A-Za-z0-9_-]{43}$/);
    expect(caller).toMatchObject({ labels: { tenant: 'acme', user: 'ann' }, tenant: 'acme' });
    expect([...caller.scopes]).toEqual(['spend', 'read']);
    expect([...caller.callerLabels]).toEqual(['goal']);
    expect(stage.caller(secret)).toBe(caller);
    expect(Object.isFrozen(caller) && Object.isFrozen(caller.labels)).toBe(true);
    await stage.restart();
    expect(stage.caller(secret)).toEqual(caller);
  });

  test('access: no byte of the service’s files has a secret, whatever was done with it', async () => {
    const stage = await AccessStage.open();
    const { secret, id } = await stage.key({});
    const rotated = (await stage.keys.rotate(stage.admin, id)).secret;
    stage.clock.at += 120_000;
    stage.caller(rotated);
    const { folder } = stage;
    const bytes = () => Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
    const live = bytes();
    await stage.restart();
    const atRest = bytes();
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['ledger.db', 'vault.db', 'views.db']));
    for (const text of [secret, rotated]) {
      const words = text.slice(-43);
      // The id is there, so the search would find what is there.
      expect(live.includes(id) && atRest.includes(id)).toBe(true);
      for (const form of [words, Buffer.from(words, 'base64url')]) {
        expect(live.includes(form)).toBe(false);
        expect(atRest.includes(form)).toBe(false);
      }
    }
  });

  test('access: rotation with an overlap → both secrets are good until it ends, then the new one alone', async () => {
    const stage = await AccessStage.open();
    const { secret: first, id } = await stage.key({});
    const second = await stage.keys.rotate(stage.admin, id);
    expect(second.key.overlapUntil).toBe(stage.clock.at + OVERLAP_DEFAULT_MS);
    await stage.restart();
    expect(stage.caller(first)).toBe(stage.caller(second.secret));
    stage.clock.at += OVERLAP_DEFAULT_MS - 1;
    stage.caller(first);
    stage.clock.at += 1;
    expect(stage.ring.authenticate(first)).toBeNull();
    stage.caller(second.secret);
    expect(stage.keys.get(stage.admin, id).overlapUntil).toBeNull();
  });

  test('access: a third secret within the overlap → the oldest ends; without an overlap only the new one is good', async () => {
    const stage = await AccessStage.open();
    const { secret: first, id } = await stage.key({});
    const second = (await stage.keys.rotate(stage.admin, id, { overlapMs: OVERLAP_MAX_MS })).secret;
    const third = (await stage.keys.rotate(stage.admin, id)).secret;
    expect(stage.ring.authenticate(first)).toBeNull();
    stage.caller(second);
    const fourth = (await stage.keys.rotate(stage.admin, id, { overlapMs: 0 })).secret;
    for (const old of [second, third]) expect(stage.ring.authenticate(old)).toBeNull();
    stage.caller(fourth);
    for (const overlapMs of [-1, 0.5, Number.NaN, OVERLAP_MAX_MS + 1])
      expect(await refused(() => stage.keys.rotate(stage.admin, id, { overlapMs }))).toMatch(
        /^invalid_request: over/,
      );
  });

  test('access: a revoked key → is refused at once, both its secrets, also after a restart, and stays listed', async () => {
    const stage = await AccessStage.open();
    const { secret, id, caller } = await stage.key({});
    const second = (await stage.keys.rotate(stage.admin, id)).secret;
    expect(stage.ring.isInForce(caller)).toBe(true);
    const { revokedAt } = await stage.keys.revoke(stage.admin, id);
    expect(stage.ring.isInForce(caller)).toBe(false);
    for (const restarted of [false, true]) {
      if (restarted) await stage.restart();
      expect(stage.ring.authenticate(secret)).toBeNull();
      expect(stage.ring.authenticate(second)).toBeNull();
    }
    stage.clock.at += 1;
    expect((await stage.keys.revoke(stage.admin, id)).revokedAt).toBe(revokedAt);
    expect(stage.keys.list(stage.admin).keys.map((key) => key.id)).toContain(id);
    expect(await refused(() => stage.keys.rotate(stage.admin, id))).toMatch(/^conflict/);
  });

  test('access: an expiry → the key is good until that instant and not at it', async () => {
    const stage = await AccessStage.open();
    const { secret } = await stage.key({ expiresAt: stage.clock.at + DAY_MS });
    stage.clock.at += DAY_MS - 1;
    stage.caller(secret);
    stage.clock.at += 1;
    expect(stage.ring.authenticate(secret)).toBeNull();
    for (const expiresAt of [stage.clock.at, 1.5, Number.POSITIVE_INFINITY])
      expect(await refused(() => stage.key({ expiresAt }))).toMatch(/^invalid_request: expiresAt/);
  });

  test('access: the last use → is known to the minute, also after a restart and without views.db', async () => {
    const stage = await AccessStage.open();
    const { secret, id } = await stage.key({});
    const usedAt = stage.clock.at;
    stage.clock.at += 59_999;
    stage.caller(secret);
    expect(stage.keys.get(stage.admin, id).lastUsedAt).toBe(usedAt);
    stage.clock.at += 1;
    stage.caller(secret);
    for (const views of ['kept', 'deleted'] as const) {
      await stage.reopenedWith(views);
      expect(stage.keys.get(stage.admin, id).lastUsedAt).toBe(usedAt + 60_000);
    }
  });

  test('access: the first start → an admin’s key and a demo tenant’s, once; a key that was revoked counts too', async () => {
    const fresh = await AccessStage.fresh();
    const keys = await fresh.keys.firstKeys({ demo: true });
    expect([...fresh.caller(keys?.admin.secret ?? '').scopes]).toEqual(['admin']);
    const admin = fresh.caller(keys?.admin.secret ?? '');
    const demo = fresh.caller(keys?.demo?.secret ?? '');
    expect(demo).toMatchObject({ tenant: 'demo', labels: { tenant: 'demo' } });
    for (const { keyId } of [demo, admin]) await fresh.keys.revoke(admin, keyId);
    for (const views of ['kept', 'deleted'] as const) {
      await fresh.reopenedWith(views);
      expect(await fresh.keys.firstKeys({ demo: true })).toBeNull();
    }
    const own = await AccessStage.fresh();
    const first = await own.keys.firstKeys({ demo: false });
    expect(first?.demo).toBeNull();
    expect(own.keys.list(own.caller(first?.admin.secret ?? '')).keys).toHaveLength(1);
  });

  test('access: an admin key made in the folder beside a running server → the server takes it up at the first request', async () => {
    const stage = await AccessStage.open();
    const { secret, record } = await putOfflineKey(stage.vault, 'locked out', stage.clock.at);
    expect(stage.ring.authenticate(secret)).toBeNull();
    expect([...((await stage.keys.authenticate(secret))?.scopes ?? [])]).toEqual(['admin']);
    expect(stage.caller(secret).keyId).toBe(record.id);
    // A second look within a second is not made, however many unknown keys come.
    const later = await putOfflineKey(stage.vault, 'again', stage.clock.at);
    expect(await stage.keys.authenticate(later.secret)).toBeNull();
    stage.clock.at += 1_000;
    expect(await stage.keys.authenticate(later.secret)).not.toBeNull();
    expect(await stage.vault.ids('access/offline-key/')).toEqual([]);
    await stage.keys.revoke(stage.admin, record.id);
    await stage.reopenedWith('deleted');
    expect(await stage.keys.authenticate(secret)).toBeNull();
    stage.caller(later.secret);
  });

  test('access: an admin key made in the folder before the first start → is there, and no first key is made', async () => {
    const stage = await AccessStage.fresh();
    const { secret } = await putOfflineKey(stage.vault, 'mine', stage.clock.at);
    await stage.restart();
    stage.caller(secret);
    expect(await stage.keys.firstKeys({ demo: true })).toBeNull();
  });
});

describe('access: what is no key', () => {
  test('access: anything else than the text given out → nobody, and no error', async () => {
    const stage = await AccessStage.open();
    const { secret, id } = await stage.key({});
    const other = (await stage.key({})).secret;
    const last = secret.slice(0, -1) + (secret.endsWith('A') ? 'B' : 'A');
    const forged = [
      undefined,
      '',
      'bur_',
      id,
      secret.slice(0, -1),
      `${secret}A`,
      ` ${secret}`,
      secret.toUpperCase(),
      secret.replace('bur_', 'BUR_'),
      last,
      // Another spelling of the same bytes: the last letter has two bits that no byte has.
      spelledOtherwise(secret),
      // The secret of one key under the id of another.
      secret.slice(0, 21) + other.slice(21),
      `bur_${'0'.repeat(16)}_${secret.slice(21)}`,
      `bur___proto__${'_'.repeat(7)}_${'0'.repeat(43)}`,
      `bur_${'\0'.repeat(60)}`,
      'b'.repeat(1 << 20),
    ];
    for (const text of forged) expect(stage.ring.authenticate(text)).toBeNull();
    stage.caller(secret);
  });

  test('access: an unknown id → costs what a known one costs, within a factor of two', async () => {
    const stage = await AccessStage.open();
    const { secret } = await stage.key({});
    const wrong = `${secret.slice(0, 21)}${'A'.repeat(43)}`;
    const unknown = `bur_${'0'.repeat(16)}_${'A'.repeat(43)}`;
    const cost = (text: string) => {
      const begun = process.hrtime.bigint();
      for (let round = 0; round < 2_000; round += 1) stage.ring.authenticate(text);
      return Number(process.hrtime.bigint() - begun);
    };
    // The fastest of many rounds: what else runs on the machine only ever adds.
    const costs = { wrong: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
    for (let round = 0; round < 15; round += 1) {
      costs.wrong = Math.min(costs.wrong, cost(wrong));
      costs.unknown = Math.min(costs.unknown, cost(unknown));
    }
    expect(costs.unknown).toBeGreaterThan(costs.wrong / 2);
    expect(costs.unknown).toBeLessThan(costs.wrong * 2);
  });
});

function spelledOtherwise(secret: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = letters.indexOf(secret.slice(-1));
  const spelled = secret.slice(0, -1) + letters[last ^ 1];
  expect(Buffer.from(spelled.slice(-43), 'base64url')).toEqual(Buffer.from(secret.slice(-43), 'base64url'));
  return spelled;
}

describe('access: who may make and manage which keys', () => {
  const ORG = { scopes: ['tenant_admin'] as Scope[], callerLabels: ['user', 'agent'] };

  test('access: a tenant’s admin → makes keys within its own, and sees, rotates and revokes them', async () => {
    const stage = await AccessStage.open();
    const { caller: org } = await stage.key(ORG);
    const made = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['agent'] }, org);
    expect(stage.keys.get(org, made.id)).toMatchObject({
      createdBy: org.keyId,
      lastUsedAt: stage.clock.at,
    });
    stage.caller((await stage.keys.rotate(org, made.id)).secret);
    await stage.keys.revoke(org, made.id);
    expect(stage.ring.authenticate(made.secret)).toBeNull();
  });

  test.each<[string, Partial<NewKey>, RegExp]>([
    ['the scope admin', { scopes: ['admin'], labels: {} }, /^forbidden: labels/],
    ['another tenant', { labels: { tenant: 'other' } }, /^forbidden: labels/],
    ['no tenant', { scopes: ['read'], labels: {} }, /^forbidden: labels/],
    ['without a label that its own fixes', { labels: { tenant: 'acme' } }, /^forbidden: labels/],
    [
      'a fixed label that it cannot state',
      { labels: { tenant: 'acme', team: 'red', cost: '1' } },
      /^forbidden: labels\.cost/,
    ],
    ['a name that it cannot state', { callerLabels: ['cost'] }, /^forbidden: labels\.cost/],
    ['a longer life', { expiresAt: null }, /^forbidden: expiresAt/],
  ])('access: a tenant’s admin makes a key with %s → forbidden', async (_what, stated, expected) => {
    const stage = await AccessStage.open();
    const expiresAt = stage.clock.at + DAY_MS;
    const { caller: org } = await stage.key({ ...ORG, labels: { tenant: 'acme', team: 'red' }, expiresAt });
    const key = { labels: { tenant: 'acme', team: 'red' }, expiresAt };
    await stage.key(key, org);
    expect(await refused(() => stage.key({ ...key, ...stated }, org))).toMatch(expected);
  });

  test('access: a tenant’s admin rotates a key that can more than its own → forbidden, for it would have that key', async () => {
    const stage = await AccessStage.open();
    const { caller: org } = await stage.key(ORG);
    const { id, secret } = await stage.key({ callerLabels: ['cost'] });
    expect(await refused(() => stage.keys.rotate(org, id))).toMatch(/^forbidden: labels\.cost/);
    stage.caller(secret);
    await stage.keys.revoke(org, id);
    expect(stage.ring.authenticate(secret)).toBeNull();
  });

  test('access: another tenant’s key → the answer is that of an unknown one, whatever is asked', async () => {
    const stage = await AccessStage.open();
    const { caller: org } = await stage.key(ORG);
    const other = await stage.key({ labels: { tenant: 'other' } });
    const unknown = '0'.repeat(16);
    const asked = async (id: string) =>
      [
        await refused(() => stage.keys.get(org, id)),
        await refused(() => stage.keys.rotate(org, id)),
        await refused(() => stage.keys.revoke(org, id)),
        await refused(() => stage.keys.list(org, { after: id })),
      ].map((text) => text.replaceAll(id, 'ID'));
    expect(await asked(other.id)).toEqual(await asked(unknown));
    expect(await asked(other.id)).toEqual(new Array(4).fill('not_found: there is no key "ID"'));
    expect(await asked(stage.admin.keyId)).toEqual(await asked(unknown));
    stage.caller(other.secret);
    expect(stage.keys.list(org).keys.map(({ labels }) => labels.tenant)).toEqual(['acme']);
  });

  test('access: keys that only spend or read → make, see and end none', async () => {
    const stage = await AccessStage.open();
    const { caller, id } = await stage.key({});
    const acts = [
      () => stage.key({}, caller),
      () => stage.keys.list(caller),
      () => stage.keys.get(caller, id),
      () => stage.keys.rotate(caller, id),
      () => stage.keys.revoke(caller, id),
    ];
    for (const act of acts)
      expect(await refused(act)).toBe('forbidden: this needs a key with the scope tenant_admin');
  });

  test.each<[string, Partial<NewKey>, RegExp]>([
    ['no name', { name: '' }, /name: "" is empty/],
    ['a name of a megabyte', { name: 'n'.repeat(1 << 20) }, /name: .* at most 200/],
    ['NUL in its name', { name: 'a\0b' }, /name: .*control/],
    ['no scope', { scopes: [] }, /scopes: at least one/],
    ['an unknown scope', { scopes: ['root' as Scope] }, /scopes: "root" is none of/],
    ['scope spend and no tenant', { labels: {} }, /labels\.tenant: is missing/],
    ['scope admin and a tenant', { scopes: ['admin'] }, /scopes: a key of a tenant/],
    ['every tenant', { labels: { tenant: '*' } }, /labels\.tenant: "\*" stands for every tenant/],
    [
      'a tenant too long to name its ids',
      { labels: { tenant: 'é'.repeat(20) } },
      /is 64 characters too long/,
    ],
    ['a provider', { labels: { tenant: 'a', provider: 'x' } }, /labels\.provider: is decided for each call/],
    ['a caller’s model', { callerLabels: ['model'] }, /callerLabels: "model" is never/],
    ['a caller’s tenant', { callerLabels: ['tenant'] }, /callerLabels: "tenant" is never/],
    ['a name both fixed and free', { labels: { tenant: 'a', x: '1' }, callerLabels: ['x'] }, /"x" is fixed/],
    ['a name twice', { callerLabels: ['x', 'x'] }, /twice/],
    ['a look-alike of a name', { callerLabels: ['uѕer'] }, /is no name/],
    ['a capital', { labels: { tenant: 'a', Tenant: 'b' } }, /is no name/],
    ['__proto__', { labels: JSON.parse('{"tenant":"a","__proto__":"x"}') }, /"__proto__" is no name/],
    ['an invisible character', { labels: { tenant: 'acme\u200b' } }, /labels\.tenant: .*invisible/],
    [
      '31 names',
      { callerLabels: Array.from({ length: 30 }, (_, at) => `n${at}`) },
      /31 labels .* at most 29/,
    ],
  ])('access: a key with %s → invalid_request naming it', async (_what, stated, expected) => {
    const stage = await AccessStage.open();
    const said = await refused(() => stage.key(stated));
    expect(said).toMatch(/^invalid_request: /);
    expect(said).toMatch(expected);
    expect(said.length).toBeLessThan(300);
  });

  test('access: lists → by cursor, the oldest first, each key once', async () => {
    const stage = await AccessStage.open();
    const made: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) made.push((await stage.key({ name })).id);
    await stage.key({ labels: { tenant: 'other' } });
    const { caller: org, id } = await stage.key(ORG);
    const pages: string[][] = [];
    for (let after = ''; ; ) {
      const page = stage.keys.list(org, { max: 2, ...(after === '' ? {} : { after }) });
      pages.push(page.keys.map((key) => key.id));
      if (page.next === null) break;
      after = page.next;
    }
    expect(pages).toEqual([made.slice(0, 2), made.slice(2, 4), [made[4], id]]);
    for (const max of [0, 1_001, 1.5])
      expect(await refused(() => stage.keys.list(org, { max }))).toMatch(/^invalid_request: max/);
  });

  test('access: a tenant with all the keys it may have → the oldest ended one makes room, else conflict', async () => {
    const stage = await AccessStage.open();
    const facts = Array.from({ length: KEYS_PER_TENANT_MAX }, (_, at) =>
      keyFact('key_created', keyOf(String(at).padStart(16, '0'))),
    );
    await stage.ledger.run({ command: 'record_facts' }, { facts });
    expect(await refused(() => stage.key({}))).toMatch(/^conflict: keys: a tenant has at most 10000/);
    await stage.key({ labels: { tenant: 'other' } });
    const ended = '5'.padStart(16, '0');
    await stage.keys.revoke(stage.admin, ended);
    await stage.key({});
    expect(await refused(() => stage.keys.get(stage.admin, ended))).toMatch(/^not_found/);
    expect(await refused(() => stage.key({}))).toMatch(/^conflict/);
  });
});

function keyOf(id: string): KeyRecord {
  return {
    ...{ id, name: 'n', scopes: ['read'], labels: { tenant: 'acme' }, callerLabels: [], createdAt: 1 },
    ...{ createdBy: null, expiresAt: null, amountMaxUsd: null, revokedAt: null, digest: '00'.repeat(32) },
    previous: null,
  };
}
