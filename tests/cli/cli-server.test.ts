// The command line on a server: every command answers as on a file, and the commands that are for servers alone.

import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROVIDER_ALIASES_DEFAULT } from '#bursar/budgets/providers.js';
import { BUDGETS, BursarFolder, ended } from '../setup/bursar-process.js';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';
import { STORY } from './cli-story.js';

let folder: BursarFolder;
let server: InProcess;
beforeAll(async () => {
  folder = await BursarFolder.make();
  await writeFile(folder.file('story.yaml'), BUDGETS);
  await writeFile(folder.file('server.yaml'), CONFIG);
  server = await startInProcess({ dataPath: folder.file('data'), config: folder.file('server.yaml') });
});
afterAll(async () => {
  await server.stop();
  await folder.remove();
});

const CONFIG = `
providers:
  openai: { dialect: openai, baseUrl: 'http://127.0.0.1:9', hourLimit: 5, dayLimit: 20 }
routes:
  - { model: gpt-4o, candidates: [{ provider: openai }] }
prices:
  - { provider: openai, model: house-model, input: "1", output: "2" }
`;

const admin = () => ({ url: server.url, key: server.adminKey });
const run = (line: string) => runInProcess(line, admin());

/** What differs between two ledgers with the same books: positions, times, hashes; and HTTP's word for a reused id. */
function comparable(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/(dec-|#|bursar:|"\w*[sS]equence": |evt-)\d+/g, '$1N')
    .replace(/[0-9a-f]{64}/g, 'HASH')
    .replace(/verified: .* batches/, 'verified')
    .replace(/ {2,}/g, '  ')
    .replace(/(TIME {2})\d+$/gm, '$1N')
    .replace(/rejected: .* \(command_id_reused\)/, 'rejected (command_id_reused)');
}

/** The lines of a JSON answer, whose fields may be in another order. */
function fieldsOf(json: string): string[] {
  return comparable(json)
    .split('\n')
    .map((line) => line.trim().replace(/,$/, ''))
    .sort();
}

describe('a ledger behind a server', () => {
  test('cli: every command once → exit codes and answers on a file, and the same over --url', async () => {
    const file = { ledger: folder.file('story.db') };
    // What a server with this configuration begins with.
    const providers = { openai: { hourLimit: 5, dayLimit: 20 } };
    const start = JSON.stringify({ aliases: PROVIDER_ALIASES_DEFAULT, providers });
    await writeFile(folder.file('start.yaml'), start);
    expect(await runInProcess(`apply ${folder.file('start.yaml')}`, file)).toMatchObject({ code: 0 });
    const differences: unknown[] = [];
    for (const [line, code, ...prints] of STORY) {
      const asked = line.replace('story.yaml', folder.file('story.yaml'));
      const local = await runInProcess(asked, file);
      const printed = local.stdout + local.stderr;
      expect(local.code, `${line}\n${printed}`).toBe(code);
      for (const part of prints) expect(`${line}\n${printed}`).toContain(part);
      const remote = await run(asked);
      if (remote.code !== code) differences.push({ line, code, remote });
      const [onFile, onServer] = [local, remote].map((answer) => comparable(answer.stdout + answer.stderr));
      if (onFile !== onServer) differences.push({ line, onFile, onServer });
    }
    expect(differences).toEqual([]);
    // The same values too, and not only the same tables.
    for (const line of [
      'budgets',
      'balances',
      'holds',
      'check --label tenant=b --amount usd=1',
      'authorize --hold h8 --label tenant=b --amount usd=99',
      'settle h8 --amount usd=1',
      'pause tenant',
    ]) {
      const [onFile, onServer] = [await runInProcess(`${line} --json`, file), await run(`${line} --json`)];
      expect(fieldsOf(onServer.stdout), line).toEqual(fieldsOf(onFile.stdout));
    }
    await run('resume tenant');
    // The books of every tenant at once are for the ledger's owner.
    const snapshot = await runInProcess('snapshot', file);
    expect(snapshot.code).toBe(0);
    for (const part of ['snapshot 2', 'digest', 'head #']) expect(snapshot.stdout).toContain(part);
  });
});

describe('a server', () => {
  test('cli: keys create, list, rotate, revoke → each works as it says', async () => {
    const made = await run(
      'keys create --name Acme~gateway --scope spend --scope read --label tenant=acme --caller-label user --json',
    );
    const { key, id } = JSON.parse(made.stdout) as { key: string; id: string };
    const acme = (secret: string) => runInProcess('check --amount usd=1', { url: server.url, key: secret });
    expect(await acme(key)).toMatchObject({ code: 0 });
    expect((await run('keys list')).stdout).toMatch(
      new RegExp(`${id} +Acme gateway +spend read +tenant=acme +user`),
    );
    const rotated = await run(`keys rotate ${id} --overlap 0ms`);
    const secret = rotated.stdout.trimEnd();
    expect(rotated.stdout).toMatch(/^bur_[\w-]+\n$/);
    expect(rotated.stderr).toContain(`This key is shown this once; its id is ${id}.`);
    expect(await acme(key)).toMatchObject({ code: 1, stdout: '' });
    expect(await acme(secret)).toMatchObject({ code: 0 });
    expect((await run(`keys revoke ${id}`)).stdout).toContain('revoked 2');
    const refused = await acme(secret);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('401');
    expect(refused.stderr).not.toContain(secret);
  });

  test('cli: keys create --data beside the running server → a way back in; list shows it', async () => {
    const data = folder.file('data');
    const made = await runInProcess(`keys create --name lost --data ${data} --json`, { ledger: 'none.db' });
    const { key, id } = JSON.parse(made.stdout) as { key: string; id: string };
    // The server asks for keys made beside it at most once a second.
    await expect
      .poll(() => runInProcess('verify', { url: server.url, key }), { timeout: 5_000 })
      .toMatchObject({ code: 0 });
    expect((await runInProcess(`keys list --data ${data}`, { ledger: 'none.db' })).stdout).toContain(id);
    expect(await runInProcess(`keys list --data ${folder.file('nothing')}`, { ledger: 'x' })).toMatchObject({
      code: 1,
    });
  });

  test('cli: providers and providers exhaust → how they stand, until they are taken out', async () => {
    expect((await run('providers')).stdout).toMatch(/openai +within +hour? .*0 of 5 +0 of 20/);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    expect((await run(`providers exhaust openai --until ${until}`)).stdout).toMatch(/openai +exhausted/);
    expect(JSON.parse((await run('providers --json')).stdout)).toMatchObject([
      { provider: 'openai', verdict: 'exhausted', open: false },
    ]);
  });

  test('cli: prices → own ones and those of the data, and the version', async () => {
    const { stdout } = await run('prices --provider openai');
    expect(stdout).toMatch(/^price book genai-prices@/);
    expect(stdout).toMatch(/house-model +own +input 1, output 2/);
    expect(stdout).toMatch(/gpt-4o +genai-prices +input /);
  });

  test('cli: reload → the file again; a wrong one changes nothing and says what is wrong', async () => {
    const config = folder.file('server.yaml');
    const budget = "budgets: [{ id: house, match: {}, unit: usd, limit: '7', window: day }]\n";
    await writeFile(config, CONFIG + budget);
    expect((await run('reload')).stdout).toContain('+ house');
    await writeFile(config, `${CONFIG}${budget.replace("'7'", '-7')}`);
    const refused = await run('reload');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/server\.yaml:\d+: .*limit/);
    expect((await run('budgets')).stdout).toMatch(/house +everything +usd +7 /);
    await writeFile(config, CONFIG);
  });

  test('cli: events --follow --url → events as they happen; Ctrl-C ends it with 0', async () => {
    const child = folder.start(
      ['events', '--follow', '--json', '--type', 'spend_recorded', '--url', server.url],
      {
        BURSAR_KEY: server.adminKey,
      },
    );
    const end = ended(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    for (const unit of ['7', '8']) {
      const next = lines.next();
      await run(`record --label follow=yes --amount tokens=${unit}`);
      // What the story recorded comes first.
      let line = JSON.parse((await next).value);
      while (line.details.labels.follow === undefined) line = JSON.parse((await lines.next()).value);
      expect(line.details.amounts.tokens).toBe(unit);
    }
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 0, stderr: '' });
  });

  test('cli: a tenant’s key → its own figures, and lines of the platform without any', async () => {
    const made = await run('keys create --name Demo --scope spend --scope read --label tenant=demo --json');
    const demo = { url: server.url, key: (JSON.parse(made.stdout) as { key: string }).key };
    const { stdout } = await runInProcess('check --amount usd=0.5', demo);
    expect(stdout).toMatch(/^tenant +tenant=demo +usd +0\.5 +10 +0 +0 +10 +within/m);
    expect(stdout).toMatch(/^house +usd +\d{4}-\d\d-\d\dT/m);
    const decided = await runInProcess('authorize --hold h9 --amount usd=0.5 --json', demo);
    const { decisionId } = JSON.parse(decided.stdout) as { decisionId: string };
    const explained = await runInProcess(`explain ${decisionId}`, demo);
    expect(explained).toMatchObject({ code: 0, stderr: '' });
    expect(explained.stdout).toContain('house: a budget of the platform');
    expect((await runInProcess('events --hold h9', demo)).stdout).toMatch(
      /hold_authorized h9 .*tenant\[tenant=demo\] spent 0 held 0\.5 · house$/m,
    );
    expect(await runInProcess('release h9', demo)).toMatchObject({ code: 0 });
    expect(await runInProcess('verify', demo)).toMatchObject({ code: 1, stdout: '' });
    expect((await runInProcess('holds', demo)).stdout).not.toContain('h1');
  });

  test('cli: a key that only spends → authorises, lists and settles its holds, and explains its decisions', async () => {
    const made = await run('keys create --name Spender --scope spend --label tenant=spender --json');
    const spender = { url: server.url, key: (JSON.parse(made.stdout) as { key: string }).key };
    const decided = await runInProcess('authorize --hold s1 --amount usd=0.5 --json', spender);
    const { decisionId } = JSON.parse(decided.stdout) as { decisionId: string };
    const explained = await runInProcess(`explain ${decisionId}`, spender);
    expect(explained).toMatchObject({ code: 0, stderr: '' });
    expect((await runInProcess('holds', spender)).stdout).toContain('s1');
    expect(await runInProcess('settle s1 --amount usd=0.1', spender)).toMatchObject({ code: 0, stderr: '' });
    const balances = await runInProcess('balances', spender);
    expect(balances.stderr).toContain('this needs a key with the scope read');
  });

  test.each([
    ['history holds', 'a server does not do this'],
    ['snapshot', 'a server does not do this'],
    ['serve', 'takes no --ledger or --url'],
    ['keys create --name x', '--scope: state at least one of admin, tenant_admin, spend, correct, read'],
    ['keys create --name x --scope all', '--scope: "all" is not admin'],
    ['keys revoke nothing', '404'],
    ['settle h --amount usd=1 --command-id ü', 'idempotencyKey'],
  ])('cli: %s over --url → exit code 1 and an error that says why', async (line, message) => {
    const answer = await run(line);
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toContain(message);
  });

  test('cli: no server there, no key, or both places → one line that says so', async () => {
    const nobody = await runInProcess('balances', { url: 'http://127.0.0.1:3', key: 'k' });
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toMatch(/^bursar: the server was not reached: .*127\.0\.0\.1:3\n$/);
    const both = await run('balances --ledger x.db');
    expect(both.stderr).toContain('a ledger is in a file or behind a server');
    const keyless = await ended(folder.start(['balances', '--url', server.url], { BURSAR_KEY: '' }));
    expect(keyless).toMatchObject({ code: 1, stdout: '' });
    expect(keyless.stderr).toContain('BURSAR_KEY');
  });
});
