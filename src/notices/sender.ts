// Sends notices to their webhooks: to each in order, one at a time, the next only once the one before was taken or given
// up; webhooks do not wait for each other. What was sent is written afterwards, so a restart in between sends it again: at
// least once. Started by notices.ts; how a request goes out is given to it (webhook-connections.ts).

import type { Clock } from '../authority/api.js';
import { readRetryAfter } from '../gateway/routing/reset-times.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore } from '../kit/service-store.js';
import { waitAfter } from './back-off.js';
import { CLOUD_EVENT } from './notice-body.js';
import type { NoticeTable, Sendable } from './notice-table.js';
import { type Message, signedHeaders } from './signing.js';
import { secretsAt, type WebhookRow, type WebhookTable } from './webhook-table.js';

/** How often it is looked for attempts whose time has come. */
const LOOK_MS = 1_000;
/** Webhooks that are sent to at once: slow ones keep this many others waiting at most for one attempt. */
const AT_ONCE_MAX = 16;
/** Characters of what went wrong that are kept. */
const PROBLEM_LENGTH_MAX = 200;

export interface WebhookPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Ends the attempt, which then counts for nothing. */
  readonly signal: AbortSignal;
}

export interface WebhookAnswer {
  readonly status: number;
  /** The header as it came. */
  readonly retryAfter: string | null;
}

/** Resolves with the answer, whatever its status is; rejects where none came. Redirects are not followed. */
export type SendWebhook = (request: WebhookPost) => Promise<WebhookAnswer>;

export interface SenderParts {
  readonly store: ServiceStore;
  readonly clock: Clock;
  readonly send: SendWebhook;
  readonly webhooks: WebhookTable;
  readonly notices: NoticeTable;
  readonly onFault: (what: string, error: unknown) => void;
}

export class Sender {
  readonly #parts: SenderParts;
  readonly #busy = new Map<number, Promise<void>>();
  #stopping = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  /** Whether a webhook found no place when it was last looked. */
  #othersWait = false;
  /** Webhooks that a test message is on its way to. */
  readonly #tested = new Map<number, Promise<unknown>>();

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Looks now, and now and then, until `stop`. */
  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
    this.look();
  }

  /** Ends what is under way; it is sent again after the next start. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#stopping.abort();
    await Promise.all([...this.#busy.values(), ...this.#tested.values()]);
    this.#stopping = new AbortController();
  }

  /** Sends what can be sent now, where nothing is being sent already. */
  look(): void {
    const { webhooks, clock } = this.#parts;
    try {
      for (const webhook of webhooks.due(clock.now())) {
        const { number } = webhook;
        if (this.#busy.has(number)) continue;
        if (this.#busy.size >= AT_ONCE_MAX) {
          this.#othersWait = true;
          return;
        }
        this.#busy.set(
          number,
          this.#sendAll(webhook).finally(() => this.#done(number)),
        );
      }
    } catch (error) {
      this.#parts.onFault('notices could not be looked for', error);
    }
  }

  #done(number: number): void {
    this.#busy.delete(number);
    if (!this.#othersWait || this.#stopping.signal.aborted) return;
    this.#othersWait = false;
    this.look();
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  async #sendAll(webhook: WebhookRow): Promise<void> {
    const { notices, webhooks, clock } = this.#parts;
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        // As it is now: its secrets may be others, or it may be gone.
        const current = webhooks.find(webhook.id);
        const next = notices.next(webhook.number, clock.now());
        if (current === undefined || next === undefined) return;
        await this.#attempt(current, next, signal);
      }
    } catch (error) {
      this.#parts.onFault('what became of a notice could not be written; it will be sent again', error);
    }
  }

  async #attempt(webhook: WebhookRow, next: Sendable, signal: AbortSignal): Promise<void> {
    const { store, notices, clock } = this.#parts;
    const { number, noticeId: id, body, failedAttempts } = next;
    const failure = await this.#post(webhook, { id, body }, signal);
    if (signal.aborted && failure !== null) return;
    const now = clock.now();
    store.casually(() => {
      if (failure === null) return notices.delivered(number, now);
      const wait = waitAfter(failedAttempts + 1, failure.askedMs);
      notices.failed(number, failure.problem, wait === null ? null : now + wait);
    });
  }

  /**
   * Sends one message beside the notices, once; what is on its way does not wait for it.
   * @returns what went wrong; null when it was taken
   * @throws RefusedError conflict while another is on its way to the same webhook
   */
  async test(webhook: WebhookRow, message: Message): Promise<string | null> {
    const { number } = webhook;
    if (this.#tested.has(number))
      throw new RefusedError('conflict', 'a test message is on its way to this webhook; wait for its answer');
    const sent = this.#post(webhook, message, this.#stopping.signal);
    this.#tested.set(number, sent);
    try {
      return (await sent)?.problem ?? null;
    } finally {
      this.#tested.delete(number);
    }
  }

  /** Null when it was taken. */
  #post(webhook: WebhookRow, message: Message, signal: AbortSignal): Promise<Failure | null> {
    const { clock, send } = this.#parts;
    const now = clock.now();
    const signed = signedHeaders(message, secretsAt(webhook, now), now);
    const headers = { 'content-type': CLOUD_EVENT, ...signed };
    return failureOf(send({ url: webhook.url, headers, body: message.body, signal }), clock);
  }
}

interface Failure {
  readonly problem: string;
  /** How long the receiver asks to wait; 0: it does not say. */
  readonly askedMs: number;
}

/** With these a receiver says when to come again: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
const ASKED_TO_WAIT: readonly number[] = [429, 503];

/** Null when it was taken. */
async function failureOf(sent: Promise<WebhookAnswer>, clock: Clock): Promise<Failure | null> {
  try {
    const { status, retryAfter } = await sent;
    if (status >= 200 && status < 300) return null;
    const asked = ASKED_TO_WAIT.includes(status) ? readRetryAfter({ retryAfter }, clock.now()) : null;
    return { problem: `answered ${status}`, askedMs: asked ?? 0 };
  } catch (error) {
    const { message } = error as Error;
    return { problem: (message || 'no answer').slice(0, PROBLEM_LENGTH_MAX), askedMs: 0 };
  }
}
