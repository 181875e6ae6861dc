// The server as it is started, reloaded and stopped: what the first start prints works, and nothing is lost at the end.

import { execFile } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { openLedger, openReader } from '#bursar/index.js';
import { BursarFolder, ended } from '../setup/bursar-process.js';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: BursarFolder;
let server: InProcess | undefined;
beforeAll(async () => {
  folder = await BursarFolder.make();
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
});
afterAll(() => folder.remove());

async function started(name: string, options: Partial<Parameters<typeof startInProcess>[0]> = {}) {
  server = await startInProcess({ dataPath: folder.file(name), ...options });
  return server;
}

const openai = ({ url, demoKey }: InProcess) =>
  new OpenAI({ apiKey: demoKey, baseURL: `${url}/openai/v1`, maxRetries: 0 });
const admin = ({ url, adminKey }: InProcess) => new BursarClient({ baseUrl: url, apiKey: adminKey });

const CALL = {
  model: 'demo-small',
  messages: [{ role: 'user' as const, content: 'Hello' }],
};
/** A stream of this one takes 250 tokens: four seconds. */
const LONG_CALL = {
  model: 'demo-small',
  messages: [{ role: 'user' as const, content: 'word '.repeat(240) }],
  stream: true as const,
};

describe('first start', () => {
  test('serve: first start → keys once; the printed call works, the printed refusal is refused and explained, as they stand', async () => {
    const { stderr } = await started('first');
    const lines = stderr.text.split('\n').filter((line) => /^ {2}(?:curl|ANSWER|BURSAR_KEY)/.test(line));
    expect(lines).toHaveLength(3);
    // The first `npx bursar` in a clone builds it anew, which takes dist/ away from the tests beside this one.
    const env = { ...process.env, npm_config_ignore_scripts: 'true' };
    const { stdout } = await promisify(execFile)('sh', ['-c', lines.join('\n')], { cwd: ROOT, env });
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(stdout).toMatch(/^bursar-cost: 0\.0000\d+\r$/m);
    expect(stdout).toContain('You said: Hello');
    expect(stdout).toMatch(/^HTTP\/1\.1 402 Payment Required/m);
    expect(stdout).toContain('"code":"request_exceeds_budget","budget_id":"demo-user-day"');
    expect(stdout).toMatch(
      /Hold call\/\S+ was denied \(too_large\): demo-user-day of ann \(limit\): 4\.09\d* usd asked/,
    );
    expect((await stat(folder.file('first'))).mode & 0o777).toBe(0o700);
  });

  test('serve: first start with a configuration of one’s own → an admin key, no demo tenant, and how a key is made', async () => {
    await writeFile(folder.file('own.yaml'), 'providers: { demo: { dialect: openai, baseUrl: demo } }\n');
    const own = await started('own', { config: folder.file('own.yaml') });
    expect(own.stderr.text).toContain('This key is shown this once');
    expect(own.demoKey).toBe('');
    const { items } = await admin(own).keys.list();
    expect(items.map(({ tenant }) => tenant)).toEqual([null]);
    const [, line] = /npx bursar (keys create .*)\n/.exec(own.stderr.text) ?? [];
    expect(await runInProcess(String(line), { url: own.url, key: own.adminKey })).toMatchObject({ code: 0 });
    expect((await admin(own).keys.list()).items[1]).toMatchObject({ tenant: 'acme', scopes: ['spend'] });
  });

  test('serve: a second start → the same keys work, none is printed again, and no log has any', async () => {
    const { adminKey, demoKey } = await started('second');
    await server?.stop();
    const again = await started('second');
    expect(again.stderr.text).toBe('');
    expect(await admin({ ...again, adminKey }).head()).toMatchObject({ sequence: expect.any(Number) });
    await openai({ ...again, demoKey }).chat.completions.create(CALL);
    const secrets = [adminKey, demoKey].map((key) => key.split('_').slice(2).join('_'));
    for (const secret of secrets) expect(again.stdout.text).not.toContain(secret);
  });

  test('serve: npm start runs this command', async () => {
    const { scripts } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(scripts.start).toBe('node --max-semi-space-size=32 --v8-pool-size=0 dist/main.js serve');
  });
});

describe('a start that cannot be', () => {
  test('serve: the port is taken → one line and exit code 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const answer = await folder.run(`serve --data ${folder.file('port')} --port ${port}`);
    other.close();
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toMatch(
      new RegExp(`^bursar: listen: 127\\.0\\.0\\.1:${port}: another process .*\\n$`),
    );
  });

  test('serve: another server holds the folder → one line that says who, and exit code 1', async () => {
    await started('held');
    const answer = await folder.run(`serve --data ${folder.file('held')} --port 0`);
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toMatch(new RegExp(`^bursar: .*${process.pid}.*\\n$`));
  });

  test.each([
    ['a folder that cannot be made', 'serve --data FILE/data --port 0', /^bursar: --data: .*FILE\/data.*\n$/],
    [
      'a configuration that is not there',
      'serve --config nothing.yaml',
      /^bursar: configuration: .*"nothing\.yaml"\n$/,
    ],
    ['a configuration with mistakes', 'serve --config wrong.yaml --data wrong', /wrong\.yaml:1: .*lisen/],
    [
      'a host that is none',
      'serve --host a/b --data host --port 0',
      /^bursar: --host: "a\/b" is no host.*\n$/,
    ],
    ['an environment that is wrong', 'balances', /^bursar: BURSAR_PORT: "x" is not a whole number.*\n$/],
    ['a port that is none', 'serve --port 70000', /--port: "70000" is not a whole number from 0 to 65535/],
  ])('serve: %s → exit code 1 and what is wrong', async (_what, line, message) => {
    await writeFile(folder.file('FILE'), '');
    await writeFile(folder.file('wrong.yaml'), 'lisen: {}\n');
    const variables = line === 'balances' ? { BURSAR_PORT: 'x' } : {};
    const answer = await ended(folder.start(line.split(' '), variables));
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toMatch(message);
  });
});

describe('reload', () => {
  const configOf = (limit: string) =>
    `budgets: [{ id: demo-day, match: { tenant: demo }, unit: usd, limit: ${limit}, window: day }]
providers: { demo: { dialect: openai, baseUrl: demo } }
routes: [{ model: demo-small, candidates: [{ provider: demo }] }]
prices: [{ provider: demo, model: '*', input: '1', output: '1' }]
`;

  test('serve: SIGHUP → the file again; one that is wrong is logged, and all stays as it was', async () => {
    const config = folder.file('reload.yaml');
    await writeFile(config, configOf('"5"'));
    const running = await started('reload', { config });
    const limitNow = async () => (await admin(running).budgets.get('demo-day')).limit;
    expect(await limitNow()).toBe('5');
    await writeFile(config, configOf('"6"'));
    running.signals.emit('SIGHUP');
    await expect.poll(limitNow).toBe('6');
    await writeFile(config, configOf('-1'));
    running.signals.emit('SIGHUP');
    await expect.poll(() => running.stdout.text).toContain('the configuration was not reloaded');
    expect(running.stdout.text).toMatch(/reload\.yaml:1: [^"]*limit/);
    expect(await limitNow()).toBe('6');
    const spender = { name: 'a tenant', scopes: ['spend'], labels: { tenant: 'demo' } } as const;
    const { key } = await admin(running).keys.create({ ...spender, scopes: [...spender.scopes] });
    await openai({ ...running, demoKey: key }).chat.completions.create(CALL);
  });
});

describe('stop', () => {
  test('serve: SIGTERM while a stream is open → new calls are refused, it ends whole and settled, the ledger is closed', async () => {
    const running = await started('drain');
    const stream = await openai(running).chat.completions.create(LONG_CALL);
    const pieces = stream[Symbol.asyncIterator]();
    await pieces.next();
    running.signals.emit('SIGTERM');
    expect(await fetch(`${running.url}/readyz`)).toMatchObject({ status: 503 });
    await expect(openai(running).chat.completions.create(CALL)).rejects.toMatchObject({ status: 503 });
    let last: string | null = null;
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) break;
      last = value.choices[0].finish_reason;
    }
    expect(last).toBe('stop');
    await running.ended;
    const reader = await openReader(`${folder.file('drain')}/ledger.db`);
    expect(reader.holds()).toMatchObject([{ status: 'settled', ending: 'completed' }]);
    expect(await reader.verify()).toMatchObject({ ok: true });
    reader.close();
  });

  test('serve: a stream outlasts the drain → it is ended and charged for what came', async () => {
    const running = await started('late', { drainMs: 300 });
    const stream = await openai(running).chat.completions.create(LONG_CALL);
    const pieces = stream[Symbol.asyncIterator]();
    await pieces.next();
    const asked = performance.now();
    await running.stop();
    expect(performance.now() - asked).toBeLessThan(3_000);
    const reader = await openReader(`${folder.file('late')}/ledger.db`);
    const [hold] = reader.holds();
    expect(hold).toMatchObject({ status: 'settled', held: { usd: 0n } });
    expect(hold.charged?.usd).toBeGreaterThan(0n);
    reader.close();
  });

  test('serve: an event stream and idle connections are open → they hold nothing up', async () => {
    const running = await started('events');
    const events = admin(running).events.follow()[Symbol.asyncIterator]();
    await events.next();
    const asked = performance.now();
    await running.stop();
    expect(performance.now() - asked).toBeLessThan(3_000);
    await events.return?.();
  });

  test('serve: the signal again → the process ends at once', async () => {
    const running = await started('twice');
    const stream = await openai(running).chat.completions.create(LONG_CALL);
    running.signals.emit('SIGTERM');
    expect(running.signals.exited).toBeNull();
    running.signals.emit('SIGTERM');
    expect(running.signals.exited).toBe(130);
    stream.controller.abort();
    await running.ended;
  });

  test('serve: another process takes the ledger over → the server ends by itself with a fault, and says why', async () => {
    const replaced = await startInProcess({ dataPath: folder.file('replaced') });
    const stream = await openai(replaced).chat.completions.create(LONG_CALL);
    await stream[Symbol.asyncIterator]().next();
    const newer = await openLedger({ path: `${folder.file('replaced')}/ledger.db`, takeOver: true });
    await expect(admin(replaced).keys.create({ name: 'late', scopes: ['admin'] })).rejects.toMatchObject({
      status: 503,
    });
    await expect(replaced.ended).rejects.toMatchObject({ code: 'fenced' });
    expect(replaced.stdout.text).toContain('the ledger has stopped, so the server ends');
    expect(newer.holds()).toMatchObject([{ status: 'open' }]);
    await newer.close();
  });

  test('serve: SIGTERM to the real program → exit code 0, logs are JSON a line', async () => {
    await mkdir(folder.file('real'), { recursive: true });
    const child = folder.start(['serve', '--data', folder.file('real'), '--port', '0']);
    const end = ended(child);
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text: string) => {
        if (text.includes('"listening"')) resolve();
      });
    });
    child.kill('SIGTERM');
    const { code, stdout } = await end;
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ msg: 'stopped', level: 30 });
  });
});
