// Policies and quotas over HTTP: their routes, and policies, limits and statuses between the wire (quotas-schema.ts) and the
// service. Credits are decimals outside, micro-credits inside.

import { formatAmount } from '../core/amount.js';
import { type AmountReading, amountIn, amountsOut, type Scales } from '../kit/amounts.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { ADMINS, PLATFORM, READERS, routes, SPENDERS_AND_READERS } from '../kit/route.js';
import { PageQuery } from '../kit/schema-parts.js';
import type { Policy } from './policies.js';
import { CREDITS, CREDITS_SCALE, type PolicyInput, TOOLS } from './policy.js';
import type { Preflight, QuotaDenial } from './preflight.js';
import {
  COMPARE_PARAMS,
  type Gauge,
  POLICY_PARAMS,
  PolicyComparison,
  PolicyList,
  PolicyRequest,
  PolicyView,
  PreflightAnswer,
  PreflightRequest,
  QuotaStatus,
  TenantQuery,
  USER_PARAMS,
  UserLimitsRequest,
} from './quotas-schema.js';
import type { Gauge as Figures, QuotaStatus as Status } from './status.js';
import type { UserLimits } from './user-limits.js';

/** Policies are every tenant's. */
const onPolicies = { tag: 'quotas', platformOnly: true } as const;

export const QUOTA_ROUTES = routes({
  putPolicy: {
    ...onPolicies,
    method: 'POST',
    path: '/v1/policies',
    summary: 'Put a new version, not in force yet; the newest again when it says the same',
    scopes: PLATFORM,
    body: PolicyRequest,
    answers: { 200: PolicyView, 201: PolicyView },
  },
  listPolicies: {
    ...onPolicies,
    method: 'GET',
    path: '/v1/policies',
    summary: 'Policies, the oldest first',
    scopes: READERS,
    query: PageQuery,
    answers: { 200: PolicyList },
  },
  getPolicy: {
    ...onPolicies,
    method: 'GET',
    path: '/v1/policies/:n',
    summary: 'One policy',
    scopes: READERS,
    params: POLICY_PARAMS,
    answers: { 200: PolicyView },
  },
  comparePolicies: {
    ...onPolicies,
    method: 'GET',
    path: '/v1/policies/:n/compare/:m',
    summary: 'What differs from one policy to another',
    scopes: READERS,
    params: COMPARE_PARAMS,
    answers: { 200: PolicyComparison },
  },
  activatePolicy: {
    ...onPolicies,
    method: 'POST',
    path: '/v1/policies/:n/activate',
    summary: 'Put a version in force, an older one too; turns that run keep theirs',
    scopes: PLATFORM,
    params: POLICY_PARAMS,
    answers: { 200: PolicyView },
  },
  preflight: {
    method: 'POST',
    path: '/v1/quota/preflight',
    tag: 'quotas',
    summary: 'The tier and model that a request would get now, with reasons; holds nothing',
    scopes: SPENDERS_AND_READERS,
    body: PreflightRequest,
    answers: { 200: PreflightAnswer },
  },
  getQuota: {
    method: 'GET',
    path: '/v1/users/:user/quota',
    tag: 'quotas',
    summary: 'How a user stands: used, left and when it resets, by period and bucket',
    scopes: SPENDERS_AND_READERS,
    params: USER_PARAMS,
    query: TenantQuery,
    answers: { 200: QuotaStatus },
  },
  putQuotaLimits: {
    method: 'PUT',
    path: '/v1/users/:user/quota-limits',
    tag: 'quotas',
    summary: 'Give a user limits of its own; what is left out is the policy’s again',
    scopes: ADMINS,
    params: USER_PARAMS,
    query: TenantQuery,
    body: UserLimitsRequest,
    answers: { 200: QuotaStatus },
  },
});

/** Before the first policy is active the ledger does not have the unit. */
const CREDIT_SCALES: Scales = { get: (unit) => (unit === CREDITS ? CREDITS_SCALE : undefined) };

/** @throws RefusedError invalid_request for a limit that is no amount of credits */
export function policyIn({ limits, ...rest }: PolicyRequest, unplain: ReadonlySet<number>): PolicyInput {
  if (limits === undefined) return rest;
  const stated = { scales: CREDIT_SCALES, unplain };
  return {
    ...rest,
    limits: mapPeriods(limits, (limit, field) => creditsText(creditsIn(limit, field, stated))),
  };
}

/** @throws RefusedError invalid_request for a limit that is no amount of credits */
export function userLimitsIn(
  { limits = {}, toolLimits = {} }: UserLimitsRequest,
  unplain: ReadonlySet<number>,
): UserLimits {
  const stated = { scales: CREDIT_SCALES, unplain };
  const own = TOOLS.flatMap((tool) => {
    const limit = toolLimits[tool];
    return limit === undefined ? [] : [[tool, limit === null ? null : BigInt(limit)] as const];
  });
  return {
    limits: mapPeriods(limits, (limit, field) => (limit === null ? null : creditsIn(limit, field, stated))),
    toolLimits: Object.fromEntries(own),
  };
}

interface Periods<T> {
  readonly daily?: Readonly<Record<string, T>>;
  readonly monthly?: Readonly<Record<string, T>>;
}

function mapPeriods<From, To>({ daily, monthly }: Periods<From>, read: (limit: From, field: string) => To) {
  const map = (limits: Readonly<Record<string, From>>, period: string) =>
    Object.fromEntries(
      Object.entries(limits).map(([bucket, limit]) => [
        bucket,
        read(limit, `limits.${period}.${bucket.slice(0, 80)}`),
      ]),
    );
  return {
    ...(daily === undefined ? {} : { daily: map(daily, 'daily') }),
    ...(monthly === undefined ? {} : { monthly: map(monthly, 'monthly') }),
  };
}

function creditsIn(limit: string | number, field: string, stated: AmountReading): bigint {
  return amountIn(limit, CREDITS, field, stated);
}

function creditsText(steps: bigint): string {
  return formatAmount(steps, CREDITS_SCALE);
}

export function policyOut({
  number,
  isActive,
  digest,
  author,
  createdAt,
  activatedAt,
  document,
}: Policy): PolicyView {
  return {
    number,
    active: isActive,
    digest,
    author,
    createdAt: instantOut(createdAt),
    activatedAt: instantOutOrNull(activatedAt),
    document: structuredClone(document) as PolicyView['document'],
  };
}

export function preflightOut(
  { reserve, denial, reasons, ...rest }: Preflight,
  scales: Scales,
): PreflightAnswer {
  return {
    ...rest,
    reasons: [...reasons],
    reserve: reserve === null ? null : amountsOut(reserve, scales),
    denial: denial === null ? null : denialOut(denial),
  };
}

function denialOut({ resetsAt, tool, ...denial }: QuotaDenial): PreflightAnswer['denial'] {
  const asked =
    tool === null
      ? null
      : { ...tool, requested: tool.requested.toString(), perTurn: tool.perTurn.toString() };
  return { ...denial, resetsAt: instantOutOrNull(resetsAt), tool: asked };
}

export function quotaStatusOut({ tenant, user, policy, buckets, tools, tokens, calls }: Status): QuotaStatus {
  const count = (figures: Figures) => gaugeOut(figures, 0);
  const tool = ({ daily, perTurn }: Status['tools']['webSearches']) => ({ daily: count(daily), perTurn });
  return {
    tenant,
    user,
    policy,
    buckets: buckets.map(({ period, bucket, ...gauge }) => ({
      period,
      bucket,
      ...gaugeOut(gauge, CREDITS_SCALE),
    })),
    webSearches: tool(tools.webSearches),
    codeInterpreterCalls: tool(tools.codeInterpreterCalls),
    tokens: { daily: count(tokens.daily), monthly: count(tokens.monthly) },
    calls: { daily: count(calls.daily), monthly: count(calls.monthly) },
  };
}

function gaugeOut({ limit, used, spent, held, left, state, resetsAt }: Figures, scale: number): Gauge {
  const text = (steps: bigint) => formatAmount(steps, scale);
  return {
    limit: limit === null ? null : text(limit),
    used: text(used),
    spent: text(spent),
    held: text(held),
    left: left === null ? null : text(left),
    state,
    resetsAt: instantOutOrNull(resetsAt),
  };
}
