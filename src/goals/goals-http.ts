// Goals over HTTP.

import { type AmountReading, amountIn } from '../kit/amounts.js';
import { commandIdOf, statedKey } from '../kit/idempotency-key.js';
import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import type { RouteHost, RouteRequest } from '../kit/route.js';
import type { Goal } from './goal.js';
import type { Goals, NewGoal } from './goals.js';
import { GOAL_ROUTES, goalDetailOut, goalOut, usageOut } from './goals-api.js';

export function goalRoutes(host: RouteHost, { goals }: { readonly goals: Goals }): void {
  host.serve('createGoal', GOAL_ROUTES.createGoal, async (request, reply) => {
    const { tokenBudget = null, ...rest } = request.body;
    // Does not compile where a field of the body is no field of NewGoal: it would be ignored.
    const stated: Pick<NewGoal, keyof typeof rest> = rest;
    const goal = await goals.create(request.caller, {
      ...stated,
      tokenBudget: budgetIn(tokenBudget, host.stated(request)),
      requestKey: statedKey(request.headers['idempotency-key']),
    });
    reply.code(201);
    return goalDetailOut(goal);
  });
  host.serve('listGoals', GOAL_ROUTES.listGoals, async ({ caller, query }) => {
    const before = readSequenceCursor(query) || null;
    const page = await goals.list(caller, query, { before, max: limitOf(query) });
    return { items: page.goals.map(goalOut), nextCursor: page.next === null ? null : cursorOf(page.next) };
  });
  host.serve('getActiveGoal', GOAL_ROUTES.getActiveGoal, async ({ caller, query }) => {
    const goal = await goals.active(caller, query);
    return { goal: goal === null ? null : goalDetailOut(goal) };
  });
  host.serve('getGoal', GOAL_ROUTES.getGoal, async ({ caller, params }) =>
    goalDetailOut(await goals.get(caller, params.id)),
  );
  changeRoutes(host, { goals });
}

function changeRoutes(host: RouteHost, { goals }: { readonly goals: Goals }): void {
  const named = {
    pauseGoal: 'pause',
    resumeGoal: 'resume',
    completeGoal: 'complete',
    clearGoal: 'clear',
  } as const;
  for (const [name, change] of Object.entries(named)) {
    host.serve(name, GOAL_ROUTES[name as keyof typeof named], async ({ caller, params }) =>
      shown(goals[change](caller, params.id)),
    );
  }
  host.serve('setGoalBudget', GOAL_ROUTES.setGoalBudget, (request) => {
    const tokenBudget = budgetIn(request.body.tokenBudget, host.stated(request));
    return shown(goals.setBudget(request.caller, request.params.id, tokenBudget));
  });
  host.serve('noteGoalUsage', GOAL_ROUTES.noteGoalUsage, async (request) => {
    const tokens = amountIn(request.body.tokens, 'tokens', 'tokens', host.stated(request));
    return usageOut(
      await goals.note(request.caller, request.params.id, { tokens, commandId: commandIdIn(request) }),
    );
  });
}

async function shown(goal: Promise<Goal>) {
  return goalDetailOut(await goal);
}

function budgetIn(value: string | number | null, stated: AmountReading): bigint | null {
  return value === null ? null : amountIn(value, 'tokens', 'tokenBudget', stated);
}

function commandIdIn(request: RouteRequest): string | undefined {
  const key = statedKey(request.headers['idempotency-key']);
  return key === undefined ? undefined : commandIdOf(key);
}
