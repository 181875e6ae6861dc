// The tables of conversations in the service's file: chats, their turns, and the messages of these. Texts live here and
// nowhere else; what a turn holds and costs is the ledger's. The indices keep rules T1 (one turn a request), T3 (one
// running turn a chat) and T5 (one message a role). Every index costs each turn: there is none for what is asked seldom.
// Used by the tables of this folder.

import type { StoreArea } from '../kit/service-store.js';

export const CHAT_AREA: StoreArea = {
  name: 'conversations',
  migrations: [
    `CREATE TABLE chats (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      user TEXT NOT NULL,
      title TEXT,
      created_at INTEGER NOT NULL,
      deleted_at INTEGER
    ) STRICT;
    CREATE INDEX chats_of_tenant ON chats (tenant, number) WHERE deleted_at IS NULL;
    CREATE INDEX chats_of_user ON chats (tenant, user, number) WHERE deleted_at IS NULL;
    CREATE TABLE turns (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      chat INTEGER NOT NULL REFERENCES chats (number),
      request_id TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('starting', 'running', 'completed', 'failed', 'cancelled')),
      metered_by TEXT NOT NULL CHECK (metered_by IN ('quota', 'amounts', 'gateway')),
      hold_id TEXT NOT NULL,
      replaces INTEGER REFERENCES turns (number),
      terms TEXT,
      ending TEXT,
      response_id TEXT,
      charged TEXT,
      started_at INTEGER NOT NULL,
      progress_at INTEGER NOT NULL,
      hold_expires_at INTEGER,
      deleted_at INTEGER,
      UNIQUE (chat, request_id)
    ) STRICT;
    CREATE INDEX turns_of_chat ON turns (chat, number) WHERE deleted_at IS NULL;
    CREATE UNIQUE INDEX turns_open ON turns (chat) WHERE state IN ('starting', 'running');
    CREATE TABLE messages (
      number INTEGER PRIMARY KEY,
      chat INTEGER NOT NULL,
      turn INTEGER NOT NULL REFERENCES turns (number),
      role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
      text TEXT NOT NULL,
      is_cut INTEGER NOT NULL DEFAULT 0,
      input_tokens INTEGER NOT NULL DEFAULT 0,
      output_tokens INTEGER NOT NULL DEFAULT 0,
      cache_read_tokens INTEGER NOT NULL DEFAULT 0,
      cache_write_tokens INTEGER NOT NULL DEFAULT 0,
      reasoning_tokens INTEGER NOT NULL DEFAULT 0,
      web_search INTEGER NOT NULL DEFAULT 0,
      created_at INTEGER NOT NULL,
      UNIQUE (turn, role)
    ) STRICT;
    CREATE INDEX messages_of_chat ON messages (chat, number);`,
  ],
};
