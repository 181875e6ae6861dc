// Quotas are budgets of the ledger (rules Q1, Q3): `quota/<period>/<bucket>` in credits, and counters on the bucket `total`.
// Each has an account for every tenant and user. policies.ts puts the budgets of a policy in one step.

import { parseAmount } from '../core/amount.js';
import type { BudgetView } from '../core/outcomes.js';
import type { BudgetSpec, Labels, PutDefinitions } from '../core/requests.js';
import {
  type Bucket,
  CREDITS,
  CREDITS_SCALE,
  INPUT_TOKENS,
  PERIODS,
  type Period,
  type QuotaRules,
  TOOLS,
  type Tool,
  UNIT_OF_TOOL,
  WINDOW_OF_PERIOD,
} from './policy.js';

/** The ids of all these budgets begin so. */
const PREFIX = 'quota/';

/** A hold with this label counts towards quotas. Another value can stand for a product that is no chat. */
export const QUOTA_LABELS: Labels = { quota: 'chat' };

/** Units that are counted beside credits, on the bucket `total` alone (rule Q3). */
export const COUNTERS = ['tokens', 'calls', ...Object.values(UNIT_OF_TOOL)] as const;
export type Counter = (typeof COUNTERS)[number];

/** Every unit that a policy counts. */
export const QUOTA_UNITS: ReadonlySet<string> = new Set([CREDITS, INPUT_TOKENS, ...COUNTERS]);

export function budgetIdOf(period: Period, bucket: Bucket): string {
  return `${PREFIX}${period}/${bucket}`;
}

export function counterIdOf(period: Period, counter: Counter): string {
  return `${PREFIX}${period}/total/${counter}`;
}

const ID = /^quota\/(daily|monthly)\/(?:(total)\/([a-z_]+)|(total|tier:.+|model:.+))$/;

/** The quota that a budget's id names; null for any other budget. `counter` is null where credits are counted. */
export function bucketOf(
  budgetId: string,
): { period: Period; bucket: Bucket; counter: string | null } | null {
  const found = ID.exec(budgetId);
  if (found === null) return null;
  const [, period, total, counter, bucket] = found;
  return { period: period as Period, bucket: bucket ?? total, counter: counter ?? null };
}

/** The tool whose use a budget counts; null where it counts something else. */
export function toolOf(budgetId: string): Tool | null {
  const counter = bucketOf(budgetId)?.counter ?? null;
  return TOOLS.find((tool) => UNIT_OF_TOOL[tool] === counter) ?? null;
}

/** What denials need of quotas (gateway/calls/denial.ts). */
export const QUOTA_BUDGETS = {
  isQuota: (budgetId: string): boolean => bucketOf(budgetId) !== null,
  toolOf,
};

/** The labels that a budget of the bucket matches. */
function matchOf(bucket: Bucket): Labels {
  const [kind, ...name] = bucket.split(':');
  const own = bucket === 'total' ? {} : { [kind]: name.join(':') };
  return { tenant: '*', user: '*', ...QUOTA_LABELS, ...own };
}

/** The buckets of a policy: the total, every tier, and the models that have a limit. */
export function bucketsOf({ document }: QuotaRules, period: Period): Bucket[] {
  const models = Object.keys(document.limits[period]).filter((bucket) => bucket.startsWith('model:'));
  return ['total', ...document.tiers.map((tier) => `tier:${tier}`), ...models];
}

/** In micro-credits; null: no limit. */
export function limitOf({ document }: QuotaRules, period: Period, bucket: Bucket): bigint | null {
  const limits = document.limits[period];
  return Object.hasOwn(limits, bucket) ? parseAmount(limits[bucket], CREDITS_SCALE) : null;
}

/** A policy as definitions of the ledger. A bucket that an earlier policy limited and this one lacks becomes uncapped. */
export function definitionsOf(rules: QuotaRules, known: readonly BudgetView[]): PutDefinitions {
  const budgets = PERIODS.flatMap((period) => [
    ...creditBudgets(rules, period),
    ...counterBudgets(rules, period),
  ]);
  const ids = new Set(budgets.map(({ id }) => id));
  for (const { id, match, unit, window, status, limit } of known) {
    if (bucketOf(id) === null || ids.has(id) || status === 'closed' || limit === null) continue;
    budgets.push({ id, match, unit, window, limit: null });
  }
  const units = [
    { name: CREDITS, scale: CREDITS_SCALE },
    ...[INPUT_TOKENS, ...Object.values(UNIT_OF_TOOL)].map((name) => ({ name, scale: 0 })),
  ];
  return { units, budgets };
}

function creditBudgets(rules: QuotaRules, period: Period): BudgetSpec[] {
  return bucketsOf(rules, period).map((bucket) => ({
    id: budgetIdOf(period, bucket),
    match: matchOf(bucket),
    unit: CREDITS,
    window: WINDOW_OF_PERIOD[period],
    limit: limitOf(rules, period, bucket),
  }));
}

// Tools have a limit a day, and none a month.
function counterBudgets({ document }: QuotaRules, period: Period): BudgetSpec[] {
  const spec = (counter: Counter): BudgetSpec => ({
    id: counterIdOf(period, counter),
    match: matchOf('total'),
    unit: counter,
    window: WINDOW_OF_PERIOD[period],
    limit: null,
  });
  const counted = [spec('tokens'), spec('calls')];
  if (period === 'monthly') return counted;
  const tools = TOOLS.map((tool) => {
    const { daily, perTurn } = document.toolLimits[tool];
    return {
      ...spec(UNIT_OF_TOOL[tool]),
      limit: daily === null ? null : BigInt(daily),
      ...(perTurn === null ? {} : { perHoldMax: BigInt(perTurn) }),
    };
  });
  return [...counted, ...tools];
}
