// Every route of the HTTP API, by its name. Read by OpenAPI, by the tests and, for types alone, by the client.

import { KEY_ROUTES } from '../access/keys-api.js';
import { AGENT_ROUTES } from '../agents/agents-api.js';
import { BUDGET_ROUTES } from '../budgets/budgets-api.js';
import { EVIDENCE_ROUTES } from '../budgets/evidence-api.js';
import { HOLD_ROUTES } from '../budgets/holds-api.js';
import { PROVIDER_ROUTES } from '../budgets/providers-api.js';
import { CHAT_ROUTES } from '../chats/chats-api.js';
import { PRICE_ROUTES } from '../gateway/prices/prices-api.js';
import { GOAL_ROUTES } from '../goals/goals-api.js';
import { NOTICE_ROUTES } from '../notices/notices-api.js';
import { QUOTA_ROUTES } from '../quotas/quotas-api.js';
import { RECONCILIATION_ROUTES } from '../reconciliation/reconciliation-api.js';
import { SERVICE_ROUTES } from './service-api.js';

export const ROUTES = {
  ...HOLD_ROUTES,
  ...BUDGET_ROUTES,
  ...PROVIDER_ROUTES,
  ...EVIDENCE_ROUTES,
  ...KEY_ROUTES,
  ...PRICE_ROUTES,
  ...SERVICE_ROUTES,
  ...GOAL_ROUTES,
  ...NOTICE_ROUTES,
  ...AGENT_ROUTES,
  ...CHAT_ROUTES,
  ...QUOTA_ROUTES,
  ...RECONCILIATION_ROUTES,
} as const;
