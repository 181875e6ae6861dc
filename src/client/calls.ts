// Every route as the client calls it. The table is checked against the server's routes when this is compiled, and what each
// call takes and answers comes from their schemas; nothing of the server is loaded.

import type { ROUTES } from '../http/routes.js';
import type { AnswerOf, BodyOf, ParamsOf, QueryOf } from '../kit/route.js';

/**
 * Whether a call may be sent again when it is not known what became of it. `read`: it changes nothing. `keyed`: its
 * idempotency key makes a repeat harmless. `outcome`: as `keyed`, and denials and rejections are results. `once`: it may not.
 */
export type Repeat = 'read' | 'keyed' | 'outcome' | 'once';

type Routes = typeof ROUTES;
export type CallName = keyof Routes;

export const ROUTE_CALLS = {
  authorize: ['POST', '/v1/holds', 'outcome'],
  listHolds: ['GET', '/v1/holds', 'read'],
  getHold: ['GET', '/v1/holds/:id', 'read'],
  extend: ['POST', '/v1/holds/:id/extend', 'outcome'],
  release: ['POST', '/v1/holds/:id/release', 'outcome'],
  reverse: ['POST', '/v1/holds/:id/reverse', 'outcome'],
  settle: ['POST', '/v1/holds/:id/settle', 'outcome'],
  correct: ['POST', '/v1/holds/:id/correct', 'outcome'],
  recordSpend: ['POST', '/v1/spend', 'outcome'],
  creditSpend: ['POST', '/v1/spend/credits', 'outcome'],
  check: ['POST', '/v1/check', 'read'],
  batch: ['POST', '/v1/batch', 'keyed'],
  listBudgets: ['GET', '/v1/budgets', 'read'],
  getBudget: ['GET', '/v1/budgets/:id', 'read'],
  putBudget: ['PUT', '/v1/budgets/:id', 'keyed'],
  setBudgetStatus: ['POST', '/v1/budgets/:id/status', 'outcome'],
  topUp: ['POST', '/v1/budgets/:id/top-up', 'outcome'],
  exhaust: ['POST', '/v1/budgets/:id/exhaust', 'outcome'],
  setBalanceLimit: ['POST', '/v1/budgets/:id/balance-limit', 'outcome'],
  putDefinitions: ['POST', '/v1/definitions', 'outcome'],
  listBalances: ['GET', '/v1/balances', 'read'],
  getDefinitions: ['GET', '/v1/definitions', 'read'],
  listUnits: ['GET', '/v1/units', 'read'],
  listGrants: ['GET', '/v1/grants', 'read'],
  listProviders: ['GET', '/v1/providers', 'read'],
  getProvider: ['GET', '/v1/providers/:name', 'read'],
  exhaustProvider: ['POST', '/v1/providers/:name/exhaust', 'keyed'],
  recordProviderSpend: ['POST', '/v1/providers/:name/spend', 'outcome'],
  listEvents: ['GET', '/v1/events', 'read'],
  streamEvents: ['GET', '/v1/events/stream', 'read'],
  explainDecision: ['GET', '/v1/decisions/:id', 'read'],
  verify: ['POST', '/v1/verify', 'read'],
  certify: ['POST', '/v1/certificates', 'keyed'],
  getHead: ['GET', '/v1/head', 'read'],
  listKeys: ['GET', '/v1/keys', 'read'],
  createKey: ['POST', '/v1/keys', 'once'],
  getKey: ['GET', '/v1/keys/:id', 'read'],
  rotateKey: ['POST', '/v1/keys/:id/rotate', 'once'],
  revokeKey: ['POST', '/v1/keys/:id/revoke', 'keyed'],
  listPrices: ['GET', '/v1/prices', 'read'],
  reload: ['POST', '/v1/reload', 'read'],
  createGoal: ['POST', '/v1/goals', 'keyed'],
  listGoals: ['GET', '/v1/goals', 'read'],
  getActiveGoal: ['GET', '/v1/goals/active', 'read'],
  getGoal: ['GET', '/v1/goals/:id', 'read'],
  pauseGoal: ['POST', '/v1/goals/:id/pause', 'keyed'],
  resumeGoal: ['POST', '/v1/goals/:id/resume', 'keyed'],
  completeGoal: ['POST', '/v1/goals/:id/complete', 'keyed'],
  clearGoal: ['POST', '/v1/goals/:id/clear', 'keyed'],
  setGoalBudget: ['POST', '/v1/goals/:id/budget', 'keyed'],
  noteGoalUsage: ['POST', '/v1/goals/:id/usage', 'keyed'],
  listNotices: ['GET', '/v1/notices', 'read'],
  redeliverNotice: ['POST', '/v1/notices/:id/redeliver', 'keyed'],
  listThresholds: ['GET', '/v1/notices/thresholds', 'read'],
  putThresholds: ['POST', '/v1/notices/thresholds', 'keyed'],
  createWebhook: ['POST', '/v1/webhooks', 'once'],
  listWebhooks: ['GET', '/v1/webhooks', 'read'],
  rotateWebhook: ['POST', '/v1/webhooks/:id/rotate', 'once'],
  testWebhook: ['POST', '/v1/webhooks/:id/test', 'once'],
  deleteWebhook: ['DELETE', '/v1/webhooks/:id', 'once'],
  createAgent: ['POST', '/v1/agents', 'keyed'],
  listAgents: ['GET', '/v1/agents', 'read'],
  getAgent: ['GET', '/v1/agents/:id', 'read'],
  renewAgentKey: ['POST', '/v1/agents/:id/key', 'once'],
  raiseAgent: ['POST', '/v1/agents/:id/raise', 'keyed'],
  closeAgent: ['POST', '/v1/agents/:id/close', 'keyed'],
  revokeAgent: ['POST', '/v1/agents/:id/revoke', 'keyed'],
  createChat: ['POST', '/v1/chats', 'once'],
  listChats: ['GET', '/v1/chats', 'read'],
  getChat: ['GET', '/v1/chats/:id', 'read'],
  changeChat: ['PATCH', '/v1/chats/:id', 'once'],
  deleteChat: ['DELETE', '/v1/chats/:id', 'once'],
  listMessages: ['GET', '/v1/chats/:id/messages', 'read'],
  startTurn: ['POST', '/v1/chats/:id/turns', 'outcome'],
  listTurns: ['GET', '/v1/chats/:id/turns', 'read'],
  getTurn: ['GET', '/v1/chats/:id/turns/:turn', 'read'],
  deleteTurn: ['DELETE', '/v1/chats/:id/turns/:turn', 'once'],
  completeTurn: ['POST', '/v1/chats/:id/turns/:turn/complete', 'keyed'],
  failTurn: ['POST', '/v1/chats/:id/turns/:turn/fail', 'keyed'],
  cancelTurn: ['POST', '/v1/chats/:id/turns/:turn/cancel', 'keyed'],
  noteProgress: ['POST', '/v1/chats/:id/turns/:turn/progress', 'keyed'],
  retryTurn: ['POST', '/v1/chats/:id/turns/:turn/retry', 'outcome'],
  editTurn: ['POST', '/v1/chats/:id/turns/:turn/edit', 'outcome'],
  putPolicy: ['POST', '/v1/policies', 'keyed'],
  listPolicies: ['GET', '/v1/policies', 'read'],
  getPolicy: ['GET', '/v1/policies/:n', 'read'],
  comparePolicies: ['GET', '/v1/policies/:n/compare/:m', 'read'],
  activatePolicy: ['POST', '/v1/policies/:n/activate', 'keyed'],
  preflight: ['POST', '/v1/quota/preflight', 'read'],
  getQuota: ['GET', '/v1/users/:user/quota', 'read'],
  putQuotaLimits: ['PUT', '/v1/users/:user/quota-limits', 'keyed'],
  reconcile: ['POST', '/v1/reconciliations', 'once'],
  listReconciliations: ['GET', '/v1/reconciliations', 'read'],
  getReconciliation: ['GET', '/v1/reconciliations/:id', 'read'],
} as const satisfies {
  readonly [Name in CallName]: readonly [Routes[Name]['method'], Routes[Name]['path'], Repeat];
};

export type Body<Name extends CallName> = BodyOf<Routes[Name]>;
export type Query<Name extends CallName> = QueryOf<Routes[Name]>;
/** What a call answers when it succeeds. */
export type Answer<Name extends CallName> = AnswerOf<Routes[Name]>;

/** What goes into a call: the names in its path, its query and its body, where its route has them. */
export type CallParts<Name extends CallName> = (unknown extends ParamsOf<Routes[Name]>
  ? unknown
  : { readonly params: ParamsOf<Routes[Name]> }) &
  (unknown extends Query<Name> ? unknown : { readonly query?: Query<Name> | undefined }) &
  (undefined extends Body<Name>
    ? unknown
    : Record<never, never> extends Body<Name>
      ? { readonly body?: Body<Name> }
      : { readonly body: Body<Name> });

/** The path with its names filled in, each encoded, slashes included. */
export function pathOf(name: CallName, params: Readonly<Record<string, string>> = {}): string {
  return ROUTE_CALLS[name][1].replace(/:(\w+)/g, (_, param: string) => encodeURIComponent(params[param]));
}
