// The routes of policies and quotas.

import { PageQuery } from '../http/service-schema.js';
import { ADMINS, PLATFORM, READERS, routes, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  COMPARE_PARAMS,
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
