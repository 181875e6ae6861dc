// The trace reader, the spread of missing labels, and the generated trace.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { mergeTraces, type RawTrace, readTrace, readTraceText } from '#bursar/backtest/trace.js';
import { generateTrace } from '#bursar/backtest/trace-generated.js';
import type { SpreadOptions } from '#bursar/backtest/trace-spread.js';

const SPREAD: SpreadOptions = { tenants: 3, users: 9, models: ['large', 'small'], seed: 7 };

/** Feeds a text in pieces, as a stream would. */
async function* pieces(text: string, size = text.length): AsyncGenerator<string> {
  for (let from = 0; from < text.length; from += size) yield text.slice(from, from + size);
}

async function read(text: string, size?: number): Promise<RawTrace> {
  return readTraceText(pieces(text, size), 'trace.csv');
}

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';

describe('reading', () => {
  test('trace: Azure rows with CRLF → UTC milliseconds and token counts', async () => {
    const { requests, source } = await read(
      `${HEADER}\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8`,
    );
    expect(requests).toEqual([
      {
        at: Date.UTC(2023, 10, 16, 18, 17, 3, 979),
        inputTokens: 4808,
        outputTokens: 10,
        tenant: null,
        user: null,
        model: null,
        source: 'trace',
      },
      {
        at: Date.UTC(2023, 10, 16, 18, 17, 4, 31),
        inputTokens: 3180,
        outputTokens: 8,
        tenant: null,
        user: null,
        model: null,
        source: 'trace',
      },
    ]);
    expect(source).toEqual({ name: 'trace', requests: 2, generated: false, wasSorted: true });
  });

  test.each([
    ['2026-03-01T12:00:00Z', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01T12:00:00', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01 12:00:00.5', Date.UTC(2026, 2, 1, 12, 0, 0, 500)],
    ['2026-03-01T12:00:00.123456+02:00', Date.UTC(2026, 2, 1, 10, 0, 0, 123)],
    ['2026-03-01T00:30:00-01:30', Date.UTC(2026, 2, 1, 2)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ])('trace: timestamp %s → the instant it names', async (text, at) => {
    expect((await read(`timestamp,input_tokens,output_tokens\n${text},1,2\n`)).requests[0].at).toBe(at);
  });

  test('trace: columns in any order and case, with tenant, user and model → all are read', async () => {
    const { requests } = await read(
      'Model,USER,tenant,output_tokens,Timestamp,input_tokens\ngpt,u1,"acme, inc",5,2026-01-01T00:00:00Z,9\n',
    );
    expect(requests[0]).toMatchObject({
      model: 'gpt',
      user: 'u1',
      tenant: 'acme, inc',
      inputTokens: 9,
      outputTokens: 5,
    });
  });

  test('trace: a byte order mark, blank lines and quotes → read as if they were not there', async () => {
    const { requests } = await read(
      `\ufeff"TIMESTAMP",ContextTokens,GeneratedTokens\n\n"2026-01-01T00:00:00Z","1",2\n\n`,
    );
    expect(requests).toHaveLength(1);
  });

  test('trace: chunks of every size → the same requests', async () => {
    const text = `${HEADER}\r\n2026-01-01T00:00:00Z,10,20\r\n2026-01-01T00:00:01Z,30,40\r\n`;
    const whole = await read(text);
    for (const size of [1, 2, 7, 39, 40, 41]) expect(await read(text, size)).toEqual(whole);
  });

  test('trace: rows out of order → sorted by time, and the source says so', async () => {
    const { requests, source } = await read(
      `${HEADER}\n2026-01-01T00:00:02Z,2,0\n2026-01-01T00:00:01Z,1,0\n`,
    );
    expect(requests.map((request) => request.inputTokens)).toEqual([1, 2]);
    expect(source.wasSorted).toBe(false);
  });

  test('trace: two files → one trace by time, each request with its source', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bursar-test-'));
    await writeFile(join(folder, 'a.csv'), `${HEADER}\n2026-01-01T00:00:01Z,1,1\n2026-01-01T00:00:03Z,3,3\n`);
    await writeFile(
      join(folder, 'b.csv'),
      `${HEADER}\r\n2026-01-01T00:00:02Z,2,2\r\n2026-01-01T00:00:03Z,4,4\r\n`,
    );
    const trace = await readTrace([join(folder, 'a.csv'), join(folder, 'b.csv')], SPREAD);
    expect(trace.requests.map(({ inputTokens, source }) => [inputTokens, source])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'a'],
      [4, 'b'],
    ]);
    await rm(folder, { recursive: true });
  });
});

describe('errors', () => {
  test.each([
    ['', 'trace.csv: is empty'],
    ['a,b\n', 'trace.csv line 1: no column "timestamp"'],
    ['timestamp,tokens\n', 'the header has "timestamp,tokens"'],
    [`${HEADER}\nyesterday,1,2\n`, 'trace.csv line 2, TIMESTAMP: "yesterday" is not a time'],
    [
      `${HEADER}\n2026-02-30T00:00:00Z,1,2\n`,
      'trace.csv line 2, TIMESTAMP: "2026-02-30T00:00:00Z" is not a time of the calendar',
    ],
    [`${HEADER}\n2026-02-03T24:00:00Z,1,2\n`, 'is not a time of the calendar'],
    [
      `${HEADER}\n2026-01-01T00:00:00Z,1,2\n2026-01-01T00:00:00Z,-1,2\n`,
      'trace.csv line 3, ContextTokens: "-1" is not a whole number from 0 to 10000000',
    ],
    [
      `${HEADER}\n2026-01-01T00:00:00Z,1,1.5\n`,
      'trace.csv line 2, GeneratedTokens: "1.5" is not a whole number',
    ],
    [`${HEADER}\n2026-01-01T00:00:00Z,10000001,1\n`, 'trace.csv line 2, ContextTokens: "10000001"'],
    [`${HEADER}\n2026-01-01T00:00:00Z,1\n`, 'trace.csv line 2, GeneratedTokens: "" is not a whole number'],
    [`${HEADER},tenant\n2026-01-01T00:00:00Z,1,1,${'x'.repeat(201)}\n`, 'trace.csv line 2, tenant: '],
    [`${HEADER}\n"2026-01-01T00:00:00Z,1,1\n`, 'trace.csv line 2: a double quote is not closed'],
    [`${HEADER}\n${'9'.repeat(70_000)}\n`, 'trace.csv line 2: longer than 65536 characters'],
  ])('trace: %# wrong input → the error names file, line, field and value', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  test('trace: a header and no rows → refused', async () => {
    const raw = await read(`${HEADER}\n`);
    expect(() => mergeTraces([raw], SPREAD)).toThrow('trace: has no requests');
  });
});

describe('spread', () => {
  let raw: readonly RawTrace[];
  beforeAll(() => {
    raw = generateTrace({ requests: 3_000, seed: 5 });
  });

  test('spread: the same seed → the same labels; another seed → others', () => {
    const labels = (seed: number) =>
      mergeTraces(raw, { ...SPREAD, seed }).requests.map(
        ({ tenant, user, model }) => `${tenant} ${user} ${model}`,
      );
    expect(labels(7)).toEqual(labels(7));
    expect(labels(8)).not.toEqual(labels(7));
  });

  test('spread: rank k is drawn about 1/k as often as the first', () => {
    const counts = new Map<string, number>();
    for (const { tenant } of mergeTraces(raw, SPREAD).requests)
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    // Of 3,000 requests over three tenants: 6/11, 3/11 and 2/11.
    expect(counts.get('t1')).toBeGreaterThan(1_500);
    expect(counts.get('t1')).toBeLessThan(1_770);
    expect(counts.get('t2')).toBeGreaterThan(720);
    expect(counts.get('t2')).toBeLessThan(920);
    expect([...counts.keys()].sort()).toEqual(['t1', 't2', 't3']);
  });

  test('spread: users are dealt evenly to tenants and belong to one tenant', () => {
    const tenants = new Map<string, Set<string>>();
    for (const { tenant, user } of mergeTraces(raw, { ...SPREAD, users: 8 }).requests) {
      tenants.set(tenant, (tenants.get(tenant) ?? new Set()).add(user));
    }
    expect([...(tenants.get('t1') ?? [])].sort()).toEqual(['t1-u1', 't1-u2', 't1-u3']);
    expect([...(tenants.get('t2') ?? [])].sort()).toEqual(['t2-u1', 't2-u2', 't2-u3']);
    expect([...(tenants.get('t3') ?? [])].sort()).toEqual(['t3-u1', 't3-u2']);
  });

  test('spread: labels that the trace states stay, only what is missing is spread and counted', async () => {
    const stated = await read(
      'timestamp,context_tokens,generated_tokens,tenant,user\n2026-01-01T00:00:00Z,1,1,acme,\n2026-01-01T00:00:01Z,1,1,acme,zoe\n',
    );
    const trace = mergeTraces([stated], SPREAD);
    expect(trace.requests[0].user).toMatch(/^acme-u\d$/);
    expect(trace.requests[1]).toMatchObject({ tenant: 'acme', user: 'zoe' });
    expect(trace.spread).toMatchObject({
      requestsWithoutTenant: 0,
      requestsWithoutUser: 1,
      requestsWithoutModel: 2,
    });
  });

  test('spread: a user whom the trace names without a tenant → one tenant wherever the user appears', async () => {
    const rows = Array.from(
      { length: 50 },
      (_, i) => `2026-01-01T00:00:${String(i).padStart(2, '0')}Z,1,1,user-${i % 5}`,
    );
    const { requests } = mergeTraces(
      [await read(`timestamp,context_tokens,generated_tokens,user\n${rows.join('\n')}\n`)],
      SPREAD,
    );
    const tenantOf = new Map<string, string>();
    for (const { user, tenant } of requests)
      expect(tenantOf.set(user, tenantOf.get(user) ?? tenant).get(user)).toBe(tenant);
  });

  test('spread: nothing missing → no note', async () => {
    const stated = await read(
      'timestamp,context_tokens,generated_tokens,tenant,user,model\n2026-01-01T00:00:00Z,1,1,a,b,c\n',
    );
    expect(mergeTraces([stated], SPREAD).spread).toBeNull();
  });

  test.each([
    [{ tenants: 0 }, 'tenants: 0 is not a whole number from 1'],
    [{ tenants: 10 }, 'users: 9 is not a whole number from 10 (one for each tenant)'],
    [{ users: 1.5 }, 'users: 1.5'],
    [{ models: [] }, 'models: at least one'],
    [{ seed: -1 }, 'seed: -1'],
  ])('spread: %o → refused', (wrong, message) => {
    expect(() => mergeTraces(raw, { ...SPREAD, ...wrong })).toThrow(message);
  });
});

describe('generated trace', () => {
  test('generated trace: the same seed → the same requests, and its sources say that they are generated', () => {
    const one = generateTrace({ requests: 1_000, seed: 3 });
    expect(generateTrace({ requests: 1_000, seed: 3 })).toEqual(one);
    expect(generateTrace({ requests: 1_000, seed: 4 })).not.toEqual(one);
    expect(one.map(({ source }) => source)).toEqual([
      { name: 'generated-code', requests: 300, generated: true, wasSorted: true },
      { name: 'generated-conversation', requests: 700, generated: true, wasSorted: true },
    ]);
  });

  test('generated trace: sorted, within an hour, in bursts, with the quantiles of real traffic', () => {
    for (const { requests } of generateTrace({ requests: 20_000, seed: 1 })) {
      const times = requests.map(({ at }) => at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times[times.length - 1] - times[0]).toBeLessThanOrEqual(3_600_000);
      const perSecond = new Map<number, number>();
      for (const at of times)
        perSecond.set(Math.floor(at / 1_000), (perSecond.get(Math.floor(at / 1_000)) ?? 0) + 1);
      const mean = requests.length / 3_600;
      expect(Math.max(...perSecond.values())).toBeGreaterThan(mean * 4);
    }
    const [code, chat] = generateTrace({ requests: 20_000, seed: 1 });
    expect(median(code.requests.map(({ outputTokens }) => outputTokens))).toBeCloseTo(13, -1);
    expect(median(chat.requests.map(({ inputTokens }) => inputTokens))).toBeGreaterThan(900);
    expect(median(chat.requests.map(({ inputTokens }) => inputTokens))).toBeLessThan(1_100);
  });

  test('generated trace: too few requests → refused', () => {
    expect(() => generateTrace({ requests: 9, seed: 1 })).toThrow(
      'requests: 9 is not a whole number from 10',
    );
  });
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

// The real traces are not part of the project: this test says so and is skipped where they are absent.
const DATA = '../shared/data';

describe('real traces', () => {
  test('trace: the Azure traces, where they are → every row, in order', async (context) => {
    const paths = ['azure-llm-code-2023.csv', 'azure-llm-conv-2023.csv'].map((name) => join(DATA, name));
    const trace = await readTrace(paths, SPREAD).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (trace === null) return context.skip(`the traces are not in ${DATA}`);
    expect(trace.sources.map(({ requests, wasSorted }) => [requests, wasSorted])).toEqual([
      [8_819, true],
      [19_366, true],
    ]);
    expect(trace.requests.reduce((sum, { inputTokens }) => sum + inputTokens, 0)).toBe(
      18_059_974 + 22_361_870,
    );
    expect(trace.requests.reduce((sum, { outputTokens }) => sum + outputTokens, 0)).toBe(245_896 + 4_088_665);
  });
});
