// Reads the pages of a provider's report over HTTP. Where the provider asks for a pause, the page is asked for again after it;
// other failures end the reading with one sentence. The key goes into one header and nowhere else. Called by provider-report.ts.

import { setTimeout as pause } from 'node:timers/promises';
import { parseJsonWithNumberTexts } from './money-text.js';
import { ReportError } from './usage-report.js';

/** A page of 31 days with hundreds of models and tiers has a MiB or two; reading JSON of so many takes some 50 ms. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** A year in pages of a week is 53; more says that the provider's cursor does not get on. */
const PAGES_MAX = 1_000;
/** Reports are slow; a page that takes longer than this is asked for again. */
const PAGE_TIMEOUT_MS = 60_000;
const ATTEMPTS_MAX = 6;
const BACKOFF_FIRST_MS = 1_000;
/** For a longer pause the reconciliation is not kept waiting: its caller gets the problem, and tries again later. */
const RETRY_AFTER_MAX_MS = 120_000;
/** Characters of an error's body that are searched: the message stands at the beginning. */
const ERROR_READ_MAX = 8_192;
/** Characters of an error's message that are repeated. */
const MESSAGE_LENGTH_MAX = 200;

const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504, 529]);

/** What reports are read with; tests put a clock of their own in. */
export interface ReportReader {
  readonly fetch: typeof globalThis.fetch;
  readonly wait: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Epoch ms, for pauses that are stated as an instant. */
  readonly now: () => number;
}

export function reportReader(now: () => number): ReportReader {
  const wait = (ms: number, signal: AbortSignal | undefined) =>
    pause(ms, undefined, signal === undefined ? {} : { signal });
  return { fetch: globalThis.fetch, wait, now };
}

export interface ReportPages {
  readonly reader: ReportReader;
  /** Without a query. */
  readonly url: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  /** The key, so that it can be taken out of whatever a provider answers; and where it came from, for the message. */
  readonly key: { readonly secret: string; readonly from: string };
  readonly signal: AbortSignal | undefined;
}

/** The provider has no such report, or not for this key. */
export class ReportMissingError extends ReportError {}

/** The list `data` of every page, in order. @throws ReportError; the signal's reason when aborted */
export async function* reportPages(pages: ReportPages): AsyncGenerator<readonly unknown[]> {
  const seen = new Set<string>();
  let cursor: string | null = null;
  for (let count = 0; count < PAGES_MAX; count += 1) {
    const page = await readPage(pages, cursor);
    yield page.data;
    if (!page.hasMore) return;
    if (page.next === null) throw new ReportError(`${pages.url}: has_more is true and next_page is missing`);
    if (seen.has(page.next)) throw new ReportError(`${pages.url}: next_page leads to the same page again`);
    seen.add(page.next);
    cursor = page.next;
  }
  throw new ReportError(`${pages.url}: has more than ${PAGES_MAX} pages; ask for fewer days`);
}

interface ReadPage {
  readonly data: readonly unknown[];
  readonly hasMore: boolean;
  readonly next: string | null;
}

async function readPage(pages: ReportPages, cursor: string | null): Promise<ReadPage> {
  let problem = '';
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    pages.signal?.throwIfAborted();
    const answer = await attemptOf(pages, cursor);
    if ('page' in answer) return answer.page;
    problem = answer.problem;
    if (attempt + 1 < ATTEMPTS_MAX)
      await waitFor(pages, answer.retryAfterMs ?? BACKOFF_FIRST_MS * 2 ** attempt);
  }
  throw new ReportError(`${pages.url}: ${problem}, ${ATTEMPTS_MAX} times`);
}

async function waitFor(pages: ReportPages, ms: number): Promise<void> {
  if (ms > RETRY_AFTER_MAX_MS)
    throw new ReportError(
      `${pages.url}: the provider asks to come again in ${Math.ceil(ms / 1_000)} s; at most ${RETRY_AFTER_MAX_MS / 1_000} s are waited`,
    );
  await pages.reader.wait(ms, pages.signal).catch((error: unknown) => {
    pages.signal?.throwIfAborted();
    throw error;
  });
}

type Attempt =
  | { readonly page: ReadPage }
  | { readonly problem: string; readonly retryAfterMs: number | null };

/** @throws ReportError where asking again does not help */
async function attemptOf(pages: ReportPages, cursor: string | null): Promise<Attempt> {
  let response: Response;
  let text: string;
  try {
    const timeout = AbortSignal.timeout(PAGE_TIMEOUT_MS);
    const signal = pages.signal === undefined ? timeout : AbortSignal.any([timeout, pages.signal]);
    const url = `${pages.url}?${queryOf(pages.query, cursor)}`;
    // A redirect would take the key to another place.
    response = await pages.reader.fetch(url, { headers: { ...pages.headers }, redirect: 'error', signal });
    text = await bodyOf(response, pages.url);
  } catch (error) {
    if (error instanceof ReportError) throw error;
    pages.signal?.throwIfAborted();
    return { problem: `no whole answer came (${causeOf(error)})`, retryAfterMs: null };
  }
  if (response.status !== 200) return failed(pages, response, text);
  try {
    return { page: pageOf(pages.url, parseJsonWithNumberTexts(text)) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem: 'the answer is no whole JSON', retryAfterMs: null };
  }
}

function queryOf(query: ReportPages['query'], cursor: string | null): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of query) parameters.append(name, value);
  if (cursor !== null) parameters.append('page', cursor);
  return parameters.toString();
}

async function bodyOf(response: Response, url: string): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > PAGE_BYTES_MAX) throw new ReportError(`${url}: a page has more than ${PAGE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function failed({ url, key, reader }: ReportPages, response: Response, text: string): Attempt {
  const { status } = response;
  const problem = `the provider answered ${status}${wordsOf(text, key.secret)}`;
  if (RETRIED_STATUSES.has(status))
    return { problem, retryAfterMs: retryAfter(response.headers, reader.now()) };
  if (status === 401 || status === 403)
    throw new ReportMissingError(
      `${url}: ${problem}; reports need an admin key of the organization, which ${key.from} is to hold`,
    );
  if (status === 404) throw new ReportMissingError(`${url}: ${problem}`);
  throw new ReportError(`${url}: ${problem}`);
}

/** RFC 9110: seconds, or an instant. */
function retryAfter(headers: Headers, now: number): number | null {
  const text = headers.get('retry-after');
  if (text === null) return null;
  if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** What the provider's error says, without the key, which some repeat. */
function wordsOf(text: string, secret: string): string {
  const message = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text.slice(0, ERROR_READ_MAX))?.[1];
  if (message === undefined) return '';
  const plain = message.replaceAll(secret, '…').replace(/[\p{C}]/gu, ' ');
  return ` (${plain.slice(0, MESSAGE_LENGTH_MAX)})`;
}

function causeOf(error: unknown): string {
  const { name, cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? (name === 'TimeoutError' ? `none in ${PAGE_TIMEOUT_MS / 1_000} s` : message);
}

function pageOf(url: string, body: unknown): ReadPage {
  if (!isObject(body) || !Array.isArray(body.data))
    throw new ReportError(`${url}: the answer has no list "data"`);
  const { next_page: next } = body;
  if (next !== undefined && next !== null && typeof next !== 'string')
    throw new ReportError(`${url}: next_page is no text`);
  return { data: body.data, hasMore: body.has_more === true, next: next || null };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
