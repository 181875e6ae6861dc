// Notices and their deliveries in the service's file: the statements. Called by the follower, the sender and notices.ts.

import { labelsOf, labelText } from '../core/labels.js';
import type { ServiceStore } from '../kit/service-store.js';
import type { Crossing, Delivery, DeliveryState, Notice } from './notice.js';

/** What is sent next to a webhook. */
export interface Sendable {
  readonly number: number;
  readonly noticeId: string;
  readonly body: string;
  readonly failedAttempts: number;
}

export interface NoticeRow extends Omit<Notice, 'deliveries'> {
  readonly number: number;
}

interface Row {
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

interface DeliveryRow {
  readonly id: string;
  readonly url: string;
  readonly state: DeliveryState;
  readonly failed_attempts: number;
  readonly problem: string | null;
  readonly next_at: number;
  readonly delivered_at: number | null;
}

const COLUMNS = 'number, id, tenant, budget_id, account, window_start, window_end, percent, sequence, at';
/** Of a lifetime, which has no start. */
const NO_START = -1;
/** Old notices forgotten beside one that is new: more than come, and no long write. */
const FORGOTTEN_AT_ONCE = 100;

type Key = [string, string, string, number, number];

export class NoticeTable {
  readonly #insert;
  readonly #isKnown;
  readonly #byId;
  readonly #page;
  readonly #pageOfTenant;
  readonly #forget;
  readonly #ask;
  readonly #deliveries;
  readonly #next;
  readonly #delivered;
  readonly #failed;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[string, ...Key, number | null, number, number, string]>(
      `INSERT INTO notices
         (id, tenant, budget_id, account, window_start, percent, window_end, sequence, at, body)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#isKnown = store.prepare<Key, { readonly number: number }>(
      `SELECT number FROM notices
       WHERE tenant = ? AND budget_id = ? AND account = ? AND window_start = ? AND percent = ?`,
    );
    this.#byId = store.prepare<[string], Row>(`SELECT ${COLUMNS} FROM notices WHERE id = ?`);
    const page = (where: string) =>
      `SELECT ${COLUMNS} FROM notices WHERE ${where} number < ? ORDER BY number DESC LIMIT ?`;
    this.#page = store.prepare<[number, number], Row>(page(''));
    this.#pageOfTenant = store.prepare<[string, number, number], Row>(page('tenant = ? AND'));
    this.#forget = store.prepare<[number, number]>(
      `DELETE FROM notices WHERE number IN (
         SELECT number FROM notices AS n WHERE window_end < ? AND NOT EXISTS (
           SELECT 1 FROM notice_deliveries WHERE notice = n.number AND state = 'pending'
         ) LIMIT ?
       )`,
    );
    this.#ask = store.prepare<[number, number, number]>(
      `INSERT INTO notice_deliveries (notice, webhook, state, next_at) VALUES (?, ?, 'pending', ?)
       ON CONFLICT (notice, webhook) DO UPDATE
       SET state = 'pending', failed_attempts = 0, problem = NULL, next_at = excluded.next_at`,
    );
    this.#deliveries = store.prepare<[number], DeliveryRow>(
      `SELECT e.id, e.url, d.state, d.failed_attempts, d.problem, d.next_at, d.delivered_at
       FROM notice_deliveries AS d JOIN notice_webhooks AS e ON e.number = d.webhook
       WHERE d.notice = ? ORDER BY d.number`,
    );
    this.#next = store.prepare<[number, number], Sendable>(
      `SELECT d.number, n.id AS noticeId, n.body, d.failed_attempts AS failedAttempts
       FROM notice_deliveries AS d JOIN notices AS n ON n.number = d.notice
       WHERE d.number = (
         SELECT number FROM notice_deliveries WHERE webhook = ? AND state = 'pending' ORDER BY number LIMIT 1
       ) AND d.next_at <= ?`,
    );
    this.#delivered = store.prepare<[number, number]>(
      "UPDATE notice_deliveries SET state = 'delivered', delivered_at = ? WHERE number = ?",
    );
    this.#failed = store.prepare<[DeliveryState, string, number, number]>(
      `UPDATE notice_deliveries SET state = ?, problem = ?, next_at = ?,
       failed_attempts = failed_attempts + 1 WHERE number = ?`,
    );
  }

  isKnown(crossing: Crossing): boolean {
    return this.#isKnown.get(...keyOf(crossing)) !== undefined;
  }

  /** The number of the new notice. */
  insert(id: string, crossing: Crossing, body: string): number {
    const { windowEnd, sequence, at } = crossing;
    const added = this.#insert.run(id, ...keyOf(crossing), windowEnd, sequence, at, body);
    return Number(added.lastInsertRowid);
  }

  /** Sends a notice to a webhook, or sends it again. */
  ask(notice: number, webhook: number, at: number): void {
    this.#ask.run(notice, webhook, at);
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

  deliveries(notice: number): Delivery[] {
    return this.#deliveries.all(notice).map((row) => ({
      webhookId: row.id,
      url: row.url,
      state: row.state,
      failedAttempts: row.failed_attempts,
      problem: row.problem,
      nextAttemptAt: row.state === 'pending' ? row.next_at : null,
      deliveredAt: row.delivered_at,
    }));
  }

  /** The oldest that a webhook has not been given, once its time has come. */
  next(webhook: number, now: number): Sendable | undefined {
    return this.#next.get(webhook, now);
  }

  delivered(delivery: number, at: number): void {
    this.#delivered.run(at, delivery);
  }

  /** `nextAt` null: it is given up. */
  failed(delivery: number, problem: string, nextAt: number | null): void {
    this.#failed.run(nextAt === null ? 'failed' : 'pending', problem, nextAt ?? 0, delivery);
  }

  /** Notices of windows that ended before, a few at a time; never one that is still on its way. */
  forget(endedBefore: number): void {
    this.#forget.run(endedBefore, FORGOTTEN_AT_ONCE);
  }
}

function keyOf({ tenant, budgetId, values, windowStart, percent }: Crossing): Key {
  return [tenant ?? '', budgetId, labelText(values), windowStart ?? NO_START, percent];
}

function noticeOf(row: Row): NoticeRow {
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
