// Runs a ledger's writer in a process of its own, so that a test can kill it: with a real SIGKILL, nothing is closed,
// synced or given back.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs `body` with `journal` open at `path`, and comes back when that has happened and the process waits. */
export async function startWriter(path: string, body: string): Promise<ChildProcess> {
  const program = `
    import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
    const path = ${JSON.stringify(path)};
    const journal = await openSqliteJournal(path, { authorityId: 'child', nowMs: 1_000_000, leaseMs: 60_000 });
    ${body}
    console.log('ready');
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const first = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')]);
  if (!String(first[0]).includes('ready')) throw new Error(`the writer's process ended early: ${first}`);
  return child;
}

export async function killWriter(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
