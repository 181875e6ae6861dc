// What `import … from 'bursar/client'` gives.

export { BursarError, type ClientErrorCode } from './bursar-error.js';
export { BursarClient } from './client.js';
export type { Budgets, Decisions, Events, Holds } from './ledger-nouns.js';
export type { CommandOutcome, Decision, Denied, Outcome, Rejected, Settlement } from './outcomes.js';
export type { List, Page } from './pages.js';
export type { Keys, Prices, Providers } from './service-nouns.js';
export type { CallOptions, ClientOptions } from './transport.js';
