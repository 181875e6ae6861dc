// No tenant sees or touches another's data over HTTP (rule T8): on every route an id of another tenant's is answered as one
// that nobody has, and no list, event, metric or message shows what is not the caller's.

import { beforeEach, describe, expect, test } from 'vitest';
import { type Answer, type Asked, HttpStage, said } from './http-setup.js';

let stage: HttpStage;
beforeEach(async () => {
  stage = await HttpStage.open();
  const spec = { unit: 'usd', limit: '50', window: 'day' };
  await stage.ask('PUT', '/v1/budgets/mine', {
    key: stage.keys.acme,
    body: { match: { tenant: 'acme' }, ...spec },
  });
  await stage.hold('acme', 'theirs', '7.77');
  await stage.post('/v1/holds/theirs/settle', { amounts: { usd: '3.33' } }, { key: stage.keys.acme });
  await stage.hold('acme', 'open', '5.55');
});

/** An answer without what differs between any two requests. */
function withoutIds(answer: Answer, ...ids: string[]): string {
  let text = `${answer.status} ${answer.text}`;
  for (const id of ids) text = text.replaceAll(id, 'ID');
  return text.replaceAll(/"(?:requestId|eventId|at)":"[^"]*"/g, '').replaceAll(/"sequence":\d+/g, '');
}

/** Every route that takes an id, with a body that its schema takes. */
// Events first: what was refused afterwards is the asker's own.
const ROUTES: readonly [string, string, unknown?][] = [
  ['GET', '/v1/events?holdId=ID'],
  ['GET', '/v1/holds/ID'],
  ['POST', '/v1/holds/ID/extend', { ttlMs: 2_000_000 }],
  ['POST', '/v1/holds/ID/release', {}],
  ['POST', '/v1/holds/ID/reverse', {}],
  ['POST', '/v1/holds/ID/settle', { amounts: { usd: '1' } }],
  ['POST', '/v1/holds/ID/correct', { amounts: { usd: '1' }, reason: 'r' }],
  ['GET', '/v1/budgets/ID'],
  ['POST', '/v1/budgets/ID/status', { status: 'paused' }],
  ['POST', '/v1/budgets/ID/top-up', { amount: '1' }],
  ['POST', '/v1/budgets/ID/exhaust', {}],
  ['POST', '/v1/budgets/ID/balance-limit', { limit: '1' }],
  ['GET', '/v1/keys/ID'],
  ['POST', '/v1/keys/ID/rotate', {}],
  ['POST', '/v1/keys/ID/revoke', {}],
  ['GET', '/v1/decisions/ID'],
  ['GET', '/v1/balances?budgetId=ID'],
  ['POST', '/v1/batch', { commands: [{ command: 'settle_hold', holdId: 'ID', amounts: { usd: '1' } }] }],
  ['POST', '/v1/definitions', { close: ['ID'] }],
];

describe('http: another tenant’s ids', () => {
  test('on every route they are answered as ids that nobody has, and nothing of the other’s is changed', async () => {
    const keys = await stage.get('/v1/keys');
    const keyOf = (tenant: string) =>
      keys.body.items.find((one: { tenant: string }) => one.tenant === tenant).id;
    const events = await stage.get('/v1/events?type=hold_authorized');
    const before = await stage.get('/v1/holds', stage.keys.acme);
    const budgets = await stage.get('/v1/budgets', stage.keys.acme);
    for (const [method, path, body] of ROUTES) {
      const ids = path.includes('keys')
        ? [keyOf('acme'), 'AAAAAAAAAAAAAAAA']
        : path.includes('decisions')
          ? [`dec-${events.body.items[0].sequence}`, 'dec-99999']
          : ['open', 'nothing'];
      const ask = (id: string) => {
        const asked: Asked = { key: stage.keys.other };
        const sent = body === undefined ? {} : { body: JSON.parse(JSON.stringify(body).replace('ID', id)) };
        return stage.ask(method, path.replace('ID', encodeURIComponent(id)), { ...asked, ...sent });
      };
      const [theirs, nobodys] = [await ask(ids[0]), await ask(ids[1])];
      expect([path, withoutIds(theirs, ids[0])]).toEqual([path, withoutIds(nobodys, ids[1])]);
      // Its full id says no more to a tenant than any other text does.
      const full = await ask('tenant/acme/open');
      const isList = /balances|events/.test(path);
      if (isList) expect([path, full.body.items]).toEqual([path, []]);
      else expect([path, full.status]).toEqual([path, 404]);
    }
    expect((await stage.get('/v1/holds', stage.keys.acme)).body).toEqual(before.body);
    expect((await stage.get('/v1/budgets', stage.keys.acme)).body).toEqual(budgets.body);
  });

  test('lists, events, checks and denials show nothing of the other tenant’s, nor the figures of the platform’s budgets', async () => {
    const key = stage.keys.other;
    const denied = await stage.post('/v1/holds', { holdId: 'd', amounts: { usd: '99' } }, { key });
    expect(denied.body.lines).toContainEqual(
      expect.objectContaining({ budgetId: 'all', scope: 'platform', violated: 'limit' }),
    );
    const shown = [denied.text];
    for (const path of ['holds', 'budgets', 'balances?current=false', 'grants', 'events', 'keys', 'units'])
      shown.push((await stage.get(`/v1/${path}`, key)).text);
    shown.push((await stage.post('/v1/check', { amounts: { usd: '99' } }, { key })).text);
    shown.push((await stage.get(`/v1/decisions/${denied.body.decision_id}`, key)).text);
    for (const secret of ['acme', '7.77', '3.33', '5.55', '8.88', 'theirs'])
      expect([secret, shown.filter((text) => text.includes(secret))]).toEqual([secret, []]);
    const own = (await stage.get('/v1/events', key)).body.items.map((one: { type: string }) => one.type);
    expect(own).toContain('hold_denied');
  });

  test('the platform sees both, under their full ids', async () => {
    await stage.hold('other', 'open');
    const { body } = await stage.get('/v1/holds?status=open');
    expect(body.items.map(({ holdId }: { holdId: string }) => holdId)).toEqual([
      'tenant/acme/open',
      'tenant/other/open',
    ]);
    const path = `/v1/holds/${encodeURIComponent('tenant/acme/open')}/settle`;
    expect((await stage.post(path, { amounts: { usd: '1' } })).body).toMatchObject({
      holdId: 'tenant/acme/open',
    });
    expect(said(await stage.get('/v1/holds/tenant/acme/open'))).toBe('404 not_found');
  });
});
