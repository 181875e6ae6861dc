// Providers, access keys, prices and reconciliations: one method for each route. Put together by client.ts.

import type { Answer, Body } from './calls.js';
import type { OutcomeOf } from './outcomes.js';
import { List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

export class Providers extends List<'listProviders'> {
  constructor(transport: Transport) {
    super(transport, 'listProviders');
  }

  /**
   * How a provider stands: its hour, its day, and the worse of them.
   * @example const { verdict, resetsAt } = await client.providers.get('openai');
   */
  get(name: string, options?: CallOptions): Promise<Answer<'getProvider'>> {
    return this.transport.call('getProvider', { params: { name } }, options);
  }

  /**
   * Takes it out of routing until an instant, or until its windows roll.
   * @example await client.providers.exhaust('openai', { until: '2026-03-28T12:00:00Z' });
   */
  exhaust(
    name: string,
    request: Body<'exhaustProvider'> = {},
    options?: CallOptions,
  ): Promise<Answer<'exhaustProvider'>> {
    return this.transport.call('exhaustProvider', { params: { name }, body: request }, options);
  }

  /**
   * Books what it cost outside the gateway.
   * @example await client.providers.spend('openai', { usd: '1.20' });
   */
  spend(
    name: string,
    request: Body<'recordProviderSpend'>,
    options?: CallOptions,
  ): Promise<OutcomeOf<'recordProviderSpend'>> {
    return this.transport.outcome('recordProviderSpend', { params: { name }, body: request }, options);
  }
}

export class Keys extends List<'listKeys'> {
  constructor(transport: Transport) {
    super(transport, 'listKeys');
  }

  /**
   * One key, without its secret.
   * @example const { scopes, lastUsedAt } = await client.keys.get(id);
   */
  get(id: string, options?: CallOptions): Promise<Answer<'getKey'>> {
    return this.transport.call('getKey', { params: { id } }, options);
  }

  /**
   * Makes a key. It is in this one answer and nowhere else, so the call is never sent twice.
   * @example
   * const { key } = await client.keys.create({ name: 'gateway', scopes: ['spend'], labels: { tenant: 'acme' } });
   */
  create(request: Body<'createKey'>, options?: CallOptions): Promise<Answer<'createKey'>> {
    return this.transport.call('createKey', { body: request }, options);
  }

  /**
   * Makes a new secret, shown once; the one before stays valid for `overlapMs`. Never sent twice.
   * @example const { key } = await client.keys.rotate(id, { overlapMs: 3_600_000 });
   */
  rotate(id: string, request: Body<'rotateKey'> = {}, options?: CallOptions): Promise<Answer<'rotateKey'>> {
    return this.transport.call('rotateKey', { params: { id }, body: request }, options);
  }

  /**
   * Refuses the key from now on, for good.
   * @example await client.keys.revoke(id);
   */
  revoke(id: string, options?: CallOptions): Promise<Answer<'revokeKey'>> {
    return this.transport.call('revokeKey', { params: { id } }, options);
  }
}

export class Reconciliations extends List<'listReconciliations'> {
  constructor(transport: Transport) {
    super(transport, 'listReconciliations');
  }

  /**
   * One past reconciliation.
   * @example const { gapUsd, rows } = await client.reconciliations.get(id);
   */
  get(id: string, options?: CallOptions): Promise<Answer<'getReconciliation'>> {
    return this.transport.call('getReconciliation', { params: { id } }, options);
  }

  /**
   * Compares the ledger with a provider's report, and with `post` books the difference, which the same report does once.
   * It reads the journal and the provider's pages: state a longer `timeoutMs`.
   * @example await client.reconciliations.run({ provider: 'openai', from: '2026-11-01', to: '2026-11-30' });
   */
  run(request: Body<'reconcile'>, options?: CallOptions): Promise<Answer<'reconcile'>> {
    return this.transport.call('reconcile', { body: request }, options);
  }
}
