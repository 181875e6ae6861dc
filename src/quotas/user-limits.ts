// Whose quotas a caller may see and change (rule T8), and the limits of one user's own, which replace the policy's. Those are
// limits of the user's accounts in the ledger, set in one all-or-nothing group. A limit that is not stated is the policy's
// again. Called by quotas.ts.

import { formatAmount } from '../core/amount.js';
import { LABEL_VALUE_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Command } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import { bucketsOf, budgetIdOf, counterIdOf, limitOf } from './buckets.js';
import {
  type Bucket,
  CREDITS_SCALE,
  PERIODS,
  type Period,
  type QuotaRules,
  TOOLS,
  type Tool,
  UNIT_OF_TOOL,
} from './policy.js';

export interface QuotaAccount {
  readonly tenant: string;
  readonly user: string;
}

/** Whose quotas a request names. Keys of the platform state the tenant; others may repeat their own. */
export interface QuotaAccountRequest {
  readonly tenant?: string;
  readonly user: string;
}

/** @throws RefusedError invalid_request; not_found for a user that the caller may not see */
export function accountOf(caller: Caller, { tenant: stated, user }: QuotaAccountRequest): QuotaAccount {
  const fixed = caller.tenant ?? caller.labels.tenant;
  const tenant = fixed ?? stated;
  if (tenant === undefined) throw invalid('tenant', 'is required with a key of the platform’s own');
  for (const [field, text] of Object.entries({ tenant, user })) {
    // '*' is the wildcard of budgets, so no user can be called that.
    const problem = text === '*' ? 'names nobody' : textProblem(text, LABEL_VALUE_LENGTH_MAX);
    if (problem !== null) throw invalid(field, `${quoted(text)} ${problem}`);
  }
  const isOthers =
    (stated !== undefined && stated !== tenant) ||
    (Object.hasOwn(caller.labels, 'user') && caller.labels.user !== user);
  if (isOthers) throw new RefusedError('not_found', 'there is no such user', { field: 'user' });
  return { tenant, user };
}

/** Limits of a user's own: micro-credits by bucket, and tool calls a day. null: no limit for this user. */
export interface UserLimits {
  readonly limits?: Readonly<Partial<Record<Period, Readonly<Record<Bucket, bigint | null>>>>>;
  readonly toolLimits?: Readonly<Partial<Record<Tool, bigint | null>>>;
}

/** The limit of one account: the policy's, and the one that is stated in its place. */
interface AccountLimit {
  readonly field: string;
  readonly budgetId: string;
  readonly scale: number;
  readonly byPolicy: bigint | null;
  readonly stated: bigint | null | undefined;
}

/**
 * The commands that set a user's own limits, one for each account.
 * @throws RefusedError invalid_request; forbidden for a tenant's key that states more than the policy
 */
export function limitCommands(
  rules: QuotaRules,
  caller: Caller,
  { tenant, user, limits }: QuotaAccount & { readonly limits: UserLimits },
): Command[] {
  assertBuckets(rules, limits);
  const accountLimits = accountLimitsOf(rules, limits);
  if (caller.tenant !== null) accountLimits.forEach(assertLowers);
  return accountLimits.map(({ budgetId, stated }) => ({
    command: 'set_balance_limit',
    budgetId,
    values: { tenant, user },
    limit: stated === undefined ? 'default' : stated,
  }));
}

function assertBuckets(rules: QuotaRules, { limits = {} }: UserLimits): void {
  for (const period of PERIODS) {
    const known = bucketsOf(rules, period);
    for (const bucket of Object.keys(limits[period] ?? {})) {
      if (known.includes(bucket)) continue;
      throw invalid(
        `limits.${period}`,
        `${quoted(bucket)} is none of the buckets that the policy in force keeps: ${known.slice(0, 10).join(', ')}`,
      );
    }
  }
}

function accountLimitsOf(rules: QuotaRules, { limits = {}, toolLimits = {} }: UserLimits): AccountLimit[] {
  const credits = PERIODS.flatMap((period) =>
    bucketsOf(rules, period).map((bucket) => {
      const own = limits[period] ?? {};
      return {
        field: `limits.${period}.${bucket}`,
        budgetId: budgetIdOf(period, bucket),
        scale: CREDITS_SCALE,
        byPolicy: limitOf(rules, period, bucket),
        stated: Object.hasOwn(own, bucket) ? own[bucket] : undefined,
      };
    }),
  );
  const tools = TOOLS.map((tool) => {
    const { daily } = rules.document.toolLimits[tool];
    return {
      field: `toolLimits.${tool}`,
      budgetId: counterIdOf('daily', UNIT_OF_TOOL[tool]),
      scale: 0,
      byPolicy: daily === null ? null : BigInt(daily),
      stated: toolLimits[tool],
    };
  });
  return [...credits, ...tools];
}

function assertLowers({ field, byPolicy, stated, scale }: AccountLimit): void {
  if (stated === undefined || byPolicy === null || (stated !== null && stated <= byPolicy)) return;
  throw new RefusedError(
    'forbidden',
    `${field}: ${stated === null ? 'no limit' : formatAmount(stated, scale)} is above the ${formatAmount(byPolicy, scale)} of the policy; a tenant's key can only lower it`,
    { field },
  );
}
