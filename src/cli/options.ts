// Reads the texts of options and arguments. Every error names the option, the value and what it may be.

import type { AuthorizeRequest } from '../budgets/holds-api.js';
import { AmountFormatError, parseAmount, type Unit } from '../core/amount.js';
import type { Labels, Lease, OverrunPolicy } from '../core/requests.js';
import { isInstant } from '../kit/instants.js';
import { parseDuration } from '../kit/time-texts.js';

type GrantRequest = NonNullable<AuthorizeRequest['grants']>[number];

/** The command line was wrong; nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  constructor(option: string, problem: string) {
    super(`${option}: ${problem}`);
  }
}

/** `--label a=b --label c=d`, as commander collects them. */
export type Pairs = readonly (readonly [string, string])[];

/** A commander parser for a repeatable `KEY=VALUE` option. */
export function pairOption(option: string) {
  return (text: string, before: Pairs | undefined): Pairs => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(option, `${JSON.stringify(text)} is not KEY=VALUE`);
    const pair = [text.slice(0, at), text.slice(at + 1)] as const;
    if (before?.some(([key]) => key === pair[0]))
      throw new UsageError(option, `${JSON.stringify(pair[0])} is given twice`);
    return [...(before ?? []), pair];
  };
}

/** A commander parser for a repeatable option of plain texts. */
export function textsOption(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** A commander parser for a whole number. */
export function wholeOption(option: string, bounds: { min: number; max: number }) {
  return (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    throw new UsageError(
      option,
      `${JSON.stringify(text)} is not a whole number from ${bounds.min} to ${bounds.max}`,
    );
  };
}

/** A commander parser for a duration such as `10m`, in milliseconds. */
export function durationOption(option: string, { decimals = false } = {}) {
  return (text: string): number => {
    const ms = parseDuration(text, { decimals });
    if (ms !== null) return ms;
    throw new UsageError(
      option,
      `${JSON.stringify(text)} is not a duration such as 500ms, 30s, 10m, 2h or 1d`,
    );
  };
}

/** A commander parser for an instant with its zone, which stays as it is written. */
export function instantOption(option: string) {
  return (text: string): string => {
    if (isInstant(text)) return text;
    throw new UsageError(option, `${JSON.stringify(text)} is not an instant such as 2026-03-01T12:00:00Z`);
  };
}

export function labelsOf(pairs: Pairs | undefined): Labels {
  return Object.fromEntries(pairs ?? []);
}

/** `UNIT=AMOUNT` pairs as amounts on the wire, each of which its unit can have. */
export function amountsOf(
  option: string,
  pairs: Pairs | undefined,
  units: readonly Unit[],
): Record<string, string> {
  return Object.fromEntries(
    (pairs ?? []).map(([unit, text]) => [unit, amountOf({ option: `${option} ${unit}`, text, unit, units })]),
  );
}

/** One amount of a named unit, as it is written. */
export function amountOf(at: { option: string; text: string; unit: string; units: readonly Unit[] }): string {
  const unit = at.units.find((known) => known.name === at.unit);
  if (unit === undefined) {
    const names = at.units.map((known) => known.name).join(', ');
    throw new UsageError(at.option, `the ledger has no unit ${JSON.stringify(at.unit)}; it has ${names}`);
  }
  try {
    parseAmount(at.text, unit.scale);
  } catch (error) {
    if (error instanceof AmountFormatError) throw new UsageError(at.option, error.message);
    throw error;
  }
  return at.text;
}

export function overrunOption(text: string): OverrunPolicy {
  if (text === 'record' || text === 'reject' || text === 'forbid') return text;
  const cap = /^cap:(\d{1,6})$/.exec(text);
  if (cap !== null) return { cap: { tolerancePercent: Number(cap[1]) } };
  throw new UsageError('--overrun', `${JSON.stringify(text)} is not record, reject, forbid or cap:PERCENT`);
}

/** `--authority AUTHORITY/LEASE/EPOCH`. */
export function leaseOption(text: string): Lease {
  const match = /^([^/]+)\/([^/]+)\/(\d{1,15})$/.exec(text);
  if (match === null)
    throw new UsageError('--authority', `${JSON.stringify(text)} is not AUTHORITY/LEASE/EPOCH`);
  return { authorityId: match[1], leaseId: match[2], epoch: Number(match[3]) };
}

/** `--grant CAPABILITY/GRANT`, of a hold. */
export function grantOption(text: string): { capability: string; grant: string } {
  const match = /^([^/]+)\/([^/]+)$/.exec(text);
  if (match === null) throw new UsageError('--grant', `${JSON.stringify(text)} is not CAPABILITY/GRANT`);
  return { capability: match[1], grant: match[2] };
}

/** `--grant-caps capability=c,grant=g,unit=usd[,max-calls=N][,max-per-hold=AMOUNT][,max-total=AMOUNT]`. */
export function grantCapsOf(text: string, units: readonly Unit[]): GrantRequest {
  const option = '--grant-caps';
  const parts = text.split(',').reduce<Pairs>((pairs, part) => pairOption(option)(part, pairs), []);
  const given = new Map(parts);
  const known = ['capability', 'grant', 'unit', 'max-calls', 'max-per-hold', 'max-total'];
  for (const key of given.keys()) {
    if (!known.includes(key))
      throw new UsageError(option, `${JSON.stringify(key)} is not ${known.join(', ')}`);
  }
  const need = (key: string): string => {
    const value = given.get(key);
    if (value === undefined) throw new UsageError(option, `${key}=… is missing in ${JSON.stringify(text)}`);
    return value;
  };
  const unit = need('unit');
  const cap = (key: string) => amountOf({ option: `${option} ${key}`, text: given.get(key)!, unit, units });
  return {
    capability: need('capability'),
    grant: need('grant'),
    unit,
    ...(given.has('max-calls')
      ? {
          maxCalls: wholeOption(`${option} max-calls`, { min: 0, max: Number.MAX_SAFE_INTEGER })(
            need('max-calls'),
          ),
        }
      : {}),
    ...(given.has('max-per-hold') ? { maxPerHold: cap('max-per-hold') } : {}),
    ...(given.has('max-total') ? { maxTotal: cap('max-total') } : {}),
  };
}

/** Reads an option: each time that it is given, and what was gathered once the ledger's units are known. */
export interface Reader {
  readonly read?: ((option: string) => (text: string, before: never) => unknown) | undefined;
  readonly finish?: ((value: unknown, option: string, units: readonly Unit[]) => unknown) | undefined;
}

const ifStated =
  <From>(finish: (value: From, option: string, units: readonly Unit[]) => unknown): Reader['finish'] =>
  (value, option, units) =>
    value === undefined ? undefined : finish(value as From, option, units);

export const TEXT: Reader = {};
export const TEXTS: Reader = { read: () => textsOption };
export const DURATION: Reader = { read: durationOption };
export const INSTANT: Reader = { read: instantOption };
/** `KEY=VALUE`, repeatable: labels, and amounts that the server judges. */
export const PAIRS: Reader = { read: pairOption, finish: ifStated(labelsOf) };
/** Amounts of the ledger's units. */
export const AMOUNTS: Reader = {
  read: pairOption,
  finish: ifStated((pairs: Pairs, option, units) => amountsOf(option, pairs, units)),
};
/** As AMOUNTS, and no amounts where none is stated. */
export const AMOUNTS_OR_NONE: Reader = {
  read: pairOption,
  finish: (pairs, option, units) => amountsOf(option, pairs as Pairs | undefined, units),
};

export function whole(min: number, max = Number.MAX_SAFE_INTEGER): Reader {
  return { read: (option) => wholeOption(option, { min, max }) };
}

export const COUNT: Reader = whole(0);

/** One of these words. */
export function oneOf(words: readonly string[]): Reader {
  return { read: (option) => (text: string) => wordOf(option, text, words) };
}

/** Any of these words, repeatable. */
export function someOf(words: readonly string[]): Reader {
  return {
    read: (option) => (text: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      wordOf(option, text, words),
    ],
  };
}

function wordOf(option: string, text: string, words: readonly string[]): string {
  if (words.includes(text)) return text;
  const named = words.length === 2 ? words.join(' or ') : words.join(', ');
  throw new UsageError(option, `${JSON.stringify(text)} is not ${named}`);
}

const ROWS_MAX = 1_000_000;

export function rowsReader(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
}

type Stated<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same fields, those that are undefined left out: requests tell absent from present. */
export function stated<T extends object>(fields: T): Stated<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Stated<T>;
}
