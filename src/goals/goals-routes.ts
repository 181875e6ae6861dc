// The routes of goals.

import { Type } from 'typebox';
import { ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import { CLOSED } from '../kit/schema-parts.js';
import {
  ActiveGoal,
  ActiveGoalQuery,
  GoalBudgetRequest,
  GoalDetail,
  GoalList,
  GoalQuery,
  GoalRequest,
  GoalUsage,
  GoalUsageRequest,
} from './goals-schema.js';

const Nothing = Type.Object({}, CLOSED);

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
