// The table of goals in the service's file: whose they are and what they say. Tokens, turns, and whether a goal is active
// or paused are the ledger's; only the two endings stand here, since the ledger has one word for both.

import type { StoreArea } from '../kit/service-store.js';

export const GOAL_AREA: StoreArea = {
  name: 'goals',
  migrations: [
    `CREATE TABLE goals (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      owner TEXT NOT NULL,
      text TEXT NOT NULL,
      ending TEXT CHECK (ending IN ('completed', 'cleared')),
      intent TEXT,
      request_key TEXT,
      request_digest TEXT,
      created_at INTEGER NOT NULL,
      ended_at INTEGER
    ) STRICT;
    CREATE INDEX goals_of_tenant ON goals (tenant, number);
    CREATE INDEX goals_of_owner ON goals (tenant, owner, number);
    CREATE INDEX goals_open ON goals (tenant, owner, number) WHERE ending IS NULL;
    CREATE INDEX goals_unfinished ON goals (number) WHERE intent IS NOT NULL;
    CREATE UNIQUE INDEX goals_of_request ON goals (tenant, owner, request_key) WHERE request_key IS NOT NULL;`,
  ],
};
