// Sends notices to their webhooks: to each in order, one at a time, the next only once the one before was taken or given
// up; webhooks do not wait for each other. That a notice was delivered is a fact that is written afterwards, so a restart in
// between sends it again: at least once. Attempts that fail are counted in memory, anew after each start. Started by notices.ts;
// how a request goes out is given to it (webhook-connections.ts).

import { randomInt } from 'node:crypto';
import type { Clock, Ledger } from '../authority/api.js';
import type { Fact } from '../core/facts.js';
import { readRetryAfter } from '../gateway/routing/reset-times.js';
import { RefusedError } from '../kit/refusals.js';
import { CLOUD_EVENT } from './notice-body.js';
import type { NoticeTable, PendingDelivery, WebhookRow, WebhookTable } from './notice-tables.js';
import { noticeDelivered, noticeGivenUp } from './notices-facts.js';
import { type Message, signedHeaders } from './signing.js';
import type { WebhookSecrets } from './webhook-secrets.js';

/** How often the sender looks for attempts that are due. */
const LOOK_MS = 1_000;
/** Webhooks that are sent to at once: slow ones keep this many others waiting at most for one attempt. */
const AT_ONCE_MAX = 16;
/** A notice that did not arrive is sent again: four times as long each time, from seconds to half a day, for some two days. */
const FIRST_MS = 5_000;
const FACTOR = 4;
const LONGEST_MS = 12 * 3_600_000;
/** A receiver that was down over a weekend's night and morning still gets all; then it takes somebody to ask again. */
export const ATTEMPTS_MAX = 12;
/** Attempts that failed together are spread, up to a fifth sooner or later, so that they do not come back together. */
const JITTER_PERCENT = 20;

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
  readonly ledger: Pick<Ledger, 'run'>;
  readonly secrets: WebhookSecrets;
  readonly clock: Clock;
  readonly send: SendWebhook;
  readonly webhooks: WebhookTable;
  readonly notices: NoticeTable;
  readonly onFault: (what: string, error: unknown) => void;
}

/** Attempts of one delivery that failed, since the start or since it was asked for. */
export interface Attempts {
  readonly failed: number;
  readonly problem: string;
  readonly nextAt: number;
}

export class Sender {
  readonly #parts: SenderParts;
  /** By the number of a pending delivery. */
  readonly #attempts = new Map<number, Attempts>();
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
      for (const webhook of webhooks.pending()) {
        const { number } = webhook;
        if (this.#busy.has(number) || this.#due(number, clock.now()) === undefined) continue;
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

  /** What a webhook can be sent now: its oldest delivery, once that one's time has come. Those behind it wait. */
  #due(webhook: number, now: number): PendingDelivery | undefined {
    const next = this.#parts.notices.next(webhook);
    if (next === undefined) return undefined;
    return now >= (this.#attempts.get(next.number)?.nextAt ?? 0) ? next : undefined;
  }

  /** Of a pending delivery; undefined where none has failed. */
  attemptsOf(delivery: number): Attempts | undefined {
    return this.#attempts.get(delivery);
  }

  /** It is asked for again, and begins anew. */
  forgetAttempts(delivery: number): void {
    this.#attempts.delete(delivery);
  }

  async #sendAll(webhook: WebhookRow): Promise<void> {
    const { webhooks, clock } = this.#parts;
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        // As it is now: its secrets may be others, or it may be gone.
        const current = webhooks.find(webhook.id);
        const next = this.#due(webhook.number, clock.now());
        if (current === undefined || next === undefined) return;
        await this.#attempt(current, next, signal);
      }
    } catch (error) {
      this.#parts.onFault('what became of a notice could not be written; it will be sent again', error);
    }
  }

  async #attempt(webhook: WebhookRow, next: PendingDelivery, signal: AbortSignal): Promise<void> {
    const { number, noticeId, body } = next;
    const failure = await this.#post(webhook, { id: noticeId, body }, signal);
    if (signal.aborted && failure !== null) return;
    const at = this.#parts.clock.now();
    const before = this.#attempts.get(number);
    const about = { notice: noticeId, webhook: webhook.id, at };
    if (failure === null) {
      const { failed: failedAttempts = 0, problem = null } = before ?? {};
      return this.#end(number, noticeDelivered({ ...about, failedAttempts, problem }));
    }
    const { problem, askedMs } = failure;
    const failed = (before?.failed ?? 0) + 1;
    const wait = waitAfter(failed, askedMs);
    if (wait === null) return this.#end(number, noticeGivenUp({ ...about, failedAttempts: failed, problem }));
    this.#attempts.set(number, { failed, problem, nextAt: at + wait });
  }

  async #end(delivery: number, fact: Fact): Promise<void> {
    await this.#parts.ledger.run({ command: 'record_facts' }, { facts: [fact] });
    this.#attempts.delete(delivery);
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
  async #post(webhook: WebhookRow, message: Message, signal: AbortSignal): Promise<Failure | null> {
    const { clock, send, secrets } = this.#parts;
    const now = clock.now();
    const signed = signedHeaders(message, await secrets.at(webhook, now), now);
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

/**
 * After so many failed attempts; null: it is given up. Not sooner than the receiver has asked for, by up to half a day: one
 * that asks for little is not asked so often that twelve attempts are soon over.
 */
export function waitAfter(failedAttempts: number, askedMs: number): number | null {
  if (failedAttempts >= ATTEMPTS_MAX) return null;
  const fullMs = Math.min(FIRST_MS * FACTOR ** (failedAttempts - 1), LONGEST_MS);
  const ownMs = Math.round((fullMs * (100 + randomInt(-JITTER_PERCENT, JITTER_PERCENT + 1))) / 100);
  return Math.max(ownMs, Math.min(askedMs, LONGEST_MS));
}
