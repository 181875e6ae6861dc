// The command line as people and scripts use it: the real program in a child process, on a real file.

import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLedger, usd } from '#bursar/index.js';
import { BursarFolder, ended } from '../setup/bursar-process.js';

let folder: BursarFolder;
beforeAll(async () => {
  folder = await BursarFolder.make();
});
afterAll(() => folder.remove());

describe('explain', () => {
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
