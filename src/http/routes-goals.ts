// Goals over HTTP.

import type { FastifyInstance } from 'fastify';
import type { Goal } from '../goals/goal.js';
import { GOAL_ROUTES } from '../goals/goals-routes.js';
import { goalDetailOut, goalOut, usageOut } from '../goals/goals-schema.js';
import { amountIn, type Stated } from '../kit/amounts.js';
import { commandIdOf, statedKey } from '../kit/idempotency-key.js';
import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import { type Api, type Request, statedIn } from './api.js';
import { serve } from './serve.js';

export function goalRoutes(app: FastifyInstance, api: Api): void {
  const { goals } = api;
  serve(app, 'createGoal', GOAL_ROUTES.createGoal, async (request, reply) => {
    const { tokenBudget = null, ...stated } = request.body;
    const goal = await goals.create(request.caller, {
      ...stated,
      tokenBudget: budgetIn(tokenBudget, statedIn(api, request)),
      requestKey: statedKey(request.headers['idempotency-key']),
    });
    reply.code(201);
    return goalDetailOut(goal);
  });
  serve(app, 'listGoals', GOAL_ROUTES.listGoals, async ({ caller, query }) => {
    const before = readSequenceCursor(query) || null;
    const page = await goals.list(caller, query, { before, max: limitOf(query) });
    return { items: page.goals.map(goalOut), nextCursor: page.next === null ? null : cursorOf(page.next) };
  });
  serve(app, 'getActiveGoal', GOAL_ROUTES.getActiveGoal, async ({ caller, query }) => {
    const goal = await goals.active(caller, query);
    return { goal: goal === null ? null : goalDetailOut(goal) };
  });
  serve(app, 'getGoal', GOAL_ROUTES.getGoal, async ({ caller, params }) =>
    goalDetailOut(await goals.get(caller, params.id)),
  );
  changeRoutes(app, api);
}

function changeRoutes(app: FastifyInstance, api: Api): void {
  const { goals } = api;
  const named = {
    pauseGoal: 'pause',
    resumeGoal: 'resume',
    completeGoal: 'complete',
    clearGoal: 'clear',
  } as const;
  for (const [name, change] of Object.entries(named)) {
    serve(app, name, GOAL_ROUTES[name as keyof typeof named], async ({ caller, params }) =>
      shown(goals[change](caller, params.id)),
    );
  }
  serve(app, 'setGoalBudget', GOAL_ROUTES.setGoalBudget, (request) => {
    const tokenBudget = budgetIn(request.body.tokenBudget, statedIn(api, request));
    return shown(goals.setBudget(request.caller, request.params.id, tokenBudget));
  });
  serve(app, 'noteGoalUsage', GOAL_ROUTES.noteGoalUsage, async (request) => {
    const tokens = amountIn(request.body.tokens, 'tokens', 'tokens', statedIn(api, request));
    return usageOut(
      await goals.note(request.caller, request.params.id, { tokens, commandId: commandIdIn(request) }),
    );
  });
}

async function shown(goal: Promise<Goal>) {
  return goalDetailOut(await goal);
}

function budgetIn(value: string | number | null, stated: Stated): bigint | null {
  return value === null ? null : amountIn(value, 'tokens', 'tokenBudget', stated);
}

function commandIdIn(request: Request): string | undefined {
  const key = statedKey(request.headers['idempotency-key']);
  return key === undefined ? undefined : commandIdOf(key);
}
