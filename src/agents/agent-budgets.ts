// The budgets and labels by which the ledger knows a tree of agents. For each unit and depth there are two budgets, with an
// account for each agent:
// - below: counts every call of the agent and of all its descendants. Its limit is the agent's.
// - own: counts the calls that spend the agent's own money, so none of a carved child's. Its limit is what is not set aside
//   for carved children. It has no limit until the first child is carved.
// A call's labels name every agent above it, so all these accounts are checked and posted in the one step of its hold: no
// fault elsewhere lets a tree spend more than its root's limit. An account that nobody gave a limit has the limit 0.

import type { BudgetSpec, Labels } from '../core/requests.js';
import { type Agent, poolOf } from './agent.js';

/** The labels whose names begin so are the tree's. No caller can state them, and no other key can fix them. */
export const AGENT_LABEL_PREFIX = 'agent.';
/** Names the units that the tree counts. Calls must state all of them, so trees of other units have other budgets. */
const UNITS_LABEL = `${AGENT_LABEL_PREFIX}units`;
/** The ids of these budgets begin so. They are the platform's: no tenant changes them. */
export const AGENT_BUDGET_PREFIX = 'agents/';

type Place = Pick<Agent, 'tenant' | 'chain' | 'mode' | 'drawsOn' | 'units'>;

/** Which of an agent's two accounts. */
export type AccountKind = 'below' | 'own';

const LABEL_OF: Readonly<Record<AccountKind, string>> = {
  below: AGENT_LABEL_PREFIX,
  own: `${AGENT_LABEL_PREFIX}own.`,
};

/** The tree's labels on every call of an agent. */
export function treeLabels(agent: Place): Labels {
  return labelsFrom(agent, poolOf(agent));
}

/** Labels that match both accounts of everyone in the chain, so that one check shows all of them. No call has these. */
export function chainLabels(agent: Place): Labels {
  return labelsFrom(agent, 0);
}

/** The labels of the chain; those of the own accounts from this depth on. */
function labelsFrom({ tenant, chain, units }: Place, ownFrom: number): Labels {
  const labels: Record<string, string> = { tenant, [UNITS_LABEL]: unitsText(units) };
  chain.forEach((id, depth) => {
    labels[LABEL_OF.below + depth] = id;
    if (depth >= ownFrom) labels[LABEL_OF.own + depth] = id;
  });
  return labels;
}

/** The budgets of one depth of trees that count these units. */
export function budgetsAt(units: readonly string[], depth: number): BudgetSpec[] {
  return units.flatMap((unit) =>
    (['below', 'own'] as const).map((kind) => ({
      id: budgetId({ units, depth, unit, kind }),
      match: { tenant: '*', [UNITS_LABEL]: unitsText(units), [LABEL_OF[kind] + depth]: '*' },
      unit,
      limit: kind === 'below' ? 0n : null,
      window: 'lifetime' as const,
    })),
  );
}

interface BudgetOf {
  readonly units: readonly string[];
  readonly depth: number;
  readonly unit: string;
  readonly kind: AccountKind;
}

export function budgetId({ units, depth, unit, kind }: BudgetOf): string {
  return `${AGENT_BUDGET_PREFIX}${unitsText(units)}/${depth}/${unit}/${kind}`;
}

/** Names the account of the agent at a depth of a chain, as the ledger's commands do. */
export function accountAt(
  { tenant, chain, units }: Pick<Agent, 'tenant' | 'chain' | 'units'>,
  { depth, unit, kind }: Omit<BudgetOf, 'units'>,
): { readonly budgetId: string; readonly values: Labels } {
  const values = { tenant, [LABEL_OF[kind] + depth]: chain[depth] };
  return { budgetId: budgetId({ units, depth, unit, kind }), values };
}

/** Sorted by their maker; a name with the separator in it is refused there. */
export function unitsText(units: readonly string[]): string {
  return units.join(UNITS_SEPARATOR);
}

export const UNITS_SEPARATOR = '+';
