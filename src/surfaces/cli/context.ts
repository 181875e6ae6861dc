// What every command of the CLI is given: how to open ledgers, where to print, and the exit code to leave behind.
// Commands open ledgers only through here, so that each is closed again and missing files are told apart from empty ones.

import { existsSync } from 'node:fs';
import type { Clock, Ledger, LedgerReads, Progress } from '../../authority/api.js';
import type { History } from '../../authority/history.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { showProgress } from './progress.js';

export type LedgerReader = LedgerReads & { close(): void; refresh(): void };

/** What the composition root puts in. */
export interface CliParts {
  readonly openLedger: (options: {
    path: string;
    clock?: Clock;
    authorityId?: string;
    progress?: Progress;
  }) => Promise<Ledger>;
  readonly openReader: (path: string, options: { progress?: Progress }) => Promise<LedgerReader>;
  readonly openHistory: (path: string, options: { progress?: Progress }) => Promise<History>;
  /** The ledger file when `--ledger` is not given. */
  readonly defaultLedger: string;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Options that every command has. */
export interface GlobalOptions {
  readonly ledger: string;
  readonly json?: boolean;
}

export class CliContext {
  exitCode: ExitCode = EXIT.done;
  #outputGone = false;
  #interrupt: AbortController | undefined;

  constructor(readonly parts: CliParts) {
    // `bursar events | head`: whoever read has gone. What runs ends quietly, and ledgers are still closed.
    const gone = (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#outputGone = true;
      this.#interrupt?.abort();
    };
    parts.stdout.on('error', gone);
    parts.stderr.on('error', gone);
  }

  /** Runs `use` on the ledger as its one writer. Only `apply` creates a ledger: a mistyped path must not pass calls unchecked. */
  async withLedger<T>(path: string, use: (ledger: Ledger) => Promise<T>, mode?: 'create'): Promise<T> {
    if (mode !== 'create') assertExists(path);
    const ledger = await this.#opening((progress) => this.parts.openLedger({ path, progress }));
    try {
      return await use(ledger);
    } finally {
      await ledger.close();
    }
  }

  /** Runs `use` on a read-only view, which works while another process holds the ledger. */
  async withReader<T>(path: string, use: (reader: LedgerReader) => Promise<T> | T): Promise<T> {
    assertExists(path);
    const reader = await this.#opening((progress) => this.parts.openReader(path, { progress }));
    try {
      return await use(reader);
    } finally {
      reader.close();
    }
  }

  /** Runs `use` on the ledger's history, which has caught up; works while another process holds the ledger. */
  async withHistory<T>(path: string, use: (history: History) => Promise<T> | T): Promise<T> {
    assertExists(path);
    const history = await this.#opening((progress) => this.parts.openHistory(path, { progress }), 'catch up');
    try {
      return await use(history);
    } finally {
      history.close();
    }
  }

  /** A long journal takes a while to replay. */
  async #opening<T>(open: (progress: Progress) => Promise<T>, title = 'open'): Promise<T> {
    const progress = showProgress(title, this.parts.stderr);
    try {
      return await open(progress.report);
    } finally {
      progress.end();
    }
  }

  /** Runs `use` with a signal that the first Ctrl-C aborts; a second one ends the process as usual. */
  async interruptible<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const interrupt = () => controller.abort();
    this.#interrupt = controller;
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    try {
      return await use(controller.signal);
    } finally {
      this.#interrupt = undefined;
      process.removeListener('SIGINT', interrupt);
      process.removeListener('SIGTERM', interrupt);
    }
  }

  print(text: string): void {
    if (!this.#outputGone) this.parts.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  note(text: string): void {
    if (!this.#outputGone) this.parts.stderr.write(`${text}\n`);
  }

  /** Waits until what was printed has been taken, so that a long list does not gather in memory. */
  async drained(): Promise<void> {
    const { stdout } = this.parts;
    if (this.#outputGone || !stdout.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        stdout.removeListener('drain', done);
        stdout.removeListener('close', done);
        resolve();
      };
      stdout.on('drain', done);
      stdout.on('close', done);
    });
  }
}

function assertExists(path: string): void {
  if (!existsSync(path)) {
    throw new Error(
      `--ledger: there is no ledger at ${JSON.stringify(path)}; "bursar apply FILE" creates one`,
    );
  }
}
