// `bursar check [FILE]`: what is wrong with a configuration, without a server; and keys that a script takes as they are.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-check-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const SOUND = `
providers:
  openai: { dialect: openai, baseUrl: "https://api.openai.com", keyFrom: OPENAI_API_KEY }
routes:
  - { model: "gpt-*", candidates: [{ provider: openai }] }
budgets:
  - { id: cap, match: { tenant: acme, model: gpt-4o }, unit: usd, limit: "1", window: day }
`;

async function check(text: string, secrets: Record<string, string> = { OPENAI_API_KEY: 'sk-1' }) {
  const file = join(folder, 'bursar.yaml');
  writeFileSync(file, text);
  return runInProcess(`check ${file}`, { ledger: join(folder, 'none.db') }, { secrets });
}

describe('bursar check', () => {
  test('check: a sound configuration → ends with 0 and says so', async () => {
    expect(await check(SOUND)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/bursar\.yaml is sound\n$/),
      stderr: '',
    });
  });

  test('check: the example of the package → sound, with nothing but its keys to warn of', async () => {
    const { code, stderr } = await runInProcess('check examples/bursar.yaml', { ledger: 'none.db' });
    expect(code).toBe(0);
    expect(stderr.split('\n').filter((line) => line !== '' && !line.includes('is not set'))).toEqual([]);
  });

  test('check: what is wrong → every problem with its line, and 1', async () => {
    const { code, stdout, stderr } = await check('providerz: 1\nroutes: [{ model: x }]\n');
    expect([code, stdout]).toEqual([1, expect.stringContaining('is wrong')]);
    expect(stderr).toMatch(/error: bursar\.yaml:1: unknown field "providerz"/);
    expect(stderr).toMatch(/error: bursar\.yaml:2: .*candidates/);
  });

  test('check: a budget for a model by another name than its calls have → wrong, with the right one', async () => {
    const { code, stderr } = await check(SOUND.replace('gpt-4o', 'gpt-4o-2024-08-06'));
    expect(code).toBe(1);
    expect(stderr).toContain('the price book calls it "gpt-4o"');
  });

  test.each<[string, string, Record<string, string> | undefined, string]>([
    [
      'a key that is not set',
      SOUND,
      {},
      'provider openai: the environment variable OPENAI_API_KEY is not set',
    ],
    [
      'a route without a price',
      SOUND.replace('"gpt-*"', 'unheard-of'),
      undefined,
      'route "unheard-of": no price is known for the model "unheard-of" of openai',
    ],
    [
      'a pattern without prices',
      SOUND.replace('gpt-*', 'unheard-of*'),
      undefined,
      'route "unheard-of*": no price is known for any model like "unheard-of*"',
    ],
    [
      'a budget for an unknown model',
      SOUND.replace('gpt-4o', 'unheard-of'),
      undefined,
      'budget cap matches the model "unheard-of", for which no provider',
    ],
    [
      'a budget for an unknown provider',
      SOUND.replace('tenant: acme', 'tenant: acme, provider: azure'),
      undefined,
      'budget cap matches the provider "azure", which is none of this file',
    ],
    [
      'a required label that no budget limits',
      SOUND.replace('budgets:', 'gateway: { require: [tenant, user] }\nbudgets:'),
      undefined,
      'gateway.require: no budget of this file limits the label "user"',
    ],
    [
      'a required label that only a budget without a limit has',
      SOUND.replace('limit: "1"', 'limit: null'),
      undefined,
      'gateway.require: no budget of this file limits the label "tenant"',
    ],
    [
      'a provider without a route',
      SOUND.replace('routes:', '  spare: { dialect: openai, baseUrl: "https://x.example" }\nroutes:'),
      undefined,
      'provider spare: no route leads to it',
    ],
  ])('check: %s → a warning, and 0', async (_what, text, secrets, warning) => {
    const { code, stdout, stderr } = await check(text, secrets);
    expect(code).toBe(0);
    expect(stderr).toContain(`warning: ${warning}`);
    expect(stdout).toContain('with 1 warning');
  });

  test('check: own prices by a pattern that meets the route → nothing to warn of', async () => {
    const own = '\nprices: [{ provider: openai, model: "un*", input: "1", output: "2" }]\n';
    expect((await check(SOUND.replace('gpt-*', 'unheard-of*') + own)).stderr).toBe('');
  });

  test('check: a file that is not there, and a file beside --label → 1', async () => {
    const at = { ledger: join(folder, 'none.db') };
    expect(await runInProcess('check gone.yaml', at)).toMatchObject({ code: 1, stdout: '' });
    const both = await runInProcess(`check ${join(folder, 'bursar.yaml')} --label a=b`, at);
    expect(both).toMatchObject({ code: 1, stderr: expect.stringContaining('not both') });
  });
});

describe('keys for scripts', () => {
  let server: InProcess;
  beforeAll(async () => {
    server = await startInProcess({ dataPath: join(folder, 'data') });
  });
  afterAll(() => server.stop());

  test('keys: create, in the folder and over the server → the key alone on the standard output', async () => {
    const at = { url: server.url, key: server.adminKey };
    for (const line of [
      'keys create --name Acme --scope spend --label tenant=acme',
      `keys create --name Spare --data ${join(folder, 'data')}`,
    ]) {
      const made = await runInProcess(line, at);
      expect(made.stdout).toMatch(/^bur_\w+_[\w-]{43}\n$/);
      expect(made.stderr).toContain('This key is shown this once; its id is ');
    }
    const agent = await runInProcess('agents create --name root --label tenant=acme --limit usd=1', at);
    expect(agent.stdout).toMatch(/^bur_\w+_[\w-]{43}\n$/);
    expect(agent.stderr).toContain('This key is shown this once; the agent is ');
  });
});
