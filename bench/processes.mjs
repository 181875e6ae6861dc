// The processes of a comparison: each side, the provider and the load generator run on their own. Starts them, waits
// until they listen, reads their memory, and ends them by their handles.

import { fork, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A start that takes longer has failed: what is started compiles, opens a file and listens. */
const START_MS_MAX = 20_000;

/** In a request to be sent by the load generator: stands for a text of its own in each, all of the same length. */
export const ID = '%%%%%%%%%%%%';
/** As long, in the body of a request: the id of a hold. */
export const HOLD = '<hold______>';

/**
 * How `npm start` runs the server, and all that is compared with it. A young generation that is large enough for what is
 * under way, which else is copied again and again; and no more threads for collecting garbage than there are processors
 * beside the main one's: Node's four would take its own from it. Both can only be stated when Node starts.
 */
export const NODE_FLAGS = ['--max-semi-space-size=32', '--v8-pool-size=0'];

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** A server of this folder: forked, told its settings, and ready when it says on which port. */
export async function startServer(file, settings = {}) {
  const child = fork(here(file), [], { execArgv: NODE_FLAGS });
  const port = await answered(
    child,
    (message) => message.port,
    () => child.send({ settings }),
    file,
  );
  return { port, ...measuresOf(child) };
}

/** A program that is ready once it has printed something. It prints to a file, so that nobody has to read along. */
export async function startProgram(args, { folder, ready }) {
  const path = join(folder, 'output.txt');
  const file = openSync(path, 'w');
  const child = spawn(process.execPath, args, { stdio: ['ignore', file, file] });
  closeSync(file);
  const output = () => readFileSync(path, 'utf8');
  const deadline = performance.now() + START_MS_MAX;
  while (!ready.test(output())) {
    const isOver = child.exitCode !== null || performance.now() > deadline;
    if (isOver) throw new Error(`${args.join(' ')} is not ready:\n${output()}`);
    await pause(0.05);
  }
  return { output: output(), ...measuresOf(child) };
}

/** The load generator; `run` gives what a job measured. */
export function startLoad() {
  const child = fork(here('load.mjs'), [], { execArgv: NODE_FLAGS });
  const run = (kind, job) =>
    answered(
      child,
      (message) => message.done,
      () => child.send({ kind, ...job }),
      'load',
    );
  return { run, end: () => ended(child) };
}

function answered(child, pick, ask, what) {
  return new Promise((resolve, reject) => {
    const onExit = (code) => reject(new Error(`${what} ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(pick(message));
    });
    ask();
  });
}

function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
}

/** What the system says of a process; NaN where it says nothing. */
function measuresOf(child) {
  const stated = (file, pattern) => {
    try {
      return pattern
        .exec(readFileSync(`/proc/${child.pid}/${file}`, 'latin1'))
        .slice(1)
        .map(Number);
    } catch {
      return [Number.NaN, Number.NaN];
    }
  };
  return {
    rssMiB: () => stated('status', /^VmRSS:\s+(\d+)/m)[0] / 1024,
    /** Processor time used so far by all its threads. Linux counts it in hundredths of a second. */
    cpuSeconds: () => {
      const [user, system] = stated('stat', /\) \S(?: \S+){10} (\d+) (\d+)/);
      return (user + system) / 100;
    },
    end: () => ended(child),
  };
}

export function median(samples) {
  const sorted = [...samples].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
