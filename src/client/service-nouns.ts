// Providers, access keys and prices: one method for each route. Put together by client.ts.

import type { KeyIssued, KeyList, KeyRequest, KeyRotateRequest, KeyView } from '../access/keys-api.js';
import type {
  ProviderExhaustRequest,
  ProviderList,
  ProviderSpendRequest,
  ProviderView,
} from '../budgets/providers-api.js';
import type { PriceList, PriceQuery, PriceView } from '../gateway/prices/prices-api.js';
import type { PageQuery } from '../kit/schema-parts.js';
import type { Settlement } from './outcomes.js';
import { List } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

export class Providers extends List<PageQuery, ProviderView, ProviderList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/providers');
    this.#transport = transport;
  }

  /** How a provider stands: its hour, its day, and the worse of them. */
  get(name: string, options?: CallOptions): Promise<ProviderView> {
    return this.#transport.read(path`/v1/providers/${name}`, options);
  }

  /** Takes it out of routing until an instant, or until its windows roll. */
  exhaust(name: string, request: ProviderExhaustRequest = {}, options?: CallOptions): Promise<ProviderView> {
    return this.#transport.command({
      method: 'POST',
      path: path`/v1/providers/${name}/exhaust`,
      body: request,
      options,
    });
  }

  /** Books what it cost outside the gateway. */
  spend(name: string, request: ProviderSpendRequest, options?: CallOptions): Promise<Settlement> {
    return this.#transport.outcome({
      method: 'POST',
      path: path`/v1/providers/${name}/spend`,
      body: request,
      options,
    });
  }
}

export class Keys extends List<PageQuery, KeyView, KeyList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/keys');
    this.#transport = transport;
  }

  get(id: string, options?: CallOptions): Promise<KeyView> {
    return this.#transport.read(path`/v1/keys/${id}`, options);
  }

  /** Makes a key. It is in this one answer and nowhere else, so the call is never sent twice. */
  create(request: KeyRequest, options?: CallOptions): Promise<KeyIssued> {
    return this.#transport.json({ method: 'POST', path: '/v1/keys', body: request, repeat: 'once', options });
  }

  /** Makes a new secret, shown once; the one before stays valid for `overlapMs`. Never sent twice. */
  rotate(id: string, request: KeyRotateRequest = {}, options?: CallOptions): Promise<KeyIssued> {
    const to = path`/v1/keys/${id}/rotate`;
    return this.#transport.json({ method: 'POST', path: to, body: request, repeat: 'once', options });
  }

  /** At once, and for good. */
  revoke(id: string, options?: CallOptions): Promise<KeyView> {
    return this.#transport.command({ method: 'POST', path: path`/v1/keys/${id}/revoke`, body: {}, options });
  }
}

export class Prices extends List<PriceQuery, PriceView, PriceList> {
  constructor(transport: Transport) {
    super(transport, '/v1/prices');
  }
}
