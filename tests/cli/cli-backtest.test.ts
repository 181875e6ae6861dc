// `bursar backtest` and `bursar demo` as processes: report, verification, the ledger left behind, errors.

import { readdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUDGETS, BursarFolder } from '../setup/bursar-process.js';

let folder: BursarFolder;
beforeAll(async () => {
  folder = await BursarFolder.make();
});
afterAll(() => folder.remove());

describe('backtest', () => {
  const TRACE =
    'timestamp,context_tokens,generated_tokens,tenant,user,model\n2026-03-01T10:00:00Z,1000,500,a,u,m\n2026-03-01T10:00:05Z,3000,10,a,u,m\n';

  test('cli: backtest → report, verification, head, and a ledger that the other commands read', async () => {
    await writeFile(folder.file('trace.csv'), TRACE);
    await writeFile(folder.file('backtest.yaml'), BUDGETS);
    const line = 'backtest --trace trace.csv --budgets backtest.yaml --price m=1000/1000 --into backtest.db';
    const answer = await folder.run(line);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    for (const part of [
      '2 requests: 1 authorised and settled, 1 refused',
      'verified: ',
      'head #',
      'backtest.db (kept)',
    ]) {
      expect(answer.stdout).toContain(part);
    }
    const denied = await folder.run('events --type hold_denied', folder.file('backtest.db'));
    expect(denied.stdout).toContain('2026-03-01T10:00:05Z hold_denied request-2');
    expect(await folder.run(line)).toMatchObject({ code: 1, stdout: '' });
  });

  test('cli: backtest --json → the report as data, twice the same', async () => {
    await writeFile(folder.file('trace.csv'), TRACE);
    await writeFile(folder.file('backtest.yaml'), BUDGETS);
    const line = 'backtest --trace trace.csv --budgets backtest.yaml --price m=1000/1000 --json';
    const [first, second] = [
      JSON.parse((await folder.run(line)).stdout),
      JSON.parse((await folder.run(line)).stdout),
    ];
    expect(first.report.totals).toMatchObject({ requests: 2, refused: 1, spent: { usd: '1.5' } });
    expect(first.report.headroom.foreseen).toEqual({
      refused: 1,
      spent: { usd: '1.5', tokens: '1500', calls: '1' },
    });
    expect(first.verification.ok).toBe(true);
    expect(second.report).toEqual(first.report);
    expect((await readdir(folder.path)).filter((name) => name.startsWith('bursar-backtest-'))).toEqual([]);
  });

  test('cli: backtest of a wrong trace → names file, line, field and value', async () => {
    await writeFile(folder.file('bad.csv'), `${TRACE}2026-03-01T10:00:09Z,many,1,a,u,m\n`);
    await writeFile(folder.file('backtest.yaml'), BUDGETS);
    const answer = await folder.run('backtest --trace bad.csv --budgets backtest.yaml');
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toContain('bad.csv line 4, context_tokens: "many" is not a whole number');
  });

  test('cli: demo without the real traces → says that its trace is generated, refuses some, verifies, prints the head', async () => {
    const answer = await folder.run('demo --data nowhere --generate 3000');
    expect(answer.code).toBe(0);
    expect(answer.stderr).toContain('GENERATED');
    for (const part of [
      'GENERATED, not measured',
      'one-call',
      'verified: ',
      'head #',
      'temporary, now deleted',
    ]) {
      expect(answer.stdout).toContain(part);
    }
  });
});
