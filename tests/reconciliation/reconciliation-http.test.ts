// Reconciliations over HTTP: who may, what is refused and how it reads, the metrics, and what a restart keeps. The command
// line's own refusals stand here too.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLedger, usd } from '#bursar/index.js';
import { CSV_LENGTH_MAX } from '#bursar/reconciliation/reconciliation-api.js';
import { type Answer, HttpStage, said } from '../http/http-setup.js';
import type { Json } from '../setup/json.js';
import { runInProcess } from '../setup/server-in-process.js';
import { page, type ReportAnswer, ReportServer, text } from './report-server.js';

const DAY_MS = 86_400_000;
const BILL = 'day,usd,model\nDAY,2.5,gpt-5\n';

let stage: HttpStage;
let reports: ReportServer;
let day = '';
beforeEach(async () => {
  stage = await HttpStage.open();
  reports = await ReportServer.start();
  day = new Date(stage.clock.now()).toISOString().slice(0, 10);
  await stage.ledger.record({
    labels: { provider: 'openai', model: 'gpt-5' },
    amounts: { usd: usd('2') },
  });
});
afterEach(() => reports.close());

const asked = (more: object = {}) => ({ provider: 'openai', from: day, to: day, ...more });
const csv = () => BILL.replace('DAY', day);
const run = (body: object, key?: string) =>
  stage.post('/v1/reconciliations', body, key === undefined ? {} : { key });

describe('http: reconciliations', () => {
  test('a CSV in the request → the gap by day and model, kept and listed, the newest first', async () => {
    const first = await run(asked({ csv: csv(), tolerance: '10%' }));
    expect([first.status, first.body.gapUsd, first.body.isWithin]).toEqual([201, '0.5', false]);
    const second = await run(asked({ csv: csv(), tolerance: '0.5' }));
    expect([second.body.isWithin, second.body.toleratedUsd]).toEqual([true, '0.5']);
    await stage.restart();
    const { body } = await stage.get('/v1/reconciliations?limit=1');
    const summary = ({ rows: _rows, rowsLeftOut: _leftOut, ...rest }: Json) => rest;
    expect(body.items).toEqual([summary(second.body)]);
    const next = await stage.get(`/v1/reconciliations?cursor=${body.nextCursor}`);
    expect([next.body.items, next.body.nextCursor]).toEqual([[summary(first.body)], null]);
    expect((await stage.get(`/v1/reconciliations/${first.body.id}`)).body).toEqual(first.body);
    const metrics = await stage.get('/metrics');
    expect(metrics.text).toContain('bursar_reconciliation_gap_usd{provider="openai"} 0.5');
    expect(metrics.text).toContain(
      `bursar_reconciliation_run_timestamp_seconds{provider="openai"} ${stage.clock.now() / 1_000}`,
    );
  });

  test('a thousand rows with the longest names there are → kept whole', async () => {
    const names = Array.from({ length: 1_000 }, (_, place) => `${place}`.padEnd(128, '\u7532'));
    const lines = names.map((name) => `${day},9000000.12345678,${name}`);
    const done = await run(asked({ csv: ['day,usd,model', ...lines].join('\n') }));
    expect([done.status, done.body.rows?.length]).toEqual([201, 1_001]);
    expect((await stage.get(`/v1/reconciliations/${done.body.id}`)).body).toEqual(done.body);
  });

  test('a CSV of 4 MiB → taken; one character more is refused', async () => {
    const row = `${day},0.00001,gpt-5\n`;
    const head = 'day,usd,model\n';
    const rows = Math.floor((CSV_LENGTH_MAX - head.length) / row.length);
    const largest = (head + row.repeat(rows)).padEnd(CSV_LENGTH_MAX, '\n');
    expect((await run(asked({ csv: largest }))).status).toBe(201);
    const { status, body } = await run(asked({ csv: `${largest}\n` }));
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });

  test('post → booked with the labels that are stated, once', async () => {
    const body = asked({ csv: csv(), post: true, labels: { tenant: 'acme' } });
    const { body: done } = await run(body);
    expect([done.posting.recorded, done.gapLeftUsd]).toEqual([{ count: 1, usd: '0.5' }, '0']);
    expect((await run(body)).body.posting.recorded.count).toBe(0);
    const each = await stage.get('/v1/balances?budgetId=each');
    expect(each.body.items).toMatchObject([{ values: { tenant: 'acme' }, spent: '0.5' }]);
    expect((await stage.get('/metrics')).text).toContain(
      'bursar_reconciliation_gap_usd{provider="openai"} 0',
    );
  });

  test('only an admin of the platform: a tenant’s admin, a spender and a reader are refused', async () => {
    const keys = [
      stage.keys.acme,
      await stage.key({ labels: { tenant: 'acme' } }),
      await stage.key({ scopes: ['read'] }),
    ];
    for (const key of keys) {
      expect(said(await run(asked({ csv: csv() }), key))).toBe('403 forbidden');
      expect(said(await stage.get('/v1/reconciliations', key))).toBe('403 forbidden');
      expect(said(await stage.get('/v1/reconciliations/x', key))).toBe('403 forbidden');
    }
  });

  test.each([
    [{ from: '2026-1-1' }, '400 invalid_request from'],
    [{ to: '2020-01-01' }, '400 invalid_request to'],
    [{ from: '2020-01-01' }, '400 invalid_request to'],
    [{ tolerance: 'some' }, '400 invalid_request tolerance'],
    [{ csv: 'day,usd\nx,1\n' }, '400 invalid_request csv line 2'],
    [{ csv: undefined }, '400 invalid_request provider'],
    [{ baseUrl: 'http://169.254.169.254' }, '400 invalid_request baseUrl'],
    [{ labels: { 'a b': 'x' }, post: true }, '400 invalid_request labels."a b"'],
    [{ labels: { tenant: 'acme' } }, '400 invalid_request labels'],
  ])('%j → %s, and nothing is booked', async (more, refusal) => {
    const before = stage.ledger.totals().spent.usd;
    expect(said(await run(asked({ csv: csv(), ...more })))).toBe(refusal);
    expect([stage.ledger.totals().spent.usd, (await stage.get('/v1/reconciliations')).body.items]).toEqual([
      before,
      [],
    ]);
  });

  test('an id that is not there → 404', async () => {
    expect(said(await stage.get('/v1/reconciliations/none'))).toBe('404 not_found id');
  });

  test('the provider’s API by the configuration: no key → 409; refused → 502 without the key; then the report', async () => {
    stage.reports = [{ provider: 'openai', api: 'openai', baseUrl: reports.url, keyFrom: 'ADMIN_KEY' }];
    expect(said(await run(asked()))).toBe('409 conflict');
    stage.secrets = { ADMIN_KEY: 'sk-admin-secret' };
    reports.answers = {
      '/v1/organization/costs': [text('{"error":{"message":"bad sk-admin-secret"}}', 401)],
    };
    const refused = await run(asked());
    expect(said(refused)).toBe('502 provider_failed');
    expect(refused.body.detail).toContain('ADMIN_KEY');
    const start = Date.parse(`${day}T00:00:00Z`) / 1_000;
    const bucket = `{"object":"bucket","start_time":${start},"end_time":${start + 86_400},"results":[{"object":"organization.costs.result","amount":{"value":2,"currency":"usd"},"line_item":"gpt-5, output"}]}`;
    reports.answers = { '/v1/organization/costs': [page(bucket)] };
    const done = await run(asked());
    expect([done.status, done.body.gapUsd, done.body.report.source]).toEqual([
      201,
      '0',
      `${reports.url}/v1/organization/costs`,
    ]);
    expect(refused.text + done.text + stage.log.join('')).not.toContain('sk-admin-secret');
  });

  test('while one runs → another is told to come again', async () => {
    stage.reports = [{ provider: 'openai', api: 'openai', baseUrl: reports.url, keyFrom: 'ADMIN_KEY' }];
    stage.secrets = { ADMIN_KEY: 'sk-admin-secret' };
    let other: Promise<Answer> | undefined;
    const slow: ReportAnswer = (response, request) => {
      other = run(asked({ csv: csv() }));
      void other.then(() => page('')(response, request));
    };
    reports.answers = { '/v1/organization/costs': [slow] };
    const first = await run(asked());
    expect([said(first), said((await other) as Answer)]).toEqual(['201', '503 overloaded']);
  });
});

describe('cli: reconcile on a ledger file', () => {
  let folder = '';
  let ledger = '';
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bursar-reconcile-'));
    ledger = join(folder, 'ledger.db');
    const opened = await openLedger({ path: ledger });
    await opened.record({ labels: { provider: 'openai', model: 'gpt-5' }, amounts: { usd: usd('2') } });
    await opened.close();
    writeFileSync(join(folder, 'bill.csv'), `day,usd,model\n${today()},2.5,gpt-5\n`);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const today = () => new Date().toISOString().slice(0, 10);
  const reconcile = (more: string) => runInProcess(`reconcile --provider openai ${more}`, { ledger });
  const bill = () => `--from ${today()} --to ${today()} --csv ${join(folder, 'bill.csv')}`;

  test('the gap → exit code 2; within the tolerance → 0; --post → booked, and 0', async () => {
    const apart = await reconcile(bill());
    expect([apart.code, apart.stderr]).toEqual([2, '']);
    expect(apart.stdout).toMatch(/gpt-5 +2 +2\.5 +\+0\.5/);
    expect((await reconcile(`${bill()} --tolerance 25%`)).code).toBe(0);
    const posted = await reconcile(`${bill()} --post --label tenant=acme`);
    expect([posted.code, posted.stdout]).toEqual([
      0,
      expect.stringContaining('posted: 0.5 usd recorded in 1, 0 usd taken off 0 holds; gap left 0 usd'),
    ]);
    expect((await reconcile(`${bill()} --post`)).stdout).toContain('posted: 0 usd recorded in 0');
  });

  test('a name that no charge has → a note that says so, since it may be misspelt', async () => {
    const told = async (provider: string) =>
      (await runInProcess(`reconcile --provider ${provider} ${bill()}`, { ledger })).stdout;
    expect(await told('openia')).toContain('note: the ledger has no charge of "openia" on these days');
    expect(await told('openai')).not.toContain('no charge of');
  });

  test('without days → yesterday', async () => {
    const yesterday = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
    const { stdout } = await reconcile(`--csv ${join(folder, 'bill.csv')} --json`);
    expect(JSON.parse(stdout)).toMatchObject({ from: yesterday, to: yesterday, isWithin: true });
  });

  test.each([
    ['--tolerance lots', 'tolerance: "lots" is neither'],
    ['--from 2026-13-01', 'from: "2026-13-01" is no day'],
    ['--csv none.csv', 'there is no file "none.csv"'],
    ['--api openai', 'OPENAI_ADMIN_KEY: set this environment variable'],
    ['--api openai --api-url ftp://x', '--api-url: begins with ftp:'],
    ['--csv bill.csv --api openai', '--csv: goes without --api'],
    ['--csv bill.csv --label tenant=acme', '--label: goes with --post'],
    ['--api nobody', 'Allowed choices are openai, anthropic'],
  ])('%s → exit code 1: %s', async (more, problem) => {
    const { code, stderr } = await reconcile(more);
    expect(code).toBe(1);
    expect(stderr).toContain(problem);
  });
});
