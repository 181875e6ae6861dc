// The facts of notices, and the view that is made of them: thresholds, webhooks, what was found, and what was delivered of it.
// A notice is found once for each threshold, account and window. Its deliveries are made by the view, one for each webhook
// that its tenant has then, and keep the order of their numbers. Attempts that fail are no facts: the sender knows them.

import type { Fact } from '../core/facts.js';
import { labelText } from '../core/labels.js';
import type { FactRecord } from '../journal/fact-records.js';
import { factOf, recordOf } from '../kit/facts.js';
import { applyByKind, type View, type ViewDatabase } from '../views/view.js';
import type { Crossing, DeliveryState, Thresholds, Webhook } from './notice.js';

const FEATURE = 'notices';

/** How long a notice is kept once its window is over. */
export const KEPT_MS = 90 * 86_400_000;
/** Old notices forgotten beside one that is new: more than come, and no long write. */
const FORGOTTEN_AT_ONCE = 100;

/** A webhook as its facts carry it. Its secrets are in the vault under `secretsId`. */
export interface WebhookRecord extends Webhook {
  readonly secretsId: string;
  /** SHA-256 of the vault's text. */
  readonly secretsDigest: string;
}

/** A notice that was found: `body` is what is sent, the same bytes with every attempt. */
export interface NoticeRecord
  extends Pick<
    Crossing,
    'tenant' | 'budgetId' | 'values' | 'percent' | 'windowStart' | 'windowEnd' | 'sequence' | 'at'
  > {
  readonly id: string;
  readonly body: string;
  /** Of a notice that an earlier version found: the webhooks that it had a delivery to. */
  readonly webhooks?: readonly string[];
}

/** The end of a notice's way to a webhook, both by their ids. */
interface DeliveryEnd {
  readonly notice: string;
  readonly webhook: string;
  readonly at: number;
  /** Attempts that failed before; after a restart they are counted anew. */
  readonly failedAttempts: number;
  /** Of the last attempt that failed. */
  readonly problem: string | null;
}

type NoticesFactKind =
  | 'thresholds_stated'
  | 'thresholds_looked'
  | 'journal_read'
  | 'webhook_created'
  | 'webhook_rotated'
  | 'webhook_deleted'
  | 'notice_found'
  | 'notice_asked_for'
  | 'notice_delivered'
  | 'notice_given_up';

function noticesFact(kind: NoticesFactKind, record: object): Fact {
  return factOf(FEATURE, kind, record);
}

/** Replaces the thresholds of the budget; no percents remove them. Accounts that have passed them already are then searched. */
export const thresholdsStated = (thresholds: Thresholds): Fact =>
  noticesFact('thresholds_stated', thresholds);
/** Every account has been looked at for these. */
export const thresholdsLooked = (thresholds: Thresholds): Fact =>
  noticesFact('thresholds_looked', thresholds);
/** The journal has been read for thresholds up to this sequence number. */
export const journalRead = (sequence: number): Fact => noticesFact('journal_read', { sequence });
export const webhookPut = (kind: 'webhook_created' | 'webhook_rotated', webhook: WebhookRecord): Fact =>
  noticesFact(kind, webhook);
export const webhookDeleted = (webhook: Pick<Webhook, 'id'>): Fact =>
  noticesFact('webhook_deleted', { id: webhook.id });
export const noticeFound = (notice: NoticeRecord): Fact => noticesFact('notice_found', notice);
/** To be sent again, to every webhook that its tenant has now. */
export const noticeAskedFor = (notice: Pick<NoticeRecord, 'id'>): Fact =>
  noticesFact('notice_asked_for', { id: notice.id });
export const noticeDelivered = (end: DeliveryEnd): Fact => noticesFact('notice_delivered', end);
export const noticeGivenUp = (end: DeliveryEnd): Fact => noticesFact('notice_given_up', end);

/** Of a lifetime, which has no start. */
export const NO_START = -1;

/** What a notice is about: `notices_once` keeps one for each. The tenant of what is the platform's is ''. */
type NoticeKey = [string, string, string, number, number];

function keyOf({
  tenant,
  budgetId,
  values,
  windowStart,
  percent,
}: Pick<Crossing, 'tenant' | 'budgetId' | 'values' | 'windowStart' | 'percent'>): NoticeKey {
  return [tenant ?? '', budgetId, labelText(values), windowStart ?? NO_START, percent];
}

export const NOTICES_VIEW: View = {
  feature: FEATURE,
  tables: `
    CREATE TABLE notice_thresholds (
      tenant TEXT NOT NULL,
      budget_id TEXT NOT NULL,
      percents TEXT NOT NULL,
      looked INTEGER NOT NULL,
      PRIMARY KEY (tenant, budget_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE notice_position (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL) STRICT;
    CREATE TABLE notice_webhooks (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX notice_webhooks_of_tenant ON notice_webhooks (tenant, number);
    CREATE TABLE notices (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      budget_id TEXT NOT NULL,
      account TEXT NOT NULL,
      window_start INTEGER NOT NULL,
      window_end INTEGER,
      percent INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      at INTEGER NOT NULL,
      body TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX notices_once ON notices (tenant, budget_id, account, window_start, percent);
    CREATE INDEX notices_of_tenant ON notices (tenant, number);
    CREATE INDEX notices_by_end ON notices (window_end) WHERE window_end IS NOT NULL;
    CREATE TABLE notice_deliveries (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      notice INTEGER NOT NULL,
      webhook INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
      failed_attempts INTEGER NOT NULL DEFAULT 0,
      problem TEXT,
      delivered_at INTEGER,
      UNIQUE (notice, webhook)
    ) STRICT;
    CREATE INDEX notice_deliveries_of_webhook ON notice_deliveries (webhook);
    CREATE INDEX notice_deliveries_pending ON notice_deliveries (webhook, number) WHERE state = 'pending';`,
  open(db) {
    return applyByKind<NoticesFactKind>(FEATURE, {
      ...thresholdAppliers(db),
      ...webhookAppliers(db),
      ...noticeAppliers(db),
    });
  },
};

function thresholdAppliers(db: ViewDatabase) {
  const put = db.prepare<[string, string, string]>(
    'INSERT OR REPLACE INTO notice_thresholds (tenant, budget_id, percents, looked) VALUES (?, ?, ?, 0)',
  );
  const remove = db.prepare<[string, string]>(
    'DELETE FROM notice_thresholds WHERE tenant = ? AND budget_id = ?',
  );
  // Unless they have been stated anew meanwhile.
  const looked = db.prepare<[string, string, string]>(
    'UPDATE notice_thresholds SET looked = 1 WHERE tenant = ? AND budget_id = ? AND percents = ?',
  );
  const position = db.prepare<[number]>(
    'INSERT OR REPLACE INTO notice_position (one, sequence) VALUES (1, ?)',
  );
  return {
    thresholds_stated(fact: Fact) {
      const { tenant, budgetId, percents } = recordOf<Thresholds>(fact);
      if (percents.length === 0) remove.run(tenant ?? '', budgetId);
      else put.run(tenant ?? '', budgetId, JSON.stringify(percents));
    },
    thresholds_looked(fact: Fact) {
      const { tenant, budgetId, percents } = recordOf<Thresholds>(fact);
      looked.run(tenant ?? '', budgetId, JSON.stringify(percents));
    },
    journal_read(fact: Fact) {
      position.run(recordOf<{ sequence: number }>(fact).sequence);
    },
  };
}

function webhookAppliers(db: ViewDatabase) {
  const put = db.prepare<[string, string, string]>(
    `INSERT INTO notice_webhooks (id, tenant, body) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
  );
  const removeDeliveries = db.prepare<[string]>(
    'DELETE FROM notice_deliveries WHERE webhook = (SELECT number FROM notice_webhooks WHERE id = ?)',
  );
  const remove = db.prepare<[string]>('DELETE FROM notice_webhooks WHERE id = ?');
  const webhook_created = (fact: Fact) => {
    const { id, tenant } = recordOf<WebhookRecord>(fact);
    put.run(id, tenant ?? '', fact.body);
  };
  return {
    webhook_created,
    webhook_rotated: webhook_created,
    webhook_deleted(fact: Fact) {
      const { id } = recordOf<Pick<Webhook, 'id'>>(fact);
      removeDeliveries.run(id);
      remove.run(id);
    },
  };
}

function noticeAppliers(db: ViewDatabase) {
  const insert = db.prepare<[string, ...NoticeKey, number | null, number, number, string]>(
    `INSERT OR IGNORE INTO notices
       (id, tenant, budget_id, account, window_start, percent, window_end, sequence, at, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const askThese = db.prepare<[string, string | null, string | null]>(
    `INSERT INTO notice_deliveries (notice, webhook, state)
     SELECT n.number, w.number, 'pending'
     FROM notices AS n JOIN notice_webhooks AS w ON w.tenant = n.tenant
     WHERE n.id = ? AND (? IS NULL OR w.id IN (SELECT value FROM json_each(?))) ORDER BY w.number
     ON CONFLICT (notice, webhook) DO UPDATE SET state = 'pending', failed_attempts = 0, problem = NULL`,
  );
  const end = db.prepare<[string, number, string | null, number | null, string, string]>(
    `UPDATE notice_deliveries SET state = ?, failed_attempts = ?, problem = ?, delivered_at = ?
     WHERE notice = (SELECT number FROM notices WHERE id = ?)
       AND webhook = (SELECT number FROM notice_webhooks WHERE id = ?)`,
  );
  const old = `SELECT number FROM notices AS n WHERE window_end < ? AND NOT EXISTS (
      SELECT 1 FROM notice_deliveries WHERE notice = n.number AND state = 'pending'
    ) ORDER BY number LIMIT ${FORGOTTEN_AT_ONCE}`;
  const forgetDeliveries = db.prepare<[number]>(`DELETE FROM notice_deliveries WHERE notice IN (${old})`);
  const forget = db.prepare<[number]>(`DELETE FROM notices WHERE number IN (${old})`);
  /** Makes its deliveries: to these webhooks of its tenant, or to all. */
  const ask = (id: string, webhooks?: readonly string[]) => {
    const ids = webhooks === undefined ? null : JSON.stringify(webhooks);
    askThese.run(id, ids, ids);
  };
  const ended = ({ notice, webhook, at, failedAttempts, problem }: DeliveryEnd, state: DeliveryState) =>
    end.run(state, failedAttempts, problem, state === 'delivered' ? at : null, notice, webhook);
  return {
    notice_found(fact: Fact, { at }: FactRecord) {
      const { id, windowEnd, sequence, at: foundAt, body, webhooks, ...about } = recordOf<NoticeRecord>(fact);
      insert.run(id, ...keyOf(about), windowEnd, sequence, foundAt, body);
      ask(id, webhooks);
      forgetDeliveries.run(at - KEPT_MS);
      forget.run(at - KEPT_MS);
    },
    notice_asked_for(fact: Fact) {
      ask(recordOf<Pick<NoticeRecord, 'id'>>(fact).id);
    },
    notice_delivered: (fact: Fact) => ended(recordOf<DeliveryEnd>(fact), 'delivered'),
    notice_given_up: (fact: Fact) => ended(recordOf<DeliveryEnd>(fact), 'failed'),
  };
}
