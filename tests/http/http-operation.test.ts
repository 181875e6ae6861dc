// What those who run the HTTP API see of it: logs without secrets, spans where an SDK is installed, and none of a tenant's
// words in either.

import { once } from 'node:events';
import { connect } from 'node:net';
import { context, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HttpStage } from './http-setup.js';

let stage: HttpStage;
beforeEach(async () => {
  stage = await HttpStage.open();
});
afterEach(() => {
  trace.disable();
  context.disable();
});

describe('http: callers that send slowly', () => {
  test.each([
    ['headers', ''],
    ['a body', 'Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n'],
  ])('%s that trickle in → cut off when their time is over, and nothing is done', async (_what, end) => {
    const { server } = stage.app;
    expect([server.headersTimeout, server.requestTimeout]).toEqual([15_000, 120_000]);
    // Node measures by its own clock, and looks every five seconds.
    server.headersTimeout = 200;
    server.requestTimeout = 400;
    const { hostname, port } = new URL(stage.url);
    const socket = connect(Number(port), hostname);
    const closed = once(socket, 'close');
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString();
    });
    socket.on('error', () => undefined);
    socket.write(`POST /v1/holds HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer ${stage.admin}\r\n${end}`);
    const trickle = setInterval(() => socket.write('x'), 50);
    const began = Date.now();
    await closed;
    clearInterval(trickle);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(stage.ledger.holds()).toEqual([]);
  });
});

describe('http: logs', () => {
  test('one line a request: id, key id, route, status, time; no secret, no body, no query, whatever was asked', async () => {
    const issued = await stage.post('/v1/keys', { name: 'n', scopes: ['read'], labels: { tenant: 'acme' } });
    const secret = issued.body.key as string;
    await stage.get('/v1/holds?label=user=query-word', secret);
    await stage.ask('GET', '/v1/units', { key: null, headers: { 'x-api-key': `${secret}x` } });
    await stage.ask('POST', '/v1/holds', {
      body: '{"amounts":{"usd":"body-word"}}',
      headers: { cookie: 'cookie-word' },
    });
    await stage.ask('POST', '/v1/holds', { body: `{"broken-word`, headers: { 'x-request-id': 'mine' } });
    await stage.get('/path-word/with?token=query-word');
    const text = stage.log.join('');
    for (const word of [
      stage.admin,
      secret,
      secret.split('_')[2],
      'body-word',
      'query-word',
      'broken-word',
      'path-word',
      'cookie-word',
    ])
      expect([word.slice(0, 12), text.includes(word)]).toEqual([word.slice(0, 12), false]);
    const lines = stage.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
    const { id } = issued.body;
    expect(lines.find(({ keyId }) => keyId === id)).toMatchObject({
      method: 'GET',
      route: '/v1/holds',
      status: 200,
    });
    expect(lines.find(({ requestId }) => requestId === 'mine')).toMatchObject({
      route: '/v1/holds',
      status: 400,
    });
    expect(lines.at(-1)).toMatchObject({ route: 'unknown', status: 404, keyId: null });
    for (const line of lines) expect(line.ms).toBeGreaterThanOrEqual(0);
  });
});

describe('http: spans', () => {
  test('each request is a server span with its route, status and decision; without an SDK nothing is recorded', async () => {
    await stage.hold('acme', 'before');
    const exporter = new InMemorySpanExporter();
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    );
    const { body } = await stage.hold('acme', 'h1');
    await stage.ledger.close();
    await stage.hold('acme', 'h2');
    await expect.poll(() => exporter.getFinishedSpans().length).toBe(2);
    const [held, failed] = exporter.getFinishedSpans();
    expect(held).toMatchObject({
      name: 'POST /v1/holds',
      attributes: {
        'http.route': '/v1/holds',
        'http.response.status_code': 201,
        'bursar.decision_id': body.decisionId,
        'bursar.outcome': 'authorized',
      },
    });
    expect(failed).toMatchObject({ attributes: { 'http.response.status_code': 503 }, status: { code: 2 } });
    expect(JSON.stringify([held.attributes, failed.attributes])).not.toContain('acme');
  });
});
