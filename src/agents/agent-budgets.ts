// How a tree of agents is told to the ledger. For each unit and depth there are two budgets with an account for each agent:
// - all below: counts every call of the agent and of all its descendants. Its limit is the agent's.
// - own: counts the calls that draw on the agent's money itself, so none from below a carved child. Its limit is what is
//   not set aside for carved children; it has none until the first is carved.
// A call's labels name every agent above it, so all its accounts are judged and posted in the one step of its hold: nothing
// that goes wrong elsewhere lets a tree spend more than its root's limit. An account that nobody set has the limit 0.

import type { BudgetSpec, Labels } from '../core/requests.js';
import { type Agent, poolOf } from './agent.js';

/** Labels whose names begin so are the tree's: no caller states them, no key fixes them. */
export const AGENT_LABEL_PREFIX = 'agent.';
/** The units that the tree counts: calls must state all of them, so trees of other units have other budgets. */
const UNITS_LABEL = `${AGENT_LABEL_PREFIX}units`;
/** Begins the ids of these budgets. They are the platform's: no tenant changes them. */
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

/** Labels that no call has, to look at both accounts of everyone in the chain at once. */
export function chainLabels(agent: Place): Labels {
  return labelsFrom(agent, 0);
}

/** With the own accounts of those from this depth on. */
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
