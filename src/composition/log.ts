// The server's log: one JSON object a line (pino), for machines; on a terminal a short line for people instead.
// Made by serve.ts; the HTTP server and the gateway write to the same stream.

import { type Logger, pino } from 'pino';
import type { LogLevel } from './config.js';

export interface Log {
  readonly logger: Logger;
  readonly stream: { write(line: string): void };
  /** Writes what is left. */
  close(): void;
}

/** The part of `process` that says when it ends. */
export interface ProcessEnd {
  on(event: 'exit', listener: () => void): unknown;
  off(event: 'exit', listener: () => void): unknown;
}

/** What was said is written when the process ends, unless by SIGKILL. */
export function openLog(stdout: NodeJS.WriteStream, level: LogLevel, ends: ProcessEnd): Log {
  const gathered = new Gathered(stdout);
  ends.on('exit', gathered.flush);
  const stream = stdout.isTTY ? forPeople(stdout) : gathered;
  return {
    logger: pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream),
    stream,
    close() {
      ends.off('exit', gathered.flush);
      gathered.flush();
    },
  };
}

/** Lines of one turn of the event loop go out in one write: every request has one, and a write costs more than the line. */
class Gathered {
  #lines = '';

  constructor(private readonly stdout: NodeJS.WriteStream) {}

  write(line: string): void {
    if (this.#lines === '') setImmediate(this.flush);
    this.#lines += line;
  }

  readonly flush = (): void => {
    if (this.#lines === '') return;
    this.stdout.write(this.#lines);
    this.#lines = '';
  };
}

/** Fields that a line for people says otherwise, or not at all. */
const OMITTED = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err']);

const WARN_LEVEL = 40;

function forPeople(stdout: NodeJS.WriteStream): Log['stream'] {
  return {
    write(line: string): void {
      const { level, time, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>;
      const at = String(time).slice(11, 19);
      const word = Number(level) < WARN_LEVEL ? '' : `${pino.levels.labels[Number(level)].toUpperCase()} `;
      const error = err instanceof Object && 'message' in err ? `: ${err.message}` : '';
      const fields = Object.entries(rest).filter(([name]) => !OMITTED.has(name));
      const said = fields.map(([name, value]) => ` ${name}=${JSON.stringify(value)}`).join('');
      stdout.write(`${at} ${word}${msg ?? ''}${error}${said}\n`);
    },
  };
}
