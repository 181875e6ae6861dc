// Connections to the providers, one pool for each origin, and the requests that go out on them: which headers, under
// which key. A caller's own credentials and anything else that it sends beside the allow-list never leave the gateway.

import type { IncomingHttpHeaders } from 'node:http';
import { context, propagation } from '@opentelemetry/api';
import { type Dispatcher, Pool } from 'undici';
import type { PricedCandidate } from '../calls/candidates.js';
import { sentBetas } from '../dialects/anthropic-betas.js';
import type { DialectName } from '../metering/endpoints.js';
import { requestPath } from '../profiles/request-place.js';
import type { ProviderSettings } from '../routing/route-settings.js';

/** To connect, TLS included: a provider that takes longer is down, and the next candidate is waiting. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Idle connections are kept so long, unless the provider states less: below the common 60 s of load balancers. */
const KEEP_ALIVE_MS = 50_000;
/** Of all headers of an answer: what node itself takes. */
const HEADER_BYTES_MAX = 16 * 1024;
/** Passed on from callers, when a single line of text; all others stay here. */
const PASSED_HEADERS: Readonly<Record<DialectName, readonly string[]>> = {
  openai: ['openai-beta'],
  anthropic: ['anthropic-version', 'anthropic-beta'],
};

export const NO_PROVIDER_KEY = 'NO_PROVIDER_KEY';

/** A provider has no key where its configuration names one: calls to it cannot go out. */
export class NoProviderKeyError extends Error {
  override readonly name = 'NoProviderKeyError';
  readonly code = NO_PROVIDER_KEY;
}

/** Why the gateway itself ends a request to a provider. */
export class EndedByBursar extends Error {
  override readonly name = 'Ended';
  constructor(
    readonly why:
      | 'caller_gone'
      | 'drained'
      | 'too_large'
      | 'unreadable'
      | 'let_go'
      | 'cut'
      | 'stalled'
      | 'retried'
      | 'hidden'
      | 'read_on_over',
  ) {
    super(why);
  }
}

interface UpstreamRequest {
  readonly provider: ProviderSettings;
  readonly dialect: DialectName;
  /** Of the endpoint, as the dialect names it: `/v1/…`, with its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** What the request is held for. */
  readonly candidate: Pick<PricedCandidate, 'price' | 'facts' | 'model'>;
  readonly body: Uint8Array;
  readonly contentType: string;
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
    const { provider, body } = request;
    const place = this.#place(provider.baseUrl ?? this.parts.demoOrigin);
    const headers = this.#headers(request);
    this.#pool(place.origin).dispatch(
      {
        method: 'POST',
        path: place.path + this.#pathOf(request),
        headers,
        body,
        headersTimeout: provider.firstByteTimeoutMs,
        bodyTimeout: provider.idleTimeoutMs,
      },
      handler,
    );
  }

  /**
   * Asks for something that the provider keeps, without a body; the answer's bytes are the caller's to take.
   * @throws NoProviderKeyError; undici's errors where no answer comes
   */
  ask(
    provider: ProviderSettings,
    { method, path }: { readonly method: 'GET' | 'POST' | 'DELETE'; readonly path: string },
  ): Promise<Dispatcher.ResponseData> {
    const place = this.#place(provider.baseUrl ?? this.parts.demoOrigin);
    const { request } = provider.profile;
    const headers = ['accept-encoding', 'identity'];
    for (const name in request.headers) headers.push(name, request.headers[name]);
    this.#addKey(provider, headers);
    return this.#pool(place.origin).request({
      method,
      path: place.path + requestPath(request, { endpoint: null, path, model: '' }),
      headers,
      headersTimeout: provider.firstByteTimeoutMs,
      bodyTimeout: provider.idleTimeoutMs,
    });
  }

  /** Whether an answer repeats the key that its provider was sent: it must not reach a caller. */
  repeatsKey(provider: ProviderSettings, answer: Buffer): boolean {
    const key = provider.keyFrom === null ? undefined : this.parts.secrets(provider.keyFrom);
    return key !== undefined && key !== '' && answer.includes(key);
  }

  #headers({ provider, dialect, headers: from, candidate, contentType }: UpstreamRequest): string[] {
    const headers = ['content-type', contentType, 'accept-encoding', 'identity'];
    const own = provider.profile.request.headers;
    for (const name in own) if (!isPassed(name, dialect, from)) headers.push(name, own[name]);
    for (const name of PASSED_HEADERS[dialect]) {
      let value = from[name] ?? null;
      if (name === 'anthropic-beta' && typeof value === 'string') {
        const { price, facts } = candidate;
        value = sentBetas(value, { price, inputTokensMax: facts.inputTokensMax });
      }
      if (typeof value === 'string') headers.push(name, value);
    }
    this.#addKey(provider, headers);
    // Nothing where no propagator is installed.
    propagation.inject(context.active(), headers, { set: (to, name, value) => void to.push(name, value) });
    return headers;
  }

  #addKey({ keyFrom, profile }: ProviderSettings, headers: string[]): void {
    if (keyFrom === null) return;
    const key = this.parts.secrets(keyFrom);
    if (key === undefined || key === '')
      throw new NoProviderKeyError(`the environment variable ${keyFrom} is not set`);
    const { header, prefix } = profile.request.key;
    headers.push(header, prefix + key);
  }

  #pathOf({ provider, path, candidate }: UpstreamRequest): string {
    const { facts, model } = candidate;
    return requestPath(provider.profile.request, { endpoint: facts.endpoint, path, model });
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

/** Whether the caller's own header of the name goes out: then the profile's does not. */
function isPassed(name: string, dialect: DialectName, from: IncomingHttpHeaders): boolean {
  return typeof from[name] === 'string' && PASSED_HEADERS[dialect].includes(name);
}
