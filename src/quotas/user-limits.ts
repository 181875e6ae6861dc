// A user's own limits, apart from the policy: limits of the user's accounts in the ledger, put as one group. What is not
// stated is the policy's again. A tenant's key can only lower what the platform's policy gives. Called by quotas.ts.

import type { Ledger } from '../authority/api.js';
import { formatAmount } from '../core/amount.js';
import { quoted } from '../core/labels.js';
import type { Command } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
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
import type { QuotaAccount } from './user-account.js';

/** Credits in steps and tool calls a day; null: no limit for this user. */
export interface UserLimits {
  readonly limits?: Readonly<Partial<Record<Period, Readonly<Record<Bucket, bigint | null>>>>>;
  readonly toolLimits?: Readonly<Partial<Record<Tool, bigint | null>>>;
}

/** One account's limit: the policy's, and what is stated in its place. */
interface Place {
  readonly field: string;
  readonly budgetId: string;
  readonly scale: number;
  readonly byPolicy: bigint | null;
  readonly stated: bigint | null | undefined;
}

/** @throws RefusedError invalid_request; forbidden for a tenant's key that states more than the policy; conflict */
export async function putUserLimits(
  {
    ledger,
    rules,
    caller,
  }: { readonly ledger: Pick<Ledger, 'submit'>; readonly rules: QuotaRules; readonly caller: Caller },
  { tenant, user }: QuotaAccount,
  limits: UserLimits,
): Promise<void> {
  assertBuckets(rules, limits);
  const places = placesOf(rules, limits);
  if (caller.tenant !== null) places.forEach(assertLowers);
  const commands = places.map(
    ({ budgetId, stated }): Command => ({
      command: 'set_balance_limit',
      budgetId,
      values: { tenant, user },
      limit: stated === undefined ? 'default' : stated,
    }),
  );
  for (const outcome of await ledger.submit(commands)) {
    if (outcome.outcome === 'rejected')
      throw new RefusedError('conflict', `the ledger does not take a limit: ${outcome.message}`);
  }
}

function assertBuckets(rules: QuotaRules, { limits = {} }: UserLimits): void {
  for (const period of PERIODS) {
    const known = bucketsOf(rules, period);
    for (const bucket of Object.keys(limits[period] ?? {})) {
      if (known.includes(bucket)) continue;
      const field = `limits.${period}`;
      throw new RefusedError(
        'invalid_request',
        `${field}: ${quoted(bucket)} is none of the buckets that the policy in force keeps: ${known.slice(0, 10).join(', ')}`,
        { field },
      );
    }
  }
}

function placesOf(rules: QuotaRules, { limits = {}, toolLimits = {} }: UserLimits): Place[] {
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

function assertLowers({ field, byPolicy, stated, scale }: Place): void {
  if (stated === undefined || byPolicy === null || (stated !== null && stated <= byPolicy)) return;
  throw new RefusedError(
    'forbidden',
    `${field}: ${stated === null ? 'no limit' : formatAmount(stated, scale)} is above the ${formatAmount(byPolicy, scale)} of the policy; a tenant's key can only lower it`,
    { field },
  );
}
