// Access keys on a real store: shown once, kept as hashes, rotated with an overlap, revoked at once, expired; and who may
// make and manage which.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KEYS_PER_TENANT_MAX, OVERLAP_DEFAULT_MS, OVERLAP_MAX_MS } from '#bursar/access/key-ring.js';
import type { NewKey } from '#bursar/access/key-spec.js';
import type { Scope } from '#bursar/kit/caller.js';
import { Access, refusal } from './access-setup.js';

const DAY_MS = 86_400_000;

describe('access: the life of a key', () => {
  test('access: a key → stands for one frozen caller, the same on every request and after a restart', () => {
    const access = new Access();
    const { secret } = access.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['goal'] });
    const caller = access.caller(secret);
    expect(secret).toMatch(/^bur_[0-9A-Za-z]{16}_[A-Za-z0-9_-]{43}$/);
    expect(caller).toMatchObject({ labels: { tenant: 'acme', user: 'ann' }, tenant: 'acme' });
    expect([...caller.scopes]).toEqual(['spend', 'read']);
    expect([...caller.callerLabels]).toEqual(['goal']);
    expect(access.caller(secret)).toBe(caller);
    expect(Object.isFrozen(caller) && Object.isFrozen(caller.labels)).toBe(true);
    access.restart();
    expect(access.caller(secret)).toEqual(caller);
  });

  test('access: no byte of the service’s files has a secret, whatever was done with it', () => {
    const access = new Access();
    const { secret, id } = access.key({});
    const rotated = access.ring.rotate(access.admin, id).secret;
    access.clock.at += 120_000;
    access.caller(rotated);
    const folder = dirname(access.path);
    const bytes = () => Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
    const live = bytes();
    access.restart();
    const atRest = bytes();
    expect(readdirSync(folder)).toContain('service.db');
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

  test('access: rotation with an overlap → both secrets are good until it ends, then the new one alone', () => {
    const access = new Access();
    const { secret: first, id } = access.key({});
    const second = access.ring.rotate(access.admin, id);
    expect(second.key.overlapUntil).toBe(access.clock.at + OVERLAP_DEFAULT_MS);
    access.restart();
    expect(access.caller(first)).toBe(access.caller(second.secret));
    access.clock.at += OVERLAP_DEFAULT_MS - 1;
    access.caller(first);
    access.clock.at += 1;
    expect(access.ring.authenticate(first)).toBeNull();
    access.caller(second.secret);
    expect(access.ring.get(access.admin, id).overlapUntil).toBeNull();
  });

  test('access: a third secret within the overlap → the oldest ends; without an overlap only the new one is good', () => {
    const access = new Access();
    const { secret: first, id } = access.key({});
    const second = access.ring.rotate(access.admin, id, { overlapMs: OVERLAP_MAX_MS }).secret;
    const third = access.ring.rotate(access.admin, id).secret;
    expect(access.ring.authenticate(first)).toBeNull();
    access.caller(second);
    const fourth = access.ring.rotate(access.admin, id, { overlapMs: 0 }).secret;
    for (const old of [second, third]) expect(access.ring.authenticate(old)).toBeNull();
    access.caller(fourth);
    for (const overlapMs of [-1, 0.5, Number.NaN, OVERLAP_MAX_MS + 1])
      expect(refusal(() => access.ring.rotate(access.admin, id, { overlapMs }))).toMatch(
        /^invalid_request: over/,
      );
  });

  test('access: a revoked key → is refused at once, both its secrets, also after a restart, and stays listed', () => {
    const access = new Access();
    const { secret, id, caller } = access.key({});
    const second = access.ring.rotate(access.admin, id).secret;
    expect(access.ring.isInForce(caller)).toBe(true);
    const { revokedAt } = access.ring.revoke(access.admin, id);
    expect(access.ring.isInForce(caller)).toBe(false);
    for (const restarted of [false, true]) {
      if (restarted) access.restart();
      expect(access.ring.authenticate(secret)).toBeNull();
      expect(access.ring.authenticate(second)).toBeNull();
    }
    access.clock.at += 1;
    expect(access.ring.revoke(access.admin, id).revokedAt).toBe(revokedAt);
    expect(access.ring.list(access.admin).keys.map((key) => key.id)).toContain(id);
    expect(refusal(() => access.ring.rotate(access.admin, id))).toMatch(/^conflict/);
  });

  test('access: an expiry → the key is good until that instant and not at it', () => {
    const access = new Access();
    const { secret } = access.key({ expiresAt: access.clock.at + DAY_MS });
    access.clock.at += DAY_MS - 1;
    access.caller(secret);
    access.clock.at += 1;
    expect(access.ring.authenticate(secret)).toBeNull();
    for (const expiresAt of [access.clock.at, 1.5, Number.POSITIVE_INFINITY])
      expect(refusal(() => access.key({ expiresAt }))).toMatch(/^invalid_request: expiresAt/);
  });

  test('access: the last use → is kept to the minute, and written when the ring closes', () => {
    const access = new Access();
    const { secret, id } = access.key({});
    const usedAt = access.clock.at;
    access.clock.at += 59_999;
    access.caller(secret);
    expect(access.ring.get(access.admin, id).lastUsedAt).toBe(usedAt);
    access.clock.at += 1;
    access.caller(secret);
    access.restart();
    expect(access.ring.get(access.admin, id).lastUsedAt).toBe(usedAt + 60_000);
  });

  test('access: the first start → an admin’s key and a demo tenant’s, once; a key that was revoked counts too', () => {
    const access = new Access();
    expect(access.ring.firstKeys({ demo: true })).toBeNull();
    const fresh = new FreshAccess();
    const keys = fresh.ring.firstKeys({ demo: true });
    expect([...fresh.caller(keys?.admin.secret ?? '').scopes]).toEqual(['admin']);
    const demo = fresh.caller(keys?.demo?.secret ?? '');
    expect(demo).toMatchObject({ tenant: 'demo', labels: { tenant: 'demo' } });
    fresh.restart();
    expect(fresh.ring.firstKeys({ demo: true })).toBeNull();
    const own = new FreshAccess();
    const { admin, demo: none } = own.ring.firstKeys({ demo: false }) ?? {};
    expect(none).toBeNull();
    expect(own.ring.list(own.caller(admin?.secret ?? '')).keys).toHaveLength(1);
  });

  test('access: an admin key made offline beside a running server → the server takes it', () => {
    const access = new Access();
    const { secret } = access.another().createOffline('locked out');
    const unknown = `bur_${'x'.repeat(16)}_${'y'.repeat(43)}`;
    expect(access.ring.authenticate(unknown)).toBeNull();
    access.clock.at += 1_000;
    expect([...access.caller(secret).scopes]).toEqual(['admin']);
  });
});

/** One whose store had no key yet. */
class FreshAccess extends Access {
  constructor() {
    super();
    this.store.transaction(() => this.store.prepare('DELETE FROM access_keys').run());
    this.restart();
  }
}

describe('access: what is no key', () => {
  test('access: anything else than the text given out → nobody, and no error', () => {
    const access = new Access();
    const { secret, id } = access.key({});
    const other = access.key({}).secret;
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
    for (const text of forged) expect(access.ring.authenticate(text)).toBeNull();
    access.caller(secret);
  });

  test('access: an unknown id → costs what a known one costs, within a factor of two', () => {
    const access = new Access();
    const { secret } = access.key({});
    const wrong = `${secret.slice(0, 21)}${'A'.repeat(43)}`;
    const unknown = `bur_${'0'.repeat(16)}_${'A'.repeat(43)}`;
    const cost = (text: string) => {
      const begun = process.hrtime.bigint();
      for (let round = 0; round < 2_000; round += 1) access.ring.authenticate(text);
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

  test('access: a tenant’s admin → makes keys within its own, and sees, rotates and revokes them', () => {
    const access = new Access();
    const { caller: org } = access.key(ORG);
    const made = access.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['agent'] }, org);
    expect(access.ring.get(org, made.id)).toMatchObject({
      createdBy: org.keyId,
      lastUsedAt: access.clock.at,
    });
    access.caller(access.ring.rotate(org, made.id).secret);
    access.ring.revoke(org, made.id);
    expect(access.ring.authenticate(made.secret)).toBeNull();
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
  ])('access: a tenant’s admin makes a key with %s → forbidden', (_what, stated, expected) => {
    const access = new Access();
    const expiresAt = access.clock.at + DAY_MS;
    const { caller: org } = access.key({ ...ORG, labels: { tenant: 'acme', team: 'red' }, expiresAt });
    const key = { labels: { tenant: 'acme', team: 'red' }, expiresAt };
    access.key(key, org);
    expect(refusal(() => access.key({ ...key, ...stated }, org))).toMatch(expected);
  });

  test('access: a tenant’s admin rotates a key that can more than its own → forbidden, for it would have that key', () => {
    const access = new Access();
    const { caller: org } = access.key(ORG);
    const { id, secret } = access.key({ callerLabels: ['cost'] });
    expect(refusal(() => access.ring.rotate(org, id))).toMatch(/^forbidden: labels\.cost/);
    access.caller(secret);
    access.ring.revoke(org, id);
    expect(access.ring.authenticate(secret)).toBeNull();
  });

  test('access: another tenant’s key → the answer is that of an unknown one, whatever is asked', () => {
    const access = new Access();
    const { caller: org } = access.key(ORG);
    const other = access.key({ labels: { tenant: 'other' } });
    const unknown = '0'.repeat(16);
    const asked = (id: string) =>
      [
        refusal(() => access.ring.get(org, id)),
        refusal(() => access.ring.rotate(org, id)),
        refusal(() => access.ring.revoke(org, id)),
        refusal(() => access.ring.list(org, { after: id })),
      ].map((text) => text.replaceAll(id, 'ID'));
    expect(asked(other.id)).toEqual(asked(unknown));
    expect(asked(other.id)).toEqual(new Array(4).fill('not_found: there is no key "ID"'));
    expect(asked(access.admin.keyId)).toEqual(asked(unknown));
    access.caller(other.secret);
    expect(access.ring.list(org).keys.map(({ labels }) => labels.tenant)).toEqual(['acme']);
  });

  test('access: keys that only spend or read → make, see and end none', () => {
    const access = new Access();
    const { caller, id } = access.key({});
    const acts = [
      () => access.key({}, caller),
      () => access.ring.list(caller),
      () => access.ring.get(caller, id),
      () => access.ring.rotate(caller, id),
      () => access.ring.revoke(caller, id),
    ];
    for (const act of acts)
      expect(refusal(act)).toBe('forbidden: this needs a key with the scope tenant_admin');
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
  ])('access: a key with %s → invalid_request naming it', (_what, stated, expected) => {
    const access = new Access();
    const refused = refusal(() => access.key(stated));
    expect(refused).toMatch(/^invalid_request: /);
    expect(refused).toMatch(expected);
    expect(refused.length).toBeLessThan(300);
  });

  test('access: lists → by cursor, the oldest first, each key once', () => {
    const access = new Access();
    const made = ['a', 'b', 'c', 'd', 'e'].map((name) => access.key({ name }).id);
    access.key({ labels: { tenant: 'other' } });
    const { caller: org, id } = access.key(ORG);
    const pages: string[][] = [];
    for (let after = ''; ; ) {
      const page = access.ring.list(org, { max: 2, ...(after === '' ? {} : { after }) });
      pages.push(page.keys.map((key) => key.id));
      if (page.next === null) break;
      after = page.next;
    }
    expect(pages).toEqual([made.slice(0, 2), made.slice(2, 4), [made[4], id]]);
    for (const max of [0, 1_001, 1.5])
      expect(refusal(() => access.ring.list(org, { max }))).toMatch(/^invalid_request: max/);
  });

  test('access: a tenant with all the keys it may have → the oldest ended one makes room, else conflict', () => {
    const access = new Access();
    const insert = access.store.prepare(
      `INSERT INTO access_keys (id, tenant, name, scopes, labels, caller_labels, created_at, digest)
       VALUES (?, 'acme', 'n', '["read"]', '{"tenant":"acme"}', '[]', 1, ?)`,
    );
    access.store.transaction(() => {
      for (let at = 0; at < KEYS_PER_TENANT_MAX; at += 1)
        insert.run(String(at).padStart(16, '0'), Buffer.alloc(32));
    });
    access.restart();
    expect(refusal(() => access.key({}))).toMatch(/^conflict: keys: a tenant has at most 10000/);
    access.key({ labels: { tenant: 'other' } });
    const ended = '5'.padStart(16, '0');
    access.ring.revoke(access.admin, ended);
    access.key({});
    expect(refusal(() => access.ring.get(access.admin, ended))).toMatch(/^not_found/);
    expect(refusal(() => access.key({}))).toMatch(/^conflict/);
  });
});
