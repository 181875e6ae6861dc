// The status of a user's quotas (rule Q10), as a chat page shows it: used = spent + held, what is left, a warning at 20 % or
// less, and when it resets. The figures are the ledger's lines. Reading them takes a time that does not grow with the number
// of users. Called by quotas.ts.

import type { LedgerReads } from '../authority/api.js';
import type { Amounts } from '../core/amount.js';
import type { BudgetLine } from '../core/outcomes.js';
import { bucketsOf, budgetIdOf, type Counter, counterIdOf, QUOTA_LABELS, QUOTA_UNITS } from './buckets.js';
import {
  type Bucket,
  PERIODS,
  type Period,
  type QuotaRules,
  TOOLS,
  type Tool,
  UNIT_OF_TOOL,
} from './policy.js';
import type { QuotaAccount } from './user-limits.js';

/** Rule Q10. */
const WARNING_AT_PERCENT_LEFT = 20n;

/** A figure that counts up to a limit, in the unit's steps. */
export interface Gauge {
  readonly limit: bigint | null;
  readonly spent: bigint;
  readonly held: bigint;
  readonly used: bigint;
  /** Never negative; null where there is no limit. */
  readonly left: bigint | null;
  readonly state: 'unlimited' | 'within' | 'warning' | 'exhausted';
  /** Epoch ms; the end of the period in force. */
  readonly resetsAt: number | null;
}

export interface BucketStatus extends Gauge {
  readonly period: Period;
  readonly bucket: Bucket;
}

export interface QuotaStatus extends QuotaAccount {
  /** The policy in force; null: none, and nothing is counted. */
  readonly policy: number | null;
  /** In credits. */
  readonly buckets: readonly BucketStatus[];
  /** Today's use of each tool, and the most of one turn. */
  readonly tools: Readonly<Record<Tool, { readonly daily: Gauge; readonly perTurn: number | null }>>;
  readonly tokens: Readonly<Record<Period, Gauge>>;
  /** Turns that were answered, and that run. */
  readonly calls: Readonly<Record<Period, Gauge>>;
}

export async function statusOf(
  ledger: Pick<LedgerReads, 'check' | 'whenDurable'>,
  rules: QuotaRules | null,
  account: QuotaAccount,
): Promise<QuotaStatus> {
  const lines = rules === null ? NO_LINES : await ledger.whenDurable(() => linesOf(ledger, rules, account));
  const gauge = (budgetId: string) => gaugeOf(lines.get(budgetId));
  const counter = (name: Counter) => ({
    daily: gauge(counterIdOf('daily', name)),
    monthly: gauge(counterIdOf('monthly', name)),
  });
  const tool = (name: Tool) => ({
    daily: gauge(counterIdOf('daily', UNIT_OF_TOOL[name])),
    perTurn: rules?.document.toolLimits[name].perTurn ?? null,
  });
  const buckets =
    rules === null
      ? []
      : PERIODS.flatMap((period) => bucketsOf(rules, period).map((bucket) => ({ period, bucket })));
  return {
    ...account,
    policy: rules?.version ?? null,
    buckets: buckets.map(({ period, bucket }) => ({ period, bucket, ...gauge(budgetIdOf(period, bucket)) })),
    tools: Object.fromEntries(TOOLS.map((name) => [name, tool(name)])) as unknown as QuotaStatus['tools'],
    tokens: counter('tokens'),
    calls: counter('calls'),
  };
}

const NO_LINES: ReadonlyMap<string, BudgetLine> = new Map();

const NOTHING_ASKED: Amounts = Object.fromEntries([...QUOTA_UNITS].map((unit) => [unit, 0n]));

// One check for each tier and each model that has a limit. Every one of them has the bucket `total` too.
function linesOf(
  ledger: Pick<LedgerReads, 'check'>,
  rules: QuotaRules,
  { tenant, user }: QuotaAccount,
): Map<string, BudgetLine> {
  const lines = new Map<string, BudgetLine>();
  const buckets = new Set(PERIODS.flatMap((period) => bucketsOf(rules, period)));
  for (const bucket of buckets) {
    if (bucket === 'total') continue;
    const [kind, ...name] = bucket.split(':');
    const labels = { tenant, user, ...QUOTA_LABELS, [kind]: name.join(':') };
    for (const line of ledger.check({ labels, amounts: NOTHING_ASKED }).lines) lines.set(line.budgetId, line);
  }
  return lines;
}

const UNUSED: Gauge = {
  limit: null,
  spent: 0n,
  held: 0n,
  used: 0n,
  left: null,
  state: 'unlimited',
  resetsAt: null,
};

function gaugeOf(line: BudgetLine | undefined): Gauge {
  if (line === undefined) return UNUSED;
  const { granted: limit, spent, held, remaining, resetsAt } = line;
  const figures = { limit, spent, held, used: spent + held, resetsAt };
  if (limit === null || remaining === null) return { ...figures, left: null, state: 'unlimited' };
  const left = remaining < 0n ? 0n : remaining;
  if (left === 0n) return { ...figures, left, state: 'exhausted' };
  return { ...figures, left, state: left * 100n <= limit * WARNING_AT_PERCENT_LEFT ? 'warning' : 'within' };
}
