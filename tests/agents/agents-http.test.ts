import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { type Answer, HttpStage, said } from '../http/http-setup.js';
import { runInProcess } from '../setup/server-in-process.js';

let stage: HttpStage;
beforeEach(async () => {
  stage = await HttpStage.open();
});
afterEach(() => stage.remove());

async function made(key: string, body: object): Promise<{ id: string; key: string; answer: Answer }> {
  const answer = await stage.post('/v1/agents', { name: 'an agent', ...body }, { key });
  expect(said(answer)).toBe('201');
  return { id: answer.body.id, key: answer.body.key, answer };
}

const figures = async (id: string, key: string) => (await stage.get(`/v1/agents/${id}`, key)).body.figures[0];

describe('agents over HTTP', () => {
  test('field problems 39 and 40: a tree from root to grandchild, each with a key by its parent’s key alone, in decimals', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const child = await made(root.key, { mode: 'carved', limits: { usd: '4.5' } });
    const grandchild = await made(child.key, { mode: 'shared', limits: { usd: '1' } });
    const hold = (key: string, holdId: string, usd: string) =>
      stage.post('/v1/holds', { holdId, amounts: { usd } }, { key });
    expect(said(await hold(grandchild.key, 'a', '0.75'))).toBe('201');
    expect(said(await hold(grandchild.key, 'b', '0.26'))).toMatch(/^429 budget_held/);
    expect(
      said(await stage.post('/v1/holds/a/settle', { amounts: { usd: '0.5' } }, { key: grandchild.key })),
    ).toBe('200');
    expect(await figures('self', grandchild.key)).toEqual({
      unit: 'usd',
      limit: '1',
      used: '0.5',
      held: '0',
      left: '0.5',
      returned: '0',
      available: '0.5',
    });
    expect(await figures(root.id, stage.keys.acme)).toEqual({
      unit: 'usd',
      limit: '10',
      used: '0.5',
      held: '4',
      left: '5.5',
      returned: '0',
      available: '5.5',
    });
    const listed = await stage.get('/v1/agents', stage.keys.acme);
    expect(listed.body.items.map(({ id, depth }: { id: string; depth: number }) => [id, depth])).toEqual([
      [root.id, 0],
      [child.id, 1],
      [grandchild.id, 2],
    ]);
    const revoked = await stage.post(`/v1/agents/${child.id}/revoke`, {}, { key: root.key });
    expect(revoked.body).toMatchObject({ state: 'revoked', children: 0 });
    expect(said(await hold(grandchild.key, 'c', '0.01'))).toBe('401 invalid_api_key');
    expect(await figures(root.id, stage.keys.acme)).toMatchObject({ used: '0.5', held: '0', left: '9.5' });
  });

  test('a child that does not fit is 402 with the figures that say why, and nothing was set aside', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const large = await stage.post(
      '/v1/agents',
      { name: 'x', mode: 'carved', limits: { usd: '11' } },
      { key: root.key },
    );
    expect(said(large)).toBe('402 request_exceeds_budget');
    await made(root.key, { mode: 'carved', limits: { usd: '10' } });
    const more = await stage.post(
      '/v1/agents',
      { name: 'x', mode: 'carved', limits: { usd: '1' } },
      { key: root.key },
    );
    expect(more.body).toMatchObject({
      code: 'budget_exhausted',
      requested: '1',
      limit: '10',
      spent: '0',
      held: '10',
    });
    expect(more.headers.get('x-should-retry')).toBe('false');
    expect(await figures(root.id, stage.keys.acme)).toMatchObject({ held: '10', left: '0' });
  });

  test('parallel requests carve no more than there is, and close gives each back once', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const ask = () =>
      stage.post('/v1/agents', { name: 'x', mode: 'carved', limits: { usd: '3' } }, { key: root.key });
    const answers = await Promise.all(Array.from({ length: 8 }, ask));
    const ids = answers.filter(({ status }) => status === 201).map(({ body }) => body.id);
    expect(ids).toHaveLength(3);
    await Promise.all(
      [...ids, ...ids].map((id) => stage.post(`/v1/agents/${id}/close`, {}, { key: root.key })),
    );
    expect(await figures(root.id, stage.keys.acme)).toMatchObject({ used: '0', held: '0', left: '10' });
  });

  test('revoking an agent’s key as a key revokes the agent and all below it; another tenant’s admin revokes nothing', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const child = await made(root.key, { mode: 'carved', limits: { usd: '4' } });
    const { keyId } = root.answer.body;
    const revoke = (key: string) => stage.post(`/v1/keys/${keyId}/revoke`, {}, { key });
    expect(said(await revoke(stage.keys.other))).toMatch(/^404 not_found/);
    expect((await stage.get('/v1/agents/self', child.key)).status).toBe(200);
    for (const _ of ['first', 'again']) expect(said(await revoke(stage.keys.acme))).toBe('200');
    expect(said(await stage.get('/v1/agents/self', child.key))).toBe('401 invalid_api_key');
    for (const { id } of [root, child])
      expect((await stage.get(`/v1/agents/${id}`, stage.keys.acme)).body.state).toBe('revoked');
  });

  test('create, its answer lost: the same request is answered with the same agent, and a new key for it is asked for', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const ask = (body: object, key: string, idempotencyKey = 'make-it') =>
      stage.post('/v1/agents', { name: 'x', mode: 'carved', ...body }, { key, idempotencyKey });
    const lost = await ask({ limits: { usd: '4' } }, root.key);
    const again = await ask({ limits: { usd: '4.00' } }, root.key);
    expect([said(lost), said(again)]).toEqual(['201', '200']);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual({ ...lost.body, key: null });
    expect(await figures(root.id, stage.keys.acme)).toMatchObject({ held: '4', left: '6' });
    // Another agent under the same key is no repeat; and whoever else uses the same text asks for something else.
    expect(said(await ask({ limits: { usd: '5' } }, root.key))).toBe(
      '422 idempotency_key_reused Idempotency-Key',
    );
    const renew = (id: string, key: string, body: object = {}) =>
      stage.post(`/v1/agents/${id}/key`, body, { key });
    const renewed = await renew(lost.body.id, root.key, { overlapMs: 0 });
    expect([said(renewed), renewed.body.keyId]).toEqual(['200', lost.body.keyId]);
    expect(said(await stage.get('/v1/agents/self', lost.body.key))).toBe('401 invalid_api_key');
    expect((await stage.get('/v1/agents/self', renewed.body.key)).body.id).toBe(lost.body.id);
    const below = await ask({ limits: { usd: '1' } }, renewed.body.key);
    expect([said(below), below.body.parent]).toEqual(['201', lost.body.id]);
    // With an overlap both are good; by the agent itself too, and by nobody beside or of another tenant.
    const both = await renew(below.body.id, below.body.key);
    for (const key of [below.body.key, both.body.key])
      expect((await stage.get('/v1/agents/self', key)).status).toBe(200);
    expect(said(await renew(lost.body.id, below.body.key))).toBe('404 not_found id');
    expect(said(await renew(lost.body.id, stage.keys.other))).toBe('404 not_found id');
    expect(said(await renew(lost.body.id, root.key, { overlapMs: -1 }))).toMatch(/^400/);
    // An administrator gets no key that can more, or lives longer, than its own.
    const expiresAt = new Date(stage.clock.at + 60_000).toISOString();
    const admin = { name: 'for a minute', scopes: ['tenant_admin'], labels: { tenant: 'acme' }, expiresAt };
    const brief = (await stage.post('/v1/keys', admin)).body.key;
    expect(said(await renew(lost.body.id, brief))).toBe('403 forbidden expiresAt');
    expect(said(await renew(lost.body.id, stage.keys.acme))).toBe('200');
    await stage.post(`/v1/agents/${lost.body.id}/revoke`, {}, { key: root.key });
    expect(said(await renew(lost.body.id, root.key))).toBe('409 conflict');
    // Ended since: told so, and no second one is made.
    expect((await ask({ limits: { usd: '4' } }, root.key)).body).toMatchObject({
      ...{ id: lost.body.id, state: 'revoked', key: null },
    });
  });

  test('create, asked for many times at once with one Idempotency-Key: one agent', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        stage.post(
          '/v1/agents',
          { name: 'x', mode: 'carved', limits: { usd: '2' } },
          { key: root.key, idempotencyKey: 'k' },
        ),
      ),
    );
    const codes = answers.map(said);
    expect(codes.filter((code) => code === '201')).toHaveLength(1);
    for (const code of codes) expect(code).toMatch(/^(201|200|409 idempotency_key_in_flight)/);
    expect(await figures(root.id, stage.keys.acme)).toMatchObject({ held: '2', left: '8' });
  });

  test('create: an administrator of one part of a tenant learns nothing of another’s by its Idempotency-Key', async () => {
    const part = (team: string) =>
      stage.key({ scopes: ['tenant_admin'], labels: { tenant: 'acme', team }, callerLabels: [] });
    const ask = (key: string) =>
      stage.post('/v1/agents', { name: 'x', limits: { usd: '1' } }, { key, idempotencyKey: 'same' });
    const first = await ask(await part('red'));
    const other = await ask(await part('blue'));
    expect([said(first), said(other)]).toEqual(['201', '422 idempotency_key_reused Idempotency-Key']);
    expect(JSON.stringify(other.body)).not.toContain(first.body.id);
  });

  test('what is refused says which field, and another tenant’s agent is not found', async () => {
    const ask = async (body: object, key = stage.keys.acme) =>
      said(await stage.post('/v1/agents', { name: 'x', ...body }, { key }));
    expect(await ask({ limits: {} })).toBe('400 invalid_request limits');
    expect(await ask({ limits: { usd: '1', euro: '1' } })).toMatch(/^400 invalid_request/);
    expect(await ask({ limits: { usd: '1' }, scopes: ['admin'] })).toMatch(/^400/);
    expect(await ask({ limits: { usd: '1' }, labels: { 'agent.0': 'x' } })).toMatch(/^403 label_forbidden/);
    expect(await ask({ limits: { usd: '1' } }, await stage.key({ labels: { tenant: 'acme' } }))).toBe(
      '403 forbidden',
    );
    const { id } = await made(stage.keys.acme, { limits: { usd: '1' } });
    for (const path of [id, `${id}/revoke`]) {
      const answer =
        path === id
          ? stage.get(`/v1/agents/${path}`, stage.keys.other)
          : stage.post(`/v1/agents/${path}`, {}, { key: stage.keys.other });
      expect(said(await answer)).toBe('404 not_found id');
    }
  });

  test('the command line makes an agent once for a command id, and gives its key anew', async () => {
    const cli = async (line: string, key = stage.keys.acme) =>
      (await runInProcess(line, { url: stage.url, key })).stdout;
    const create = 'agents create --name planner --limit usd=5 --command-id once';
    const made = JSON.parse(await cli(`${create} --json`));
    expect(await cli(create)).toContain(`agents key ${made.id}`);
    const renewed = JSON.parse(await cli(`agents key ${made.id} --overlap 0s --json`));
    expect(JSON.parse(await cli('agents show self --json', renewed.key)).id).toBe(made.id);
    expect(said(await stage.get('/v1/agents/self', made.key))).toBe('401 invalid_api_key');
  });

  test('limits are raised over HTTP, by the client and on the command line; what is not there is 402 with figures', async () => {
    const root = await made(stage.keys.acme, { limits: { usd: '10' } });
    const child = await made(root.key, { mode: 'carved', limits: { usd: '4' } });
    const raise = (id: string, usd: string, key: string) =>
      stage.post(`/v1/agents/${id}/raise`, { limits: { usd } }, { key });
    const large = await raise(child.id, '11', root.key);
    expect(said(large)).toBe('402 budget_exhausted');
    expect(large.body).toMatchObject({ requested: '7', limit: '10', spent: '0', held: '4' });
    expect(said(await raise(root.id, '12', root.key))).toBe('403 forbidden');
    expect(said(await raise(root.id, '12', stage.keys.other))).toBe('404 not_found id');
    expect(said(await raise(child.id, '3', root.key))).toBe('409 conflict limits.usd');
    const raised = await raise(root.id, '12.5', stage.keys.acme);
    expect(raised.body.figures[0]).toMatchObject({ limit: '12.5', held: '4', left: '8.5' });
    const client = new BursarClient({ baseUrl: stage.url, apiKey: root.key });
    expect((await client.agents.raise(child.id, { usd: '5' })).figures[0]).toMatchObject({ limit: '5' });
    const line = `agents raise ${child.id} --limit usd=12.5`;
    const shown = await runInProcess(line, { url: stage.url, key: root.key });
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining('12.5')]);
    expect(await figures(root.id, stage.keys.acme)).toMatchObject({ held: '12.5', left: '0' });
  });

  test('the client makes, lists, shows, closes and revokes', async () => {
    const admin = new BursarClient({ baseUrl: stage.url, apiKey: stage.keys.acme });
    const { key, id } = await admin.agents.create({ name: 'planner', limits: { usd: '5' } });
    const planner = new BursarClient({ baseUrl: stage.url, apiKey: key ?? '' });
    const asked = { name: 'again', limits: { usd: '1' } };
    const once = { idempotencyKey: 'once' };
    const first = await admin.agents.create(asked, once);
    expect((await admin.agents.create(asked, once)).key).toBe(null);
    expect((await admin.agents.renewKey(first.id)).key).toMatch(/^bur_/);
    await admin.agents.revoke(first.id);
    const child = await planner.agents.create({ name: 'searcher', mode: 'carved', limits: { usd: '2' } });
    expect((await planner.agents.get('self')).figures[0]).toMatchObject({ held: '2', left: '3' });
    expect((await planner.agents.close(child.id)).state).toBe('closed');
    for await (const agent of admin.agents.all()) expect([id, child.id, first.id]).toContain(agent.id);
    expect((await admin.agents.revoke(id)).state).toBe('revoked');
  });
});
