// `npm run test:agents`: installs the pinned clients into a temporary folder and runs each against the real server, with a
// provider that replays real wire behaviour. Each works once within a budget of 5 USD a day, and once meets a budget that is
// too small; asserted are its exit code, the charge to the microcent, how often it asked, and how the refusal reads to its
// user. Prints a table. `-- WORD…` runs the clients whose name has one of the words; `-- --folder=PATH` keeps what was
// installed there for the next run; `-- --docs` writes the tables into docs/clients.md.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CLIENTS } from './clients.mjs';
import { programsOfPage } from './page.mjs';
import { Provider } from './provider.mjs';
import { installFor, runClient } from './scene.mjs';
import { billed, Server } from './server.mjs';
import { printTables, writeDocs } from './tables.mjs';

/** What another call leaves of the budget, in usd: less than any call needs. */
const LEFT = 0.00001;
/** What Claude Code and Codex have to work within, searches among their tools. */
const DAY_USD = '5';
const TOO_SMALL = '0.00001';

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const stated = process.argv.find((word) => word.startsWith('--folder='));
const folder =
  stated === undefined
    ? mkdtempSync(join(tmpdir(), 'bursar-agents-'))
    : resolve(stated.slice('--folder='.length));
const clients = CLIENTS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));

// `held`: what another call of the tenant's holds until the client was once told to wait.
async function scene({ client, limit, held = null }) {
  const before = provider.requests.length;
  const tenant = await server.tenant(limit);
  let giveBack = held === null ? null : await server.holdBeside(tenant, held);
  const onAnswer = async (status) => {
    if (status !== 429 || giveBack === null) return;
    const once = giveBack;
    giveBack = null;
    await once();
  };
  const key = tenant.key;
  const ended = await runClient({ client, folder, provider, origin: server.url, key, onAnswer });
  await giveBack?.();
  const holds = (await server.holds(tenant)).filter(({ holdId }) => !holdId.startsWith('beside-'));
  return { ...ended, holds, asked: provider.requests.slice(before) };
}

const steps = (usd) => Math.round(Number(usd) * 1e8);

async function tried(client) {
  const worked = await scene({ client, limit: DAY_USD });
  const refused = await scene({ client, limit: TOO_SMALL });
  const waited = await scene({
    client,
    limit: DAY_USD,
    held: (Number(DAY_USD) - LEFT).toFixed(5),
  });
  const bill = worked.asked.reduce((sum, request) => sum + billed(request), 0);
  const charged = worked.holds.reduce((sum, hold) => sum + steps(hold.charged?.usd ?? '0'), 0);
  const problems = [];
  const check = (isSo, problem) => isSo || problems.push(problem);
  check(worked.exit === 0, `exit ${worked.exit}`);
  check(worked.output.includes('the answer is 42'), 'no answer');
  check(worked.asked.length === client.rounds, `${worked.asked.length} calls instead of ${client.rounds}`);
  check(charged === bill, `charged ${charged} steps instead of ${bill}`);
  const reading = client.refusal.exec(refused.output)?.[0] ?? null;
  check(refused.exit === client.refusedExit, `refused: exit ${refused.exit}`);
  check(refused.asked.length === 0, `refused: ${refused.asked.length} calls went out`);
  check(reading !== null, 'refused: its user does not learn why');
  const attempts = refused.seen.filter(({ method }) => method === 'POST').length;
  check(attempts <= client.attemptsMax, `refused: tried ${attempts} times`);
  const told = waited.seen.filter(({ status }) => status === 429).length;
  check(told > 0, 'held: was not told to wait');
  check(waited.exit === (client.waits ? 0 : client.refusedExit), `held: exit ${waited.exit}`);
  return { client, worked, refused, waited, charged, bill, reading, attempts, problems };
}

// A run that is broken off leaves no server behind.
process.on('SIGINT', () => process.exit(130));

let failed = false;
const provider = await new Provider([]).listen();
const data = mkdtempSync(join(tmpdir(), 'bursar-agents-data-'));
const server = await Server.start({ folder: data, providerUrl: provider.url });
try {
  await installFor(clients, folder);
  const results = [];
  for (const client of clients) {
    const result = await tried(client);
    results.push(result);
    failed ||= result.problems.length > 0;
    console.log(`${result.problems.length === 0 ? 'ok  ' : 'FAIL'} ${client.name}`);
    for (const problem of result.problems) console.log(`     ${problem}`);
    if (result.problems.length > 0 || process.argv.includes('--verbose')) {
      for (const { method, path, status } of result.worked.seen)
        console.log(`     ${method} ${path} ${status}`);
      console.log(result.worked.output.slice(-1_500).replace(/^/gm, '     | '));
      console.log(
        result.waited.seen
          .map(({ status }) => status)
          .join(' ')
          .replace(/^/gm, '     held | '),
      );
      console.log(result.waited.output.slice(-800).replace(/^/gm, '     held | '));
      for (const { method, path, status } of result.refused.seen)
        console.log(`     refused | ${method} ${path} ${status}`);
      console.log(result.refused.output.slice(-1_500).replace(/^/gm, '     refused | '));
    }
  }
  // What the page tells people to write is run as it stands there.
  for (const client of programsOfPage()) {
    if (!clients.some(({ set }) => set === client.set)) continue;
    const { exit, output, asked } = await scene({ client, limit: DAY_USD });
    const isGood = exit === 0 && asked.length === 1;
    failed ||= !isGood;
    console.log(`${isGood ? 'ok  ' : 'FAIL'} ${client.name}${isGood ? '' : `\n${output}`}`);
  }
  printTables(results);
  if (process.argv.includes('--docs')) writeDocs(results);
} finally {
  await server.stop();
  await provider.close();
  rmSync(data, { recursive: true, force: true });
  if (stated === undefined) rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
