// The command line as people and scripts use it: the real program in a child process, on a real file.

import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLedger, usd } from '#bursar/index.js';
import { BUDGETS, BursarFolder, ended } from './bursar-process.js';

let folder: BursarFolder;
beforeAll(async () => {
  folder = await BursarFolder.make();
});
afterAll(() => folder.remove());

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
    ['correct h1 --amount usd=2.25 --reason invoice~of~March', 0, 'hold corrected h1: charged 2.25 usd'],
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
    ['balances --budget grant/usd', 0, 'capability=c grant=0'],
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
    const path = folder.file('story.db');
    await writeFile(folder.file('story.yaml'), BUDGETS);
    for (const [line, code, ...prints] of STORY) {
      const answer = await folder.run(line, path);
      const printed = answer.stdout + answer.stderr;
      expect(answer.code, `${line}\n${printed}`).toBe(code);
      for (const part of prints) expect(`${line}\n${printed}`).toContain(part);
    }
  }, 180_000);

  test('cli: explain → the figures and the holds behind a denial', async () => {
    const path = await folder.newLedger('explain');
    await folder.run('authorize --hold h1 --label tenant=a --label user=u --amount usd=3', path);
    const denied = JSON.parse(
      (await folder.run('authorize --hold h2 --label tenant=a --label user=u --amount usd=2 --json', path))
        .stdout,
    );
    const explained = await folder.run(`explain ${denied.decisionId}`, path);
    expect(explained.code).toBe(0);
    expect(explained.stdout).toContain('the figures add up from the journal');
    expect(explained.stdout).toMatch(/h1\s+3\s+tenant=a user=u/);
    expect(await folder.run('explain nothing', path)).toMatchObject({ code: 1 });
  });
});

describe('--json', () => {
  test('cli: --json → amounts as decimal strings in their unit, instants in ISO 8601', async () => {
    const path = await folder.newLedger('json');
    const authorized = await folder.run(
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
      (await folder.run('settle h1 --amount usd=0.2 --amount tokens=3000 --json', path)).stdout,
    );
    expect(settled).toMatchObject({
      outcome: 'settled',
      charged: { usd: '0.2', tokens: '3000', calls: '1' },
    });
    const holds = JSON.parse((await folder.run('holds --json', path)).stdout);
    expect(holds).toMatchObject([{ holdId: 'h1', status: 'settled', charged: { usd: '0.2' } }]);
    const rejected = await folder.run('settle h1 --amount usd=0.2 --json', path);
    expect(rejected.code).toBe(1);
    expect(JSON.parse(rejected.stdout)).toMatchObject({ outcome: 'rejected', code: 'hold_already_settled' });
    expect(JSON.parse((await folder.run('verify --json', path)).stdout)).toMatchObject({
      ok: true,
      failure: null,
    });
    expect(JSON.parse((await folder.run('certify --json', path)).stdout)).toMatchObject({
      status: 'balanced',
      spentSinceLast: { usd: '0.2' },
    });
    expect(JSON.parse((await folder.run('snapshot --json', path)).stdout).balances).toHaveLength(2);
    expect(JSON.parse((await folder.run('budgets --json', path)).stdout)).toMatchObject([
      { id: 'tenant', limit: '10' },
      { id: 'user', limit: '4' },
    ]);
  });

  test('cli: events --json → one object a line, in journal order, resumable', async () => {
    const path = await folder.newLedger('events');
    await folder.run('authorize --hold h1 --label tenant=a --amount usd=1', path);
    const lines = (await folder.run('events --json', path)).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const sequences = lines.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    const authorized = lines.find(({ type }) => type === 'hold_authorized');
    expect(authorized.lines[0]).toMatchObject({ budgetId: 'tenant', held: '1' });
    const rest = (await folder.run(`events --json --after ${authorized.sequence - 1}`, path)).stdout.split(
      '\n',
    )[0];
    expect(JSON.parse(rest)).toEqual(authorized);
  });
});

describe('beside another process', () => {
  test('cli: another process holds the ledger → reads work, writes are refused and say by whom', async () => {
    const path = await folder.newLedger('held');
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
      const answer = await folder.run(line, path);
      expect(answer).toMatchObject({ code: 0, stderr: '' });
      expect(answer.stdout).toContain(text);
    }
    const refused = await folder.run('settle h1 --amount usd=1', path);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(String(process.pid));
    await ledger.close();
    expect(await folder.run('settle h1 --amount usd=1', path)).toMatchObject({ code: 0 });
  });

  test('cli: events --follow → events of another process as they happen; Ctrl-C ends it with 0', async () => {
    const path = await folder.newLedger('follow');
    const ledger = await openLedger({ path });
    const child = folder.start([
      'events',
      '--follow',
      '--json',
      '--type',
      'hold_authorized',
      '--ledger',
      path,
    ]);
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
    const path = await folder.newLedger('pipe');
    const ledger = await openLedger({ path });
    const commands = Array.from({ length: 5_000 }, (_, i) => ({
      command: 'record_spend' as const,
      labels: { tenant: `t${i}` },
      amounts: { usd: 1n },
    }));
    await ledger.submit(commands);
    await ledger.close();
    const child = folder.start(['events', '--json', '--ledger', path]);
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
