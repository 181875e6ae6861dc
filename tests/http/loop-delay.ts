// How long the event loop of this process was kept while something was done, with the caller in a thread of its own: the
// bytes of a request come over a real socket, and making and reading them costs this thread nothing.

import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** A request as the thread sends it; `body` is code that makes the text, so that it is made over there. */
export interface Sent {
  readonly url: string;
  readonly method: string;
  readonly key: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Kept {
  readonly statuses: readonly number[];
  /** Of the last answer, its first characters. */
  readonly text: string;
  /** The longest time between two looks of a timer that asks every millisecond, less what others had the processor, in ms. */
  readonly longestMs: number;
  readonly tookMs: number;
}

const SENDER = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { method, key, headers, body, url, times } = workerData;
    const text = body === undefined ? undefined : eval(body);
    parentPort.postMessage('ready');
    await new Promise((go) => parentPort.once('message', go));
    const began = performance.now();
    const answers = await Promise.all(Array.from({ length: times }, async (_, index) => {
      const answer = await fetch(url, { method, body: text, headers: {
        authorization: 'Bearer ' + key, ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers, ...(headers?.['idempotency-key'] === undefined ? {} : { 'idempotency-key': headers['idempotency-key'] + index }) } });
      return { status: answer.status, text: await answer.text() };
    }));
    const tookMs = performance.now() - began;
    parentPort.postMessage({ statuses: answers.map((one) => one.status), text: answers.at(-1).text.slice(0, 400), tookMs });
  })();
`;

/** How long this thread was ready and another had the processor, as Linux counts it; elsewhere nothing is known of it. */
function queuedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Sends a request, or as many copies of it at once, and tells how long the loop was kept meanwhile. */
export async function loopKept(sent: Sent, times = 1): Promise<Kept> {
  const sender = new Worker(SENDER, { eval: true, workerData: { ...sent, times }, execArgv: [] });
  try {
    await new Promise((ready, failed) => {
      sender.once('message', ready);
      sender.once('error', failed);
    });
    let last = performance.now();
    let lastQueued = queuedMs();
    let longestMs = 0;
    const look = () => {
      const now = performance.now();
      const queued = queuedMs();
      longestMs = Math.max(longestMs, now - last - (queued - lastQueued));
      last = now;
      lastQueued = queued;
    };
    const timer = setInterval(look, 1);
    sender.postMessage('go');
    const answer = await new Promise<Omit<Kept, 'longestMs'>>((resolve, reject) => {
      sender.once('message', resolve);
      sender.once('error', reject);
    });
    look();
    clearInterval(timer);
    return { ...answer, longestMs };
  } finally {
    await sender.terminate();
  }
}
