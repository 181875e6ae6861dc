// Policies and quotas over HTTP.

import { amountsIn } from '../kit/amounts.js';
import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import type { Quotas } from './quotas.js';
import {
  policyIn,
  policyOut,
  preflightOut,
  QUOTA_ROUTES,
  quotaStatusOut,
  userLimitsIn,
} from './quotas-api.js';

export function quotaRoutes(host: RouteHost, { quotas }: { readonly quotas: Quotas }): void {
  const { scales } = host;
  const { policies } = quotas;
  host.serve('putPolicy', QUOTA_ROUTES.putPolicy, async ({ caller, body, unplainNumbers }, reply) => {
    const { policy, isNew } = await policies.put(caller, policyIn(body, unplainNumbers));
    reply.code(isNew ? 201 : 200);
    return policyOut(policy);
  });
  host.serve('listPolicies', QUOTA_ROUTES.listPolicies, ({ query }) => {
    const page = policies.list(readSequenceCursor(query), limitOf(query));
    const items = page.policies.map(policyOut);
    return { items, nextCursor: page.isLast ? null : cursorOf(items[items.length - 1].number) };
  });
  host.serve('getPolicy', QUOTA_ROUTES.getPolicy, ({ params }) => policyOut(policies.get(Number(params.n))));
  host.serve('comparePolicies', QUOTA_ROUTES.comparePolicies, ({ params }) => {
    const [from, to] = [Number(params.n), Number(params.m)];
    return { from, to, differences: policies.compare(from, to) };
  });
  host.serve('activatePolicy', QUOTA_ROUTES.activatePolicy, async ({ caller, params }) => {
    const policy = await policies.activate(caller, Number(params.n));
    // The policy's units may be new to the ledger.
    scales.refresh();
    return policyOut(policy);
  });
  host.serve('preflight', QUOTA_ROUTES.preflight, ({ caller, body, unplainNumbers }) => {
    const { user, tenant, amounts = {}, ...request } = body;
    const account = tenant === undefined ? { user } : { user, tenant };
    const further = amountsIn(amounts, 'amounts', { scales, unplain: unplainNumbers });
    return preflightOut(
      quotas.preflight(caller, account, { request: { textBytes: 0, ...request }, further }),
      scales,
    );
  });
  host.serve('getQuota', QUOTA_ROUTES.getQuota, async ({ caller, params, query }) =>
    quotaStatusOut(await quotas.status(caller, { ...params, ...query })),
  );
  host.serve(
    'putQuotaLimits',
    QUOTA_ROUTES.putQuotaLimits,
    async ({ caller, params, query, body, unplainNumbers }) =>
      quotaStatusOut(
        await quotas.putLimits(caller, { ...params, ...query }, userLimitsIn(body, unplainNumbers)),
      ),
  );
}
