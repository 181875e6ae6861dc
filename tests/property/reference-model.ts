// A deliberately naive ledger, written from docs/rules.md: maps of plain objects, nothing cached, `held` summed
// over the open holds whenever it is asked for. The property test compares every outcome and every figure of the real
// ledger with it. Time is given by the caller; nothing is ever forgotten. Holds are in reference-holds.ts.

import type { BudgetLine, DenialReason, VerdictLevel, Violation } from '#bursar/core/outcomes.js';
import { VERDICTS } from '#bursar/core/outcomes.js';
import type { Aliases, BudgetSpec, BudgetStatus, Command, Labels } from '#bursar/core/requests.js';
import { runAccountCommand } from './reference-accounts.js';
import { putDefinitions } from './reference-definitions.js';
import type { ReferenceHold } from './reference-holds.js';
import { expireHold, runHoldCommand } from './reference-holds.js';
import { contains, type ReferenceBounds, referenceWindow } from './reference-windows.js';

export const MAX = 2n ** 63n - 1n;

export interface Standing {
  status: BudgetStatus;
  exhaustedUntil: number;
  limit: bigint | null | undefined;
}

export interface ReferenceBalance {
  readonly budget: ReferenceBudget;
  readonly window: ReferenceWindowState;
  readonly values: Labels;
  /** The limit that its window has; top-ups come on top. */
  limit: bigint | null;
  topUps: bigint;
  spent: bigint;
  /** It stopped at the largest figure once, so that its spent is no sum of what was charged. */
  stopped?: boolean;
}

export interface ReferenceWindowState extends ReferenceBounds {
  readonly balances: Map<string, ReferenceBalance>;
}

export interface ReferenceBudget {
  readonly id: string;
  spec: BudgetSpec;
  version: number;
  readonly forGrants: boolean;
  readonly standing: Standing;
  readonly accounts: Map<string, Standing>;
  readonly windows: ReferenceWindowState[];
  /** Whether a window of it was in force when it was opened. */
  wasOpen: boolean;
}

/** What an outcome says that both the ledger and the model can say. */
export type Expected = Readonly<Record<string, unknown>> & { readonly outcome: string };

/** A budget that labels count towards, and the values of its wildcards. */
export interface Match {
  readonly budget: ReferenceBudget;
  readonly values: Labels;
}

export class ReferenceModel {
  /** Now: the clock's time, but never before the last thing that was recorded. */
  time = 0;
  #recordedAt = 0;
  position = 0;
  snapshotVersion = 0;
  units = ['usd', 'tokens', 'calls'];
  scales = new Map<string, number>();
  aliases: Aliases = {};
  readonly budgets: ReferenceBudget[] = [];
  readonly grantBudgets = new Map<string, ReferenceBudget>();
  readonly holds: ReferenceHold[] = [];
  readonly spentTotal = new Map<string, bigint>();
  readonly certified = new Map<string, bigint>();
  readonly #answered = new Map<string, { readonly body: string; readonly outcome: Expected }>();

  /** Time passes; holds whose time is up expire, in the order of their expiry, then of their opening. */
  tick(clock: number): void {
    this.time = Math.max(this.#recordedAt, Math.floor(clock));
    const due = this.holds.filter((hold) => hold.status === 'open' && hold.expiresAt <= this.time);
    due.sort((left, right) => left.expiresAt - right.expiresAt || left.order - right.order);
    for (const hold of due) expireHold(this, hold);
    if (due.length > 0) this.recorded();
  }

  /** Something was recorded at this time; time does not fall behind it. */
  recorded(): void {
    this.#recordedAt = this.time;
  }

  run(command: Command): Expected {
    const body = JSON.stringify(command, (_key, part) => (typeof part === 'bigint' ? `${part}n` : part));
    const first = command.commandId === undefined ? undefined : this.#answered.get(command.commandId);
    if (first !== undefined) {
      return first.body === body
        ? { ...first.outcome, replayed: true }
        : { outcome: 'rejected', code: 'command_id_reused', position: null, replayed: false };
    }
    this.recorded();
    const outcome = { ...this.#decide(command), replayed: false };
    if (command.commandId !== undefined) this.#answered.set(command.commandId, { body, outcome });
    return outcome;
  }

  #decide(command: Command): Expected {
    switch (command.command) {
      case 'top_up':
      case 'set_budget_status':
      case 'exhaust_budget':
      case 'set_balance_limit':
        return runAccountCommand(this, command);
      case 'put_definitions':
        return putDefinitions(this, command);
      default:
        return runHoldCommand(this, command);
    }
  }

  // ---- answers

  rejected(code: string): Expected {
    return { outcome: 'rejected', code, position: null };
  }

  changed(): number {
    this.position += 1;
    return this.position;
  }

  done(event: string, lines: readonly BudgetLine[], changes = true, holdId: string | null = null): Expected {
    const position = changes ? this.changed() : null;
    return { outcome: 'done', event, holdId, lines, position, at: this.time };
  }

  // ---- budgets and balances

  matches(labels: Labels): Match[] {
    const canonical = this.canonicalLabels(labels);
    const found: Match[] = [];
    for (const budget of this.budgets) {
      const match = this.canonicalLabels(budget.spec.match);
      const keys = Object.keys(match);
      if (!keys.every((key) => key in canonical && (match[key] === '*' || match[key] === canonical[key])))
        continue;
      const values: Record<string, string> = {};
      for (const key of keys) if (match[key] === '*') values[key] = canonical[key] as string;
      found.push({ budget, values });
    }
    return found;
  }

  canonicalLabels(labels: Labels): Labels {
    return Object.fromEntries(
      Object.entries(labels).map(([key, value]) => [key, this.#canonical(key, value)]),
    );
  }

  #canonical(key: string, value: string): string {
    const alias = this.aliases[key]?.[value];
    if (alias !== undefined) return alias;
    if (key !== 'provider' || !value.includes('/')) return value;
    const vendor = value.split('/')[0] as string;
    return this.#canonical(key, vendor);
  }

  /** The budget's window for an instant, opened when it was not. */
  windowFor(budget: ReferenceBudget, instant: number): ReferenceWindowState {
    const known = budget.windows.find((window) => contains(window, instant));
    if (known !== undefined) return known;
    const window = { ...referenceWindow(budget.spec.window, instant), balances: new Map() };
    budget.windows.push(window);
    if (contains(window, this.time)) budget.wasOpen = true;
    if (!hasWildcards(budget)) this.openBalance(budget, window, {});
    return window;
  }

  openBalance(budget: ReferenceBudget, window: ReferenceWindowState, values: Labels): ReferenceBalance {
    const key = keyOf(values);
    const known = window.balances.get(key);
    if (known !== undefined) return known;
    const limit = this.limitOf(budget, values);
    const balance = { budget, window, values, limit, topUps: 0n, spent: 0n };
    window.balances.set(key, balance);
    return balance;
  }

  inForce(window: ReferenceBounds): boolean {
    return contains(window, this.time);
  }

  account(budget: ReferenceBudget, values: Labels): Standing {
    if (!hasWildcards(budget)) return budget.standing;
    const key = keyOf(values);
    let standing = budget.accounts.get(key);
    if (standing === undefined) {
      standing = { status: 'active', exhaustedUntil: 0, limit: undefined };
      budget.accounts.set(key, standing);
    }
    return standing;
  }

  limitOf(budget: ReferenceBudget, values: Labels): bigint | null {
    const own = this.account(budget, values).limit;
    return own === undefined ? budget.spec.limit : own;
  }

  statusOf(budget: ReferenceBudget, values: Labels): BudgetStatus {
    return budget.standing.status === 'active' ? this.account(budget, values).status : budget.standing.status;
  }

  forcedUntil(budget: ReferenceBudget, values: Labels): number {
    return Math.max(budget.standing.exhaustedUntil, this.account(budget, values).exhaustedUntil);
  }

  held(balance: ReferenceBalance): bigint {
    let sum = 0n;
    for (const hold of this.holds) {
      if (hold.status !== 'open') continue;
      for (const posting of hold.postings)
        if (posting.balance === balance) sum += hold.figures.get(posting.unit) ?? 0n;
    }
    return sum;
  }

  openHolds(balance: ReferenceBalance): number {
    const isOn = (hold: ReferenceHold) => hold.postings.some((posting) => posting.balance === balance);
    return this.holds.filter((hold) => hold.status === 'open' && isOn(hold)).length;
  }

  granted(balance: ReferenceBalance): bigint | null {
    return balance.limit === null ? null : balance.limit + balance.topUps;
  }

  remaining(balance: ReferenceBalance): bigint | null {
    const granted = this.granted(balance);
    return granted === null ? null : granted - this.held(balance) - balance.spent;
  }

  /** A meter stops at the largest figure, and no correction takes it below nothing. */
  stopMeters(balances: readonly ReferenceBalance[]): void {
    for (const balance of balances) {
      const isMeter = balance.limit === null && !balance.budget.forGrants;
      const room = MAX - this.held(balance);
      if ((isMeter && balance.spent > room) || balance.spent < 0n) balance.stopped = true;
      if (isMeter && balance.spent > room) balance.spent = room;
      if (balance.spent < 0n) balance.spent = 0n;
    }
  }

  spend(unit: string, by: bigint): void {
    this.spentTotal.set(unit, (this.spentTotal.get(unit) ?? 0n) + by);
  }

  /** What a balance shows as a line; a balance that does not exist shows what it would open with. */
  line(
    of: {
      budget: ReferenceBudget;
      window: ReferenceBounds;
      values: Labels;
      balance: ReferenceBalance | undefined;
    },
    requested: bigint,
    violations: readonly Violation[] = [],
    statedCap: bigint | null = null,
  ): BudgetLine {
    const { budget, window, values, balance } = of;
    const limit = statedCap ?? this.limitOf(budget, values);
    const ownGranted = balance === undefined ? limit : this.granted(balance);
    const granted = statedCap ?? ownGranted;
    const held = balance === undefined ? 0n : this.held(balance);
    const spent = balance?.spent ?? 0n;
    return {
      budgetId: budget.id,
      budgetVersion: budget.version,
      values,
      unit: budget.spec.unit,
      window: { start: window.start, end: window.end },
      limit,
      granted,
      spent,
      held,
      remaining: granted === null ? null : granted - held - spent,
      requested,
      violated: violations[0] ?? null,
      violations,
      resetsAt: window.end,
      verdict: this.verdict(budget, window, values, granted, spent),
    };
  }

  lineOf(balance: ReferenceBalance, requested: bigint): BudgetLine {
    return this.line({ ...balance, balance }, requested);
  }

  // Rule P2; forced exhaustion counts for the window in force (rule P5).
  verdict(
    budget: ReferenceBudget,
    window: ReferenceBounds,
    values: Labels,
    granted: bigint | null,
    spent: bigint,
  ): VerdictLevel {
    if (granted === null) return 'uncapped';
    const forced = this.inForce(window) && this.forcedUntil(budget, values) > this.time;
    if (forced || spent >= granted) return 'exhausted';
    return spent * 100n >= granted * BigInt(budget.spec.warnAtPercent ?? 80) ? 'near' : 'within';
  }

  /** The ledger's own budget that keeps what grants in a unit have used. */
  grantBudget(unit: string): ReferenceBudget {
    let budget = this.grantBudgets.get(unit);
    if (budget === undefined) {
      const match = { capability: '*', grant: '*' };
      budget = newBudget({ id: `grant/${unit}`, match, unit, limit: null, window: 'lifetime' }, true);
      this.grantBudgets.set(unit, budget);
    }
    return budget;
  }
}

export function newBudget(spec: BudgetSpec, forGrants: boolean): ReferenceBudget {
  const standing: Standing = { status: 'active', exhaustedUntil: 0, limit: undefined };
  return {
    id: spec.id,
    spec,
    version: 1,
    forGrants,
    standing,
    accounts: new Map(),
    windows: [],
    wasOpen: false,
  };
}

export function hasWildcards(budget: ReferenceBudget): boolean {
  return Object.values(budget.spec.match).includes('*');
}

export function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort());
}

export function deepKey(value: unknown): string {
  return JSON.stringify(value, (_key, part) => {
    if (typeof part === 'bigint') return `${part}n`;
    if (part === null || typeof part !== 'object') return part;
    return Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}

export function worst(lines: readonly BudgetLine[]): VerdictLevel {
  const levels = lines.map((line) => VERDICTS.indexOf(line.verdict));
  return VERDICTS[Math.max(0, ...levels)] as VerdictLevel;
}

/** Causes of a denial, the one that lasts longest first. */
export const REASONS: readonly DenialReason[] = [
  'no_budget',
  'unit_missing',
  'closed',
  'too_large',
  'paused',
  'exhausted',
  'held',
];
