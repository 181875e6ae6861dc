// The description of the HTTP API: OpenAPI 3.1 that is valid, that docs/openapi.json repeats, and whose routes
// docs/http-api.md lists.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeEach, describe, expect, test } from 'vitest';
import { REJECTIONS } from '#bursar/core/rejections.js';
import { REFUSAL_STATUS, REJECTION_STATUS } from '#bursar/http/statuses.js';
import { REFUSALS } from '#bursar/kit/refusals.js';
import { HttpStage } from './http-setup.js';

const OPENAPI = fileURLToPath(new URL('../../docs/openapi.json', import.meta.url));
const DOCS = fileURLToPath(new URL('../../docs/http-api.md', import.meta.url));

let stage: HttpStage;
beforeEach(async () => {
  stage = await HttpStage.open();
});

describe('http: OpenAPI', () => {
  test('the description is valid OpenAPI 3.1', async () => {
    const { body } = await stage.ask('GET', '/openapi.json', { key: null });
    expect(body.openapi).toMatch(/^3\.1/);
    const result = await new Validator().validate(body);
    expect(result).toMatchObject({ valid: true });
  });

  test('the description is made once, before anybody asks, and given out as the same bytes', async () => {
    Object.assign(stage.app, { swagger: () => expect.fail('made anew') });
    const first = await stage.ask('GET', '/openapi.json', { key: null });
    const again = await stage.ask('GET', '/openapi.json', { key: null });
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    expect(first.headers.get('content-type')).toContain('application/json');
    expect(Number(first.headers.get('content-length'))).toBe(Buffer.byteLength(first.text));
  });

  test('docs/openapi.json is what the server serves (UPDATE_OPENAPI=1 writes it anew)', async () => {
    const { body } = await stage.ask('GET', '/openapi.json', { key: null });
    if (process.env.UPDATE_OPENAPI === '1') writeFileSync(OPENAPI, `${JSON.stringify(body, null, 2)}\n`);
    // As values: how the file is laid out is the formatter's.
    expect(JSON.parse(readFileSync(OPENAPI, 'utf8'))).toEqual(body);
  });

  test('docs/http-api.md lists every route of the description, and no other', async () => {
    const { body } = await stage.ask('GET', '/openapi.json', { key: null });
    const described = Object.entries(
      body.paths as Record<string, Record<string, { summary: string }>>,
    ).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const rows = [...readFileSync(DOCS, 'utf8').matchAll(/^\| `(GET|PUT|PATCH|POST|DELETE) (\/v1[^`]*)`/gm)];
    expect(rows.map(([, method, path]) => `${method} ${path}`).sort()).toEqual(described.sort());
  });

  test('docs/http-api.md has every refusal and rejection, with its status', () => {
    const text = readFileSync(DOCS, 'utf8');
    const rows = new Map(
      [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) /gm)].map(([, code, status]) => [code, Number(status)]),
    );
    const gatewayOnly = [
      'route_not_metered',
      'model_not_found',
      'price_unknown',
      'not_meterable',
      'no_provider',
      'provider_failed',
    ];
    for (const code of Object.keys(REFUSALS) as (keyof typeof REFUSALS)[])
      if (!gatewayOnly.includes(code)) expect([code, rows.get(code)]).toEqual([code, REFUSAL_STATUS[code]]);
    const own = [
      'command_id_reused',
      'ledger_not_empty',
      'open_holds',
      'duplicate_balance',
      'ghost_hold',
      'negative_figure',
      'books_unbalanced',
    ];
    for (const code of Object.keys(REJECTIONS) as (keyof typeof REJECTIONS)[])
      if (!own.includes(code)) expect([code, rows.get(code)]).toEqual([code, REJECTION_STATUS[code]]);
  });
});
