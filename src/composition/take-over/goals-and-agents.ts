// Takes over goals and agents, and finishes or undoes what the earlier version was killed within:
// - A goal that was to begin begins, as it would have at the next start of the earlier version: its owner's active one is
//   paused. Whoever repeats the request finds it. One that the ledger refuses is dropped; nobody was told of it.
// - A goal that was to end is closed in the ledger with the fact of its end.
// - An agent that was being made is undone: nobody has its key. What was set aside for it goes back.

import type { Agent, AgentMode, AgentState } from '../../agents/agent.js';
import { budgetId, UNITS_SEPARATOR } from '../../agents/agent-budgets.js';
import { AgentLedger } from '../../agents/agent-ledger.js';
import { agentFact } from '../../agents/agents-facts.js';
import { GoalLedger } from '../../goals/goal-ledger.js';
import { type GoalRecord, GoalTable, goalFact, textIdOf } from '../../goals/goals-facts.js';
import { digestOf } from '../../kit/facts.js';
import { RefusedError } from '../../kit/refusals.js';
import type { Taking } from './fact-writer.js';

interface GoalRow {
  readonly id: string;
  readonly tenant: string;
  readonly owner: string;
  readonly text: string;
  readonly ending: 'completed' | 'cleared' | null;
  /** What the ledger was still to be told: `close`, `create`, or `create 1000` with so many tokens. */
  readonly intent: string | null;
  readonly request_key: string | null;
  readonly request_digest: string | null;
  readonly created_at: number;
  readonly ended_at: number | null;
}

export async function takeGoals(taking: Taking): Promise<void> {
  const { file, writer } = taking;
  for (const row of file.rows<GoalRow>('goals', 'WHERE intent IS NULL ORDER BY number')) {
    const goal = goalOf(row);
    const kind = goal.ending === null ? 'goal_begun' : (`goal_${goal.ending}` as const);
    await writer.write(goalFact(kind, goal), [{ id: textIdOf(goal), body: row.text }]);
  }
  await writer.flush();
  for (const row of file.rows<GoalRow>('goals', 'WHERE intent IS NOT NULL ORDER BY number'))
    await finishGoal(taking, row).catch((error) => {
      if (!(error instanceof RefusedError)) throw error;
      taking.logger.warn(`the goal ${row.id}, which was being made or ended, is dropped: ${error.message}`);
    });
}

async function finishGoal({ ledger, vault, views }: Taking, row: GoalRow): Promise<void> {
  const goal = goalOf(row);
  const table = new GoalTable(views);
  // Finished by a start that was killed later.
  if (table.find(goal.id) !== undefined) return;
  const books = new GoalLedger(ledger);
  await vault.put([{ id: textIdOf(goal), body: row.text }]);
  if (goal.ending !== null)
    return books.close(goal, { actor: null, facts: [goalFact(`goal_${goal.ending}`, goal)] });
  const [, tokens] = (row.intent ?? '').split(' ');
  const active = table.openOf(goal).filter((other) => books.balance(other).status === 'active');
  const rider = { actor: null, facts: [goalFact('goal_begun', goal)] };
  await books.begin(goal, tokens === undefined ? null : BigInt(tokens), active, rider);
}

function goalOf(row: GoalRow): GoalRecord {
  const { id, tenant, owner, ending, request_key: key, request_digest: digest } = row;
  return {
    ...{ id, tenant, owner, ending },
    textDigest: digestOf(row.text),
    request: key === null || digest === null ? null : { key, digest },
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

interface AgentRow {
  readonly id: string;
  readonly tenant: string;
  readonly path: string;
  readonly name: string;
  readonly mode: AgentMode;
  readonly state: AgentState | 'creating';
  readonly draws_on: number;
  readonly units: string;
  readonly limits: string;
  readonly labels: string;
  readonly caller_labels: string;
  readonly scopes: string;
  /** Null while it is being made. */
  readonly key_id: string | null;
  readonly request_id: string | null;
  /** Of a later version. */
  readonly request_digest?: string | null;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly ended_at: number | null;
  readonly watch_until: number | null;
}

const FACT_OF_STATE = {
  active: 'agent_created',
  closing: 'agent_ended',
  revoked: 'agent_ended',
  expired: 'agent_ended',
  closed: 'agent_closed',
} as const;

export async function takeAgents({ file, writer, ledger }: Taking): Promise<void> {
  for (const row of file.rows<AgentRow>('agents', 'ORDER BY number')) {
    if (row.state !== 'creating') {
      await writer.write(agentFact(FACT_OF_STATE[row.state], agentOf(row, row.state)));
      continue;
    }
    const agent = agentOf(row, 'revoked');
    const { units, chain, drawsOn } = agent;
    const isAsked = ledger.budget(
      budgetId({ units, depth: chain.length - 1, unit: units[0], kind: 'below' }),
    );
    if (isAsked === undefined) continue;
    const [funder] = file.rows<AgentRow>('agents', 'WHERE id = ?', chain[drawsOn]);
    await new AgentLedger(ledger).giveBack(agent, funder?.state === 'active', []);
  }
}

function agentOf(row: AgentRow, state: AgentState): Agent {
  const { id, tenant, name, mode, request_id: requestId } = row;
  const limits = Object.entries(JSON.parse(row.limits) as Record<string, string>);
  return {
    ...{ id, tenant, name, mode, state },
    chain: row.path.split('/'),
    drawsOn: row.draws_on,
    units: row.units.split(UNITS_SEPARATOR),
    limits: Object.fromEntries(limits.map(([unit, steps]) => [unit, BigInt(steps)])),
    labels: JSON.parse(row.labels),
    callerLabels: JSON.parse(row.caller_labels),
    scopes: JSON.parse(row.scopes),
    keyId: row.key_id ?? '',
    request: requestId === null ? null : { id: requestId, digest: row.request_digest ?? '' },
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    watchedUntil: row.watch_until,
  };
}
