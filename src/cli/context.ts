// What every command of the CLI is given: how to open ledgers, where to print, and the exit code to leave behind.
// Commands open ledgers only through here, so that each is closed again and missing files are told apart from empty ones.

import { existsSync } from 'node:fs';
import type { KeyIssued, KeyView } from '../access/keys-api.js';
import type { Clock, Ledger, LedgerReads, Progress } from '../authority/api.js';
import { BursarClient } from '../client/index.js';
import type { History } from '../views/history.js';
import { type CliLedger, type CliReads, RemoteLedger } from './cli-ledger.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { LocalLedger, LocalReads } from './local-ledger.js';
import { UsageError } from './options.js';
import { showProgress } from './progress.js';

/** Options of `serve`, as stated on the command line; what is absent comes from the configuration. */
export interface ServeOptions {
  readonly config?: string;
  readonly data?: string;
  readonly host?: string;
  readonly port?: number;
  /** How long open calls may take to end once the server is told to stop. */
  readonly drain?: number;
  /** Goes on although a file of the folder is missing or older than another. */
  readonly acceptLoss?: boolean;
}

/** A configuration that `check` has looked through. */
export interface CheckedFile {
  /** Null: there is none, and the built-in demonstration would run. */
  readonly file: string | null;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

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
  /** The server when neither `--url` nor `--ledger` is given; null: none. */
  readonly defaultUrl: string | null;
  /** The key for a server; null when the environment has none. */
  readonly apiKey: string | null;
  /** Environment variables that options name: keys for a provider's reports. */
  readonly secretOf: (name: string) => string | undefined;
  readonly clock: Clock;
  /** The folder of a server when `--data` is not given. */
  readonly dataPath: string;
  /** Runs the server until it is told to stop. */
  readonly serve: (options: ServeOptions) => Promise<void>;
  /** Looks a configuration through: the file that is named, else the one that `serve` would take. */
  readonly checkConfig: (file: string | undefined) => Promise<CheckedFile>;
  /** What is wrong with the views beside a ledger file; null where there are none to look at. */
  readonly verifyViews: (
    ledgerPath: string,
  ) => Promise<{ readonly ok: boolean; readonly text: string } | null>;
  /** Makes an admin key for the server of a folder, which may be running. */
  readonly createKeyIn: (dataPath: string, name: string) => Promise<KeyIssued>;
  /** The keys of a folder, whether or not a server has it open. */
  readonly keysIn: (dataPath: string) => Promise<readonly KeyView[]>;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Options that every command has. */
export interface GlobalOptions {
  readonly ledger?: string;
  readonly url?: string;
  readonly json?: boolean;
}

/** Where the ledger is: in a file, or behind a server. */
export type Place = { readonly ledger: string } | { readonly url: string };

export class CliContext {
  exitCode: ExitCode = EXIT.done;
  #outputGone = false;
  #interrupt: AbortController | undefined;

  constructor(readonly parts: CliParts) {
    // `bursar events | head`: the reader of the pipe has gone. The command ends without an error, and ledgers are still closed.
    const gone = (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#outputGone = true;
      this.#interrupt?.abort();
    };
    parts.stdout.on('error', gone);
    parts.stderr.on('error', gone);
  }

  /** What is stated on the command line comes before the environment, and a file or a server is stated, not both. */
  placeOf(options: GlobalOptions): Place {
    const { ledger, url } = options;
    if (ledger !== undefined && url !== undefined)
      throw new UsageError('--url', 'goes without --ledger: a ledger is in a file or behind a server');
    if (ledger !== undefined) return { ledger };
    const server = url ?? this.parts.defaultUrl;
    return server === null ? { ledger: this.parts.defaultLedger } : { url: server };
  }

  /** The server that commands on it are for. @throws UsageError when none is stated */
  client(options: GlobalOptions): BursarClient {
    const place = this.placeOf(options);
    if (!('url' in place))
      throw new UsageError('--url', 'this command is for a server; state its URL, or set BURSAR_URL');
    if (this.parts.apiKey === null)
      throw new UsageError('BURSAR_KEY', 'set this environment variable to a key of the server');
    return new BursarClient({ baseUrl: place.url, apiKey: this.parts.apiKey });
  }

  /** Runs `use` on the ledger: behind a server, or in a file as its one writer. */
  async withLedger<T>(
    options: GlobalOptions,
    use: (ledger: CliLedger) => Promise<T>,
    mode?: 'create',
  ): Promise<T> {
    if ('url' in this.placeOf(options)) return use(new RemoteLedger(this.client(options)));
    return this.withLocalLedger(options, (ledger) => use(new LocalLedger(ledger)), mode);
  }

  /**
   * Runs `use` on a ledger file as its one writer. Only `apply` creates one: with a mistyped path, a new empty ledger would
   * authorise everything.
   */
  async withLocalLedger<T>(
    options: GlobalOptions,
    use: (ledger: Ledger) => Promise<T>,
    mode?: 'create',
  ): Promise<T> {
    const path = this.#fileOf(options);
    if (mode !== 'create') assertExists(path);
    const ledger = await this.#opening((progress) => this.parts.openLedger({ path, progress }));
    try {
      return await use(ledger);
    } finally {
      await ledger.close();
    }
  }

  /** Runs `use` on a view of the ledger, which for a file works while another process holds it. */
  async withReader<T>(options: GlobalOptions, use: (reader: CliReads) => Promise<T> | T): Promise<T> {
    if ('url' in this.placeOf(options)) return use(new RemoteLedger(this.client(options)));
    return this.withLocalReader(options, (reader) => use(new LocalReads(reader, () => reader.refresh())));
  }

  /** Runs `use` on a view of a ledger file. */
  async withLocalReader<T>(
    options: GlobalOptions,
    use: (reader: LedgerReader) => Promise<T> | T,
  ): Promise<T> {
    const path = this.#fileOf(options);
    assertExists(path);
    const reader = await this.#opening((progress) => this.parts.openReader(path, { progress }));
    try {
      return await use(reader);
    } finally {
      reader.close();
    }
  }

  /** Runs `use` on the ledger's history, which has caught up; works while another process holds the ledger. */
  async withHistory<T>(options: GlobalOptions, use: (history: History) => Promise<T> | T): Promise<T> {
    const path = this.#fileOf(options);
    assertExists(path);
    const history = await this.#opening((progress) => this.parts.openHistory(path, { progress }), 'catch up');
    try {
      return await use(history);
    } finally {
      history.close();
    }
  }

  #fileOf(options: GlobalOptions): string {
    const place = this.placeOf(options);
    if ('ledger' in place) return place.ledger;
    throw new UsageError(
      '--url',
      'a server does not do this; run it where the ledger file is, with --ledger',
    );
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

  /** What a server answered, as JSON or by `text`. */
  answer(options: GlobalOptions, value: unknown, text: () => string): void {
    this.print(options.json === true ? JSON.stringify(value, null, 2) : text());
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
