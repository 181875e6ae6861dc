// Every route of the HTTP API once as it is meant: what is asked, what is answered, what then is true of the ledger.

import { beforeEach, describe, expect, test } from 'vitest';
import { HttpStage, said } from './http-setup.js';

let stage: HttpStage;
beforeEach(async () => {
  stage = await HttpStage.open();
});

describe('http: holds', () => {
  test('authorise, extend, release a part, settle, correct: each answer has the figures after it', async () => {
    const opened = await stage.hold('acme', 'h1', '10');
    expect(opened.status).toBe(201);
    expect(opened.body).toMatchObject({
      outcome: 'authorized',
      holdId: 'h1',
      verdict: 'within',
      holdStatus: 'open',
      replayed: false,
      guarantee: 'single_node_atomic',
    });
    const each = opened.body.lines.find((line: { budgetId: string }) => line.budgetId === 'each');
    expect(each).toMatchObject({ granted: '100', held: '10', spent: '0', remaining: '90', requested: '10' });
    expect(each.resetsAt).toBe(each.window.end);
    expect(opened.headers.get('ratelimit')).toMatch(/^"each";r=9000000000;t=\d+$/);
    expect(opened.headers.get('ratelimit-policy')).toBe(
      '"each";q=10000000000;w=86400;bursar-unit="usd";bursar-scale=8',
    );

    const key = stage.keys.acme;
    const extended = await stage.post('/v1/holds/h1/extend', { add: { usd: '5' } }, { key });
    expect(extended).toMatchObject({ status: 200, body: { outcome: 'done', event: 'hold_extended' } });
    const released = await stage.post('/v1/holds/h1/release', { amounts: { usd: 3 } }, { key });
    expect(released).toMatchObject({ status: 200, body: { event: 'hold_released' } });
    const settled = await stage.post(
      '/v1/holds/h1/settle',
      { amounts: { usd: '0.25' }, usage: { inputTokens: 7 }, outcome: 'completed', note: 'p1' },
      { key },
    );
    expect(settled.body).toMatchObject({
      outcome: 'settled',
      charged: { usd: '0.25', calls: '1' },
      returned: { usd: '11.75', calls: '0' },
    });
    const corrected = await stage.post(
      '/v1/holds/h1/correct',
      { amounts: { usd: '0.2' }, reason: 'invoice' },
      { key },
    );
    expect(corrected.body).toMatchObject({ event: 'hold_corrected', charged: { usd: '0.2' } });
    const { body } = await stage.get('/v1/holds/h1', key);
    expect(body).toMatchObject({
      holdId: 'h1',
      status: 'settled',
      ending: 'completed',
      charged: { usd: '0.2' },
    });
    expect(await stage.ledger.verify()).toMatchObject({ ok: true });
  });

  test('an untouched hold is reversed; one without an id is named by its Idempotency-Key', async () => {
    const opened = await stage.post(
      '/v1/holds',
      { amounts: { usd: '1' } },
      {
        key: stage.keys.acme,
        idempotencyKey: '"order 17"',
      },
    );
    expect(opened.body.holdId).toMatch(/^idem-sha256:[\w-]{43}$/);
    const plain = await stage.post(
      '/v1/holds',
      { amounts: { usd: '1' } },
      {
        key: stage.keys.acme,
        idempotencyKey: 'order-18',
      },
    );
    expect(plain.body.holdId).toBe('idem:order-18');
    const reversed = await stage.ask('POST', '/v1/holds/idem:order-18/reverse', { key: stage.keys.acme });
    expect(reversed).toMatchObject({
      status: 200,
      body: { event: 'hold_reversed', holdId: 'idem:order-18' },
    });
  });

  test('candidates, grants, leases, expiry and overrun policies reach the ledger as they are stated', async () => {
    const lease = { authorityId: 'a', leaseId: 'l', epoch: 3 };
    const { status, body } = await stage.post('/v1/holds', {
      holdId: 'full',
      labels: { tenant: 'acme' },
      amounts: { usd: '500' },
      candidates: [{ labels: { model: 'big' } }, { labels: { model: 'small' }, amounts: { usd: '2' } }],
      require: ['tenant'],
      ttlMs: 60_000,
      onExpiry: { charge: { usd: '1.5' } },
      overrun: { cap: { tolerancePercent: 10 } },
      grants: [{ capability: 'c', grant: 'g', unit: 'usd', maxCalls: 2, maxPerHold: '3', maxTotal: 4 }],
      authority: lease,
      note: 'why',
    });
    expect([status, body.candidate, body.skipped[0].reason]).toEqual([201, 1, 'too_large']);
    expect((await stage.get('/v1/holds/full')).body).toMatchObject({
      labels: { tenant: 'acme', model: 'small' },
      authority: lease,
      held: { usd: '2' },
    });
    const { body: grants } = await stage.get('/v1/grants');
    expect(grants.items).toContainEqual(
      expect.objectContaining({ unit: 'usd', values: { capability: 'c', grant: 'g' }, held: '2' }),
    );
    stage.clock.at += 60_001;
    expect((await stage.get('/v1/holds/full')).body).toMatchObject({
      status: 'expired',
      charged: { usd: '1.5' },
    });
    const { body: events } = await stage.get('/v1/events?type=hold_authorized');
    expect(events.items[0].details).toMatchObject({
      note: 'why',
      onExpiry: { charge: { usd: '1.5' } },
      overrun: { cap: { tolerancePercent: 10 } },
    });
  });

  test('spend is booked to the instant stated; check tells and changes nothing', async () => {
    const at = new Date(stage.clock.at - 1_000).toISOString();
    const spent = await stage.post(
      '/v1/spend',
      { labels: { user: 'u' }, amounts: { usd: '30' }, occurredAt: at },
      { key: stage.keys.acme },
    );
    expect(spent).toMatchObject({
      status: 201,
      body: { event: 'spend_recorded', charged: { usd: '30', calls: '1' } },
    });
    const before = await stage.get('/v1/head');
    const { body } = await stage.post('/v1/check', { amounts: { usd: '71' } }, { key: stage.keys.acme });
    expect(body).toMatchObject({ fits: false, reason: 'exhausted', verdict: 'within' });
    expect(body.lines).toContainEqual(
      expect.objectContaining({ budgetId: 'each', spent: '30', violated: 'limit' }),
    );
    expect((await stage.get('/v1/head')).body).toEqual(before.body);
  });

  test('a batch is one group: later commands see the earlier ones, each with the answer of its own route', async () => {
    const { body } = await stage.post(
      '/v1/batch',
      {
        commands: [
          { command: 'authorize_hold', holdId: 'b1', amounts: { usd: '60' } },
          { command: 'authorize_hold', holdId: 'b2', amounts: { usd: '60' } },
          { command: 'settle_hold', holdId: 'b1', amounts: { usd: '1' } },
          { command: 'release_hold', holdId: 'gone' },
          { command: 'record_spend', amounts: { usd: '2' } },
          { command: 'reverse_hold', holdId: 'b1' },
          { command: 'extend_hold', holdId: 'b1', ttlMs: 1 },
          { command: 'correct_hold', holdId: 'b1', amounts: { usd: '3' }, reason: 'r' },
        ],
      },
      { key: stage.keys.acme },
    );
    const answers = body.outcomes.map((one: { status: number; body: { outcome: string; code?: string } }) =>
      [one.status, one.body.outcome, one.body.code].join(' ').trim(),
    );
    expect(answers).toEqual([
      '201 authorized',
      '429 denied budget_held',
      '200 settled',
      '404 rejected hold_not_found',
      '201 settled',
      '409 rejected hold_already_settled',
      '409 rejected hold_already_settled',
      '200 settled',
    ]);
  });
});

describe('http: batch', () => {
  test('answers are brief unless asked for in full, which is what the own route answers', async () => {
    const key = stage.keys.acme;
    const commands = [{ command: 'authorize_hold', holdId: 'b', amounts: { usd: '1' } }];
    const brief = await stage.post('/v1/batch', { commands }, { key });
    expect(brief.body.outcomes).toEqual([
      {
        status: 201,
        body: {
          outcome: 'authorized',
          holdId: 'b',
          sequence: expect.any(Number),
          replayed: false,
          decisionId: expect.stringMatching(/^dec-/),
          candidate: null,
          expiresAt: expect.stringMatching(/Z$/),
        },
      },
    ]);
    const full = await stage.post(
      '/v1/batch',
      { commands: [{ ...commands[0], holdId: 'c' }], answer: 'full' },
      { key },
    );
    const alone = await stage.hold('acme', 'd');
    expect(Object.keys(full.body.outcomes[0].body).sort()).toEqual(Object.keys(alone.body).sort());
    const bad = await stage.post('/v1/batch', { commands: [commands[0], { command: 'top_up' }] }, { key });
    expect(said(bad)).toBe('400 invalid_request commands[1].budgetId');
    const unknown = await stage.post('/v1/batch', { commands: [{ command: 'put_definitions' }] }, { key });
    expect(said(unknown)).toMatch(/^400 invalid_request commands\[0\]/);
  });
});

describe('http: budgets', () => {
  test('a budget is put, read, listed, topped up, limited for one account, paused, exhausted and closed', async () => {
    const spec = {
      match: { tenant: '*' },
      unit: 'tokens',
      limit: '1000',
      window: 'lifetime',
      warnAtPercent: 50,
    };
    const put = await stage.ask('PUT', '/v1/budgets/tok', { body: spec });
    expect(put).toMatchObject({ status: 200, body: { id: 'tok', ...spec, version: 1, status: 'active' } });
    const again = await stage.ask('PUT', '/v1/budgets/tok', { body: { ...spec, limit: 900 } });
    expect(again.body).toMatchObject({ limit: '900', version: 2 });
    expect((await stage.get('/v1/budgets/tok', stage.keys.acme)).body).toMatchObject({
      id: 'tok',
      limit: '900',
    });

    await stage.post('/v1/spend', { labels: { tenant: 'acme' }, amounts: { tokens: '100' } });
    const values = { tenant: 'acme' };
    const topped = await stage.post('/v1/budgets/tok/top-up', { values, amount: '50' });
    expect(topped.body.lines[0]).toMatchObject({ granted: '950', spent: '100', remaining: '850' });
    const limited = await stage.post('/v1/budgets/tok/balance-limit', { values, limit: '500' });
    expect(limited.body).toMatchObject({ event: 'balance_limit_set' });
    const balances = await stage.get('/v1/balances?budgetId=tok&label=tenant=acme', stage.keys.acme);
    expect(balances.body.items).toMatchObject([{ budgetId: 'tok', values, limit: '500', spent: '100' }]);
    const until = new Date(stage.clock.at + 60_000).toISOString();
    expect((await stage.post('/v1/budgets/tok/exhaust', { values, until })).body.event).toBe(
      'budget_exhausted',
    );
    expect((await stage.post('/v1/budgets/tok/status', { status: 'paused' })).body.event).toBe(
      'budget_status_set',
    );
    expect((await stage.post('/v1/definitions', { close: ['tok'] })).body.event).toBe('definitions_put');
    expect((await stage.get('/v1/budgets/tok')).body.status).toBe('closed');
  });

  test('units, aliases and budgets in them come in one step, and amounts are then in that unit', async () => {
    const { body } = await stage.post('/v1/definitions', {
      units: [{ name: 'gpu', scale: 2 }],
      aliases: { provider: { claude: 'anthropic' } },
      budgets: [{ id: 'gpus', match: {}, unit: 'gpu', limit: '1.5', window: 'day' }],
    });
    expect(body.outcome).toBe('done');
    expect((await stage.get('/v1/units')).body.items).toContainEqual({ name: 'gpu', scale: 2 });
    expect((await stage.get('/v1/definitions')).body.aliases).toEqual({ provider: { claude: 'anthropic' } });
    const spent = await stage.post('/v1/spend', { amounts: { gpu: '0.25' } });
    expect(spent.body.charged).toMatchObject({ gpu: '0.25' });
    expect(said(await stage.post('/v1/spend', { amounts: { gpu: '0.255' } }))).toBe(
      '400 invalid_request amounts.gpu',
    );
  });

  test('providers: verdicts of both windows, spend by any alias, exhaustion until they roll', async () => {
    const usd = { unit: 'usd', limit: '1' };
    await stage.post('/v1/definitions', {
      aliases: { provider: { sonnet: 'claude' } },
      budgets: [
        { id: 'provider/claude/hour', match: { provider: 'claude' }, window: 'hour', ...usd },
        { id: 'provider/claude/day', match: { provider: 'claude' }, window: 'day', ...usd },
      ],
    });
    const spent = await stage.post('/v1/providers/sonnet/spend', { usd: '0.8' });
    expect(spent).toMatchObject({ status: 201, body: { charged: { usd: '0.8' } } });
    expect((await stage.get('/v1/providers/claude')).body).toMatchObject({
      verdict: 'near',
      window: 'hour',
      open: true,
    });
    const exhausted = await stage.post('/v1/providers/sonnet/exhaust', {});
    expect(exhausted.body).toMatchObject({ provider: 'claude', verdict: 'exhausted', open: false });
    expect((await stage.get('/v1/providers')).body.items).toHaveLength(1);
    const denied = await stage.post('/v1/holds', {
      labels: { provider: 'claude' },
      amounts: { usd: '0.01' },
    });
    expect(said(denied)).toBe('429 quota_exceeded');
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('http: evidence and service', () => {
  test('a decision is explained, the journal verified, the books certified, the head stated', async () => {
    await stage.hold('acme', 'h1', '2');
    const denied = await stage.hold('acme', 'h2', '99');
    const { body } = await stage.get(`/v1/decisions/${denied.body.decision_id}`);
    expect(body.sentence).toContain('Hold tenant/acme/h2 was denied (held)');
    expect(body.lines[0]).toMatchObject({ addsUp: true, openHolds: 1, holds: [{ amount: '2' }] });
    expect((await stage.ask('POST', '/v1/verify')).body).toMatchObject({ ok: true, failure: null });
    const certified = await stage.ask('POST', '/v1/certificates');
    expect(certified).toMatchObject({ status: 201, body: { status: 'balanced', failure: null } });
    expect((await stage.get('/v1/head')).body).toEqual(stage.ledger.head());
  });

  test('a key is issued once, rotated, listed without its secret, and revoked at once', async () => {
    const issued = await stage.post('/v1/keys', {
      name: 'robot',
      scopes: ['spend', 'read'],
      labels: { tenant: 'acme' },
      callerLabels: ['user'],
      expiresAt: new Date(stage.clock.at + 3_600_000).toISOString(),
    });
    expect(issued.status).toBe(201);
    const { id, key } = issued.body;
    expect((await stage.get('/v1/units', key)).status).toBe(200);
    const rotated = await stage.post(`/v1/keys/${id}/rotate`, { overlapMs: 1_000 });
    expect(rotated.body.key).not.toBe(key);
    expect((await stage.get('/v1/units', key)).status).toBe(200);
    stage.clock.at += 1_001;
    expect(said(await stage.get('/v1/units', key))).toBe('401 invalid_api_key');
    const shown = await stage.get(`/v1/keys/${id}`);
    expect(shown.body).toMatchObject({ id, name: 'robot', tenant: 'acme', revokedAt: null });
    expect((await stage.get('/v1/keys')).text).not.toContain(rotated.body.key);
    expect((await stage.ask('POST', `/v1/keys/${id}/revoke`)).body.revokedAt).not.toBeNull();
    expect(said(await stage.get('/v1/units', rotated.body.key))).toBe('401 invalid_api_key');
  });

  test('prices name the version of the book and the price in force of a model', async () => {
    const { body } = await stage.get('/v1/prices?provider=openai&model=gpt-4o&limit=1');
    expect(body.version).toMatch(/./);
    expect(body.items[0]).toMatchObject({ provider: 'openai', model: 'gpt-4o' });
    expect(body.items[0].rates[0]).toMatchObject({ component: 'input', per: 'million_tokens', usd: '2.5' });
    const page = await stage.get('/v1/prices?limit=2');
    const next = await stage.get(`/v1/prices?limit=2&cursor=${encodeURIComponent(page.body.nextCursor)}`);
    expect(next.body.items[0]).not.toEqual(page.body.items[0]);
  });

  test('a reload says what came of it; one that was refused is a conflict', async () => {
    expect((await stage.ask('POST', '/v1/reload')).body).toEqual({
      reloaded: true,
      message: 'nothing changed',
    });
    stage.reloads = { reloaded: false, message: 'bursar.yaml:3: budgets: …' };
    const refused = await stage.ask('POST', '/v1/reload');
    expect([said(refused), refused.body.detail]).toEqual(['409 conflict', 'bursar.yaml:3: budgets: …']);
  });

  test('the server is alive, is ready until it drains, and never when its ledger has closed', async () => {
    const health = async () => [
      (await stage.ask('GET', '/healthz', { key: null })).status,
      (await stage.ask('GET', '/readyz', { key: null })).status,
    ];
    expect(await health()).toEqual([200, 200]);
    stage.draining = true;
    expect(await health()).toEqual([200, 503]);
    stage.draining = false;
    await stage.ledger.close();
    expect(await health()).toEqual([200, 503]);
    const failed = await stage.hold('acme', 'h1');
    expect([said(failed), failed.headers.get('retry-after')]).toEqual(['503 ledger_unavailable', '1']);
  });

  test('metrics of money are the ledger’s, for the platform’s readers alone, and survive a restart', async () => {
    await stage.hold('acme', 'h1', '5');
    await stage.post('/v1/spend', { amounts: { usd: '1.25000009' } }, { key: stage.keys.acme });
    await stage.restart();
    await stage.hold('acme', 'h2', '1');
    const { text, status } = await stage.get('/metrics', await stage.key({ scopes: ['read'] }));
    expect(status).toBe(200);
    expect(text).toContain('\nbursar_spent_usd_total 1.25000009\n');
    expect(text).toContain('\nbursar_open_holds 2\n');
    expect(text).toMatch(/^bursar_decision_seconds_bucket\{le="\+Inf",outcome="authorized"\} 1$/m);
    expect(text).toMatch(
      /^bursar_http_request_seconds_count\{method="POST",route="\/v1\/holds",status="201"\} 1$/m,
    );
    expect(text).not.toContain('acme');
    expect(said(await stage.get('/metrics', stage.keys.acme))).toBe('403 forbidden');
    expect(said(await stage.ask('GET', '/metrics', { key: null }))).toBe('401 invalid_api_key');
  });
});

describe('http: lists', () => {
  test('pages of holds, budgets, balances and events join without a gap, whatever comes between', async () => {
    for (let index = 0; index < 5; index += 1) await stage.hold('acme', `h${index}`);
    const all = async (path: string, key: string) => {
      const found: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const mark: string = path.includes('?') ? '&' : '?';
        const page = await stage.get(`${path}${mark}limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, key);
        expect(page.body.items.length).toBeLessThanOrEqual(2);
        for (const item of page.body.items) found.push(item.holdId ?? item.id ?? item.sequence);
        cursor = page.body.nextCursor;
        if (found.length === 2) await stage.hold('acme', `late-${path.length}`);
      }
      return found;
    };
    const key = stage.keys.acme;
    const holds = await all('/v1/holds', key);
    expect(holds.slice(0, 5)).toEqual(['h0', 'h1', 'h2', 'h3', 'h4']);
    expect(new Set(holds).size).toBe(holds.length);
    expect(await all('/v1/budgets', stage.admin)).toEqual(['all', 'each']);
    expect((await all('/v1/balances', stage.admin)).length).toBe(2);
    const events = await all('/v1/events', stage.admin);
    expect(events).toEqual([...events].sort((left, right) => Number(left) - Number(right)));
    expect(events.length).toBe(stage.ledger.head().sequence);
  });

  test('a tenant’s pages pass over what it does not see; a cursor that names another’s is none', async () => {
    const budgets = (tenant: string, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        id: `tenant/${tenant}/b${index}`,
        match: { tenant },
        unit: 'usd',
        limit: 1n,
        window: 'day' as const,
      }));
    await stage.ledger.putDefinitions({
      budgets: [...budgets('other', 1_500), ...budgets('acme', 3), ...budgets('third', 1_500)],
    });
    const key = stage.keys.acme;
    const first = await stage.get('/v1/budgets?limit=3', key);
    expect(first.body.items.map(({ id }: { id: string }) => id)).toEqual(['each', 'b0', 'b1']);
    const second = await stage.get(`/v1/budgets?limit=3&cursor=${first.body.nextCursor}`, key);
    expect(second.body).toMatchObject({ items: [{ id: 'b2' }], nextCursor: null });
    for (const tenant of ['acme', 'other'] as const)
      await stage.post('/v1/spend', { amounts: { usd: '0.00000001' } }, { key: stage.keys[tenant] });
    const page = await stage.get('/v1/balances?limit=2', key);
    expect(page.body.items.map(({ id }: { id: string }) => id.slice(0, 9))).toEqual([
      'each|acme',
      'b0|2026-0',
    ]);
    const rest = await stage.get(`/v1/balances?limit=2&cursor=${page.body.nextCursor}`, key);
    expect(rest.body).toMatchObject({ items: [{ budgetId: 'b1' }, { budgetId: 'b2' }], nextCursor: null });
    const [theirs] = stage.ledger.balances({ budgetId: 'tenant/other/b0' });
    for (const [list, id] of [
      ['budgets', 'tenant/other/b0'],
      ['budgets', 'tenant/nobody/b0'],
      ['balances', theirs.id],
      ['balances', 'tenant/nobody/b0'],
    ]) {
      const cursor = Buffer.from(id).toString('base64url');
      const answer = await stage.get(`/v1/${list}?cursor=${cursor}`, key);
      expect([list, id, said(answer)]).toEqual([list, id, '400 invalid_request cursor']);
    }
  });

  test('what no list has and no id names is refused, and the parameter is named', async () => {
    const refused = {
      '/v1/holds?limit=0': '400 invalid_request limit',
      '/v1/holds?limit=1001': '400 invalid_request limit',
      '/v1/holds?limit=ten': '400 invalid_request limit',
      '/v1/holds?cursor=zzz': '400 invalid_request cursor',
      '/v1/budgets?cursor=bm9uZQ': '400 invalid_request cursor',
      '/v1/holds?status=gone': '400 invalid_request status',
      '/v1/holds?label=tenant': '400 invalid_request label',
      '/v1/holds?colour=red': '400 invalid_request colour',
      '/v1/events?after=-1': '400 invalid_request after',
      '/v1/decisions/dec-9999': '404 not_found id',
      '/v1/decisions/nonsense': '404 not_found id',
      '/v1/budgets/none': '404 not_found budgetId',
      '/v1/holds/none': '404 not_found holdId',
      '/v1/nothing': '404 not_found',
    };
    for (const [path, answer] of Object.entries(refused))
      expect([path, said(await stage.get(path))]).toEqual([path, answer]);
  });
});
