// Sends notices to their webhooks: to each in order, one at a time, the next only once the one before was taken or given
// up; webhooks do not wait for each other. What was sent is written afterwards, so a restart in between sends it again: at
// least once. Started by notices.ts; how a request goes out is given to it (surfaces/webhooks).

import type { Clock } from '../../authority/api.js';
import type { ServiceStore } from '../store/service-store.js';
import { waitAfter } from './back-off.js';
import { CLOUD_EVENT } from './notice-body.js';
import type { NoticeTable, Sendable } from './notice-table.js';
import { signedHeaders } from './signing.js';
import type { WebhookRow, WebhookTable } from './webhook-table.js';

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

/** Resolves with the answer's status, whatever it is; rejects where none came. Redirects are not followed. */
export type SendWebhook = (request: WebhookPost) => Promise<number>;

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
    await Promise.all(this.#busy.values());
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
    const { notices, clock } = this.#parts;
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        const next = notices.next(webhook.number, clock.now());
        if (next === undefined) return;
        await this.#attempt(webhook, next, signal);
      }
    } catch (error) {
      this.#parts.onFault('what became of a notice could not be written; it will be sent again', error);
    }
  }

  async #attempt({ url, secret }: WebhookRow, next: Sendable, signal: AbortSignal): Promise<void> {
    const { store, notices, clock, send } = this.#parts;
    const { number, noticeId: id, body, failedAttempts } = next;
    const headers = { 'content-type': CLOUD_EVENT, ...signedHeaders({ id, body }, secret, clock.now()) };
    const problem = await problemOf(send({ url, headers, body, signal }));
    if (signal.aborted && problem !== null) return;
    const now = clock.now();
    const wait = problem === null ? null : waitAfter(failedAttempts + 1);
    store.casually(() => {
      if (problem === null) notices.delivered(number, now);
      else notices.failed(number, problem, wait === null ? null : now + wait);
    });
  }
}

/** Null when it was taken. */
async function problemOf(sent: Promise<number>): Promise<string | null> {
  try {
    const status = await sent;
    return status >= 200 && status < 300 ? null : `answered ${status}`;
  } catch (error) {
    const { message } = error as Error;
    return (message || 'no answer').slice(0, PROBLEM_LENGTH_MAX);
  }
}
