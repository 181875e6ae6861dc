// The client against servers that misbehave on purpose: what it sends again, what never, and how events go on.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { BursarClient, type BursarError } from '#bursar/client/index.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse, seen: Seen) => void;

let server: Server | undefined;
afterEach(async () => {
  const closing = server;
  server = undefined;
  closing?.closeAllConnections();
  await new Promise((resolve) => (closing === undefined ? resolve(null) : closing.close(resolve)));
});

/** A server that gives these answers in turn, the last one for ever, and a client for it. */
async function serving(...answers: readonly Answer[]) {
  const seen: Seen[] = [];
  server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const { method = '', url = '', headers } = request;
    const at = { method, url, headers, body };
    seen.push(at);
    answers[Math.min(seen.length, answers.length) - 1](response, at);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { seen, baseUrl, client: new BursarClient({ baseUrl, apiKey: 'bur_k_secret' }) };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const AUTHORIZED = { outcome: 'authorized', holdId: 'h', decisionId: 'dec-1', lines: [] };
const BUSY = json(503, { code: 'ledger_unavailable', detail: 'later' }, { 'retry-after-ms': '1' });
const BROKEN: Answer = (response) => response.destroy();
const REQUEST = { amounts: { usd: '0.25' } };

async function refusal(asked: Promise<unknown>): Promise<BursarError> {
  const error = await asked.then(
    () => expect.fail('it was answered'),
    (reason: unknown) => reason,
  );
  return error as BursarError;
}

describe('what is sent again', () => {
  test.each([
    ['503', BUSY],
    ['a connection that breaks off', BROKEN],
    ['409 in flight', json(409, { code: 'idempotency_key_in_flight' }, { 'retry-after-ms': '1' })],
    ['429 without an outcome', json(429, { code: 'overloaded' }, { 'retry-after-ms': '1' })],
  ])('client: authorise meets %s → asked again with the same key', async (_what, first) => {
    const { client, seen } = await serving(first, json(201, AUTHORIZED));
    expect(await client.holds.authorize(REQUEST)).toMatchObject({ outcome: 'authorized' });
    expect(seen).toHaveLength(2);
    expect(seen[1].headers['idempotency-key']).toMatch(/^"[0-9a-f-]{36}"$/);
    expect(seen[1].headers['idempotency-key']).toBe(seen[0].headers['idempotency-key']);
    await client.holds.authorize(REQUEST);
    expect(seen[2].headers['idempotency-key']).not.toBe(seen[0].headers['idempotency-key']);
  });

  test('client: the server stays busy → given up after maxRetries, with status, code and problem', async () => {
    const { seen, baseUrl } = await serving(BUSY);
    const client = new BursarClient({ baseUrl, apiKey: 'k', maxRetries: 3 });
    expect(await refusal(client.holds.get('h'))).toMatchObject({
      name: 'BursarError',
      status: 503,
      code: 'ledger_unavailable',
      problem: { detail: 'later' },
      retryAfterMs: 1,
      retryable: true,
    });
    expect(seen).toHaveLength(4);
  });

  test.each([
    ['x-should-retry: false', json(503, { code: 'draining' }, { 'x-should-retry': 'false' })],
    ['a wait longer than it waits', json(503, { code: 'draining' }, { 'retry-after': '3600' })],
    ['404', json(404, { code: 'not_found', detail: 'no such hold' })],
    ['500', json(500, {})],
  ])('client: %s → asked once', async (_what, answer) => {
    const { client, seen } = await serving(answer);
    await refusal(client.holds.authorize(REQUEST));
    expect(seen).toHaveLength(1);
  });

  test('client: the answer with a new key is lost → never asked for twice', async () => {
    const { client, seen } = await serving(BROKEN, json(201, { key: 'bur_a_b' }));
    expect(await refusal(client.keys.create({ name: 'x', scopes: ['read'] }))).toMatchObject({
      status: null,
      code: 'connection_failed',
    });
    expect(seen).toHaveLength(1);
  });

  test('client: aborted while it waits to ask again → ends at once with the reason of the signal', async () => {
    const { client, seen } = await serving(json(503, {}, { 'retry-after': '20' }));
    const controller = new AbortController();
    const asked = refusal(client.head({ signal: controller.signal }));
    await expect.poll(() => seen.length).toBe(1);
    controller.abort(new Error('enough'));
    expect((await asked).message).toBe('enough');
  });

  test('client: no answer within the time-out → timed_out', async () => {
    const { baseUrl } = await serving(() => undefined);
    const client = new BursarClient({ baseUrl, apiKey: 'k', timeoutMs: 20, maxRetries: 0 });
    expect(await refusal(client.head())).toMatchObject({ status: null, code: 'timed_out', retryable: true });
  });
});

describe('what is answered', () => {
  const denied = {
    outcome: 'denied',
    code: 'budget_held',
    detail: 'no room now',
    holdId: 'h',
    decision_id: 'dec-2',
    reason: 'held',
    retryAfterMs: 1_500,
    lines: [{ budgetId: 'b', unit: 'usd', remaining: '0.1' }],
    skipped: [],
    unmet: [],
    verdict: 'near',
    sequence: 7,
  };

  test('client: a denial, at any status → a value, asked for once: its key would give the same again', async () => {
    const { client, seen } = await serving(json(429, denied, { 'retry-after-ms': '1' }));
    expect(await client.holds.authorize(REQUEST)).toMatchObject({
      outcome: 'denied',
      reason: 'held',
      decisionId: 'dec-2',
      retryAfterMs: 1_500,
      lines: [{ budgetId: 'b', remaining: '0.1' }],
    });
    expect(seen).toHaveLength(1);
  });

  test('client: a rejection → a value with its code', async () => {
    const { client } = await serving(
      json(409, { outcome: 'rejected', code: 'hold_already_settled', detail: 'ended', sequence: 9 }),
    );
    expect(await client.holds.settle('h', { amounts: { usd: '1' } })).toMatchObject({
      outcome: 'rejected',
      code: 'hold_already_settled',
      message: 'ended',
      sequence: 9,
    });
  });

  test('client: ids with slashes and dots → one segment of the path', async () => {
    const { client, seen } = await serving(json(200, {}));
    await client.budgets.get('provider/x y/../hour');
    expect(seen[0].url).toBe('/v1/budgets/provider%2Fx%20y%2F..%2Fhour');
  });

  test('client: all → every page, by the cursors that the server gave', async () => {
    const { client, seen } = await serving(
      json(200, { items: [{ holdId: 'a' }, { holdId: 'b' }], nextCursor: 'c/1' }),
      json(200, { items: [{ holdId: 'c' }], nextCursor: null }),
    );
    const ids: string[] = [];
    for await (const hold of client.holds.all({ status: 'open', label: ['a=1', 'b=2'] }))
      ids.push(hold.holdId);
    expect(ids).toEqual(['a', 'b', 'c']);
    expect(seen.map(({ url }) => url)).toEqual([
      '/v1/holds?limit=1000&status=open&label=a%3D1&label=b%3D2',
      '/v1/holds?limit=1000&status=open&label=a%3D1&label=b%3D2&cursor=c%2F1',
    ]);
  });

  test('client: a redirect → not followed: the key goes nowhere else', async () => {
    const { client, seen } = await serving((response) =>
      response.writeHead(307, { location: '/v1/other' }).end(),
    );
    await refusal(client.head({ timeoutMs: 1_000 }));
    expect(new Set(seen.map(({ url }) => url))).toEqual(new Set(['/v1/head']));
  });

  test.each([
    ['bur_secret\r\nx: y', 'http://h', 'apiKey'],
    ['k', 'ftp://h', 'baseUrl'],
    ['k', 'http://user:pass@h', 'baseUrl'],
  ])('client: key %j at %s → refused when it is made, without showing the key', (apiKey, baseUrl, field) => {
    const make = () => new BursarClient({ apiKey, baseUrl });
    expect(make).toThrow(field);
    expect(make).not.toThrow(/secret/);
  });
});

describe('events', () => {
  const event = (sequence: number) =>
    `id: ${sequence}\nevent: spend_recorded\ndata: ${JSON.stringify({ sequence })}\n\n`;

  test('events: the connection breaks → each event once, in order, resumed after the last one given', async () => {
    const { client, seen } = await serving(
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        // The third one is cut off in the middle.
        response.write(`: keep-alive\n\n${event(1)}${event(2)}${event(3).slice(0, 12)}`, () =>
          response.destroy(),
        );
      },
      BROKEN,
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event(2) + event(3).slice(0, 20));
        response.write(event(3).slice(20));
      },
    );
    const sequences: number[] = [];
    for await (const { sequence } of client.events.follow({ type: 'spend_recorded' })) {
      sequences.push(sequence);
      if (sequence === 3) break;
    }
    expect(sequences).toEqual([1, 2, 3]);
    expect(seen.map(({ headers }) => headers['last-event-id'])).toEqual(['0', '2', '2']);
    expect(seen[0].url).toBe('/v1/events/stream?type=spend_recorded');
  });

  test('events: the key is refused → thrown, not tried for ever', async () => {
    const { client, seen } = await serving(json(403, { code: 'forbidden', detail: 'no' }));
    const followed = client.events.follow()[Symbol.asyncIterator]();
    expect(await refusal(followed.next())).toMatchObject({ status: 403, code: 'forbidden' });
    expect(seen).toHaveLength(1);
  });

  test('events: the signal aborts → the loop ends with its reason', async () => {
    const { client } = await serving((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event(1));
    });
    const controller = new AbortController();
    const followed = client.events.follow({}, { signal: controller.signal })[Symbol.asyncIterator]();
    expect((await followed.next()).value).toEqual({ sequence: 1 });
    const next = refusal(followed.next());
    controller.abort(new Error('enough'));
    expect((await next).message).toBe('enough');
  });
});
