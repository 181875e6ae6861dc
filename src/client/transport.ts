// Sends one call to the server, and again where that is safe: the same idempotency key goes with every attempt, so that
// nothing is authorised or booked twice. Uses fetch and nothing else. Called by the nouns of client.ts.

import type { Problem } from '../budgets/outcomes-schema.js';
import { BursarError } from './bursar-error.js';
import { type Answer, type CallName, type CallParts, pathOf, type Repeat, ROUTE_CALLS } from './calls.js';
import { type OutcomeName, type OutcomeOf, outcomeOf } from './outcomes.js';

/** Two are enough for a restart of the server behind a balancer, and few enough not to make an overload worse. */
const RETRIES_DEFAULT = 2;
const RETRIES_MAX = 10;
/** Longer than any durable decision takes; a caller of `verify` on a long journal states more. */
const TIMEOUT_DEFAULT_MS = 30_000;
const TIMEOUT_MAX_MS = 3_600_000;
/** The first pause between attempts; each further one is twice as long. */
const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5_000;
/** A server that says to wait longer is not waited for: the caller is told, and decides. */
const RETRY_AFTER_MAX_MS = 30_000;

/** Answers that say nothing was done, or that the same key makes harmless to ask again. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface ClientOptions {
  /** Where the server is, for example `http://127.0.0.1:8420`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Further attempts after the first, 0 to 10; default 2. */
  readonly maxRetries?: number;
  /** For each attempt, in milliseconds; default 30,000. */
  readonly timeoutMs?: number;
}

/** What a single call may state. */
export interface CallOptions {
  /** Instead of one made for the call: the same key again gives the first answer again. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the base URL. */
  readonly path: string;
  readonly query?: object | undefined;
  readonly body?: unknown;
  readonly repeat: Repeat;
  readonly options?: CallOptions | undefined;
}

export class Transport {
  readonly #base: string;
  readonly #apiKey: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #maxRetries: number;
  readonly #timeoutMs: number;

  constructor(options: ClientOptions) {
    this.#base = baseOf(options.baseUrl);
    // Checked here, because fetch would name a wrong value in its error.
    if (!/^[\x21-\x7e]{1,512}$/.test(options.apiKey))
      throw new TypeError('apiKey: must be 1 to 512 visible ASCII characters');
    this.#apiKey = options.apiKey;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#maxRetries = whole('maxRetries', options.maxRetries ?? RETRIES_DEFAULT, 0, RETRIES_MAX);
    this.#timeoutMs = timeoutOf(options.timeoutMs ?? TIMEOUT_DEFAULT_MS);
  }

  /** Sends a call of the table, and gives its answer. @throws BursarError; the signal's reason when aborted */
  async call<Name extends CallName>(
    name: Name,
    parts: CallParts<Name>,
    options?: CallOptions,
  ): Promise<Answer<Name>> {
    const [method, , repeat] = ROUTE_CALLS[name];
    const { params, query, body } = parts as AnyParts;
    const { response, text } = await this.#attempts({
      method,
      path: pathOf(name, params),
      query,
      // A command that states nothing has an empty body.
      body: body ?? (method === 'POST' ? {} : undefined),
      repeat,
      options,
    });
    return parsed(response, text) as Answer<Name>;
  }

  /** A command of the ledger: its denials and rejections are results. @throws BursarError */
  async outcome<Name extends OutcomeName>(
    name: Name,
    parts: CallParts<Name>,
    options?: CallOptions,
  ): Promise<OutcomeOf<Name>> {
    try {
      return (await this.call(name, parts, options)) as OutcomeOf<Name>;
    } catch (error) {
      const outcome =
        error instanceof BursarError && error.problem !== null ? outcomeOf(error.problem) : null;
      if (outcome === null) throw error;
      return outcome as OutcomeOf<Name>;
    }
  }

  /** One attempt at a stream of events, without a time-out of its own once it has begun. @throws BursarError */
  async stream(
    query: object,
    headers: Readonly<Record<string, string>>,
    options: CallOptions,
  ): Promise<ReadableStream<Uint8Array>> {
    const call: Call = { method: 'GET', path: pathOf('streamEvents'), query, repeat: 'read', options };
    const begun = new AbortController();
    const timer = setTimeout(() => begun.abort(new TimeoutReached()), this.#timeoutMs);
    try {
      const signal = anyOf(begun.signal, call.options?.signal);
      const sent = { ...this.#headers(call, null), accept: 'text/event-stream', ...headers };
      const response = await this.#fetch(this.#urlOf(call), { headers: sent, signal, redirect: 'error' });
      if (!response.ok || response.body === null) throw errorOf(response, await response.text());
      return response.body;
    } catch (error) {
      call.options?.signal?.throwIfAborted();
      throw error instanceof BursarError ? error : unreached(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempts(call: Call): Promise<{ response: Response; text: string }> {
    const isKeyed = call.repeat === 'keyed' || call.repeat === 'outcome';
    const key = isKeyed ? quoted(call.options?.idempotencyKey ?? crypto.randomUUID()) : null;
    for (let attempt = 0; ; attempt++) {
      const last = attempt >= this.#maxRetries || call.repeat === 'once';
      const result = await this.#attempt(call, key);
      if (!(result instanceof BursarError)) return result;
      const waitMs = last ? null : waitOf(result, attempt);
      if (waitMs === null) throw result;
      await paused(waitMs, call.options?.signal);
    }
  }

  async #attempt(
    call: Call,
    key: string | null,
  ): Promise<{ response: Response; text: string } | BursarError> {
    const timeoutMs =
      call.options?.timeoutMs === undefined ? this.#timeoutMs : timeoutOf(call.options.timeoutMs);
    const timer = new AbortController();
    const timeout = setTimeout(() => timer.abort(new TimeoutReached()), timeoutMs);
    try {
      const response = await this.#fetch(this.#urlOf(call), {
        method: call.method,
        headers: this.#headers(call, key),
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal: anyOf(timer.signal, call.options?.signal),
        redirect: 'error',
      });
      const text = await response.text();
      return response.ok ? { response, text } : errorOf(response, text);
    } catch (error) {
      call.options?.signal?.throwIfAborted();
      return unreached(error);
    } finally {
      clearTimeout(timeout);
    }
  }

  #headers(call: Call, key: string | null): Record<string, string> {
    return {
      authorization: `Bearer ${this.#apiKey}`,
      accept: 'application/json, application/problem+json',
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === null ? {} : { 'idempotency-key': key }),
    };
  }

  #urlOf(call: Call): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value === undefined) continue;
      for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
    }
    const text = query.toString();
    return `${this.#base}${call.path}${text === '' ? '' : `?${text}`}`;
  }
}

interface AnyParts {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: object;
  readonly body?: unknown;
}

class TimeoutReached extends Error {}

function errorOf(response: Response, text: string): BursarError {
  const body = jsonOf(text);
  const problem = body !== null && typeof body === 'object' ? (body as Problem) : undefined;
  const said = problem?.detail ?? problem?.title ?? response.statusText;
  const { status, headers } = response;
  const code = typeof problem?.code === 'string' ? problem.code : `http_${status}`;
  // The ledger's answers are final for their key: the same would come again.
  const passing =
    problem?.outcome === undefined && (RETRIED_STATUSES.has(status) || code === 'idempotency_key_in_flight');
  return new BursarError({
    message: `${status} ${said}`,
    status,
    code,
    retryAfterMs: retryAfterOf(headers),
    retryable: passing && headers.get('x-should-retry') !== 'false',
    ...(problem === undefined ? {} : { problem }),
  });
}

/** How long to wait before the next attempt; null when there should be none. */
function waitOf(error: BursarError, attempt: number): number | null {
  if (!error.retryable) return null;
  const waitMs = error.retryAfterMs ?? backoffMs(attempt);
  return waitMs <= RETRY_AFTER_MAX_MS ? waitMs : null;
}

/** Between half and all of the doubled pause, so that clients that failed together do not come back together. */
export function backoffMs(attempt: number): number {
  const fullMs = Math.min(BACKOFF_FIRST_MS * 2 ** attempt, BACKOFF_MAX_MS);
  const [random] = crypto.getRandomValues(new Uint8Array(1));
  return Math.round((fullMs * (256 + random)) / 512);
}

function retryAfterOf(headers: Headers): number | null {
  const ms = headers.get('retry-after-ms');
  if (ms !== null && /^\d{1,12}$/.test(ms)) return Number(ms);
  const seconds = headers.get('retry-after');
  return seconds !== null && /^\d{1,9}$/.test(seconds) ? Number(seconds) * 1_000 : null;
}

function unreached(error: unknown): BursarError {
  if (error instanceof TimeoutReached)
    return new BursarError({
      message: 'the server did not answer in time',
      code: 'timed_out',
      retryable: true,
    });
  // Fetch says only "fetch failed"; why is in its cause.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
  return new BursarError({
    message: `the server was not reached: ${why}`,
    code: 'connection_failed',
    retryable: true,
    cause: error,
  });
}

function parsed(response: Response, text: string): unknown {
  const body = jsonOf(text);
  if (body !== undefined) return body;
  throw new BursarError({
    message: `the answer is not JSON (${response.headers.get('content-type') ?? 'no content type'})`,
    status: response.status,
    code: 'answer_unreadable',
    retryable: false,
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function paused(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

function anyOf(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? one : AbortSignal.any([one, other]);
}

/** As a header takes it: a quoted string (RFC 8941). */
function quoted(key: string): string {
  if (!/^[\x20-\x7e]{1,256}$/.test(key))
    throw new TypeError('idempotencyKey: must be 1 to 256 printable ASCII characters');
  return `"${key.replace(/["\\]/g, '\\$&')}"`;
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url !== null && (url.protocol === 'http:' || url.protocol === 'https:');
  if (!plain || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new TypeError(`baseUrl: ${JSON.stringify(text)} is not like http://127.0.0.1:8420`);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function timeoutOf(ms: number): number {
  return whole('timeoutMs', ms, 1, TIMEOUT_MAX_MS);
}

function whole(field: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${field}: ${value} is not a whole number from ${min} to ${max}`);
}
