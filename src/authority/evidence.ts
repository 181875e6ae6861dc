// Evidence about a ledger file, worked out beside its writer. Explanations and verifications each have a thread,
// which starts with the first request and ends after a while without one. They cost the server's event loop nothing.

import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { JournalUnavailableError, LedgerClosedError } from '../core/errors.js';
import type { Explanation, LedgerEvent, VerifyReport } from '../core/outcomes.js';
import { type Failure, fromFailure } from '../journal/sqlite/protocol.js';
import type { Evidence } from './api.js';

/** After so long without a request a thread gives its memory back. */
const IDLE_MS = 60_000;

export type EvidenceRequest =
  | { readonly kind: 'event'; readonly sequence: number }
  | { readonly kind: 'explain'; readonly decisionId: string }
  | { readonly kind: 'verify' };

export type EvidenceAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly failure: Failure };

/** Nothing is started before somebody asks. */
export function openEvidence(ledgerPath: string): Evidence {
  const path = resolve(ledgerPath);
  // A verification of a long journal takes long, so explanations have a thread of their own and do not wait for it.
  const [explaining, verifying] = [new EvidenceThread(path), new EvidenceThread(path)];
  return {
    event: (sequence) => explaining.ask({ kind: 'event', sequence }) as Promise<LedgerEvent | undefined>,
    explain: (decisionId) => explaining.ask({ kind: 'explain', decisionId }) as Promise<Explanation>,
    verify: () => verifying.ask({ kind: 'verify' }) as Promise<VerifyReport>,
    async close() {
      await Promise.all([explaining.close(), verifying.close()]);
    },
  };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The thread, and the requests that it has not answered yet, in order. */
class EvidenceThread {
  readonly #waiting: Waiting[] = [];
  #worker: Worker | null = null;
  #idle: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(private readonly path: string) {}

  ask(request: EvidenceRequest): Promise<unknown> {
    if (this.#closed) return Promise.reject(new LedgerClosedError('the ledger is closed'));
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    this.#worker.postMessage(request);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
    this.#refuse(new LedgerClosedError('the ledger is closed'));
  }

  #start(): Worker {
    // The process's own flags are not for this thread; some of them would stop it.
    const options = { workerData: this.path, execArgv: [] };
    const worker = new Worker(new URL('./evidence-worker.js', import.meta.url), options);
    worker.unref();
    worker.on('message', (answer: EvidenceAnswer) => this.#answered(answer));
    const gone = (why: string) => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#refuse(new JournalUnavailableError(`the thread that reads the journal ${why}`));
    };
    worker.on('error', (error: Error) => gone(`failed: ${error.message}`));
    worker.on('exit', () => gone('has ended'));
    return worker;
  }

  #answered(answer: EvidenceAnswer): void {
    const waiting = this.#waiting.shift();
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(fromFailure(answer.failure));
    if (this.#waiting.length === 0) this.#idle = setTimeout(() => void this.#end(), IDLE_MS).unref();
  }

  async #end(): Promise<void> {
    if (this.#idle !== null) clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #refuse(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
