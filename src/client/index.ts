// What `import … from 'bursar/client'` gives.

export type { Agents } from './agent-nouns.js';
export { BursarError, type ClientErrorCode } from './bursar-error.js';
export type { Chats, StartedTurn, Turns } from './chat-nouns.js';
export { BursarClient } from './client.js';
export type { Goals } from './goal-nouns.js';
export type { Budgets, Decisions, Events, Holds } from './ledger-nouns.js';
export type { Notices, Webhooks } from './notice-nouns.js';
export type { CommandOutcome, Decision, Denied, Outcome, Rejected, Settlement } from './outcomes.js';

import type { List } from './pages.js';

export type { List, Page } from './pages.js';
export type Prices = List<'listPrices'>;
export type { Policies, UserQuotas } from './quota-nouns.js';
export type { Keys, Providers, Reconciliations } from './service-nouns.js';
export type { CallOptions, ClientOptions } from './transport.js';
