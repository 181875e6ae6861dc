// Policies and quotas over HTTP.

import type { FastifyInstance } from 'fastify';
import { amountsIn } from '../kit/amounts.js';
import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import type { Quotas } from '../quotas/quotas.js';
import {
  policyIn,
  policyOut,
  preflightOut,
  quotaStatusOut,
  userLimitsIn,
} from '../quotas/quotas-conversions.js';
import { QUOTA_ROUTES } from '../quotas/quotas-routes.js';
import type { Api } from './api.js';
import { serve } from './serve.js';

/** What these routes need of the API. */
export type QuotaApi = Pick<Api, 'scales'> & { readonly quotas: Quotas };

export function quotaRoutes(app: FastifyInstance, { quotas, scales }: QuotaApi): void {
  const { policies } = quotas;
  serve(app, 'putPolicy', QUOTA_ROUTES.putPolicy, ({ caller, body, unplainNumbers }, reply) => {
    const { policy, isNew } = policies.put(caller.keyId, policyIn(body, unplainNumbers));
    reply.code(isNew ? 201 : 200);
    return policyOut(policy);
  });
  serve(app, 'listPolicies', QUOTA_ROUTES.listPolicies, ({ query }) => {
    const page = policies.list(readSequenceCursor(query), limitOf(query));
    const items = page.policies.map(policyOut);
    return { items, nextCursor: page.isLast ? null : cursorOf(items[items.length - 1].number) };
  });
  serve(app, 'getPolicy', QUOTA_ROUTES.getPolicy, ({ params }) => policyOut(policies.get(Number(params.n))));
  serve(app, 'comparePolicies', QUOTA_ROUTES.comparePolicies, ({ params }) => {
    const [from, to] = [Number(params.n), Number(params.m)];
    return { from, to, differences: policies.compare(from, to) };
  });
  serve(app, 'activatePolicy', QUOTA_ROUTES.activatePolicy, async ({ caller, params }) => {
    const policy = await policies.activate(caller.keyId, Number(params.n));
    // Its units may be new to the ledger.
    scales.refresh();
    return policyOut(policy);
  });
  serve(app, 'preflight', QUOTA_ROUTES.preflight, ({ caller, body, unplainNumbers }) => {
    const { user, tenant, amounts = {}, ...request } = body;
    const account = tenant === undefined ? { user } : { user, tenant };
    const further = amountsIn(amounts, 'amounts', { scales, unplain: unplainNumbers });
    return preflightOut(
      quotas.preflight(caller, account, { request: { textBytes: 0, ...request }, further }),
      scales,
    );
  });
  serve(app, 'getQuota', QUOTA_ROUTES.getQuota, async ({ caller, params, query }) =>
    quotaStatusOut(await quotas.status(caller, { ...params, ...query })),
  );
  serve(
    app,
    'putQuotaLimits',
    QUOTA_ROUTES.putQuotaLimits,
    async ({ caller, params, query, body, unplainNumbers }) =>
      quotaStatusOut(
        await quotas.putLimits(caller, { ...params, ...query }, userLimitsIn(body, unplainNumbers)),
      ),
  );
}
