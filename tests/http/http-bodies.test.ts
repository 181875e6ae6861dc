// Bodies of the native API as bytes: a key that stands twice is refused at every depth, whatever its spelling and size, and
// numbers are judged by how they were written.

import { describe, expect, test } from 'vitest';
import { HttpStage, said } from './http-setup.js';

const PADDED = 'n'.repeat(200_000);

/** The same body as a small one, and as one that is read in turns. */
const SIZES: readonly (readonly [string, (body: string) => string])[] = [
  ['a small body', (body) => body],
  ['a large body', (body) => `${' '.repeat(300_000)}${body}`],
];

const TWICE: readonly (readonly [string, string, string])[] = [
  ['at the top', '{"amounts":{"usd":"1"},"amounts":{"usd":"0.01"}}', 'amounts'],
  ['in an object', '{"amounts":{"usd":"1","usd":"0.01"}}', 'amounts.usd'],
  ['in labels', '{"labels":{"user":"u1","user":"u2"},"amounts":{"usd":"1"}}', 'labels.user'],
  [
    'in a list',
    '{"amounts":{"usd":"1"},"candidates":[{},{"amounts":{"usd":"1"},"amounts":{"usd":"2"}}]}',
    'candidates[1].amounts',
  ],
  ['spelt otherwise', '{"amounts":{"usd":"1","\\u0075sd":"0.01"}}', 'amounts.usd'],
  ['the empty name', '{"":1,"":2}', ''],
  ['among names that objects inherit', '{"amounts":{"toString":"1","toString":"2"}}', 'amounts.toString'],
];

describe.each(SIZES)('http: %s', (_name, sized) => {
  test.each(TWICE)('a key that stands there twice → 400 names it: %s', async (_where, body, field) => {
    const stage = await HttpStage.open();
    const answer = await stage.post('/v1/holds', sized(body));
    expect([answer.status, answer.body.code, answer.body.field]).toEqual([400, 'invalid_request', field]);
    expect(answer.body.detail).toContain('twice');
    expect((await stage.get('/v1/holds')).body.items).toEqual([]);
  });

  test('the same key in two objects, and as a value, is none that stands there twice', async () => {
    const stage = await HttpStage.open();
    const body =
      '{"holdId":"h","labels":{"user":"usd","goal":"user","a":"\\"user\\":1,\\"user\\":2"},"amounts":{"usd":"1"},' +
      '"candidates":[{"amounts":{"usd":"1"}},{"amounts":{"usd":"1"}}]}';
    expect((await stage.post('/v1/holds', sized(body))).status).toBe(201);
  });

  test.each([
    '{"amounts":',
    '{"amounts":{"usd":"1"}]',
    '[1,2',
    '"x',
    '{"a":1}{"b":2}',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[1 2]}',
    '{"a":[1}',
    'nul',
    '{"a":"\n"}',
  ])('what is no JSON is refused: %j', async (body) => {
    const stage = await HttpStage.open();
    expect(said(await stage.post('/v1/batch', sized(body)))).toBe('400 invalid_request body');
  });

  test('names that poison prototypes are refused at every depth', async () => {
    const stage = await HttpStage.open();
    for (const body of [
      '{"a":[{"__proto__":1}]}',
      '{"a":{"\\u005f_proto__":1}}',
      '{"constructor":{"prototype":{}}}',
    ])
      expect(said(await stage.post('/v1/holds', sized(body)))).toContain('400 invalid_request');
  });

  test.each(['1e2', '1E-2', '-1', '0.30000000000000000004', '123456789012345678', '1.0e0'])(
    'an amount written as %s is refused, wherever else plain numbers stand',
    async (number) => {
      const stage = await HttpStage.open();
      const commands = `[{"command":"record_spend","amounts":{"usd":0.25,"tokens":7}},{"command":"record_spend","amounts":{"usd":${number}}}]`;
      expect(said(await stage.post('/v1/batch', sized(`{"commands":${commands}}`)))).toBe(
        '400 invalid_request commands[1].amounts.usd',
      );
    },
  );

  test('an empty list and lists of lists are read as they stand', async () => {
    const stage = await HttpStage.open();
    expect(said(await stage.post('/v1/batch', sized('{"commands":[ \n ]}')))).toBe(
      '400 invalid_request commands',
    );
    expect(said(await stage.post('/v1/batch', sized('{"commands":[[1,[2,3]],4]}')))).toBe(
      '400 invalid_request commands[0]',
    );
  });
});

describe('http: large bodies', () => {
  test('a command that is wrong is named by its place in the whole list', async () => {
    const stage = await HttpStage.open();
    const commands: object[] = Array.from({ length: 300 }, () => ({
      command: 'record_spend',
      amounts: { usd: '1' },
    }));
    commands[257] = { command: 'record_spend', amounts: { usd: '1' }, more: 1 };
    expect(said(await stage.post('/v1/batch', { commands }))).toBe('400 invalid_request commands[257].more');
    commands[257] = { command: 'record_spend', amounts: { usd: [] } };
    expect(said(await stage.post('/v1/batch', { commands }))).toBe(
      '400 invalid_request commands[257].amounts.usd',
    );
    expect((await stage.get('/v1/balances')).body.items).toEqual([]);
  });

  test('one element of more than 1 MiB is refused, as it would be alone', async () => {
    const stage = await HttpStage.open();
    const large = { command: 'record_spend', amounts: { usd: '1' }, note: PADDED.repeat(6) };
    expect(said(await stage.post('/v1/batch', { commands: [large] }))).toBe('413 too_large commands[0]');
    expect(said(await stage.post('/v1/batch', { commands: [], more: PADDED.repeat(6) }))).toBe(
      '413 too_large body',
    );
  });

  test('more commands than a batch may have are refused for their number', async () => {
    const stage = await HttpStage.open();
    const commands = Array.from({ length: 10_001 }, () => ({
      command: 'record_spend',
      amounts: { usd: '1' },
    }));
    const answer = await stage.post('/v1/batch', { commands });
    expect(said(answer)).toBe('400 invalid_request commands');
    expect(answer.body.detail).toContain('10000');
  });

  test('a batch of several parts is decided in order, once, and a repeat gives its first answer', async () => {
    const stage = await HttpStage.open();
    const commands = Array.from({ length: 5_000 }, (_, index) => ({
      command: 'authorize_hold',
      holdId: `h${index % 4_000}`,
      labels: { tenant: 'acme' },
      amounts: { usd: '0.01' },
    }));
    const first = await stage.post('/v1/batch', { commands }, { idempotencyKey: 'long' });
    const statuses = first.body.outcomes.map(({ status }: { status: number }) => status);
    expect(statuses.indexOf(409)).toBe(4_000);
    expect(statuses.filter((status: number) => status === 201)).toHaveLength(4_000);
    const again = await stage.post('/v1/batch', { commands }, { idempotencyKey: 'long' });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body.outcomes.map(({ status }: { status: number }) => status)).toEqual(statuses);
    const [{ held }] = (await stage.get('/v1/balances?budgetId=all')).body.items;
    expect(held).toBe('40');
  });
});
