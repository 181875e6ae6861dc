// Budgets in force, their windows and their accounts. A budget's window is one for all its balances; an account is what
// one set of wildcard values has of its own across windows: a limit, a pause, a forced exhaustion. Called by decide and
// apply; the only writer is apply.

import { HashIndex } from './hash-index.js';
import { SEPARATOR } from './labels.js';
import type { WindowBounds } from './outcomes.js';
import type { BudgetSpec, BudgetStatus, Labels } from './requests.js';
import type { WindowSpec } from './window.js';
import { BEGINNING_MS, NEVER_MS, windowLengthRank } from './window.js';

export const WARN_AT_PERCENT_DEFAULT = 80;

/** One window of a budget: its bounds and the balances opened in it. */
export class Window {
  firstBalance = -1;
  balanceCount = 0;
  readonly index: HashIndex;
  /** As callers see them. */
  readonly bounds: WindowBounds;

  constructor(
    readonly budget: Budget,
    readonly start: number,
    readonly end: number,
    seed: number,
    valuesOf: (slot: number) => string,
  ) {
    this.index = new HashIndex(seed, valuesOf);
    this.bounds = Object.freeze({ start: boundOf(start), end: boundOf(end) });
  }
}

/** What commands have set on a budget or on one of its accounts. An account on which nothing was set has no entry. */
export interface Standing {
  status: BudgetStatus;
  /** Forced exhausted until this instant; 0 = not. */
  exhaustedUntil: number;
  /** Overrides the budget's limit; undefined = no override. */
  limit: bigint | null | undefined;
}

export class Budget {
  version = 1;
  readonly standing: Standing = { status: 'active', exhaustedUntil: 0, limit: undefined };
  /** By account: values of the wildcard labels. Empty for a budget without wildcards: it is its own account. */
  readonly accounts = new Map<string, Standing>();
  /** Windows in memory, in the order of their opening; the one in force is `current`. */
  readonly windows: Window[] = [];
  current: Window | null = null;
  /** Values texts as labels, for answers. */
  readonly labelsOfValues = new Map<string, Labels>();

  readonly index: number;
  readonly unit: number;
  readonly window: WindowSpec;
  /** Nominal length, to name the shorter of two windows (rule P2). */
  readonly windowRank: number;
  /** Wildcard label keys, sorted; `values` texts are in this order. */
  readonly wildcards: readonly string[];
  /** The ledger's own, for the figures of grants that requests bring: no labels match it. */
  readonly forGrants: boolean;
  readonly id: string;
  /**
   * Whether a command ever set anything on the budget or on one of its accounts. Until then there is nothing to look up.
   */
  #hasSettings = false;
  // The specification, and its parts as every decision needs them: set together by `define`.
  spec!: BudgetSpec;
  limit!: bigint | null;
  perHoldMax!: bigint | null;
  /** null where there is no cap. */
  heldMax!: bigint | null;
  warnAtPercent!: number;
  pausesWhenUsedUp!: boolean;

  constructor(of: Pick<Budget, 'index' | 'spec' | 'unit' | 'window' | 'wildcards' | 'forGrants'>) {
    this.index = of.index;
    this.id = of.spec.id;
    this.define(of.spec);
    this.unit = of.unit;
    this.window = of.window;
    this.windowRank = windowLengthRank(of.window);
    this.wildcards = of.wildcards;
    this.forGrants = of.forGrants;
  }

  define(spec: BudgetSpec): void {
    this.spec = spec;
    this.limit = spec.limit;
    this.perHoldMax = spec.perHoldMax ?? null;
    this.heldMax = spec.heldMax === undefined || spec.heldMax === 0n ? null : spec.heldMax;
    this.warnAtPercent = spec.warnAtPercent ?? WARN_AT_PERCENT_DEFAULT;
    this.pausesWhenUsedUp = spec.onExhausted === 'pause';
  }

  /** What commands have set on an account; undefined when nothing was set. */
  account(values: string): Standing | undefined {
    if (this.wildcards.length === 0) return this.standing;
    return this.accounts.size === 0 ? undefined : this.accounts.get(values);
  }

  /**
   * What commands have set on an account, or for null on the budget as a whole. An empty entry is made when there is none,
   * so call this only to set something.
   */
  own(values: string | null): Standing {
    this.#hasSettings = true;
    if (values === null) return this.standing;
    const known = this.account(values);
    if (known !== undefined) return known;
    const made: Standing = { status: 'active', exhaustedUntil: 0, limit: undefined };
    this.accounts.set(values, made);
    return made;
  }

  limitOf(values: string): bigint | null {
    if (!this.#hasSettings) return this.limit;
    const own = this.account(values)?.limit;
    return own === undefined ? this.limit : own;
  }

  /** The stricter of the budget's and the account's status. */
  statusOf(values: string): BudgetStatus {
    if (!this.#hasSettings) return 'active';
    if (this.standing.status !== 'active') return this.standing.status;
    return this.account(values)?.status ?? 'active';
  }

  exhaustedUntilOf(values: string): number {
    if (!this.#hasSettings) return 0;
    const own = this.account(values)?.exhaustedUntil ?? 0;
    return Math.max(own, this.standing.exhaustedUntil);
  }

  /** Whether the window in force contains an instant; else one must be opened first. */
  isInForce(instant: number): boolean {
    return this.current !== null && instant >= this.current.start && instant < this.current.end;
  }

  /** The window in memory that contains an instant. */
  windowAt(instant: number): Window | undefined {
    const current = this.current;
    if (current !== null && instant >= current.start && instant < current.end) return current;
    return this.windows.find((window) => instant >= window.start && instant < window.end);
  }
}

/** An account's values as labels; those of recent accounts are remembered. */
export function valuesOf(budget: Budget, values: string): Labels {
  const { wildcards, labelsOfValues } = budget;
  if (wildcards.length === 0) return NO_LABELS;
  const known = labelsOfValues.get(values);
  if (known !== undefined) return known;
  const labels: Record<string, string> = {};
  const parts = wildcards.length === 1 ? [values] : values.split(SEPARATOR);
  for (let index = 0; index < parts.length; index += 1) labels[wildcards[index]] = parts[index];
  Object.freeze(labels);
  // A full map means that there are many accounts and few repeat. Remembering more would cost more than it saves.
  if (labelsOfValues.size < VALUES_REMEMBERED_MAX) labelsOfValues.set(values, labels);
  return labels;
}

/** Accounts of one budget whose values are remembered as labels: the busy ones. */
const VALUES_REMEMBERED_MAX = 1_024;

const NO_LABELS: Labels = Object.freeze({});

/** A window bound as callers see it: null for a lifetime's. */
export function boundOf(instant: number): number | null {
  return instant === NEVER_MS || instant === BEGINNING_MS ? null : instant;
}

/** The canonical id of a balance: budget, values, and the window's start unless it is a lifetime. */
export function balanceId(budgetId: string, values: string, start: number): string {
  let id = escaped(budgetId);
  if (values !== '') id += `|${values.split(SEPARATOR).map(escaped).join(',')}`;
  return start === BEGINNING_MS ? id : `${id}|${new Date(start).toISOString()}`;
}

function escaped(part: string): string {
  return part.replace(/[%|,]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Where in a budget's order the balance of an id is, or was. */
export interface BalancePlace {
  readonly budget: Budget;
  readonly values: string;
  readonly start: number;
}

/** What `balanceId` made an id of; null for one of no budget that is there. */
export function balancePlace(budgets: ReadonlyMap<string, Budget>, id: string): BalancePlace | null {
  const [name, ...rest] = id.split('|');
  const budget = budgets.get(unescaped(name));
  if (budget === undefined) return null;
  const values = budget.wildcards.length === 0 ? [] : (rest.shift() ?? '').split(',');
  const start = rest.length === 0 ? BEGINNING_MS : Date.parse(rest[0]);
  const place = { budget, values: values.map(unescaped).join(SEPARATOR), start };
  return !Number.isNaN(start) && balanceId(budget.id, place.values, start) === id ? place : null;
}

function unescaped(part: string): string {
  return part.replace(/%(25|7C|2C)/g, (_whole, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}
