// The table of agents in the service's file: who they are and how the tree hangs together. What they may spend and have
// spent is the ledger's; `limits` is what was asked when the agent was made or last raised, and nothing is decided by it
// afterwards.

import type { StoreArea } from '../kit/service-store.js';

export const AGENT_AREA: StoreArea = {
  name: 'agents',
  migrations: [
    `CREATE TABLE agents (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      parent TEXT REFERENCES agents (id),
      path TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      mode TEXT NOT NULL CHECK (mode IN ('root', 'carved', 'shared')),
      state TEXT NOT NULL CHECK (state IN ('creating', 'active', 'closing', 'closed', 'revoked', 'expired')),
      draws_on INTEGER NOT NULL,
      units TEXT NOT NULL,
      limits TEXT NOT NULL,
      labels TEXT NOT NULL,
      caller_labels TEXT NOT NULL,
      scopes TEXT NOT NULL,
      key_id TEXT UNIQUE,
      request_id TEXT,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      ended_at INTEGER,
      watch_until INTEGER,
      UNIQUE (tenant, request_id)
    ) STRICT;
    CREATE INDEX agents_of_tenant ON agents (tenant, path);
    CREATE INDEX agents_living ON agents (parent) WHERE state IN ('active', 'closing');
    CREATE INDEX agents_expiring ON agents (expires_at, path) WHERE state IN ('active', 'closing');
    CREATE INDEX agents_unfinished ON agents (number) WHERE state IN ('creating', 'closing');
    CREATE INDEX agents_watched ON agents (number) WHERE watch_until IS NOT NULL;`,
    'ALTER TABLE agents ADD COLUMN request_digest TEXT;',
  ],
};
