// Policies and quotas of a chat product: one method for each route. Put together by client.ts.

import type { Answer, Body, Query } from './calls.js';
import { List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

export class Policies extends List<'listPolicies'> {
  constructor(transport: Transport) {
    super(transport, 'listPolicies');
  }

  /**
   * Puts a new version, not in force yet; the newest again when it says the same.
   * @example const { number } = await client.policies.put(policy);
   */
  put(policy: Body<'putPolicy'>, options?: CallOptions): Promise<Answer<'putPolicy'>> {
    return this.transport.call('putPolicy', { body: policy }, options);
  }

  /**
   * One version.
   * @example const { active, document } = await client.policies.get(3);
   */
  get(number: number, options?: CallOptions): Promise<Answer<'getPolicy'>> {
    return this.transport.call('getPolicy', { params: { n: String(number) } }, options);
  }

  /**
   * What differs from one to the other.
   * @example const { differences } = await client.policies.compare(2, 3);
   */
  compare(from: number, to: number, options?: CallOptions): Promise<Answer<'comparePolicies'>> {
    return this.transport.call('comparePolicies', { params: { n: String(from), m: String(to) } }, options);
  }

  /**
   * Puts a version in force, an older one too. Turns that run keep theirs.
   * @example await client.policies.activate(3);
   */
  activate(number: number, options?: CallOptions): Promise<Answer<'activatePolicy'>> {
    return this.transport.call('activatePolicy', { params: { n: String(number) } }, options);
  }
}

export class UserQuotas {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * What a user has used and has left, as a chat page shows it. `tenant` only with a key of the platform.
   * @example const { buckets } = await client.quotas.get('u1');
   */
  get(user: string, query: Query<'getQuota'> = {}, options?: CallOptions): Promise<Answer<'getQuota'>> {
    return this.#transport.call('getQuota', { params: { user }, query }, options);
  }

  /**
   * Gives a user limits of its own; what is left out is the policy's again.
   * @example await client.quotas.putLimits('u1', { limits: { daily: { total: '5' } } });
   */
  putLimits(
    user: string,
    limits: Body<'putQuotaLimits'>,
    query: Query<'putQuotaLimits'> = {},
    options?: CallOptions,
  ): Promise<Answer<'putQuotaLimits'>> {
    return this.#transport.call('putQuotaLimits', { params: { user }, query, body: limits }, options);
  }

  /**
   * The tier and model that a request would get now, with reasons. Holds nothing.
   * @example const { fits, tier, model } = await client.quotas.preflight({ user: 'u1', textBytes: 4_000 });
   */
  preflight(request: Body<'preflight'>, options?: CallOptions): Promise<Answer<'preflight'>> {
    return this.#transport.call('preflight', { body: request }, options);
  }
}
