// The tables of notices in the service's file: which thresholds are stated, how far the journal has been read, what was
// found, and what was sent of it. `notices_once` keeps one notice for each threshold, balance and window; a delivery's
// number is its place in the order of its webhook. The tenant of what is the platform's is ''.

import type { StoreArea } from '../kit/service-store.js';

export const NOTICE_AREA: StoreArea = {
  name: 'notices',
  migrations: [
    `CREATE TABLE notice_thresholds (
      tenant TEXT NOT NULL,
      budget_id TEXT NOT NULL,
      percents TEXT NOT NULL,
      PRIMARY KEY (tenant, budget_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE notice_position (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL) STRICT;
    CREATE TABLE notice_webhooks (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      url TEXT NOT NULL,
      secret TEXT NOT NULL,
      created_at INTEGER NOT NULL
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
      notice INTEGER NOT NULL REFERENCES notices (number) ON DELETE CASCADE,
      webhook INTEGER NOT NULL REFERENCES notice_webhooks (number) ON DELETE CASCADE,
      state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
      failed_attempts INTEGER NOT NULL DEFAULT 0,
      problem TEXT,
      next_at INTEGER NOT NULL,
      delivered_at INTEGER,
      UNIQUE (notice, webhook)
    ) STRICT;
    CREATE INDEX notice_deliveries_pending ON notice_deliveries (webhook, number) WHERE state = 'pending';`,
    'ALTER TABLE notice_thresholds ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;',
    `ALTER TABLE notice_webhooks ADD COLUMN secrets_before TEXT NOT NULL DEFAULT '[]';`,
  ],
};
