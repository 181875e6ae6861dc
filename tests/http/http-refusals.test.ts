// What the HTTP API refuses, and how it says so: problems of RFC 9457 that name the field, statuses that client libraries
// understand, and bodies that mean harm.

import { connect } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { REJECTIONS } from '#bursar/core/rejections.js';
import { REFUSAL_STATUS, REJECTION_STATUS } from '#bursar/http/statuses.js';
import { REFUSALS } from '#bursar/kit/refusals.js';
import { HttpStage, said } from './http-setup.js';

let stage: HttpStage;
let key: string;
beforeEach(async () => {
  stage = await HttpStage.open();
  key = stage.keys.acme;
});

describe('http: when money runs out', () => {
  const denials: readonly [string, string, Record<string, unknown>][] = [
    ['402 budget_exhausted', 'false', { amounts: { usd: '60' } }],
    ['402 request_exceeds_budget', 'false', { amounts: { usd: '101' } }],
    ['429 budget_held', '', { amounts: { usd: '45' } }],
    ['402 no_budget', 'false', { amounts: { usd: '1' }, require: ['team'] }],
  ];
  test.each(denials)('%s, x-should-retry "%s"', async (answer, retry, asked) => {
    await stage.post('/v1/spend', { amounts: { usd: '50' } }, { key });
    await stage.hold('acme', 'open', '10');
    const denied = await stage.post('/v1/holds', asked, { key });
    expect(said(denied)).toBe(answer);
    expect(denied.headers.get('content-type')).toContain('application/problem+json');
    expect(denied.headers.get('x-should-retry') ?? '').toBe(retry);
    expect(denied.headers.has('retry-after')).toBe(denied.status === 429);
    expect(denied.headers.has('retry-after-ms')).toBe(denied.status === 429);
    expect(denied.body).toMatchObject({
      outcome: 'denied',
      type: `urn:bursar:${answer.slice(4)}`,
      status: denied.status,
    });
  });

  test('the figures of a denial add up to it, and name its budget, decision and reset', async () => {
    await stage.post('/v1/spend', { amounts: { usd: '50' } }, { key });
    await stage.hold('acme', 'open', '10.5');
    const { body } = await stage.post('/v1/holds', { amounts: { usd: '50.25' } }, { key });
    // The platform's budget `all` refuses as well; a tenant sees its own.
    const { unit, limit, spent, held, requested } = body;
    expect(unit).toBe('usd');
    const each = body.lines.find((line: { budgetId: string }) => line.budgetId === 'each');
    expect(each).toMatchObject({
      granted: '100',
      spent: '50',
      held: '10.5',
      requested: '50.25',
      remaining: '39.5',
    });
    if (body.budget_id === 'each')
      expect({ limit, spent, held, requested }).toEqual({
        limit: '100',
        spent: '50',
        held: '10.5',
        requested: '50.25',
      });
    expect(body.decision_id).toBe(`dec-${body.sequence}`);
    expect(body.resets_at).toBe(each.resetsAt);
    const explained = await stage.get(`/v1/decisions/${body.decision_id}`, key);
    expect(explained.body.lines.some((line: { addsUp?: boolean }) => line.addsUp === true)).toBe(true);
  });

  test('paused, closed and unit_missing are 402 as well', async () => {
    const rows: readonly [string, string, string][] = [
      ['tokens', 'active', '402 unit_missing'],
      ['usd', 'paused', '402 budget_paused'],
      ['usd', 'closed', '402 budget_closed'],
    ];
    for (const [index, [unit, status, answer]] of rows.entries()) {
      const user = `u${index}`;
      const match = { tenant: 'acme', user };
      await stage.ask('PUT', `/v1/budgets/${user}`, { body: { match, unit, window: 'day', limit: '9' } });
      await stage.post(`/v1/budgets/${user}/status`, { status });
      expect(said(await stage.post('/v1/holds', { labels: { user }, amounts: { usd: '1' } }, { key }))).toBe(
        answer,
      );
    }
  });
});

describe('http: keys and scopes', () => {
  test('no key, a wrong scheme, an unknown key → 401; x-api-key serves as well as Bearer', async () => {
    const bad = [
      {},
      { authorization: 'Basic eDp5' },
      { authorization: 'Bearer bur_nope' },
      { 'x-api-key': 'x' },
    ];
    for (const headers of bad) {
      const answer = await stage.ask('GET', '/v1/units', { key: null, headers });
      expect([said(answer), answer.headers.get('www-authenticate')]).toEqual([
        '401 invalid_api_key',
        'Bearer',
      ]);
    }
    expect((await stage.ask('GET', '/v1/units', { key: null, headers: { 'x-api-key': key } })).status).toBe(
      200,
    );
  });

  test('a key does what its scope says, and no more', async () => {
    const spend = await stage.key({ scopes: ['spend'], labels: { tenant: 'acme' } });
    const read = await stage.key({ scopes: ['read'], labels: { tenant: 'acme' }, callerLabels: [] });
    const budget = { body: { match: { tenant: 'acme' }, unit: 'usd', limit: '1', window: 'day' } };
    const rows: readonly [string, string, string][] = [
      [spend, 'POST /v1/holds', '400 invalid_request amounts'],
      [read, 'POST /v1/holds', '403 forbidden'],
      [read, 'GET /v1/holds', '200'],
      [spend, 'GET /v1/events', '403 forbidden'],
      [spend, 'PUT /v1/budgets/x', '403 forbidden'],
      [spend, 'POST /v1/batch', '400 invalid_request commands'],
      [spend, 'GET /v1/keys', '403 forbidden'],
      [key, 'PUT /v1/budgets/x', '200'],
      [key, 'POST /v1/verify', '403 forbidden'],
      [key, 'POST /v1/certificates', '403 forbidden'],
      [key, 'POST /v1/reload', '403 forbidden'],
      [key, 'GET /v1/head', '403 forbidden'],
      [key, 'GET /v1/providers', '403 forbidden'],
      [key, 'POST /v1/providers/p/exhaust', '403 forbidden'],
    ];
    for (const [who, route, answer] of rows) {
      const [method, path] = route.split(' ');
      const asked = method === 'GET' ? {} : method === 'PUT' ? budget : { body: {} };
      expect([route, said(await stage.ask(method, path, { key: who, ...asked }))]).toEqual([route, answer]);
    }
    const topUp = { commands: [{ command: 'top_up', budgetId: 'x', amount: '1' }] };
    expect(said(await stage.post('/v1/batch', topUp, { key: spend }))).toBe('403 forbidden');
  });

  test('a label that the key fixes or does not name is refused, in candidates too', async () => {
    for (const asked of [
      { labels: { tenant: 'other' } },
      { labels: { agent: 'x' } },
      { candidates: [{ labels: { tenant: 'other' } }] },
    ])
      expect(said(await stage.post('/v1/holds', { amounts: { usd: '1' }, ...asked }, { key }))).toMatch(
        /^403 label_forbidden/,
      );
  });
});

describe('http: amounts on the wire', () => {
  const hold = (amounts: string) => `{"amounts":${amounts}}`;
  test.each([
    ['{"usd":"0.25"}', '0.25'],
    ['{"usd":0.25}', '0.25'],
    ['{"usd":25}', '25'],
    ['{"usd":0.00000001}', '0.00000001'],
    ['{"usd":"00.10"}', '0.1'],
  ])('%s is held as %s', async (amounts, held) => {
    const answer = await stage.ask('POST', '/v1/holds', { key, body: hold(amounts) });
    expect(answer.body.lines[1].held ?? answer.body.lines[0].held).toBe(held);
  });

  test('exponents, signs, more digits than the scale, NaN and other types are refused, and the field is named', async () => {
    const bad = [
      '{"usd":1e2}',
      '{"usd":1E-2}',
      '{"usd":-1}',
      '{"usd":-0}',
      '{"usd":"-1"}',
      '{"usd":"+1"}',
      '{"usd":0.123456789}',
      '{"usd":"0.123456789"}',
      '{"usd":0.10000000000000000555}',
      '{"usd":9007199254740993}',
      '{"usd":"1e2"}',
      '{"usd":"NaN"}',
      '{"usd":""}',
      '{"usd":" 1"}',
      '{"usd":"1,5"}',
      '{"usd":"٣"}',
      '{"usd":"99999999999999999999"}',
      '{"usd":null}',
      '{"usd":true}',
      '{"usd":["1"]}',
      '{"usd":{}}',
      '{"tokens":1.5}',
    ];
    for (const amounts of bad) {
      const field = amounts.includes('tokens') ? 'amounts.tokens' : 'amounts.usd';
      expect([amounts, said(await stage.ask('POST', '/v1/holds', { key, body: hold(amounts) }))]).toEqual([
        amounts,
        `400 invalid_request ${field}`,
      ]);
    }
    expect(said(await stage.ask('POST', '/v1/holds', { key, body: hold('{"yen":"1"}') }))).toBe(
      '400 invalid_request amounts.yen',
    );
  });

  test('an instant is ISO 8601 with a zone or milliseconds; the 30th of February is none', async () => {
    const spend = (occurredAt: unknown) =>
      stage.post('/v1/spend', { amounts: { usd: '1' }, occurredAt }, { key });
    expect((await spend(stage.clock.at)).status).toBe(201);
    expect((await spend(new Date(stage.clock.at).toISOString().replace('Z', '+00:00'))).status).toBe(201);
    for (const bad of [
      '2026-02-30T00:00:00Z',
      '2026-02-03',
      'yesterday',
      '2026-02-03T00:00:00',
      '',
      1.5,
      null,
    ])
      expect([bad, said(await spend(bad))]).toEqual([bad, '400 invalid_request occurredAt']);
  });
});

describe('http: bodies that mean harm', () => {
  test('what is no JSON of this route is refused before anything is done', async () => {
    const { body: before } = await stage.get('/v1/head');
    const rows: readonly [string | Uint8Array, string][] = [
      ['{"amounts":', '400 invalid_request body'],
      ['', '400 invalid_request body'],
      ['[]', '400 invalid_request body'],
      ['"x"', '400 invalid_request body'],
      ['\ufeff{}', '400 invalid_request amounts'],
      ['{"amounts":{"usd":"1"},"__proto__":{"x":1}}', '400 invalid_request __proto__'],
      ['{"amounts":{"usd":"1"},"constructor":{"prototype":{}}}', '400 invalid_request constructor.prototype'],
      ['{"amounts":{"usd":"1"},"labels":{"__proto__":"x"}}', '400 invalid_request labels.__proto__'],
      ['{"amounts":{"usd":"1"},"ttlms":5}', '400 invalid_request ttlms'],
      ['{"amounts":{"usd":"1"},"holdId":"a\\u0000b"}', '400 invalid_request holdId'],
      [`{"amounts":{"usd":"1"},"holdId":"${'x'.repeat(129)}"}`, '400 invalid_request holdId'],
      [`{"amounts":{"usd":"1"},"note":"${'€'.repeat(2_000)}"}`, '400 invalid_request note'],
      [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, '400 invalid_request body'],
      [`{"amounts":{"usd":"1"},"note":"${'x'.repeat(1024 * 1024)}"}`, '413 too_large'],
      [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), '400 invalid_request body'],
    ];
    for (const [body, answer] of rows) {
      const response = await fetch(`${stage.url}/v1/holds`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          'idempotency-key': 'x',
        },
        body,
      });
      const problem = (await response.json()) as { code: string; field?: string; detail: string };
      const seen = [
        response.status,
        problem.code,
        ...(problem.field === undefined ? [] : [problem.field]),
      ].join(' ');
      expect([String(body).slice(0, 60), seen]).toEqual([String(body).slice(0, 60), answer]);
      expect(problem.detail.length).toBeLessThan(400);
    }
    expect((await stage.get('/v1/head')).body).toEqual(before);
  });

  test('other media types are refused; JSON with a charset is JSON', async () => {
    const send = (type: string) =>
      stage.ask('POST', '/v1/holds', {
        key,
        body: '{"amounts":{"usd":"1"}}',
        headers: { 'content-type': type },
      });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'x'])
      expect(said(await send(type))).toBe('415 invalid_request');
    expect((await send('application/json; charset=utf-8')).status).toBe(201);
  });

  test('a value in a message is cut, never whole', async () => {
    const { body } = await stage.post('/v1/holds', { amounts: { usd: 'secret'.repeat(100) } }, { key });
    expect(body.detail.length).toBeLessThan(200);
  });

  test('a caller’s request id is kept when it is plain; each answer has one, and no cache keeps it', async () => {
    const own = await stage.ask('GET', '/v1/units', { key, headers: { 'x-request-id': 'mine-1' } });
    expect(own.headers.get('x-request-id')).toBe('mine-1');
    const odd = await stage.ask('GET', '/nope', { key, headers: { 'x-request-id': 'a b "c"' } });
    expect(odd.headers.get('x-request-id')).toMatch(/^req-/);
    expect(odd.body.requestId).toBe(odd.headers.get('x-request-id'));
    expect([odd.headers.get('cache-control'), odd.headers.get('x-content-type-options')]).toEqual([
      'no-store',
      'nosniff',
    ]);
  });

  test('headers beyond 16 KiB and malformed requests end with a 4xx, and the server goes on', async () => {
    const raw = (text: string) =>
      new Promise<string>((resolve) => {
        const { port, hostname } = new URL(stage.url);
        const socket = connect(Number(port), hostname, () => socket.write(text));
        let seen = '';
        socket.on('data', (piece) => {
          seen += piece;
          socket.end();
        });
        socket.on('error', () => resolve(seen));
        socket.on('close', () => resolve(seen));
      });
    const big = `GET /v1/units HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`;
    expect(await raw(big)).toMatch(/^HTTP\/1.1 431 /);
    expect(await raw('NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    const both =
      'POST /v1/holds HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(await raw(both)).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw('GET /v1/%zz HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 [\s\S]*invalid_request/,
    );
    expect((await stage.get('/v1/units')).status).toBe(200);
  });
});

describe('http: the table of statuses', () => {
  test('every rejection and refusal has a status, none beyond the catalogues', () => {
    expect(Object.keys(REJECTION_STATUS).sort()).toEqual(Object.keys(REJECTIONS).sort());
    expect(Object.keys(REFUSAL_STATUS).sort()).toEqual(Object.keys(REFUSALS).sort());
  });
});
