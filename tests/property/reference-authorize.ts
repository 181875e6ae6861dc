// The reference model's authorisations: every cap of every budget that the labels match, and why a request is denied
// (rules L3, L4, H1, H2). Part of reference-model.ts; just as naive.

import type { BudgetLine, DenialReason, Violation } from '#bursar/core/outcomes.js';
import type { Authorize, GrantCaps, Labels } from '#bursar/core/requests.js';
import { type Figures, stated } from './reference-holds.js';
import type { Expected, ReferenceBalance, ReferenceBudget, ReferenceModel } from './reference-model.js';
import { keyOf, MAX, REASONS, worst } from './reference-model.js';
import type { ReferenceBounds } from './reference-windows.js';

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

export function authorize(model: ReferenceModel, request: Authorize): Expected {
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
  for (const grant of grantLines(request.grants ?? [])) {
    const one = judgeGrant(model, grant, amounts);
    if (one === null) return null;
    judged.push(one);
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

export function violationsOf(
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
  // A meter stops at the largest figure; those of grants are their own caller's.
  if (granted === null && budget.forGrants && held + spent + amount > MAX) return null;
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

interface GrantLine {
  readonly values: Labels;
  readonly unit: string;
  cap: bigint | undefined;
  perHoldMax: bigint | undefined;
}

/** Two lines a grant, its unit and its calls; what several say of one balance is one line with the strictest caps. */
function grantLines(grants: readonly GrantCaps[]): GrantLine[] {
  const lines: GrantLine[] = [];
  const strictest = (left: bigint | undefined, right: bigint | undefined) =>
    left === undefined || (right !== undefined && right < left) ? right : left;
  for (const { capability, grant, unit, maxCalls, maxPerHold, maxTotal } of grants) {
    const values = { capability, grant };
    const calls = maxCalls === undefined ? undefined : BigInt(maxCalls);
    for (const one of [
      { values, unit, cap: maxTotal, perHoldMax: maxPerHold },
      { values, unit: 'calls', cap: calls, perHoldMax: undefined },
    ]) {
      const known = lines.find((line) => line.unit === one.unit && keyOf(line.values) === keyOf(values));
      if (known === undefined) lines.push(one);
      else {
        known.cap = strictest(known.cap, one.cap);
        known.perHoldMax = strictest(known.perHoldMax, one.perHoldMax);
      }
    }
  }
  return lines;
}

function judgeGrant(model: ReferenceModel, grant: GrantLine, amounts: Figures): Judged | null {
  const { values, cap, perHoldMax } = grant;
  const budget = model.grantBudget(grant.unit);
  const window = model.windowFor(budget, model.time);
  const balance = window.balances.get(keyOf(values));
  const used = balance === undefined ? 0n : model.held(balance) + balance.spent;
  const amount = amounts.get(grant.unit);
  if (used + (amount ?? 0n) > MAX) return null;
  const violations = new Set<Violation>();
  if (amount === undefined) violations.add('unit_missing');
  if (cap !== undefined && used + (amount ?? 0n) > cap) violations.add('limit');
  if (perHoldMax !== undefined && (amount ?? 0n) > perHoldMax) violations.add('per_hold_max');
  return {
    ...{ budget, window, values, balance, grant },
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
  for (const one of judged) {
    // What is only held comes back by itself.
    if (one.violations.length === 0 || causeOf(model, one) !== 'exhausted') continue;
    if (one.violations.includes('limit')) until = Math.max(until, one.window.end ?? Infinity);
    if (one.violations.includes('forced_exhausted'))
      until = Math.max(until, model.forcedUntil(one.budget, one.values));
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
  model.stopMeters(postings.map(({ balance }) => balance));
  const lines = judged.map((one, index) => lineOf(model, { ...one, balance: postings[index]!.balance }));
  const position = model.changed();
  return {
    ...{ outcome: 'authorized', holdId: request.holdId, candidate, skipped, lines, verdict: worst(lines) },
    ...{ expiresAt, position, at: model.time },
  };
}
