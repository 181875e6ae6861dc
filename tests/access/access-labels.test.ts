// The labels of a call: what the key fixes cannot be forged, what it does not allow cannot be stated, and what looks
// alike is not the same. And what each scope allows.

import { describe, expect, test } from 'vitest';
import { labelsOfCall, labelsOfGatewayCall } from '#bursar/access/labels.js';
import { hasScope } from '#bursar/access/scopes.js';
import type { Labels } from '#bursar/index.js';
import type { Caller, Scope } from '#bursar/kit/caller.js';
import { refusal } from './access-setup.js';

function caller(stated: Partial<Record<'scopes' | 'callerLabels', string[]>> & { labels?: Labels }): Caller {
  const { scopes = ['spend'], labels = {}, callerLabels = [] } = stated;
  return {
    keyId: 'k',
    scopes: new Set(scopes as Scope[]),
    labels,
    callerLabels: new Set(callerLabels),
    tenant: labels.tenant ?? null,
  };
}

const ACME = caller({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['goal', 'turn'] });
const ADMIN = caller({ scopes: ['admin'] });

describe('access: labels of a call', () => {
  test('access: labels that the key allows → are added to those that it fixes, which may be repeated', () => {
    expect(labelsOfCall(ACME)).toEqual({ tenant: 'acme', user: 'ann' });
    const stated = { goal: 'ship', user: 'ann' };
    const all = { tenant: 'acme', user: 'ann', goal: 'ship' };
    expect(labelsOfCall(ACME, stated)).toEqual(all);
    expect(labelsOfGatewayCall(ACME, { ...stated, tenant: 'acme' })).toEqual(all);
    expect(stated).toEqual({ goal: 'ship', user: 'ann' });
  });

  test.each<[string, Labels]>([
    ['another tenant', { tenant: 'other' }],
    ['another user', { user: 'bob' }],
    ['a look-alike of a fixed value', { tenant: 'аcme' }],
    ['a fixed value with an invisible character', { tenant: 'acme\u200b' }],
    ['a fixed value in capitals', { tenant: 'ACME' }],
    ['an empty value for a fixed label', { tenant: '' }],
    ['no text for a fixed label', { tenant: ['acme'] } as never],
    ['a name that the key does not allow', { agent: 'x' }],
    ['a provider', { provider: 'x' }],
    ['a model', { model: 'x' }],
    ['a look-alike of a name', { tenаnt: 'other' }],
    ['a name in capitals', { Goal: 'x' }],
    ['a name with a space', { 'goal ': 'x' }],
    ['__proto__', JSON.parse('{"__proto__":{"tenant":"other"}}')],
    ['constructor', { constructor: 'x' } as never],
    ['a name with a line break', { 'goal\r\nx': 'y' }],
    ['a name of a megabyte', { ['g'.repeat(1 << 20)]: 'x' }],
  ])('access: a caller states %s → label_forbidden, shortly', (_what, stated) => {
    for (const labelsOf of [labelsOfCall, labelsOfGatewayCall]) {
      const refused = refusal(() => labelsOf(ACME, stated));
      expect(refused).toMatch(/^label_forbidden: the label "/);
      expect(refused.length).toBeLessThan(200);
      expect(refused).not.toMatch(/[\r\n]/);
    }
  });

  test('access: a refusal does not repeat the value that the key fixes', () => {
    expect(refusal(() => labelsOfCall(ACME, { user: 'bob' }))).not.toContain('ann');
  });

  test.each([
    ['empty', ''],
    ['a megabyte', 'x'.repeat(1 << 20)],
    ['NUL', 'a\0'],
    ['no text', 5 as never],
    ['half of a surrogate pair', '\ud800'],
    ['not in normal form C', 'e\u0301'],
  ])('access: an allowed label whose value is %s → invalid_request naming it', (_what, goal) => {
    expect(refusal(() => labelsOfCall(ACME, { goal }))).toMatch(/^invalid_request: labels\.goal: /);
  });

  test('access: an admin states any label, but none that its key fixes; on the gateway not where the call goes', () => {
    const labels = { tenant: 'acme', provider: 'openai', 'X:y': '1' };
    expect(labelsOfCall(ADMIN, labels)).toEqual(labels);
    const desk = caller({ scopes: ['admin'], labels: { user: 'desk' } });
    expect(refusal(() => labelsOfCall(desk, { user: 'ann' }))).toMatch(/^label_forbidden/);
    for (const name of ['tenant', 'provider', 'model'])
      expect(refusal(() => labelsOfGatewayCall(ADMIN, { [name]: 'x' }))).toBe(
        `label_forbidden: the label "${name}" is set by the gateway, never by its caller`,
      );
  });
});

describe('access: scopes', () => {
  test('access: each scope allows itself and what it contains, and no more', () => {
    const all: Scope[] = ['admin', 'tenant_admin', 'spend', 'read'];
    const allowed = (scope: Scope) => all.filter((one) => hasScope(caller({ scopes: [scope] }), one));
    expect(all.map(allowed)).toEqual([all, ['tenant_admin', 'spend', 'read'], ['spend'], ['read']]);
    expect(all.map((scope) => hasScope(caller({ scopes: [] }), scope))).toEqual([false, false, false, false]);
  });
});
