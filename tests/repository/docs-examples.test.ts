// Runs what README.md and docs/ show as their readers would: every program is compiled and run, every configuration read,
// every command line looked up. Programs for packages that are not installed here are run by `npm run test:agents`.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { appendFile, mkdtemp, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BursarFolder } from '../setup/bursar-process.js';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';
import { texts } from './repository-texts.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ADDRESS = 'http://127.0.0.1:8420';
const run = promisify(execFile);

interface Block {
  /** `docs/client.md 2`: the page, and which block of its kind it is. */
  readonly name: string;
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

const pages = texts('.').filter(({ path }) => path === 'README.md' || /^docs\/[^/]+\.md$/.test(path));

function blocks(...languages: string[]): Block[] {
  return pages.flatMap(({ path, text }) =>
    [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
      .filter(([, language]) => languages.includes(language))
      .map(([, language, body], index) => ({
        name: `${path} ${index + 1}`,
        page: path,
        language,
        text: body,
      })),
  );
}

let folder: BursarFolder;
let server: InProcess;
beforeAll(async () => {
  folder = await BursarFolder.make();
  linkPackages(folder.path);
  await writeFile(folder.file('models.yaml'), MODELS);
  server = await startInProcess({
    dataPath: await mkdtemp(folder.file('data-')),
    config: folder.file('models.yaml'),
  });
});
afterAll(async () => {
  await server.stop();
  await folder.remove();
});

/** The models that the pages name, answered by the built-in demonstration under prices of their own. */
const MODELS = `
budgets:
  - { id: acme-day, match: { tenant: acme }, unit: usd, limit: "100", window: day }
providers:
  demo: { dialect: openai, baseUrl: demo }
  demo-anthropic: { dialect: anthropic, baseUrl: demo }
routes:
  - { model: demo-small, candidates: [{ provider: demo }] }
  - { model: gpt-5.5, candidates: [{ provider: demo }] }
  - { model: claude-sonnet-5, candidates: [{ provider: demo-anthropic }] }
gateway: { userLabel: user }
prices:
  - { provider: demo, model: "*", input: "1", output: "4", contextWindow: 128000, outputTokensMax: 8192 }
  - { provider: demo-anthropic, model: "*", input: "1", output: "4", contextWindow: 128000, outputTokensMax: 8192 }
`;

/** The packages of this repository, and Bursar itself, as a program beside it finds them. */
function linkPackages(path: string): void {
  const modules = join(path, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  symlinkSync(ROOT, join(modules, 'bursar'));
  writeFileSync(join(path, 'package.json'), '{"type":"module"}');
}

/** What comes before the programs of pages that show how a client is used, and not how it is made. */
const BEFORE: Readonly<Record<string, string>> = {
  'docs/chats.md': `import { BursarClient } from 'bursar/client';
    const client = new BursarClient({ baseUrl: '${ADDRESS}', apiKey: process.env.BURSAR_KEY });\n`,
  'docs/goals.md': `import { BursarClient } from 'bursar/client';
    const bursar = new BursarClient({ baseUrl: '${ADDRESS}', apiKey: process.env.BURSAR_KEY });\n`,
};

describe('programs', () => {
  const require = createRequire(import.meta.url);
  const isInstalled = (name: string) => {
    try {
      return require.resolve(name).length > 0;
    } catch {
      return name.startsWith('bursar');
    }
  };
  // On some pages a block goes on where the one before ended.
  const GOES_ON = ['docs/client.md', 'docs/library.md'];
  const programs = pages.flatMap(({ path }) => {
    const own = blocks('ts', 'js').filter(({ page }) => page === path);
    if (!GOES_ON.includes(path)) return own;
    const first = own.filter(({ language }) => language === 'ts');
    const text = first.map((block) => block.text).join('');
    return [{ ...(first[0] as Block), text }, ...own.filter((block) => !first.includes(block))];
  });
  const packagesOf = ({ text }: Block) =>
    [...text.matchAll(/from '((?:@[\w-]+\/)?[\w-]+)/g)].map(([, name]) => name);
  const here = programs.filter((block) => packagesOf(block).every(isInstalled));
  const fileOf = ({ name }: Block) => name.replace(/[/. ]/g, '-');

  test('docs: programs that are not run here are those of clients that `npm run test:agents` installs and runs', () => {
    const elsewhere = programs.filter((block) => !here.includes(block));
    expect(new Set(elsewhere.map(({ page }) => page))).toEqual(new Set(['docs/clients.md']));
    expect(new Set(elsewhere.flatMap(packagesOf))).toEqual(
      new Set([
        ...['@anthropic-ai/claude-agent-sdk', '@langchain/openai'],
        ...['@llamaindex/openai', '@mastra/core', '@openai/agents'],
      ]),
    );
  });

  test('docs: every program of TypeScript compiles under strict rules, and every program runs against a server', async () => {
    mkdirSync(folder.file('out'));
    for (const block of here) {
      const text = `${BEFORE[block.page] ?? ''}${block.text}\nexport {};\n`.replaceAll(ADDRESS, server.url);
      const file = fileOf(block);
      writeFileSync(folder.file(block.language === 'ts' ? `${file}.ts` : `out/${file}.js`), text);
    }
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      types: ['node'],
      outDir: 'out',
    };
    writeFileSync(folder.file('tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = await run(process.execPath, [tsc, '-p', folder.path, '--skipLibCheck']).catch(
      (error) => error,
    );
    expect(compiled.stdout).toBe('');

    const { stdout: key } = await runInProcess(
      'keys create --name docs --scope spend --scope read --label tenant=acme --caller-label user',
      { url: server.url, key: server.adminKey },
    );
    const env = { ...process.env, BURSAR_KEY: key.trim(), DEMO_KEY: key.trim() };
    const said = new Map<string, string>();
    for (const block of here) {
      const program = folder.file(`out/${fileOf(block)}.js`);
      const { stdout, stderr } = await run(process.execPath, [program], { cwd: folder.path, env }).catch(
        (error) => error,
      );
      expect([block.name, stderr]).toEqual([block.name, '']);
      said.set(block.name, stdout);
    }
    expect(said.get('README.md 1')).toContain('You said: Hello');
    expect(said.get('README.md 2')).toBe('9.92 usd remain today\nverified: true\n');
    expect(said.get('docs/client.md 1')).toMatch(/^\d+ \S+$/m);
    expect(said.get('docs/backtest.md 1')).toBe('1\n');
    expect(said.size).toBeGreaterThanOrEqual(10);
  }, 120_000);
});

describe('configurations', () => {
  const yaml = blocks('yaml').map(({ name, text }) => [name, text] as const);

  test.each(yaml)('docs: the YAML of %s is read without a problem', async (name, text) => {
    const sections = [...text.matchAll(/^([a-z]\w*):/gim)].map(([, section]) => section);
    const file = folder.file(`${name.replace(/[/ ]/g, '-')}.yaml`);
    await writeFile(file, text);
    const secrets = { OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k' };
    const isBudgetFile = name.startsWith('docs/budgets.md');
    // A page on one section leaves out the providers that it speaks of.
    if (!isBudgetFile && !sections.includes('tiers') && !sections.includes('providers'))
      await appendFile(
        file,
        'providers: { openai: { dialect: openai, baseUrl: "https://api.openai.com" } }\n',
      );
    const { code, stderr } = sections.includes('tiers')
      ? await runInProcess(`policies put ${file}`, { url: server.url, key: server.adminKey })
      : isBudgetFile
        ? await runInProcess(`apply ${file}`, { ledger: folder.file(`${name.replace(/[/ ]/g, '-')}.db`) })
        : await runInProcess(`check ${file}`, { url: server.url, key: server.adminKey }, { secrets });
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
  });
});

describe('command lines', () => {
  const lines = blocks('sh', 'text', '').flatMap(({ name, text }) =>
    [...text.matchAll(/^(?:\$ )?(?:npx )?bursar ((?!\[).*)$/gm)].map(([, line]) => [name, line] as const),
  );

  test('docs: every command line names a command and options that there are', async () => {
    const problems: string[] = [];
    for (const [name, line] of lines) {
      const words = line
        .replace(/(?:^|\s)#.*$/, '')
        .split(/;|&&|\|/)[0]
        .match(/'[^']*'|"[^"]*"|\S+/g) as string[];
      const first = words.findIndex((word) => word.startsWith('-'));
      const command = words
        .slice(0, first === -1 ? words.length : first)
        .filter((word) => /^[\w-]+$/.test(word));
      const { stdout } = await runInProcess(`${command.join(' ')} --help`, { ledger: 'none.db' });
      if (
        !stdout.includes(`Usage: bursar ${command[0]}`) ||
        (command.length > 1 && /^Commands:/m.test(stdout))
      )
        problems.push(`${name}: ${line}: no such command`);
      for (const option of words.filter((word) => /^--\w/.test(word)))
        if (!`${stdout} --ledger --url --json`.includes(`${option.split('=')[0]}`))
          problems.push(`${name}: ${line}: no option ${option}`);
    }
    expect(problems).toEqual([]);
    expect(lines.length).toBeGreaterThan(30);
  });
});

/** What the examples of doc comments speak of beside the library itself. */
const AROUND = `
import { BursarClient } from 'bursar/client';
import * as library from 'bursar';
const { usd, openLedger } = library;
type Around = {
  readonly ledger: library.Ledger;
  readonly fresh: library.Ledger;
  readonly old: library.Ledger;
  readonly client: BursarClient;
  readonly labels: library.Labels;
  readonly amounts: library.Amounts;
  readonly facts: readonly library.Fact[];
  readonly signal: AbortSignal;
  readonly bar: { update(share: number): void };
  show(event: library.LedgerEvent): void;
};
`;

/** Runs every example of the library on one ledger, in the order of the file, and says which one threw. */
const RUN = `
const open = () => openLedger({ path: ':memory:' });
const ledger = await open();
const window = 'lifetime' as const;
for (const id of ['tenants', 'goals', 'claude'])
  await ledger.putBudget({ id, match: { [id === 'claude' ? 'provider' : id.slice(0, -1)]: '*' }, unit: 'usd', limit: usd('90'), window });
const around: Around = {
  ledger,
  fresh: await open(),
  old: await open(),
  client: new BursarClient({ baseUrl: 'http://127.0.0.1:1', apiKey: 'bur_x' }),
  labels: { tenant: 'acme' },
  amounts: { usd: usd('1') },
  facts: [{ feature: 'goals', kind: 'goal_created', body: '{}' }],
  signal: AbortSignal.timeout(500),
  bar: { update: () => undefined },
  show: () => undefined,
};
for (const [index, example] of examples.entries())
  await example(around).catch((error: unknown) => {
    // Followed for ever: the signal ends it. A decision and a hold of an earlier day are not in this ledger.
    if (!/aborted|timeout|dec-42/i.test(String(error))) console.log(index, String(error));
  });
`;

describe('doc comments', () => {
  const examplesIn = (source: string) =>
    [...source.matchAll(/@example\n([\s\S]*?)(?=\n\s*\*\s*\n|\n\s*\*\/|\n\s*\* @)/g)].map(([, example]) =>
      example.replace(/^\s*\* ?/gm, ''),
    );
  const files = texts('src').filter(({ path }) => /^src\/(?:client|authority\/api)/.test(path));
  const examples = files.flatMap(({ path, text }) =>
    examplesIn(text).map((example) => [path, example] as const),
  );

  test('docs: every example of a doc comment of the library and of the client compiles, and the library’s run', async () => {
    const names = 'ledger, fresh, old, client, labels, amounts, facts, signal, bar, show';
    const asFunctions = (of: typeof examples) =>
      of.map(
        ([path, example]) => `// ${path}
          async ({ ${names} }: Around): Promise<unknown> => {\n${example}\nreturn undefined;\n},`,
      );
    const ofLibrary = examples.filter(([path]) => !path.startsWith('src/client/'));
    const ofClient = examples.filter(([path]) => path.startsWith('src/client/'));
    const program = `${AROUND}
      const examples = [\n${asFunctions(ofLibrary).join('\n')}\n];
      export const clients = [\n${asFunctions(ofClient).join('\n')}\n] as const;
      ${RUN}`;
    const place = await mkdtemp(folder.file('comments-'));
    linkPackages(place);
    writeFileSync(join(place, 'examples.ts'), program);
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      types: ['node'],
      outDir: 'out',
    };
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = await run(process.execPath, [tsc, '-p', place, '--skipLibCheck']).catch(
      (error) => error,
    );
    expect(compiled.stdout).toBe('');
    const { stdout } = await run(process.execPath, [join(place, 'out/examples.js')], { cwd: place });
    expect(stdout.replace(/^undefined\n/gm, '')).toBe('');
    expect(ofLibrary.length).toBeGreaterThan(30);
  }, 60_000);
});
