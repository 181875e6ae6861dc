// Wrong use of the command line: the exit code, and errors that name option, value and bound.

import { readdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUDGETS, BursarFolder } from '../setup/bursar-process.js';

let folder: BursarFolder;
beforeAll(async () => {
  folder = await BursarFolder.make();
});
afterAll(() => folder.remove());

describe('wrong usage', () => {
  let path: string;
  beforeAll(async () => {
    path = await folder.newLedger('usage');
  });

  test.each([
    ['nonsense', "unknown command 'nonsense'"],
    ['authorize', "required option '--hold <id>' not specified"],
    ['authorize --hold h --label x', '--label: "x" is not KEY=VALUE'],
    ['authorize --hold h --label a=1 --label a=2', '--label: "a" is given twice'],
    ['authorize --hold h --amount usd=1e3', '--amount usd: "1e3" is not a decimal amount'],
    [
      'authorize --hold h --amount usd=0.000000001',
      '--amount usd: "0.000000001" has 9 decimal digits; at most 8 fit',
    ],
    [
      'authorize --hold h --amount eur=1',
      '--amount eur: the ledger has no unit "eur"; it has usd, tokens, calls',
    ],
    ['authorize --hold h --ttl 10', '--ttl: "10" is not a duration such as'],
    ['authorize --hold h --overrun maybe', '--overrun: "maybe" is not record, reject, forbid or cap:PERCENT'],
    ['authorize --hold h --on-expiry keep', '--on-expiry: "keep" is not release or charge'],
    ['authorize --hold h --candidate [1]', '--candidate: "[1]" is not an object'],
    ['authorize --hold h --grant-caps capability=c', '--grant-caps: unit=… is missing'],
    ['authorize --hold h --authority x', '--authority: "x" is not AUTHORITY/LEASE/EPOCH'],
    ['settle h --usage-input -1', '--usage-input: "-1" is not a whole number from 0'],
    ['settle h --outcome fine', '--outcome: "fine" is not completed, failed, cancelled, unknown'],
    ['top-up nothing --amount 1', 'budget: none has the id "nothing"'],
    ['balances --budget nothing', '--budget: no budget has the id "nothing"'],
    ['balances --max 0', '--max: "0" is not a whole number from 1'],
    ['record --amount usd=1 --occurred-at yesterday', '--occurred-at: "yesterday" is not an instant such as'],
    ['events --type nothing', '--type: "nothing" is not hold_authorized'],
    ['apply nothing.yaml', 'there is no file "nothing.yaml"'],
    ['explain nothing', '"nothing" is not like "dec-12"'],
    ['backtest --budgets x.yaml --trace nothing.csv', 'there is no file "nothing.csv"'],
    ['backtest --budgets x.yaml', '--trace: give either --trace FILE or --generate REQUESTS'],
    ['backtest --budgets x.yaml --generate 10 --price cheap', '--price: "cheap" is not MODEL=IN/OUT'],
    ['backtest --budgets x.yaml --generate 10 --latency-base 0ms', '--latency-base: 0ms is below 1ms'],
  ])('cli: %s → exit code 1, and an error that names option, value and bound', async (line, message) => {
    const answer = await folder.run(line, path);
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toContain(message);
  });

  test('cli: a ledger that does not exist → an error, and none is created in passing', async () => {
    for (const line of ['authorize --hold h --amount usd=1', 'balances', 'verify']) {
      const answer = await folder.run(line, folder.file('mistyped.db'));
      expect(answer).toMatchObject({ code: 1, stdout: '' });
      expect(answer.stderr).toContain('there is no ledger at');
    }
    expect(await readdir(folder.path)).not.toContain('mistyped.db');
  });

  test('cli: apply --dry-run without a ledger → shows the plan and creates nothing', async () => {
    await writeFile(folder.file('dry.yaml'), BUDGETS);
    expect(await folder.run('apply dry.yaml --dry-run', folder.file('dry.db'))).toMatchObject({ code: 0 });
    expect(await readdir(folder.path)).not.toContain('dry.db');
  });

  test('cli: a budget file with mistakes → each named by line and field', async () => {
    await writeFile(
      folder.file('wrong.yaml'),
      'budgets:\n  - id: a\n    match: {}\n    unit: usd\n    limit: -1\n    window: fortnight\n',
    );
    const answer = await folder.run('apply wrong.yaml', folder.file('wrong.db'));
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(/wrong\.yaml:5: .*limit/);
    expect(answer.stderr).toMatch(/wrong\.yaml:6: .*window/);
  });
});
