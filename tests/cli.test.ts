// The command line as people and scripts use it: the real program in a child process, on a real file.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLedger, usd } from '#bursar/index.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bursar-cli-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  // Temporary files of the program land in this test's folder, where the test can look for leftovers.
  return spawn(process.execPath, [MAIN, ...args], { cwd: folder, env: { ...process.env, TMPDIR: folder } });
}

function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs one command line; words are separated by spaces, and `_` stands for a space inside a word. */
function bursar(line: string, ledger?: string): Promise<Ended> {
  const words = line.split(' ').map((word) => word.replaceAll('_', ' '));
  return ended(start([...words, ...(ledger === undefined ? [] : ['--ledger', ledger])]));
}

const BUDGETS = `
budgets:
  - id: tenant
    match: { tenant: '*' }
    unit: usd
    limit: 10
    window: lifetime
  - id: user
    match: { tenant: '*', user: '*' }
    unit: usd
    limit: 4
    window: lifetime
`;

async function newLedger(name: string): Promise<string> {
  const path = join(folder, `${name}.db`);
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, BUDGETS);
  expect(await bursar(`apply ${file}`, path)).toMatchObject({ code: 0 });
  return path;
}

describe('every command', () => {
  // One story on one file: each row is a command line, its exit code, and what it prints.
  const STORY: readonly (readonly [line: string, code: number, ...prints: string[]])[] = [
    ['apply story.yaml', 0, '+ tenant', '+ user', 'applied at #'],
    ['apply story.yaml', 0, '= no change'],
    ['apply story.yaml --dry-run --prune', 0, '= no change'],
    ['budgets', 0, 'tenant=*', 'lifetime', 'active'],
    [
      'authorize --hold h1 --label tenant=a --label user=u --amount usd=3 --ttl 1h --overrun reject --command-id c1',
      0,
      'authorized h1',
      'within',
    ],
    [
      'authorize --hold h1 --label tenant=a --label user=u --amount usd=3 --ttl 1h --overrun reject --command-id c1',
      0,
      'authorized h1',
      'the first answer again',
    ],
    ['authorize --hold h1 --label tenant=a --amount usd=2 --command-id c1', 1, 'command_id_reused'],
    ['authorize --hold h2 --label tenant=a --label user=u --amount usd=1.5', 2, 'denied h2: held', 'limit'],
    ['authorize --hold h2 --label tenant=a --label user=u --amount usd=4.5', 2, 'denied h2: too_large'],
    ['authorize --hold h2 --label tenant=a --amount usd=1 --require user', 2, 'denied h2: no_budget', 'user'],
    ['check --label tenant=a --label user=u --amount usd=1', 0, 'fits'],
    ['check --label tenant=a --label user=u --amount usd=1.01', 2, 'does not fit: held'],
    ['holds --status open', 0, 'h1', 'tenant=a', '3 usd'],
    ['extend h1 --ttl 2h --add usd=0.5', 0, 'hold extended h1'],
    ['extend h1 --add usd=5', 2, 'extension_denied'],
    ['release h1 --amount usd=1', 0, 'hold released h1'],
    [
      'settle h1 --amount usd=2 --usage-input 100 --usage-output 20 --outcome completed',
      0,
      'hold settled h1: charged 2 usd',
    ],
    ['settle h1 --amount usd=2', 1, 'hold_already_settled'],
    ['correct h1 --amount usd=2.25 --reason invoice_of_March', 0, 'hold corrected h1: charged 2.25 usd'],
    [
      'authorize --hold h3 --label tenant=a --label user=v --amount usd=1 --on-expiry charge --charge usd=0.5 --overrun cap:10',
      0,
      'authorized h3',
    ],
    ['reverse h3', 0, 'hold reversed h3'],
    ['release h3', 1, 'hold_already_reversed'],
    ['record --label tenant=a --amount usd=0.5 --usage-tools 2', 0, 'spend recorded: charged 0.5 usd'],
    ['balances', 0, 'tenant=a', '2.75', '7.25'],
    ['balances --budget user --value user=u', 0, '1.75'],
    ['top-up user --value tenant=a --value user=u --amount 5', 0, 'balance topped up'],
    ['set-limit user --value tenant=a --value user=v --limit 0.25', 0, 'balance limit set'],
    ['authorize --hold h4 --label tenant=a --label user=v --amount usd=1', 2, 'denied h4: too_large'],
    [
      'authorize --hold h4 --label tenant=a --label user=v --amount usd=1 --candidate {"amounts":{"usd":"0.3"}} --candidate {"amounts":{"usd":"0.2"}}',
      0,
      'authorized h4, candidate 1',
    ],
    ['pause tenant', 0, 'budget status set'],
    ['authorize --hold h5 --label tenant=a --amount usd=1', 2, 'denied h5: paused'],
    ['resume tenant', 0, 'budget status set'],
    ['exhaust tenant --value tenant=a', 0, 'budget exhausted'],
    ['authorize --hold h5 --label tenant=a --amount usd=1', 2, 'denied h5: exhausted'],
    [
      'authorize --hold h6 --label tenant=b --amount usd=1 --grant-caps capability=c,grant=0,unit=usd,max-calls=1',
      0,
      'authorized h6',
    ],
    ['settle h6 --amount usd=1 --exposure usd=1 --grant c/0', 0, 'hold settled h6'],
    ['authorize --hold h7 --label tenant=b --amount usd=1 --authority gw/l1/3', 0, 'authorized h7'],
    ['settle h7 --amount usd=1', 1, 'authority_missing'],
    ['settle h7 --amount usd=1 --authority gw/l1/3', 0, 'hold settled h7'],
    ['close user', 0, 'budget status set'],
    ['events --type hold_denied', 0, 'hold_denied h2', 'VIOLATED limit'],
    ['events --hold h1', 0, 'hold_authorized h1', 'hold_corrected h1'],
    ['snapshot', 0, 'snapshot 1', 'digest', 'head #'],
    ['certify', 0, 'balanced', 'spent since the last certificate: ', 'digest'],
    ['verify', 0, 'verified: ', 'head #', 'state digest'],
  ];

  test('cli: every command once, on one ledger → exit codes and answers', async () => {
    const path = join(folder, 'story.db');
    await writeFile(join(folder, 'story.yaml'), BUDGETS);
    for (const [line, code, ...prints] of STORY) {
      const answer = await bursar(line, path);
      const printed = answer.stdout + answer.stderr;
      expect({ line, code: answer.code, printed }).toMatchObject({ line, code });
      for (const part of prints) expect(`${line}\n${printed}`).toContain(part);
    }
  });

  test('cli: explain → the figures and the holds behind a denial', async () => {
    const path = await newLedger('explain');
    await bursar('authorize --hold h1 --label tenant=a --label user=u --amount usd=3', path);
    const denied = JSON.parse(
      (await bursar('authorize --hold h2 --label tenant=a --label user=u --amount usd=2 --json', path))
        .stdout,
    );
    const explained = await bursar(`explain ${denied.decisionId}`, path);
    expect(explained.code).toBe(0);
    expect(explained.stdout).toContain('the figures add up from the journal');
    expect(explained.stdout).toMatch(/h1\s+3\s+tenant=a user=u/);
    expect(await bursar('explain nothing', path)).toMatchObject({ code: 1 });
  });
});

describe('--json', () => {
  test('cli: --json → amounts as decimal strings in their unit, instants in ISO 8601', async () => {
    const path = await newLedger('json');
    const authorized = await bursar(
      'authorize --hold h1 --label tenant=a --label user=u --amount usd=0.25 --amount tokens=4000 --json',
      path,
    );
    const decision = JSON.parse(authorized.stdout);
    expect(decision).toMatchObject({
      outcome: 'authorized',
      holdId: 'h1',
      replayed: false,
      guarantee: 'single_node_atomic',
    });
    expect(decision.expiresAt).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(decision.lines.find((line: { budgetId: string }) => line.budgetId === 'user')).toMatchObject({
      unit: 'usd',
      limit: '4',
      held: '0.25',
      remaining: '3.75',
      requested: '0.25',
      window: { start: null, end: null },
    });
    const settled = JSON.parse(
      (await bursar('settle h1 --amount usd=0.2 --amount tokens=3000 --json', path)).stdout,
    );
    expect(settled).toMatchObject({
      outcome: 'settled',
      charged: { usd: '0.2', tokens: '3000', calls: '1' },
    });
    const holds = JSON.parse((await bursar('holds --json', path)).stdout);
    expect(holds).toMatchObject([{ holdId: 'h1', status: 'settled', charged: { usd: '0.2' } }]);
    const rejected = await bursar('settle h1 --amount usd=0.2 --json', path);
    expect(rejected.code).toBe(1);
    expect(JSON.parse(rejected.stdout)).toMatchObject({ outcome: 'rejected', code: 'hold_already_settled' });
    expect(JSON.parse((await bursar('verify --json', path)).stdout)).toMatchObject({
      ok: true,
      failure: null,
    });
    expect(JSON.parse((await bursar('certify --json', path)).stdout)).toMatchObject({
      status: 'balanced',
      spentSinceLast: { usd: '0.2' },
    });
    expect(JSON.parse((await bursar('snapshot --json', path)).stdout).balances).toHaveLength(2);
    expect(JSON.parse((await bursar('budgets --json', path)).stdout)).toMatchObject([
      { id: 'tenant', limit: '10' },
      { id: 'user', limit: '4' },
    ]);
  });

  test('cli: events --json → one object a line, in journal order, resumable', async () => {
    const path = await newLedger('events');
    await bursar('authorize --hold h1 --label tenant=a --amount usd=1', path);
    const lines = (await bursar('events --json', path)).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const sequences = lines.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    const authorized = lines.find(({ type }) => type === 'hold_authorized');
    expect(authorized.lines[0]).toMatchObject({ budgetId: 'tenant', held: '1' });
    const rest = (await bursar(`events --json --after ${authorized.sequence - 1}`, path)).stdout.split(
      '\n',
    )[0];
    expect(JSON.parse(rest)).toEqual(authorized);
  });
});

describe('wrong usage', () => {
  let path: string;
  beforeAll(async () => {
    path = await newLedger('usage');
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
    ['backtest --budgets x.yaml', '--trace: give either --trace FILE or --generate REQUESTS'],
    ['backtest --budgets x.yaml --generate 10 --price cheap', '--price: "cheap" is not MODEL=IN/OUT'],
    ['backtest --budgets x.yaml --generate 10 --latency-base 0ms', '--latency-base: 0ms is below 1ms'],
  ])('cli: %s → exit code 1, and an error that names option, value and bound', async (line, message) => {
    const answer = await bursar(line, path);
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toContain(message);
  });

  test('cli: a ledger that does not exist → an error, and none is created in passing', async () => {
    for (const line of ['authorize --hold h --amount usd=1', 'balances', 'verify']) {
      const answer = await bursar(line, join(folder, 'mistyped.db'));
      expect(answer).toMatchObject({ code: 1, stdout: '' });
      expect(answer.stderr).toContain('there is no ledger at');
    }
    expect(await readdir(folder)).not.toContain('mistyped.db');
  });

  test('cli: apply --dry-run without a ledger → shows the plan and creates nothing', async () => {
    await writeFile(join(folder, 'dry.yaml'), BUDGETS);
    expect(await bursar('apply dry.yaml --dry-run', join(folder, 'dry.db'))).toMatchObject({ code: 0 });
    expect(await readdir(folder)).not.toContain('dry.db');
  });

  test('cli: a budget file with mistakes → each named by line and field', async () => {
    await writeFile(
      join(folder, 'wrong.yaml'),
      'budgets:\n  - id: a\n    match: {}\n    unit: usd\n    limit: -1\n    window: fortnight\n',
    );
    const answer = await bursar('apply wrong.yaml', join(folder, 'wrong.db'));
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(/wrong\.yaml:5: .*limit/);
    expect(answer.stderr).toMatch(/wrong\.yaml:6: .*window/);
  });
});

describe('beside another process', () => {
  test('cli: another process holds the ledger → reads work, writes are refused and say by whom', async () => {
    const path = await newLedger('held');
    const ledger = await openLedger({ path });
    await ledger.authorize({ holdId: 'h1', labels: { tenant: 'a', user: 'u' }, amounts: { usd: usd('1') } });
    for (const [line, text] of [
      ['balances', 'tenant=a'],
      ['holds', 'h1'],
      ['check --label tenant=a --amount usd=1', 'fits'],
      ['budgets', 'tenant'],
      ['events', 'hold_authorized h1'],
      ['verify', 'verified'],
      ['apply held.yaml --dry-run', 'no change'],
    ]) {
      const answer = await bursar(line, path);
      expect(answer).toMatchObject({ code: 0, stderr: '' });
      expect(answer.stdout).toContain(text);
    }
    const refused = await bursar('settle h1 --amount usd=1', path);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(String(process.pid));
    await ledger.close();
    expect(await bursar('settle h1 --amount usd=1', path)).toMatchObject({ code: 0 });
  });

  test('cli: events --follow → events of another process as they happen; Ctrl-C ends it with 0', async () => {
    const path = await newLedger('follow');
    const ledger = await openLedger({ path });
    const child = start(['events', '--follow', '--json', '--type', 'hold_authorized', '--ledger', path]);
    const end = ended(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    for (const holdId of ['h1', 'h2', 'h3']) {
      await ledger.authorize({ holdId, labels: { tenant: 'a' }, amounts: { usd: 1n } });
      const line = await lines.next();
      expect(JSON.parse(line.value)).toMatchObject({ type: 'hold_authorized', holdId });
    }
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 0, stderr: '' });
    await ledger.close();
  });

  test('cli: whoever reads the output goes away → the command ends quietly', async () => {
    const path = await newLedger('pipe');
    const ledger = await openLedger({ path });
    const commands = Array.from({ length: 5_000 }, (_, i) => ({
      command: 'record_spend' as const,
      labels: { tenant: `t${i}` },
      amounts: { usd: 1n },
    }));
    await ledger.submit(commands);
    await ledger.close();
    const child = start(['events', '--json', '--ledger', path]);
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => {
      child.on('close', resolve);
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('backtest', () => {
  const TRACE =
    'timestamp,context_tokens,generated_tokens,tenant,user,model\n2026-03-01T10:00:00Z,1000,500,a,u,m\n2026-03-01T10:00:05Z,3000,10,a,u,m\n';

  test('cli: backtest → report, verification, head, and a ledger that the other commands read', async () => {
    await writeFile(join(folder, 'trace.csv'), TRACE);
    await writeFile(join(folder, 'backtest.yaml'), BUDGETS);
    const line = 'backtest --trace trace.csv --budgets backtest.yaml --price m=1000/1000 --into backtest.db';
    const answer = await bursar(line);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    for (const part of [
      '2 requests: 1 authorised and settled, 1 refused',
      'verified: ',
      'head #',
      'backtest.db (kept)',
    ]) {
      expect(answer.stdout).toContain(part);
    }
    const denied = await bursar('events --type hold_denied', join(folder, 'backtest.db'));
    expect(denied.stdout).toContain('2026-03-01T10:00:05Z hold_denied request-2');
    expect(await bursar(line)).toMatchObject({ code: 1, stdout: '' });
  });

  test('cli: backtest --json → the report as data, twice the same', async () => {
    await writeFile(join(folder, 'trace.csv'), TRACE);
    await writeFile(join(folder, 'backtest.yaml'), BUDGETS);
    const line = 'backtest --trace trace.csv --budgets backtest.yaml --price m=1000/1000 --json';
    const [first, second] = [
      JSON.parse((await bursar(line)).stdout),
      JSON.parse((await bursar(line)).stdout),
    ];
    expect(first.report.totals).toMatchObject({ requests: 2, refused: 1, spent: { usd: '1.5' } });
    expect(first.report.headroom.foreseen).toEqual({
      refused: 1,
      spent: { usd: '1.5', tokens: '1500', calls: '1' },
    });
    expect(first.verification.ok).toBe(true);
    expect(second.report).toEqual(first.report);
    expect((await readdir(folder)).filter((name) => name.startsWith('bursar-backtest-'))).toEqual([]);
  });

  test('cli: backtest of a wrong trace → names file, line, field and value', async () => {
    await writeFile(join(folder, 'bad.csv'), `${TRACE}2026-03-01T10:00:09Z,many,1,a,u,m\n`);
    await writeFile(join(folder, 'backtest.yaml'), BUDGETS);
    const answer = await bursar('backtest --trace bad.csv --budgets backtest.yaml');
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toContain('bad.csv line 4, context_tokens: "many" is not a whole number');
  });

  test('cli: demo without the real traces → says that its trace is generated, refuses some, verifies, prints the head', async () => {
    const answer = await bursar('demo --data nowhere --no-foresight');
    expect(answer.code).toBe(0);
    expect(answer.stderr).toContain('GENERATED');
    for (const part of [
      'GENERATED, not measured',
      'user-hour',
      'held_max',
      'verified: ',
      'head #',
      'temporary, now deleted',
    ]) {
      expect(answer.stdout).toContain(part);
    }
  });
});
