// Policies and quotas of a chat product: one method for each route. Put together by client.ts.

import type { PageQuery } from '../kit/schema-parts.js';
import type {
  PolicyComparison,
  PolicyList,
  PolicyRequest,
  PolicyView,
  PreflightAnswer,
  PreflightRequest,
  QuotaStatus,
  TenantQuery,
  UserLimitsRequest,
} from '../quotas/quotas-schema.js';
import { List } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

export class Policies extends List<PageQuery, PolicyView, PolicyList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/policies');
    this.#transport = transport;
  }

  /** Puts a new version, not in force yet; the newest again when it says the same. */
  put(policy: PolicyRequest, options?: CallOptions): Promise<PolicyView> {
    return this.#transport.command({ method: 'POST', path: '/v1/policies', body: policy, options });
  }

  get(number: number, options?: CallOptions): Promise<PolicyView> {
    return this.#transport.read(path`/v1/policies/${String(number)}`, options);
  }

  /** What differs from one to the other. */
  compare(from: number, to: number, options?: CallOptions): Promise<PolicyComparison> {
    return this.#transport.read(path`/v1/policies/${String(from)}/compare/${String(to)}`, options);
  }

  /** Puts a version in force, an older one too. Turns that run keep theirs. */
  activate(number: number, options?: CallOptions): Promise<PolicyView> {
    return this.#transport.command({
      method: 'POST',
      path: path`/v1/policies/${String(number)}/activate`,
      options,
    });
  }
}

export class UserQuotas {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** How a user stands, as a chat page shows it. `tenant` only with a key of the platform. */
  get(user: string, query: TenantQuery = {}, options?: CallOptions): Promise<QuotaStatus> {
    return this.#transport.json({
      method: 'GET',
      path: path`/v1/users/${user}/quota`,
      query: { ...query },
      repeat: 'read',
      options,
    });
  }

  /** Gives a user limits of its own; what is left out is the policy's again. */
  putLimits(
    user: string,
    limits: UserLimitsRequest,
    query: TenantQuery = {},
    options?: CallOptions,
  ): Promise<QuotaStatus> {
    return this.#transport.command({
      method: 'PUT',
      path: path`/v1/users/${user}/quota-limits`,
      query: { ...query },
      body: limits,
      options,
    });
  }

  /** The tier and model that a request would get now, with reasons. Holds nothing. */
  preflight(request: PreflightRequest, options?: CallOptions): Promise<PreflightAnswer> {
    return this.#transport.json({
      method: 'POST',
      path: '/v1/quota/preflight',
      body: request,
      repeat: 'read',
      options,
    });
  }
}
