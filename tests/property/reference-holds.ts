// The reference model's holds: what is done to them, by the rules L, H and P (docs/rules.md). Part of
// reference-model.ts; just as naive.

import type { BudgetLine, HoldStatus } from '#bursar/core/outcomes.js';
import type { Authorize, Command, GrantCaps, Labels, OnHold, Settle } from '#bursar/core/requests.js';
import { authorize, violationsOf } from './reference-authorize.js';
import type { Expected, ReferenceBalance, ReferenceModel } from './reference-model.js';
import { keyOf, MAX, worst } from './reference-model.js';

export type Figures = Map<string, bigint>;

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

export function runHoldCommand(model: ReferenceModel, command: Command): Expected {
  switch (command.command) {
    case 'authorize_hold':
      return authorize(model, command);
    case 'record_spend':
      return record(model, command);
    case 'credit_spend':
      return credit(model, command);
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
export function stated(
  model: ReferenceModel,
  amounts: Readonly<Record<string, bigint>>,
  withCall = false,
): Figures {
  const all = withCall ? { calls: 1n, ...amounts } : amounts;
  return new Map(model.units.filter((unit) => unit in all).map((unit) => [unit, all[unit] as bigint]));
}

function plain(figures: Figures): Record<string, bigint> {
  return Object.fromEntries(figures);
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
    const isMeter = balance !== undefined && balance.limit === null;
    if (!isMeter && used + (amount ?? 0n) > MAX) return model.rejected('amount_overflow');
  }
  const posted = matches.map((match) => {
    const balance =
      match.amount === undefined
        ? match.balance
        : model.openBalance(match.budget, match.window, match.values);
    if (balance !== undefined) balance.spent += match.amount ?? 0n;
    return { ...match, balance };
  });
  model.stopMeters(posted.flatMap(({ balance }) => balance ?? []));
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

function credit(model: ReferenceModel, request: Extract<Command, { command: 'credit_spend' }>): Expected {
  const amounts = stated(model, request.amounts);
  if ([...amounts.values()].every((steps) => steps === 0n)) return model.rejected('invalid_amount');
  const instant = request.occurredAt ?? model.time;
  if (instant > model.time) return model.rejected('occurred_in_future');
  if ([...amounts.values()].some((steps) => steps < 0n)) return model.rejected('invalid_amount');
  const matches = model.matches(request.labels).map((match) => {
    const window = model.windowFor(match.budget, instant);
    const amount = amounts.get(match.budget.spec.unit);
    return { ...match, window, amount, balance: window.balances.get(keyOf(match.values)) };
  });
  const exceeds = matches.some(({ balance, amount = 0n }) => amount > (balance?.spent ?? 0n));
  const inAll = [...amounts].some(([unit, steps]) => steps > (model.spentTotal.get(unit) ?? 0n));
  if (exceeds || inAll) return model.rejected('credit_exceeds_spent');
  for (const { balance, amount = 0n } of matches) if (balance !== undefined) balance.spent -= amount;
  for (const [unit, steps] of amounts) model.spend(unit, -steps);
  const lines = matches.map((one) =>
    model.line(one, one.amount ?? 0n, one.amount === undefined ? ['unit_missing'] : []),
  );
  return settled(model, 'spend_credited', null, { charged: new Map(), returned: amounts, lines, of: [] });
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
  for (const [unit, steps] of charged)
    if (before(unit) - steps > (model.spentTotal.get(unit) ?? 0n))
      return model.rejected('credit_exceeds_spent');
  for (const { balance, unit } of hold.postings) {
    const back = before(unit) - (charged.get(unit) as bigint);
    if (back > balance.spent && balance.stopped !== true) return model.rejected('credit_exceeds_spent');
    const leaving = isOpen ? (hold.figures.get(unit) as bigint) : 0n;
    const total =
      balance.spent + model.held(balance) - leaving - before(unit) + (charged.get(unit) as bigint);
    const isMeter = balance.limit === null && !balance.budget.forGrants;
    if (!isMeter && total > MAX) return model.rejected('amount_overflow');
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
  model.stopMeters(hold.postings.map(({ balance }) => balance));
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
    const isMeter = balance.limit === null && !budget.forGrants;
    if (violations === null || (!isMeter && used + of(unit) > MAX)) return model.rejected('amount_overflow');
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
    model.stopMeters(hold.postings.map(({ balance }) => balance));
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
