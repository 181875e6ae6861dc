// The reference model's holds: what is done to them, from design.md sections 2 and 3 and rules L, H and P. Part of
// reference-model.ts; just as naive.

import type { BudgetLine, DenialReason, HoldStatus, Violation } from '#bursar/core/outcomes.js';
import type { Authorize, Command, GrantCaps, Labels, OnHold, Settle } from '#bursar/core/requests.js';
import type { Expected, ReferenceBalance, ReferenceBudget, ReferenceModel } from './reference-model.js';
import { keyOf, MAX, REASONS, worst } from './reference-model.js';
import type { ReferenceBounds } from './reference-windows.js';

type Figures = Map<string, bigint>;

export interface Posting {
  readonly balance: ReferenceBalance;
  readonly unit: string;
  readonly totalMax: bigint | undefined;
  readonly perHoldMax: bigint | undefined;
}

export interface ReferenceHold {
  readonly id: string;
  readonly order: number;
  readonly request: Authorize;
  readonly labels: Labels;
  readonly authorized: Figures;
  /** Held while open, charged after. */
  figures: Figures;
  status: HoldStatus;
  touched: boolean;
  late: boolean;
  expiresAt: number;
  endedAt: number | null;
  readonly postings: readonly Posting[];
}

/** A line that is being judged. */
interface Judged {
  readonly budget: ReferenceBudget;
  readonly window: ReferenceBounds;
  readonly values: Labels;
  readonly balance: ReferenceBalance | undefined;
  readonly amount: bigint;
  readonly violations: readonly Violation[];
  readonly grant: { readonly cap: bigint | undefined; readonly perHoldMax: bigint | undefined } | null;
}

export function runHoldCommand(model: ReferenceModel, command: Command): Expected {
  switch (command.command) {
    case 'authorize_hold':
      return authorize(model, command);
    case 'record_spend':
      return record(model, command);
    case 'settle_hold':
      return onHold(model, command, (hold) => settle(model, hold, command));
    case 'correct_hold':
      return onHold(model, command, (hold) => correct(model, hold, stated(model, command.amounts)));
    case 'extend_hold':
      return onHold(model, command, (hold) => extend(model, hold, command));
    case 'release_hold':
      return onHold(model, command, (hold) => release(model, hold, command.amounts));
    case 'reverse_hold':
      return onHold(model, command, (hold) => reverse(model, hold));
    default:
      throw new Error(`${command.command} is no command on holds`);
  }
}

/** Amounts in the order of the ledger's units. */
function stated(model: ReferenceModel, amounts: Readonly<Record<string, bigint>>, withCall = false): Figures {
  const all = withCall ? { calls: 1n, ...amounts } : amounts;
  return new Map(model.units.filter((unit) => unit in all).map((unit) => [unit, all[unit] as bigint]));
}

function plain(figures: Figures): Record<string, bigint> {
  return Object.fromEntries(figures);
}

// ---- authorise

function authorize(model: ReferenceModel, request: Authorize): Expected {
  const variants = (request.candidates ?? [{}]).map((candidate) => {
    const amounts = candidate.amounts ?? request.amounts;
    return {
      labels: { ...request.labels, ...candidate.labels },
      amounts: stated(model, amounts, true),
      statedAmounts: Object.values(amounts),
    };
  });
  for (const { statedAmounts } of variants) {
    const allZero = statedAmounts.length > 0 && statedAmounts.every((steps) => steps === 0n);
    if (allZero || statedAmounts.some((steps) => steps < 0n)) return model.rejected('invalid_amount');
  }
  if (model.holds.some((hold) => hold.id === request.holdId)) return model.rejected('hold_already_exists');
  const skipped: unknown[] = [];
  for (const [index, { labels, amounts }] of variants.entries()) {
    const judged = judge(model, request, labels, amounts);
    if (judged === null) return model.rejected('amount_overflow');
    const unmet = unmetKeys(model, judged, request.require ?? []);
    const reason = unmet.length > 0 ? 'no_budget' : reasonOf(model, judged);
    const candidate = request.candidates === undefined ? null : index;
    if (reason === null) return openHold(model, request, { candidate, labels, amounts, judged, skipped });
    const lines = judged.map((one) => lineOf(model, one));
    if (index < variants.length - 1) {
      skipped.push({ candidate: index, reason, lines });
      continue;
    }
    const retryAfterMs = retryAfter(model, judged, reason);
    return {
      outcome: 'denied',
      holdId: request.holdId,
      reason,
      ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
      lines,
      skipped,
      unmet,
      verdict: worst(lines),
      position: null,
      at: model.time,
    };
  }
  throw new Error('unreachable');
}

/** Every budget that the labels match, with every cap that the amounts break; null when a sum passes 2^63−1. */
function judge(model: ReferenceModel, request: Authorize, labels: Labels, amounts: Figures): Judged[] | null {
  const judged: Judged[] = [];
  const matches = model.matches(labels);
  for (const { budget, values } of matches) {
    // The first that has no window in force has all of them opened.
    const isOpen = budget.windows.some((one) => model.inForce(one));
    if (!isOpen) for (const match of matches) model.windowFor(match.budget, model.time);
    const window = model.windowFor(budget, model.time);
    const balance = window.balances.get(keyOf(values));
    const amount = amounts.get(budget.spec.unit);
    const violations = violationsOf(model, budget, values, balance, amount ?? 0n);
    if (violations === null) return null;
    if (amount === undefined) violations.add('unit_missing');
    judged.push({
      ...{ budget, window, values, balance, grant: null },
      amount: amount ?? 0n,
      violations: inOrder(violations),
    });
  }
  for (const grant of request.grants ?? []) {
    const calls = grant.maxCalls === undefined ? undefined : BigInt(grant.maxCalls);
    for (const [unit, cap, perHoldMax] of [
      [grant.unit, grant.maxTotal, grant.maxPerHold],
      ['calls', calls, undefined],
    ] as const) {
      const one = judgeGrant(model, grant, amounts, { unit, cap, perHoldMax });
      if (one === null) return null;
      judged.push(one);
    }
  }
  return judged;
}

const VIOLATION_ORDER: readonly Violation[] = [
  'unit_missing',
  'closed',
  'per_hold_max',
  'paused',
  'forced_exhausted',
  'limit',
  'held_max',
];

function inOrder(violations: ReadonlySet<Violation>): Violation[] {
  return VIOLATION_ORDER.filter((violation) => violations.has(violation));
}

function violationsOf(
  model: ReferenceModel,
  budget: ReferenceBudget,
  values: Labels,
  balance: ReferenceBalance | undefined,
  amount: bigint,
): Set<Violation> | null {
  const held = balance === undefined ? 0n : model.held(balance);
  const spent = balance?.spent ?? 0n;
  const limit = model.limitOf(budget, values);
  const granted = balance === undefined ? limit : model.granted(balance);
  if (held + amount > MAX) return null;
  if (granted === null && held + spent + amount > MAX) return null;
  const violations = new Set<Violation>();
  const status = model.statusOf(budget, values);
  if (status !== 'active') violations.add(status);
  const { heldMax = 0n, perHoldMax } = budget.spec;
  if (heldMax > 0n && held + amount > heldMax) violations.add('held_max');
  if (perHoldMax !== undefined && amount > perHoldMax) violations.add('per_hold_max');
  if (granted === null) return violations;
  if (model.forcedUntil(budget, values) > model.time) violations.add('forced_exhausted');
  if (granted === 0n || amount > granted - held - spent) violations.add('limit');
  return violations;
}

function judgeGrant(
  model: ReferenceModel,
  { capability, grant }: GrantCaps,
  amounts: Figures,
  caps: { unit: string; cap: bigint | undefined; perHoldMax: bigint | undefined },
): Judged | null {
  const budget = model.grantBudget(caps.unit);
  const values = { capability, grant };
  const window = model.windowFor(budget, model.time);
  const balance = window.balances.get(keyOf(values));
  const used = balance === undefined ? 0n : model.held(balance) + balance.spent;
  const amount = amounts.get(caps.unit);
  if (used + (amount ?? 0n) > MAX) return null;
  const violations = new Set<Violation>();
  if (amount === undefined) violations.add('unit_missing');
  if (caps.cap !== undefined && used + (amount ?? 0n) > caps.cap) violations.add('limit');
  if (caps.perHoldMax !== undefined && (amount ?? 0n) > caps.perHoldMax) violations.add('per_hold_max');
  return {
    ...{ budget, window, values, balance, grant: caps },
    amount: amount ?? 0n,
    violations: inOrder(violations),
  };
}

function grantedOf(model: ReferenceModel, { grant, balance, budget, values }: Judged): bigint | null {
  if (grant !== null) return grant.cap ?? null;
  return balance === undefined ? model.limitOf(budget, values) : model.granted(balance);
}

function lineOf(model: ReferenceModel, judged: Judged): BudgetLine {
  return model.line(judged, judged.amount, judged.violations, judged.grant?.cap ?? null);
}

function unmetKeys(model: ReferenceModel, judged: readonly Judged[], keys: readonly string[]): string[] {
  const limiting = judged.filter((one) => grantedOf(model, one) !== null);
  return keys.filter((key) => !limiting.some((one) => key in one.budget.spec.match));
}

/** Of all causes the one that lasts longest; null when nothing is violated. */
function reasonOf(model: ReferenceModel, judged: readonly Judged[]): DenialReason | null {
  const causes = judged.filter((one) => one.violations.length > 0).map((one) => causeOf(model, one));
  return REASONS.find((reason) => causes.includes(reason)) ?? null;
}

function causeOf(model: ReferenceModel, judged: Judged): DenialReason {
  const { violations, amount, budget, balance } = judged;
  const breaks = (violation: Violation) => violations.includes(violation);
  const granted = grantedOf(model, judged) ?? 0n;
  const spent = balance?.spent ?? 0n;
  if (breaks('unit_missing')) return 'unit_missing';
  if (breaks('closed')) return 'closed';
  if (breaks('per_hold_max')) return 'too_large';
  if (breaks('held_max') && amount > (budget.spec.heldMax ?? 0n)) return 'too_large';
  if (breaks('limit') && granted > 0n && amount > granted) return 'too_large';
  if (breaks('paused')) return 'paused';
  if (breaks('forced_exhausted')) return 'exhausted';
  return breaks('limit') && (granted === 0n || amount > granted - spent) ? 'exhausted' : 'held';
}

function retryAfter(model: ReferenceModel, judged: readonly Judged[], reason: DenialReason): number {
  if (reason === 'held') return 1_000;
  if (reason !== 'exhausted') return 0;
  let until = 0;
  for (const { violations, window, budget, values } of judged) {
    if (violations.includes('limit')) until = Math.max(until, window.end ?? Infinity);
    if (violations.includes('forced_exhausted')) until = Math.max(until, model.forcedUntil(budget, values));
  }
  return until === Infinity ? 0 : Math.max(until - model.time, 1_000);
}

function openHold(
  model: ReferenceModel,
  request: Authorize,
  chosen: {
    candidate: number | null;
    labels: Labels;
    amounts: Figures;
    judged: Judged[];
    skipped: unknown[];
  },
): Expected {
  const { candidate, labels, amounts, judged, skipped } = chosen;
  const postings = judged.map((one) => {
    const window = model.windowFor(one.budget, model.time);
    const balance = model.openBalance(one.budget, window, one.values);
    const unit = one.budget.spec.unit;
    return { balance, unit, totalMax: one.grant?.cap, perHoldMax: one.grant?.perHoldMax };
  });
  const expiresAt = model.time + (request.ttlMs ?? 600_000);
  model.holds.push({
    ...{ id: request.holdId, order: model.holds.length, request, labels, postings, expiresAt },
    ...{
      authorized: new Map(amounts),
      figures: new Map(amounts),
      status: 'open',
      touched: false,
      late: false,
    },
    endedAt: null,
  });
  const lines = judged.map((one, index) => lineOf(model, { ...one, balance: postings[index]!.balance }));
  const position = model.changed();
  return {
    ...{ outcome: 'authorized', holdId: request.holdId, candidate, skipped, lines, verdict: worst(lines) },
    ...{ expiresAt, position, at: model.time },
  };
}

// ---- spend that nobody authorised

function record(model: ReferenceModel, request: Extract<Command, { command: 'record_spend' }>): Expected {
  const instant = request.occurredAt ?? model.time;
  if (instant > model.time) return model.rejected('occurred_in_future');
  const amounts = stated(model, request.amounts, true);
  if ([...amounts.values()].some((steps) => steps < 0n)) return model.rejected('invalid_amount');
  const matches = model.matches(request.labels).map((match) => {
    const window = model.windowFor(match.budget, instant);
    const amount = amounts.get(match.budget.spec.unit);
    return { ...match, window, amount, balance: window.balances.get(keyOf(match.values)) };
  });
  for (const { balance, amount } of matches) {
    const used = balance === undefined ? 0n : model.held(balance) + balance.spent;
    if (used + (amount ?? 0n) > MAX) return model.rejected('amount_overflow');
  }
  for (const [unit, steps] of amounts)
    if ((model.spentTotal.get(unit) ?? 0n) + steps > MAX) return model.rejected('amount_overflow');
  const posted = matches.map((match) => {
    const balance =
      match.amount === undefined
        ? match.balance
        : model.openBalance(match.budget, match.window, match.values);
    if (balance !== undefined) balance.spent += match.amount ?? 0n;
    return { ...match, balance };
  });
  for (const [unit, steps] of amounts) model.spend(unit, steps);
  const lines = posted.map((one) =>
    model.line(one, one.amount ?? 0n, one.amount === undefined ? ['unit_missing'] : []),
  );
  const charged = posted.filter((one) => one.amount !== undefined).map((one) => one.balance!);
  return settled(model, 'spend_recorded', null, {
    charged: amounts,
    returned: new Map(),
    lines,
    of: charged,
  });
}

/** Pauses the budgets that a charge has used up, and answers. */
function settled(
  model: ReferenceModel,
  event: string,
  hold: ReferenceHold | null,
  facts: {
    charged: Figures;
    returned: Figures;
    lines: BudgetLine[];
    of: ReferenceBalance[];
    capped?: string[];
    late?: boolean;
  },
): Expected {
  const { charged, returned, lines, capped = [], late = false } = facts;
  return {
    ...{ outcome: 'settled', event, holdId: hold?.id ?? null, late, lines, capped },
    ...{ charged: plain(charged), returned: plain(returned), verdict: worst(lines) },
    paused: pauseUsedUp(model, facts.of),
    position: model.changed(),
    at: model.time,
  };
}

function pauseUsedUp(model: ReferenceModel, balances: readonly ReferenceBalance[]): string[] {
  const used = balances.filter((balance) => {
    const granted = model.granted(balance);
    const { budget, values } = balance;
    if (budget.spec.onExhausted !== 'pause' || granted === null || !model.inForce(balance.window))
      return false;
    return model.statusOf(budget, values) === 'active' && balance.spent >= granted;
  });
  for (const { budget, values } of used) model.account(budget, values).status = 'paused';
  return used.map((balance) => balance.budget.id);
}

// ---- what is done to a hold

function onHold(
  model: ReferenceModel,
  command: OnHold & Command,
  act: (hold: ReferenceHold) => Expected | (() => Expected),
): Expected {
  const hold = model.holds.find((one) => one.id === command.holdId);
  if (hold === undefined) return model.rejected('hold_not_found');
  if (command.labels !== undefined && keyOf(command.labels) !== keyOf(hold.labels))
    return model.rejected('labels_mismatch');
  const { grant } = command;
  const isIts = (own: GrantCaps) => own.capability === grant?.capability && own.grant === grant?.grant;
  if (grant !== undefined && !(hold.request.grants ?? []).some(isIts))
    return model.rejected('grant_mismatch');
  const isLate = command.command === 'settle_hold' && hold.status === 'expired';
  if (command.command === 'correct_hold') {
    if (hold.status !== 'settled') return model.rejected('hold_not_settled');
  } else if (hold.status !== 'open' && !isLate) return model.rejected(`hold_already_${hold.status}`);
  const outcome = act(hold);
  if (typeof outcome !== 'function') return outcome;
  const code = authorityCode(hold.request.authority, command.authority);
  return code === null ? outcome() : model.rejected(code);
}

function authorityCode(own: Authorize['authority'], given: Authorize['authority']): string | null {
  if (own === undefined) return given === undefined ? null : 'authority_unexpected';
  if (given === undefined) return 'authority_missing';
  if (given.authorityId !== own.authorityId) return 'authority_other';
  if (given.leaseId !== own.leaseId) return 'lease_other';
  if (given.epoch === own.epoch) return null;
  return given.epoch < own.epoch ? 'epoch_older' : 'epoch_newer';
}

function amountProblem(model: ReferenceModel, hold: ReferenceHold, amounts: Figures): Expected | null {
  for (const [unit, steps] of amounts) {
    if (!hold.figures.has(unit)) return model.rejected('unit_not_held');
    if (steps < 0n) return model.rejected('invalid_amount');
  }
  return null;
}

function linesOf(model: ReferenceModel, hold: ReferenceHold, moved: Figures): BudgetLine[] {
  return hold.postings.map(({ balance, unit }) => model.lineOf(balance, moved.get(unit) ?? 0n));
}

function settle(model: ReferenceModel, hold: ReferenceHold, request: Settle): Expected | (() => Expected) {
  const late = hold.status === 'expired';
  const amounts = stated(model, request.amounts);
  const problem = amountProblem(model, hold, amounts);
  if (problem !== null) return problem;
  for (const unit of hold.figures.keys())
    if (unit !== 'calls' && !amounts.has(unit)) return model.rejected('unit_not_stated');
  const actual: Figures = new Map([...hold.figures].map(([unit, own]) => [unit, amounts.get(unit) ?? own]));
  if (request.exposure !== undefined) {
    const exposure = stated(model, request.exposure);
    const wrong = amountProblem(model, hold, exposure);
    if (wrong !== null) return wrong;
    for (const [unit, steps] of exposure)
      if (steps !== (late ? 0n : hold.figures.get(unit))) return model.rejected('exposure_mismatch');
  }
  return charge(model, hold, actual, { late, event: 'hold_settled' });
}

function correct(model: ReferenceModel, hold: ReferenceHold, amounts: Figures): Expected | (() => Expected) {
  const problem = amountProblem(model, hold, amounts);
  if (problem !== null) return problem;
  const final: Figures = new Map([...hold.figures].map(([unit, own]) => [unit, amounts.get(unit) ?? own]));
  return charge(model, hold, final, { late: hold.late, event: 'hold_corrected' });
}

/** Charges by the hold's overrun policy: what is charged already, or held, must not fit again. */
function charge(
  model: ReferenceModel,
  hold: ReferenceHold,
  wanted: Figures,
  how: { late: boolean; event: 'hold_settled' | 'hold_corrected' },
): Expected | (() => Expected) {
  const isOpen = hold.status === 'open';
  const ceiling = how.event === 'hold_corrected' ? hold.authorized : hold.figures;
  const policy = how.late ? 'record' : (hold.request.overrun ?? 'record');
  const charged = new Map(wanted);
  const capped: string[] = [];
  for (const [unit, steps] of policy === 'record' ? [] : wanted) {
    const allowed = ceiling.get(unit) as bigint;
    const fits = (total: bigint) =>
      fitsEverywhere(model, hold, unit, total - (hold.figures.get(unit) as bigint));
    if (policy === 'forbid' && steps > allowed) return model.rejected('overrun_forbidden');
    if (typeof policy === 'object') {
      const tolerated = allowed + (allowed * BigInt(policy.cap.tolerancePercent)) / 100n;
      if (fits(steps) && steps <= tolerated) continue;
      if (!fits(allowed)) return model.rejected('overrun');
      charged.set(unit, allowed);
      capped.push(unit);
    } else if (!fits(steps)) return model.rejected('overrun');
  }
  const before = (unit: string) => (isOpen ? 0n : (hold.figures.get(unit) as bigint));
  for (const { balance, unit } of hold.postings) {
    const leaving = isOpen ? (hold.figures.get(unit) as bigint) : 0n;
    const total =
      balance.spent + model.held(balance) - leaving - before(unit) + (charged.get(unit) as bigint);
    if (total > MAX) return model.rejected('amount_overflow');
  }
  for (const [unit, steps] of charged) {
    const total = (model.spentTotal.get(unit) ?? 0n) - before(unit) + steps;
    if (total > MAX) return model.rejected('amount_overflow');
  }
  return () => {
    const returned: Figures = new Map();
    for (const [unit, own] of hold.figures) {
      const back = own - (charged.get(unit) as bigint);
      returned.set(unit, isOpen && back > 0n ? back : 0n);
    }
    end(model, hold, charged, 'settled');
    hold.late = how.late;
    const lines = linesOf(model, hold, charged);
    const of = hold.postings.map((posting) => posting.balance);
    return settled(model, how.event, hold, { charged, returned, lines, of, capped, late: how.late });
  };
}

function fitsEverywhere(model: ReferenceModel, hold: ReferenceHold, unit: string, excess: bigint): boolean {
  if (excess <= 0n) return true;
  return hold.postings.every(({ balance, unit: own, totalMax }) => {
    if (own !== unit) return true;
    const remaining = model.remaining(balance);
    if (remaining !== null && excess > remaining) return false;
    return totalMax === undefined || model.held(balance) + balance.spent + excess <= totalMax;
  });
}

/** What was charged becomes `charged` on every balance; the hold has this status then. */
function end(model: ReferenceModel, hold: ReferenceHold, charged: Figures, status: HoldStatus): void {
  const wasOpen = hold.status === 'open';
  for (const { balance, unit } of hold.postings)
    balance.spent += (charged.get(unit) ?? 0n) - (wasOpen ? 0n : (hold.figures.get(unit) ?? 0n));
  for (const [unit, steps] of charged)
    model.spend(unit, steps - (wasOpen ? 0n : (hold.figures.get(unit) ?? 0n)));
  hold.figures = new Map(charged);
  hold.status = status;
  if (wasOpen) hold.endedAt = model.time;
}

/** The call stays counted. */
export function expireHold(model: ReferenceModel, hold: ReferenceHold): void {
  const { onExpiry = 'release' } = hold.request;
  const charged: Figures = new Map();
  for (const [unit, held] of hold.figures) {
    const estimate = typeof onExpiry === 'object' ? (onExpiry.charge[unit] ?? held) : held;
    let most = estimate;
    if (most > held) most = held;
    const wanted = onExpiry === 'release' ? 0n : most;
    charged.set(unit, unit === 'calls' ? held : wanted);
  }
  end(model, hold, charged, 'expired');
  pauseUsedUp(
    model,
    hold.postings.map((posting) => posting.balance),
  );
  model.changed();
}

function extend(
  model: ReferenceModel,
  hold: ReferenceHold,
  request: Extract<Command, { command: 'extend_hold' }>,
): Expected | (() => Expected) {
  const expiresAt = request.ttlMs === undefined ? hold.expiresAt : model.time + request.ttlMs;
  if (request.ttlMs !== undefined && expiresAt <= hold.expiresAt) return model.rejected('expiry_not_later');
  const added = stated(model, request.add ?? {});
  const problem = amountProblem(model, hold, added);
  if (problem !== null) return problem;
  const of = (unit: string) => added.get(unit) ?? 0n;
  for (const [unit, held] of hold.figures)
    if (held + of(unit) > MAX) return model.rejected('amount_overflow');
  for (const { balance, unit, totalMax, perHoldMax } of request.add === undefined ? [] : hold.postings) {
    const used = model.held(balance) + balance.spent;
    const { budget, values } = balance;
    const violations = violationsOf(model, budget, values, balance, of(unit));
    if (violations === null || used + of(unit) > MAX) return model.rejected('amount_overflow');
    if (of(unit) === 0n) continue;
    const perHold = perHoldMax ?? budget.spec.perHoldMax;
    const breaksPerHold = perHold !== undefined && (hold.figures.get(unit) ?? 0n) + of(unit) > perHold;
    const breaksTotal = totalMax !== undefined && used + of(unit) > totalMax;
    if (breaksPerHold || breaksTotal || violations.size > 0) return model.rejected('extension_denied');
  }
  return () => {
    hold.expiresAt = expiresAt;
    if (request.add !== undefined) hold.touched = true;
    for (const [unit, steps] of added) {
      hold.figures.set(unit, (hold.figures.get(unit) ?? 0n) + steps);
      hold.authorized.set(unit, (hold.authorized.get(unit) ?? 0n) + steps);
    }
    return model.done('hold_extended', linesOf(model, hold, added), true, hold.id);
  };
}

function release(
  model: ReferenceModel,
  hold: ReferenceHold,
  amounts: Readonly<Record<string, bigint>> | undefined,
): Expected | (() => Expected) {
  const given = amounts === undefined ? new Map(hold.figures) : stated(model, amounts);
  if (amounts === undefined) given.delete('calls');
  const problem = amountProblem(model, hold, given);
  if (problem !== null) return problem;
  for (const [unit, held] of hold.figures) {
    const back = given.get(unit) ?? 0n;
    if (unit === 'calls' && back > 0n) return model.rejected('calls_not_released');
    if (back > held) return model.rejected('release_exceeds_held');
  }
  if (amounts !== undefined && [...given.values()].every((steps) => steps === 0n))
    return model.rejected('invalid_amount');
  return () => {
    for (const [unit, steps] of given) hold.figures.set(unit, (hold.figures.get(unit) ?? 0n) - steps);
    hold.touched = true;
    const left = [...hold.figures].some(([unit, held]) => unit !== 'calls' && held > 0n);
    if (!left) end(model, hold, new Map(hold.figures), 'released');
    return model.done('hold_released', linesOf(model, hold, given), true, hold.id);
  };
}

function reverse(model: ReferenceModel, hold: ReferenceHold): Expected | (() => Expected) {
  if (hold.touched) return model.rejected('hold_touched');
  const returned = new Map(hold.figures);
  return () => {
    end(model, hold, new Map([...returned.keys()].map((unit) => [unit, 0n])), 'reversed');
    return model.done('hold_reversed', linesOf(model, hold, returned), true, hold.id);
  };
}
