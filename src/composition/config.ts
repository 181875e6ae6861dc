// The one place that reads the environment. Called by main.ts, and asked for providers' keys by name when a call goes out.
// A bad value stops the program with the variable, the value and the bound; values of keys are never shown.

import { InvalidInputError } from '../core/errors.js';
import { quoted } from '../core/labels.js';
import { plainBaseUrl, serverUrlProblem } from '../kit/base-url.js';
import { isHost, PORT_MAX } from './settings/listen.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The longest path that common systems open. */
const PATH_LENGTH_MAX = 4_096;
/** Keys of providers have up to some 200 characters; signed tokens that stand for one have more. */
const SECRET_LENGTH_MAX = 8_192;

export interface Config {
  /** BURSAR_LEDGER: the ledger file where the command line names none. */
  readonly ledgerPath: string;
  /** BURSAR_URL: the server that commands go to where the command line names neither it nor a ledger; null: none. */
  readonly url: string | null;
  /** BURSAR_KEY: the key for that server; null: none. */
  readonly apiKey: string | null;
  /** BURSAR_DATA: the folder of `serve` where the command line names none. */
  readonly dataPath: string;
  /** BURSAR_CONFIG: the configuration file; null: `bursar.yaml` where there is one, else the built-in settings. */
  readonly configPath: string | null;
  /** BURSAR_HOST and BURSAR_PORT: they come before the configuration's `listen`; null: not stated. */
  readonly host: string | null;
  readonly port: number | null;
  /** BURSAR_LOG_LEVEL. */
  readonly logLevel: LogLevel;
  /**
   * The variable that a provider's `keyFrom` names, as it is now; undefined when it has no value.
   * @throws InvalidInputError naming the variable when its value cannot stand in a header
   */
  readonly secretOf: (name: string) => string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws InvalidInputError naming the variable, the value and the bound */
export function readConfig(environment: Environment = process.env): Config {
  // A variable that is set to nothing is as good as none.
  const stated = (name: string) => environment[name] || undefined;
  return {
    ledgerPath: path(stated, 'BURSAR_LEDGER') ?? 'bursar.db',
    url: url(stated),
    apiKey: secret(stated, 'BURSAR_KEY') ?? null,
    dataPath: path(stated, 'BURSAR_DATA') ?? 'bursar-data',
    configPath: path(stated, 'BURSAR_CONFIG') ?? null,
    host: checked(stated, 'BURSAR_HOST', isHost, 'is no host name or address') ?? null,
    port: port(stated),
    logLevel: logLevel(stated),
    secretOf: (name) => secret(stated, name),
  };
}

type Stated = (name: string) => string | undefined;

function checked(
  stated: Stated,
  name: string,
  isRight: (value: string) => boolean,
  problem: string,
): string | undefined {
  const value = stated(name);
  if (value === undefined || isRight(value)) return value;
  throw new InvalidInputError(name, `${quoted(value)} ${problem}`);
}

function path(stated: Stated, name: string): string | undefined {
  const isPath = (value: string) => value.length <= PATH_LENGTH_MAX && !value.includes('\0');
  return checked(stated, name, isPath, `is no path of at most ${PATH_LENGTH_MAX} characters`);
}

function port(stated: Stated): number | null {
  const isPort = (value: string) => /^\d{1,5}$/.test(value) && Number(value) <= PORT_MAX;
  const value = checked(stated, 'BURSAR_PORT', isPort, `is not a whole number from 0 to ${PORT_MAX}`);
  return value === undefined ? null : Number(value);
}

function url(stated: Stated): string | null {
  const value = stated('BURSAR_URL');
  if (value === undefined) return null;
  const problem = serverUrlProblem(value);
  // The value is not shown: a URL with a password in it is one of the problems.
  if (problem !== null) throw new InvalidInputError('BURSAR_URL', problem);
  return plainBaseUrl(value);
}

function logLevel(stated: Stated): LogLevel {
  const isLevel = (value: string) => LOG_LEVELS.some((level) => level === value);
  const value = checked(stated, 'BURSAR_LOG_LEVEL', isLevel, `is not one of ${LOG_LEVELS.join(', ')}`);
  return (value ?? 'info') as LogLevel;
}

// It goes into a header as it is: a line break in it would begin another header.
function secret(stated: Stated, name: string): string | undefined {
  const value = stated(name);
  if (value === undefined || (value.length <= SECRET_LENGTH_MAX && /^[\x21-\x7e]+$/.test(value)))
    return value;
  const bound = `at most ${SECRET_LENGTH_MAX} visible ASCII characters, without spaces or line breaks`;
  throw new InvalidInputError(name, `its value (not shown) cannot stand in a header: ${bound}`);
}
