// Reads the texts of options and arguments. Every error names the option, the value and what it may be.

import { AmountFormatError, type Amounts, parseAmount, type Unit } from '../core/amount.js';
import type {
  GrantCaps,
  HoldEnding,
  Labels,
  Lease,
  OnExpiry,
  OverrunPolicy,
  Usage,
} from '../core/requests.js';

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

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A commander parser for a duration such as `10m`, in milliseconds. */
export function durationOption(option: string) {
  return (text: string): number => {
    // Parts of a millisecond only where milliseconds are stated, so that nothing is rounded here.
    const match = /^(\d{1,9}(?:\.\d{1,6}(?=ms))?)(ms|s|m|h|d)$/.exec(text);
    if (match === null) {
      throw new UsageError(
        option,
        `${JSON.stringify(text)} is not a duration such as 500ms, 30s, 10m, 2h or 1d`,
      );
    }
    return Number(match[1]) * DURATION_MS[match[2] as keyof typeof DURATION_MS];
  };
}

/** A commander parser for an instant with its zone, in epoch ms. */
export function instantOption(option: string) {
  return (text: string): number => {
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(text)
      ? Date.parse(text)
      : Number.NaN;
    if (Number.isNaN(at)) {
      throw new UsageError(option, `${JSON.stringify(text)} is not an instant such as 2026-03-01T12:00:00Z`);
    }
    return at;
  };
}

export function labelsOf(pairs: Pairs | undefined): Labels {
  return Object.fromEntries(pairs ?? []);
}

/** `UNIT=AMOUNT` pairs as steps of the ledger's units. */
export function amountsOf(option: string, pairs: Pairs | undefined, units: readonly Unit[]): Amounts {
  return Object.fromEntries(
    (pairs ?? []).map(([unit, text]) => [unit, amountOf({ option: `${option} ${unit}`, text, unit, units })]),
  );
}

/** One amount of a named unit. */
export function amountOf(at: { option: string; text: string; unit: string; units: readonly Unit[] }): bigint {
  const unit = at.units.find((known) => known.name === at.unit);
  if (unit === undefined) {
    const names = at.units.map((known) => known.name).join(', ');
    throw new UsageError(at.option, `the ledger has no unit ${JSON.stringify(at.unit)}; it has ${names}`);
  }
  try {
    return parseAmount(at.text, unit.scale);
  } catch (error) {
    if (error instanceof AmountFormatError) throw new UsageError(at.option, error.message);
    throw error;
  }
}

export function overrunOption(text: string): OverrunPolicy {
  if (text === 'record' || text === 'reject' || text === 'forbid') return text;
  const cap = /^cap:(\d{1,6})$/.exec(text);
  if (cap !== null) return { cap: { tolerancePercent: Number(cap[1]) } };
  throw new UsageError('--overrun', `${JSON.stringify(text)} is not record, reject, forbid or cap:PERCENT`);
}

/** `--on-expiry release|charge`, with `--charge` amounts for a stated estimate. */
export function onExpiryOf(text: string | undefined, estimate: Amounts | undefined): OnExpiry | undefined {
  if (text !== undefined && text !== 'release' && text !== 'charge') {
    throw new UsageError('--on-expiry', `${JSON.stringify(text)} is not release or charge`);
  }
  if (estimate === undefined) return text;
  if (text !== 'charge') throw new UsageError('--charge', 'goes with --on-expiry charge');
  return { charge: estimate };
}

const ENDINGS: readonly HoldEnding[] = ['completed', 'failed', 'cancelled', 'unknown'];

export function endingOption(text: string): HoldEnding {
  const ending = ENDINGS.find((known) => known === text);
  if (ending !== undefined) return ending;
  throw new UsageError('--outcome', `${JSON.stringify(text)} is not ${ENDINGS.join(', ')}`);
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
export function grantCapsOf(text: string, units: readonly Unit[]): GrantCaps {
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

/** The `--usage-…` options as commander names them. */
export interface UsageOptions {
  readonly usageInput?: number;
  readonly usageOutput?: number;
  readonly usageCacheRead?: number;
  readonly usageCacheWrite?: number;
  readonly usageReasoning?: number;
  readonly usageTools?: number;
}

export function usageOf(options: UsageOptions): Usage | undefined {
  const usage = stated({
    inputTokens: options.usageInput,
    outputTokens: options.usageOutput,
    cacheReadTokens: options.usageCacheRead,
    cacheWriteTokens: options.usageCacheWrite,
    reasoningTokens: options.usageReasoning,
    toolCalls: options.usageTools,
  });
  return Object.keys(usage).length === 0 ? undefined : usage;
}

type Stated<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same fields, those that are undefined left out: requests tell absent from present. */
export function stated<T extends object>(fields: T): Stated<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Stated<T>;
}
