// The rows of the notices' view, for reading: thresholds, webhooks, notices and their deliveries. Used by notices.ts, the finder
// and the sender.

import { labelsOf, labelText } from '../core/labels.js';
import type { ViewDatabase } from '../views/view.js';
import type { Crossing, DeliveryState, Notice, Thresholds } from './notice.js';
import { NO_START, type WebhookRecord } from './notices-facts.js';

export interface WebhookRow extends WebhookRecord {
  readonly number: number;
}

/** What is sent next to a webhook. */
export interface PendingDelivery {
  readonly number: number;
  readonly noticeId: string;
  readonly body: string;
}

export interface DeliveryRow {
  readonly number: number;
  readonly webhookId: string;
  readonly url: string;
  readonly state: DeliveryState;
  readonly failedAttempts: number;
  readonly problem: string | null;
  readonly deliveredAt: number | null;
}

export interface NoticeRow extends Omit<Notice, 'deliveries'> {
  readonly number: number;
}

interface ThresholdBody {
  readonly tenant: string;
  readonly budget_id: string;
  readonly percents: string;
}

export class ThresholdTable {
  readonly #all;
  readonly #ofTenant;
  readonly #unchecked;
  readonly #position;

  constructor(db: ViewDatabase) {
    const rows = 'SELECT tenant, budget_id, percents FROM notice_thresholds';
    this.#all = db.prepare<[], ThresholdBody>(rows);
    this.#ofTenant = db.prepare<[string], ThresholdBody>(`${rows} WHERE tenant = ? ORDER BY budget_id`);
    this.#unchecked = db.prepare<[], ThresholdBody>(`${rows} WHERE looked = 0`);
    this.#position = db.prepare<[], { readonly sequence: number }>('SELECT sequence FROM notice_position');
  }

  /** Everybody's. */
  all(): Thresholds[] {
    return this.#all.all().map(thresholdsOf);
  }

  ofTenant(tenant: string | null): Thresholds[] {
    return this.#ofTenant.all(tenant ?? '').map(thresholdsOf);
  }

  /** Those for which nobody has looked yet which accounts have passed them already. */
  unchecked(): Thresholds[] {
    return this.#unchecked.all().map(thresholdsOf);
  }

  /** The last sequence number whose event is known to have been looked at; 0 at the beginning. */
  readUpTo(): number {
    return this.#position.get()?.sequence ?? 0;
  }
}

function thresholdsOf({ tenant, budget_id: budgetId, percents }: ThresholdBody): Thresholds {
  return { tenant: tenant === '' ? null : tenant, budgetId, percents: JSON.parse(percents) };
}

interface WebhookBody {
  readonly number: number;
  readonly body: string;
}

export class WebhookTable {
  readonly #byId;
  readonly #ofTenant;
  readonly #pending;

  constructor(db: ViewDatabase) {
    const rows = 'SELECT number, body FROM notice_webhooks AS w WHERE';
    this.#byId = db.prepare<[string], WebhookBody>(`${rows} id = ?`);
    this.#ofTenant = db.prepare<[string], WebhookBody>(`${rows} tenant = ? ORDER BY number`);
    this.#pending = db.prepare<[], WebhookBody>(
      `${rows} EXISTS (SELECT 1 FROM notice_deliveries WHERE webhook = w.number AND state = 'pending') ORDER BY number`,
    );
  }

  find(id: string): WebhookRow | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : webhookOf(row);
  }

  /** Oldest first; few (`WEBHOOKS_MAX`). */
  ofTenant(tenant: string | null): WebhookRow[] {
    return this.#ofTenant.all(tenant ?? '').map(webhookOf);
  }

  /** Those that something is still to be sent to. */
  pending(): WebhookRow[] {
    return this.#pending.all().map(webhookOf);
  }
}

function webhookOf({ number, body }: WebhookBody): WebhookRow {
  return { number, ...(JSON.parse(body) as WebhookRecord) };
}

interface NoticeBody {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly budget_id: string;
  readonly account: string;
  readonly window_start: number;
  readonly window_end: number | null;
  readonly percent: number;
  readonly sequence: number;
  readonly at: number;
}

export class NoticeTable {
  readonly #isKnown;
  readonly #byId;
  readonly #page;
  readonly #pageOfTenant;
  readonly #deliveries;
  readonly #next;

  constructor(db: ViewDatabase) {
    const rows =
      'SELECT number, id, tenant, budget_id, account, window_start, window_end, percent, sequence, at FROM notices WHERE';
    const page = (where: string) => `${rows} ${where} number < ? ORDER BY number DESC LIMIT ?`;
    this.#isKnown = db.prepare<[string, string, string, number, number], { readonly number: number }>(
      `SELECT number FROM notices
       WHERE tenant = ? AND budget_id = ? AND account = ? AND window_start = ? AND percent = ?`,
    );
    this.#byId = db.prepare<[string], NoticeBody>(`${rows} id = ?`);
    this.#page = db.prepare<[number, number], NoticeBody>(page(''));
    this.#pageOfTenant = db.prepare<[string, number, number], NoticeBody>(page('tenant = ? AND'));
    this.#deliveries = db.prepare<[number], DeliveryRow>(
      `SELECT d.number, w.id AS webhookId, w.body ->> '$.url' AS url, d.state, d.failed_attempts AS failedAttempts,
         d.problem, d.delivered_at AS deliveredAt
       FROM notice_deliveries AS d JOIN notice_webhooks AS w ON w.number = d.webhook
       WHERE d.notice = ? ORDER BY d.number`,
    );
    this.#next = db.prepare<[number], PendingDelivery>(
      `SELECT d.number, n.id AS noticeId, n.body
       FROM notice_deliveries AS d JOIN notices AS n ON n.number = d.notice
       WHERE d.webhook = ? AND d.state = 'pending' ORDER BY d.number LIMIT 1`,
    );
  }

  isKnown({ tenant, budgetId, values, windowStart, percent }: Crossing): boolean {
    const start = windowStart ?? NO_START;
    return this.#isKnown.get(tenant ?? '', budgetId, labelText(values), start, percent) !== undefined;
  }

  find(id: string): NoticeRow | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : noticeOf(row);
  }

  /** Newest first, older than the row `before`; a tenant's own, or everybody's for null. */
  page(tenant: string | null, before: number, max: number): NoticeRow[] {
    const rows = tenant === null ? this.#page.all(before, max) : this.#pageOfTenant.all(tenant, before, max);
    return rows.map(noticeOf);
  }

  deliveries(notice: number): DeliveryRow[] {
    return this.#deliveries.all(notice);
  }

  /** The oldest that a webhook has not been given. */
  next(webhook: number): PendingDelivery | undefined {
    return this.#next.get(webhook);
  }
}

function noticeOf(row: NoticeBody): NoticeRow {
  const { number, id, tenant, percent, sequence, at } = row;
  return {
    ...{ number, id, percent, sequence, at },
    tenant: tenant === '' ? null : tenant,
    budgetId: row.budget_id,
    values: labelsOf(row.account),
    windowStart: row.window_start === NO_START ? null : row.window_start,
    windowEnd: row.window_end,
  };
}
