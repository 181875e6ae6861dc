// Runs the server and command lines in this process, with streams that are read and signals that are sent here.

import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { runCli } from '#bursar/cli/program.js';
import { createOfflineKey, keysIn } from '#bursar/composition/folder-keys.js';
import { serve } from '#bursar/composition/serve.js';
import { checkConfiguration } from '#bursar/composition/settings-in-force.js';
import { openHistory, openLedger, openReader, SYSTEM_CLOCK } from '#bursar/index.js';
import type { Ended } from './bursar-process.js';

/** A stream that keeps what was written to it. */
class Kept extends Writable {
  text = '';
  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.text += piece.toString();
    done();
  }
}

const asTerminal = (stream: Writable) => stream as unknown as NodeJS.WriteStream;

export interface InProcess {
  readonly url: string;
  readonly adminKey: string;
  readonly demoKey: string;
  readonly signals: EventEmitter & { exited: number | null };
  readonly stdout: Kept;
  readonly stderr: Kept;
  /** Resolves when the server has ended. */
  readonly ended: Promise<void>;
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<void>;
}

export async function startInProcess(options: {
  dataPath: string;
  config?: string;
  drainMs?: number;
  secrets?: Readonly<Record<string, string>>;
}): Promise<InProcess> {
  const stdout = new Kept();
  const stderr = new Kept();
  const signals = Object.assign(new EventEmitter(), {
    exited: null as number | null,
    exit(code: number): never {
      signals.exited = code;
      return undefined as never;
    },
  });
  const ended = serve({
    config: options.config,
    dataPath: options.dataPath,
    port: 0,
    drainMs: options.drainMs,
    logLevel: 'info',
    secretOf: (name) => options.secrets?.[name],
    stdout: asTerminal(stdout),
    stderr: asTerminal(stderr),
    process: signals,
  });
  let failed: Error | undefined;
  ended.catch((error: Error) => {
    failed = error;
  });
  while (!stdout.text.includes('"listening"') && failed === undefined)
    await new Promise((resolve) => setTimeout(resolve, 5));
  if (failed !== undefined) throw failed;
  const keyIn = (title: string) => new RegExp(`${title} +(bur_\\S+)`).exec(stderr.text)?.[1] ?? '';
  return {
    url: /"url":"([^"]+)"/.exec(stdout.text)?.[1] ?? '',
    adminKey: keyIn('admin key'),
    demoKey: keyIn('key of the tenant demo'),
    signals,
    stdout,
    stderr,
    ended,
    async stop() {
      signals.emit('SIGTERM');
      await ended;
    },
  };
}

/** Runs one command line; `~` stands for a space inside a word. */
export async function runInProcess(
  line: string,
  at: { readonly ledger: string } | { readonly url: string; readonly key: string },
  options: {
    readonly secrets?: Readonly<Record<string, string>>;
    readonly clock?: { now(): number };
  } = {},
): Promise<Ended> {
  const stdout = new Kept();
  const stderr = new Kept();
  const words = line.split(' ').map((word) => word.replaceAll('~', ' '));
  const place = 'ledger' in at ? ['--ledger', at.ledger] : ['--url', at.url];
  const code = await runCli(['node', 'bursar', ...words, ...place], {
    openLedger,
    openReader,
    openHistory,
    defaultLedger: 'none.db',
    defaultUrl: null,
    apiKey: 'key' in at ? at.key : null,
    secretOf: (name) => options.secrets?.[name],
    clock: options.clock ?? SYSTEM_CLOCK,
    dataPath: 'none',
    serve: async () => undefined,
    checkConfig: (file) =>
      checkConfiguration(file, { secretOf: (name) => options.secrets?.[name], now: SYSTEM_CLOCK.now() }),
    verifyViews: async () => null,
    createKeyIn: (folder, name) => createOfflineKey(folder, { name, clock: SYSTEM_CLOCK }),
    keysIn: (folder) => keysIn(folder, SYSTEM_CLOCK),
    stdout: asTerminal(stdout),
    stderr: asTerminal(stderr),
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}
