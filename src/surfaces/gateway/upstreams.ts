// Connections to the providers, one pool for each origin, and the requests that go out on them: which headers, under
// which key. A caller's own credentials and anything else that it sends beside the allow-list never leave the gateway.

import type { IncomingHttpHeaders } from 'node:http';
import { context, propagation } from '@opentelemetry/api';
import { type Dispatcher, Pool } from 'undici';
import type { PricedCandidate } from '../../service/calls/candidates.js';
import { sentBetas } from '../../service/dialects/anthropic-betas.js';
import type { DialectName } from '../../service/dialects/dialect.js';
import type { ProviderSettings } from '../../service/settings/settings.js';

/** To connect, TLS included: a provider that takes longer is down, and the next candidate is waiting. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Idle connections are kept so long, unless the provider states less: below the common 60 s of load balancers. */
const KEEP_ALIVE_MS = 50_000;
/** Of all headers of an answer: what node itself takes. */
const HEADER_BYTES_MAX = 16 * 1024;
/** Sent when an Anthropic caller states no version: the newest there is, which its own clients send too. */
const ANTHROPIC_VERSION = '2023-06-01';

/** Passed on from callers, when a single line of text; all others stay here. */
const PASSED_HEADERS: Readonly<Record<DialectName, readonly string[]>> = {
  openai: ['openai-beta'],
  anthropic: ['anthropic-version', 'anthropic-beta'],
};

/** A provider has no key where its configuration names one: calls to it cannot go out. */
export class NoProviderKeyError extends Error {
  override readonly name = 'NoProviderKeyError';
}

export interface UpstreamRequest {
  readonly provider: ProviderSettings;
  readonly dialect: DialectName;
  /** Of the endpoint, as `/v1/…`. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** What the request is held for. */
  readonly candidate: Pick<PricedCandidate, 'price' | 'facts'>;
  readonly body: Uint8Array;
}

export class Upstreams {
  readonly #pools = new Map<string, Pool>();
  /** Base URLs taken apart once. */
  readonly #places = new Map<string, { readonly origin: string; readonly path: string }>();

  constructor(
    private readonly parts: {
      readonly secrets: (name: string) => string | undefined;
      /** Where providers without a base URL are: the built-in demonstration. */
      readonly demoOrigin: string;
    },
  ) {}

  /** @throws NoProviderKeyError; every other failure is the handler's `onResponseError` */
  send(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    const { provider, path, body } = request;
    const place = this.#place(provider.baseUrl ?? this.parts.demoOrigin);
    const headers = this.#headers(request);
    this.#pool(place.origin).dispatch(
      {
        method: 'POST',
        path: place.path + path,
        headers,
        body,
        headersTimeout: provider.firstByteTimeoutMs,
        bodyTimeout: provider.idleTimeoutMs,
      },
      handler,
    );
  }

  /** Whether an answer repeats the key that its provider was sent: it must not reach a caller. */
  repeatsKey(provider: ProviderSettings, answer: Buffer): boolean {
    const key = provider.keyFrom === null ? undefined : this.parts.secrets(provider.keyFrom);
    return key !== undefined && key !== '' && answer.includes(key);
  }

  #headers({ provider, dialect, headers: from, candidate }: UpstreamRequest): string[] {
    const headers = ['content-type', 'application/json', 'accept-encoding', 'identity'];
    for (const name of PASSED_HEADERS[dialect]) {
      let value = from[name] ?? null;
      if (name === 'anthropic-beta' && typeof value === 'string') {
        const { price, facts } = candidate;
        value = sentBetas(value, { price, inputTokensMax: facts.inputTokensMax });
      }
      if (typeof value === 'string') headers.push(name, value);
      else if (name === 'anthropic-version') headers.push(name, ANTHROPIC_VERSION);
    }
    if (provider.keyFrom !== null) {
      const key = this.parts.secrets(provider.keyFrom);
      if (key === undefined || key === '') {
        throw new NoProviderKeyError(`the environment variable ${provider.keyFrom} is not set`);
      }
      if (dialect === 'anthropic') headers.push('x-api-key', key);
      else headers.push('authorization', `Bearer ${key}`);
    }
    // Nothing where no propagator is installed.
    propagation.inject(context.active(), headers, { set: (to, name, value) => void to.push(name, value) });
    return headers;
  }

  #place(baseUrl: string): { readonly origin: string; readonly path: string } {
    const known = this.#places.get(baseUrl);
    if (known !== undefined) return known;
    const { origin, pathname } = new URL(baseUrl);
    const place = { origin, path: pathname === '/' ? '' : pathname };
    this.#places.set(baseUrl, place);
    return place;
  }

  #pool(origin: string): Pool {
    const known = this.#pools.get(origin);
    if (known !== undefined) return known;
    // As many connections as there are open calls, which have a limit of their own.
    const pool = new Pool(origin, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      pipelining: 1,
    });
    this.#pools.set(origin, pool);
    return pool;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }
}
