// Providers' reports as they come over the wire: bytes of the report APIs from a real server, and files that providers
// export, with what becomes of breaks, refusals and nonsense.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ANTHROPIC } from '#bursar/reconciliation/anthropic-report.js';
import { csvReport } from '#bursar/reconciliation/csv-report.js';
import { dayRange } from '#bursar/reconciliation/days.js';
import { modelItem } from '#bursar/reconciliation/items.js';
import { attosOf, parseJsonWithNumberTexts } from '#bursar/reconciliation/money-text.js';
import { lineItemOf, OPENAI } from '#bursar/reconciliation/openai-report.js';
import { providerReport } from '#bursar/reconciliation/provider-report.js';
import type { UsageReport } from '#bursar/reconciliation/usage-report.js';
import { cutOff, page, ReportServer, text } from './report-server.js';

const RANGE = dayRange('2026-11-01', '2026-11-02');
const DAY_1 = Date.parse('2026-11-01T00:00:00Z') / 1_000;
const DAY_2 = DAY_1 + 86_400;
const COSTS = '/v1/organization/costs';
const COMPLETIONS = '/v1/organization/usage/completions';
const COST_REPORT = '/v1/organizations/cost_report';
const USAGE_REPORT = '/v1/organizations/usage_report/messages';

let server: ReportServer;
beforeEach(async () => {
  server = await ReportServer.start();
});
afterEach(() => server.close());

/** `day item usd-in-steps`, with requests and tokens where they are known. */
function shown(report: UsageReport): string[] {
  return report.rows.map(({ day, item, usd, requests, tokens }) =>
    [day, item ?? '-', usd, requests === null ? '' : `r${requests}`, tokens === null ? '' : `t${tokens}`]
      .filter((part) => part !== '')
      .join(' '),
  );
}

function bucket(start: number, results: string): string {
  return `{\n  "object": "bucket",\n  "start_time": ${start},\n  "end_time": ${start + 86_400},\n  "results": [${results}]\n}`;
}

function cost(value: string, lineItem: string | null, currency = 'usd'): string {
  return `{"object": "organization.costs.result", "amount": {"value": ${value}, "currency": "${currency}"}, "line_item": ${JSON.stringify(lineItem)}, "project_id": null}`;
}

describe('openai: organization costs and usage', () => {
  test('costs of two pages → usd by day and model, tools apart, counts from the usage', async () => {
    server.answers = {
      [COSTS]: [
        page(
          bucket(
            DAY_1,
            [
              cost('0.8958740000000000', 'gpt-5-2025-08-07, input'),
              cost('6.2e-05', 'gpt-5-2025-08-07, cached input'),
              cost('"0.25"', 'priority | gpt-5-2025-08-07, output, long context'),
              cost('0.01', 'web search tool calls'),
            ].join(','),
          ),
          'page_2',
        ),
        page(bucket(DAY_2, cost('1', 'gpt-5-mini-2025-08-07, output'))),
      ],
      [COMPLETIONS]: [
        page(
          bucket(
            DAY_1,
            '{"object":"organization.usage.completions.result","input_tokens":5000,"output_tokens":1000,"input_cached_tokens":4000,"num_model_requests":5,"project_id":null,"user_id":null,"api_key_id":null,"model":"gpt-5-2025-08-07","batch":null}',
          ),
        ),
      ],
    };
    const report = await providerReport(OPENAI, RANGE, server.access());
    expect(shown(report)).toEqual([
      '2026-11-01 gpt-5 114593600 r5 t6000',
      '2026-11-01 web_search 1000000',
      '2026-11-02 gpt-5-mini 100000000',
    ]);
    expect(report.rows[0]?.tiers).toEqual({ 'priority, long context': 25_000_000n });
    const [first, second] = server.asked(COSTS);
    expect(first?.headers.authorization).toBe('Bearer sk-admin-secret');
    expect(Object.fromEntries(first?.query ?? [])).toEqual({
      start_time: String(DAY_1),
      end_time: String(DAY_2 + 86_400),
      bucket_width: '1d',
      'group_by[]': 'line_item',
      limit: '31',
    });
    expect(second?.query.get('page')).toBe('page_2');
  });

  test('the example of the API reference, without a line item → days alone', async () => {
    const bytes = `{\n"object": "page",\n"data": [\n{\n"object": "bucket",\n"start_time": ${DAY_1},\n"end_time": ${DAY_2},\n"results": [\n{\n"object": "organization.costs.result",\n"amount": {\n"value": 0.06,\n"currency": "usd"\n},\n"line_item": null,\n"project_id": null\n}\n]\n}\n],\n"has_more": false,\n"next_page": null\n}`;
    server.answers = { [COSTS]: [text(bytes)] };
    const report = await providerReport(OPENAI, RANGE, server.access());
    expect([shown(report), report.hasItems]).toEqual([['2026-11-01 - 6000000'], false]);
  });

  test('a day more than was asked for → left out; usage that the key may not read → a note, and the money stands', async () => {
    server.answers = {
      [COSTS]: [
        page(
          [
            bucket(DAY_1 - 86_400, cost('9', 'gpt-5, input')),
            bucket(DAY_1, cost('1', 'gpt-5, input')),
          ].join(),
        ),
      ],
      [COMPLETIONS]: [text('{"error":{"message":"Missing scopes: api.usage.read"}}', 403)],
    };
    const report = await providerReport(OPENAI, RANGE, server.access());
    expect(shown(report)).toEqual(['2026-11-01 gpt-5 100000000']);
    expect(report.notes[0]).toContain('completions are not known');
    expect(report.notes[0]).toContain('Missing scopes');
  });

  test.each([
    ['gpt-4o-2024-08-06, cached input', 'gpt-4o', null],
    ['gpt-image-1 text, input', 'gpt-image-1', null],
    ['ft-gpt-4o-2024-08-06, input', 'ft-gpt-4o', null],
    ['priority | gpt-5.6, output', 'gpt-5-6', 'priority'],
    ['gpt-4o-mini-2024-07-18, batch input', 'gpt-4o-mini', 'batch input'],
    ['web search tool calls', 'web_search', null],
    ['code interpreter sessions', 'code_interpreter', null],
    ['Vector storage', 'vector storage', null],
  ])('line item %j → item %j, price %j', (line, item, tier) => {
    const read = lineItemOf(line);
    expect([read.item?.item, read.tier]).toEqual([item, tier]);
  });
});

describe('anthropic: cost and usage report', () => {
  const item = (amount: string, more: string) =>
    `{"amount":"${amount}","currency":"USD","context_window":"0-200k","cost_type":"tokens","service_tier":"standard","workspace_id":null,${more}}`;
  const day = (results: string) =>
    `{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-11-02T00:00:00Z","results":[${results}]}`;

  test('amounts in cents as texts → usd by day and model, tools apart, tokens from the usage', async () => {
    server.answers = {
      [COST_REPORT]: [
        page(
          day(
            [
              item(
                '123.78912',
                '"model":"claude-opus-4-6","description":"Claude Opus 4.6 Usage - Input Tokens","token_type":"uncached_input_tokens"',
              ),
              item(
                '0.00001',
                '"model":"claude-opus-4-6","description":"Claude Opus 4.6 Usage - Output Tokens","token_type":"output_tokens"',
              ),
              '{"amount":"3","currency":"USD","context_window":null,"cost_type":"web_search","description":"Web Search Usage","model":null,"service_tier":null,"token_type":null,"workspace_id":null}',
              '{"amount":"50","currency":"USD","context_window":"200k-1M","cost_type":"tokens","description":"x","model":"claude-sonnet-4-5-20250929","service_tier":"batch","token_type":"output_tokens","workspace_id":null}',
            ].join(','),
          ),
        ),
      ],
      [USAGE_REPORT]: [
        page(
          day(
            '{"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,"ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,"output_tokens":500,"server_tool_use":{"web_search_requests":10},"api_key_id":null,"workspace_id":null,"model":"claude-opus-4-6","service_tier":null,"context_window":null}',
          ),
        ),
      ],
    };
    const report = await providerReport(ANTHROPIC, RANGE, server.access());
    expect(shown(report)).toEqual([
      '2026-11-01 claude-opus-4-6 123789130 t3700',
      '2026-11-01 claude-sonnet-4-5 50000000',
      '2026-11-01 web_search 3000000',
    ]);
    expect(report.rows[1]?.tiers).toEqual({ 'batch, 200k-1M': 50_000_000n });
    const [asked] = server.asked(COST_REPORT);
    expect(asked?.headers).toMatchObject({
      'x-api-key': 'sk-admin-secret',
      'anthropic-version': '2023-06-01',
    });
    expect(Object.fromEntries(asked?.query ?? [])).toMatchObject({
      starting_at: '2026-11-01T00:00:00Z',
      ending_at: '2026-11-03T00:00:00Z',
      'group_by[]': 'description',
    });
  });
});

describe('reports: what goes wrong on the way', () => {
  const good = page(bucket(DAY_1, cost('1', 'gpt-5, input')));
  const run = () => providerReport(OPENAI, RANGE, server.access());
  const failure = () =>
    run().then(
      () => 'no failure',
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test('429 with Retry-After in seconds, then as an instant → waited as asked, and read', async () => {
    const at = new Date(server.now + 7_000).toUTCString();
    server.answers = {
      [COSTS]: [
        text('{"error":{"message":"slow down"}}', 429, { 'retry-after': '3' }),
        text('{"error":{"message":"slow down"}}', 429, { 'retry-after': at }),
        good,
      ],
    };
    expect(shown(await run())).toEqual(['2026-11-01 gpt-5 100000000']);
    expect(server.waits).toEqual([3_000, 7_000]);
  });

  test('an answer that breaks off, JSON that is cut, and a 503 → asked again', async () => {
    server.answers = {
      [COSTS]: [cutOff('{"object":"page","da'), text('{"object":"page","data":[{"obj'), text('', 503), good],
    };
    expect(shown(await run())).toEqual(['2026-11-01 gpt-5 100000000']);
    expect(server.waits).toEqual([1_000, 2_000, 4_000]);
  });

  test('an answer that stays cut → given up after six attempts, never read as a smaller bill', async () => {
    server.answers = { [COSTS]: [text('{"object":"page","data":[')] };
    expect(await failure()).toContain('the answer is no whole JSON, 6 times');
    expect(server.asked(COSTS)).toHaveLength(6);
  });

  test('a page in the middle that cannot be had → no report at all', async () => {
    server.answers = { [COSTS]: [page(bucket(DAY_1, cost('1', 'gpt-5, input')), 'p2'), text('', 500)] };
    expect(await failure()).toContain('the provider answered 500, 6 times');
  });

  test('401 with the key in the message → says which variable, and never the key', async () => {
    server.answers = { [COSTS]: [text('{"error":{"message":"Incorrect API key: sk-admin-secret"}}', 401)] };
    const said = await failure();
    expect(said).toContain('answered 401 (Incorrect API key: …)');
    expect(said).toContain('ADMIN_KEY');
    expect(said).not.toContain('sk-admin-secret');
    expect(server.asked(COSTS)).toHaveLength(1);
  });

  test('a redirect → not followed, so that the key goes nowhere else', async () => {
    const other = await ReportServer.start();
    try {
      server.answers = { [COSTS]: [text('', 302, { location: `${other.url}${COSTS}` })] };
      expect(await failure()).toContain('no whole answer came');
      expect(other.requests).toEqual([]);
    } finally {
      await other.close();
    }
  });

  test.each([
    ['next_page that leads back', [page('', 'same')], 'the same page again'],
    ['has_more without next_page', [text('{"data":[],"has_more":true}')], 'next_page is missing'],
    ['no list', [text('{"object":"list"}')], 'no list "data"'],
    ['a bucket without a day', [page('{"results":[]}')], 'no start_time'],
    ['another currency', [page(bucket(DAY_1, cost('1', 'gpt-5, input', 'eur')))], 'states eur'],
    ['an amount that is none', [page(bucket(DAY_1, cost('"lots"', 'gpt-5, input')))], 'is no decimal'],
    ['an hour of waiting', [text('', 429, { 'retry-after': '3600' })], 'come again in 3600 s'],
  ])('%s → a sentence, and no report', async (_what, answers, said) => {
    server.answers = { [COSTS]: answers };
    expect(await failure()).toContain(said);
  });
});

describe('reports: CSV files', () => {
  async function* chunks(body: string) {
    for (let at = 0; at < body.length; at += 7) yield body.slice(at, at + 7);
  }
  const read = (body: string) => csvReport(chunks(body), 'bill.csv', RANGE);

  test('Bursar’s own columns, in any order, quoted or not → as stated', async () => {
    const report = await read(
      'model,usd,day,requests,tokens,note\r\ngpt-5,"1.25",2026-11-01,3,400,x\n"gpt-5-2025-08-07",0.25,2026-11-01,1,,y\n,-0.5,2026-11-02,,,credit\n',
    );
    expect(shown(report)).toEqual(['2026-11-01 gpt-5 150000000 r4 t400', '2026-11-02 - -50000000']);
  });

  test('OpenAI’s cost export, with days without cost → by line item', async () => {
    const report = await read(
      'start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\n' +
        '1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,,,,,,,,,,,,,\n' +
        '1793577600,1793664000,2026-11-02T00:00:00,2026-11-03T00:00:00,0.003835980000000000000000000000,usd,,,"gpt-5-2025-08-07, input",,,,org-1,,Personal,,\n',
    );
    expect(shown(report)).toEqual(['2026-11-01 - 0', '2026-11-02 gpt-5 383598']);
  });

  test('the cost export of Anthropic’s console → models by their names for people', async () => {
    const report = await read(
      'usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed\n' +
        '2026-11-01,Claude Sonnet 4.5,Default,key,message,≤ 200k,input_no_cache,0.01,0.01,token,global,\n' +
        '2026-11-01,Claude Sonnet 4.5,Default,key,message,≤ 200k,input_cache_read,18.71,18.71,token,global,\n' +
        '2026-11-01,,Default,key,message,,,0.05,0.05,web_search,global,\n',
    );
    expect(shown(report)).toEqual([
      '2026-11-01 claude-sonnet-4-5 1872000000',
      '2026-11-01 web_search 5000000',
    ]);
  });

  test.each([
    ['date,amount\n2026-11-01,1\n', 'bill.csv line 1', 'needs the columns day, usd'],
    ['', 'bill.csv', 'is empty'],
    ['day,usd\n2026-11-31,1\n', 'bill.csv line 2', 'is no day'],
    ['day,usd\n01.11.2026,1\n', 'bill.csv line 2', 'is no day'],
    ['day,usd\n2026-11-01,$1\n', 'bill.csv line 2', 'is no decimal'],
    ['day,usd,currency\n2026-11-01,1,EUR\n', 'bill.csv line 2', 'only usd'],
    ['day,usd,model,tokens\n2026-11-01,1,a,1.5\n', 'bill.csv line 2', 'tokens: "1.5" is no whole number'],
  ])('%j → names the line', async (body, place, problem) => {
    const said = await read(body).then(
      () => 'no failure',
      (error: Error) => error.message,
    );
    expect(said).toContain(place);
    expect(said).toContain(problem);
  });

  test('the same figures in another order → the same digest; another figure → another', async () => {
    const one = await read('day,usd,model\n2026-11-01,1,a\n2026-11-02,2,b\n');
    const turned = await read('day,model,usd\n2026-11-02,b,2.00\n2026-11-01,a,1\n');
    const other = await read('day,usd,model\n2026-11-01,1,a\n2026-11-02,2.00000001,b\n');
    expect(turned.digest).toBe(one.digest);
    expect(other.digest).not.toBe(one.digest);
  });
});

describe('reports: money and names', () => {
  test.each([
    ['0.06', 0 as const, 60_000_000_000_000_000n],
    ['6.2e-05', 0 as const, 62_000_000_000_000n],
    ['1E+2', 0 as const, 100_000_000_000_000_000_000n],
    ['-0.5', 0 as const, -500_000_000_000_000_000n],
    ['123.45', 2 as const, 1_234_500_000_000_000_000n],
    ['.5', 0 as const, 500_000_000_000_000_000n],
    ['0.1234567890123456789012', 0 as const, 123_456_789_012_345_678n],
  ])('%s with %d digits of its unit → %s attos, without a float', (written, digits, attos) => {
    expect(attosOf(written, digits)).toBe(attos);
  });

  test.each(['', '.', 'NaN', '1e999', '1,000.00', '0x10', '1 ', '--1', '9'.repeat(100)])(
    '%j → no amount',
    (written) => {
      expect(attosOf(written)).toBeNull();
    },
  );

  test('numbers of a JSON text keep how they were written; texts that look like them stay', () => {
    expect(parseJsonWithNumberTexts('{"a":0.30000000000000004,"b":"1, 2\\"3","c":[1e-7,true,null]}')).toEqual(
      {
        a: '0.30000000000000004',
        b: '1, 2"3',
        c: ['1e-7', true, null],
      },
    );
  });

  test('a text of many MiB, and numbers without an end → read, or no JSON; never an exhausted stack', () => {
    const long = 'x\\n'.repeat(4_000_000);
    expect(parseJsonWithNumberTexts(`{"a":"${long}\\\\","b":1.5}`)).toMatchObject({ b: '1.5' });
    expect(() => parseJsonWithNumberTexts(`[${'9'.repeat(10_000_000)}]`)).toThrow(SyntaxError);
    expect(() => parseJsonWithNumberTexts(`{"a":"${'\\"'.repeat(1_000_000)}`)).toThrow(SyntaxError);
  });

  test.each([
    ['gpt-4.1-2025-04-14', 'gpt-4-1'],
    ['Claude Sonnet 4.5', 'claude-sonnet-4-5'],
    ['claude-sonnet-4-5-20250929', 'claude-sonnet-4-5'],
    ['claude-3-5-haiku-latest', 'claude-3-5-haiku'],
    ['ft:gpt-4o-2024-08-06:acme::x1', 'ft-gpt-4o'],
  ])('%s is billed as %s', (name, item) => {
    expect(modelItem(name).item).toBe(item);
  });
});
