// What the HTTP API is made of. Given by the composition root; nothing here is read from the environment.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessKeys } from '../access/access-keys.js';
import type { KeyRing } from '../access/key-ring.js';
import type { Agents } from '../agents/agents.js';
import type { Clock, Evidence, Ledger } from '../authority/api.js';
import type { Chats } from '../chats/chats.js';
import type { PriceCatalogue } from '../gateway/prices/price-book.js';
import type { Goals } from '../goals/goals.js';
import type { Notices } from '../notices/notices.js';
import type { Quotas } from '../quotas/quotas.js';
import type { Reconciliations } from '../reconciliation/reconciliations.js';

export interface HttpParts {
  readonly ledger: Ledger;
  /** Of the same ledger, worked out beside the event loop. */
  readonly evidence: Evidence;
  readonly keyRing: KeyRing;
  readonly keys: AccessKeys;
  readonly goals: Goals;
  readonly notices: Notices;
  readonly quotas: Quotas;
  readonly chats: Chats;
  /** The price book in force; asked at each use, since a reload replaces it. */
  readonly prices: () => PriceCatalogue;
  readonly agents: Agents;
  readonly reconciliations: Reconciliations;
  readonly clock: Clock;
  /** Structured logs: one JSON line a request. `level` is one of pino's. */
  readonly log: { readonly level: string; readonly stream: { write(line: string): void } };
  /** Reads the configuration again and puts it in force, or refuses all of it; the message is for people. */
  readonly reload: () => Promise<{ readonly reloaded: boolean; readonly message: string }>;
  /** Answers a request that reached no route, for its path (`error`) or its method, where it is another surface's. */
  readonly answersUnrouted: (error: Error | null, request: FastifyRequest, reply: FastifyReply) => boolean;
  /** Whether the server is stopping: /readyz then says no, and no event stream begins. */
  readonly isDraining: () => boolean;
}
