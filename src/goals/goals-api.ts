// Goals over HTTP: their schemas, their routes, and a goal as the wire has it.

import { type Static, Type } from 'typebox';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  AmountIn,
  AmountOut,
  CLOSED,
  Id,
  InstantOut,
  listOf,
  Nothing,
  oneOf,
  orNull,
  PAGE,
  Whole,
} from '../kit/schema-parts.js';
import { GOAL_STATES, type Goal, promptBlock, TEXT_LENGTH_MAX } from './goal.js';
import type { Accrual } from './goals.js';

const Name = Type.String({ minLength: 1, maxLength: 256 });

/** Tokens as an amount; null takes the budget away. */
const TokenBudget = Type.Unsafe<string | number | null>({
  type: ['string', 'number', 'null'],
  maxLength: 40,
  description: 'Tokens, at least 1; null: no budget.',
});

const OWNER = {
  tenant: Type.Optional(Name),
  owner: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'Whose goal it is: a user, an agent. The key’s label `user` where it fixes one.',
    }),
  ),
};

export const GoalRequest = Type.Object(
  {
    ...OWNER,
    text: Type.String({ minLength: 1, maxLength: TEXT_LENGTH_MAX }),
    tokenBudget: Type.Optional(TokenBudget),
  },
  CLOSED,
);
export type GoalRequest = Static<typeof GoalRequest>;

export const GoalBudgetRequest = Type.Object({ tokenBudget: TokenBudget }, CLOSED);
export type GoalBudgetRequest = Static<typeof GoalBudgetRequest>;

export const GoalUsageRequest = Type.Object({ tokens: AmountIn }, CLOSED);
export type GoalUsageRequest = Static<typeof GoalUsageRequest>;

export const GoalView = Type.Object({
  id: Id,
  tenant: Type.String(),
  owner: Type.String(),
  text: Type.String(),
  state: oneOf(GOAL_STATES),
  turns: Whole,
  tokensUsed: AmountOut,
  tokensHeld: AmountOut,
  tokensLeft: orNull(AmountOut),
  tokenBudget: orNull(AmountOut),
  createdAt: InstantOut,
  endedAt: orNull(InstantOut),
});
export type GoalView = Static<typeof GoalView>;

export const GoalDetail = Type.Object({
  ...GoalView.properties,
  prompt: Type.String({ description: 'The goal and its figures as a block for a prompt.' }),
});
export type GoalDetail = Static<typeof GoalDetail>;

export const GoalQuery = Type.Object({ ...PAGE, ...OWNER }, CLOSED);
export type GoalQuery = Static<typeof GoalQuery>;
export const GoalList = listOf(GoalView);
export type GoalList = Static<typeof GoalList>;

export const ActiveGoalQuery = Type.Object(OWNER, CLOSED);
export type ActiveGoalQuery = Static<typeof ActiveGoalQuery>;
export const ActiveGoal = Type.Object({
  goal: Type.Union([GoalDetail, Type.Null()], { description: 'Null: the owner has none.' }),
});
export type ActiveGoal = Static<typeof ActiveGoal>;

export const GoalUsage = Type.Object({
  counted: Type.Boolean(),
  reason: orNull(
    oneOf(
      ['paused', 'completed', 'cleared', 'unavailable'],
      'Why nothing was counted. `unavailable`: the ledger took nothing; the turn goes on.',
    ),
  ),
  goal: Type.Union([GoalDetail, Type.Null()]),
});
export type GoalUsage = Static<typeof GoalUsage>;

export function goalOut(goal: Goal): GoalView {
  const { id, tenant, owner, text, state } = goal;
  return {
    ...{ id, tenant, owner, text, state },
    turns: Number(goal.turns),
    tokensUsed: goal.tokensUsed.toString(),
    tokensHeld: goal.tokensHeld.toString(),
    tokensLeft: goal.tokensLeft?.toString() ?? null,
    tokenBudget: goal.tokenBudget?.toString() ?? null,
    createdAt: instantOut(goal.createdAt),
    endedAt: instantOutOrNull(goal.endedAt),
  };
}

export function goalDetailOut(goal: Goal): GoalDetail {
  return { ...goalOut(goal), prompt: promptBlock(goal) };
}

export function usageOut({ notCounted, goal }: Accrual): GoalUsage {
  return {
    counted: notCounted === null,
    reason: notCounted,
    goal: goal === null ? null : goalDetailOut(goal),
  };
}

const read = { method: 'GET', tag: 'goals', scopes: SPENDERS_AND_READERS } as const;
const change = {
  method: 'POST',
  tag: 'goals',
  scopes: SPENDERS,
  params: ID_PARAMS,
  body: Nothing,
  answers: { 200: GoalDetail },
} as const;

export const GOAL_ROUTES = routes({
  createGoal: {
    method: 'POST',
    path: '/v1/goals',
    tag: 'goals',
    summary: 'A new goal, active; the owner’s active one is paused in the same step',
    scopes: SPENDERS,
    idempotencyKey: 'accepted',
    body: GoalRequest,
    answers: { 201: GoalDetail },
  },
  listGoals: {
    ...read,
    path: '/v1/goals',
    summary: 'Goals, the newest first',
    query: GoalQuery,
    answers: { 200: GoalList },
  },
  getActiveGoal: {
    ...read,
    path: '/v1/goals/active',
    summary: 'The active goal of an owner, with its block for a prompt',
    query: ActiveGoalQuery,
    answers: { 200: ActiveGoal },
  },
  getGoal: {
    ...read,
    path: '/v1/goals/:id',
    summary: 'One goal: its state, turns, tokens used and left, and its block for a prompt',
    params: ID_PARAMS,
    answers: { 200: GoalDetail },
  },
  pauseGoal: {
    ...change,
    path: '/v1/goals/:id/pause',
    summary: 'Pause a goal: nothing counts towards it, its calls are refused',
  },
  resumeGoal: {
    ...change,
    path: '/v1/goals/:id/resume',
    summary: 'Go on with a goal that has budget left; the owner’s active one is paused in the same step',
  },
  completeGoal: {
    ...change,
    path: '/v1/goals/:id/complete',
    summary: 'End an active goal that was reached, for good',
  },
  clearGoal: { ...change, path: '/v1/goals/:id/clear', summary: 'End a goal that is given up, for good' },
  setGoalBudget: {
    ...change,
    path: '/v1/goals/:id/budget',
    summary: 'Set the token budget of a goal, above what it has used; it does not resume by itself',
    body: GoalBudgetRequest,
  },
  noteGoalUsage: {
    ...change,
    path: '/v1/goals/:id/usage',
    summary:
      'Count the tokens of a turn that ran elsewhere; a goal that is not active counts nothing, and says so',
    idempotencyKey: 'accepted',
    body: GoalUsageRequest,
    answers: { 200: GoalUsage },
  },
});
