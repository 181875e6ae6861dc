// What an agent is: a budget of its own in a tree of budgets, and one key that spends it. The rows are agent-table.ts's,
// the figures the ledger's. A child can never be wider than its parent, which new-agent.ts sees to.

import type { Amounts } from '../core/amount.js';
import type { Labels } from '../core/requests.js';
import type { Scope } from '../kit/caller.js';

/** The root is at depth 0. Eight levels below it are more than agents nest; each costs a call two budget lines a unit. */
export const DEPTH_MAX = 8;
/** Units that a tree counts: each is a budget line more at each level of each call. usd, tokens and calls are usual. */
export const AGENT_UNITS_MAX = 4;

/**
 * root: the top of a tree. carved: its limit is set aside at its parent when it is made, and what is left of it goes
 * back when it ends. shared: it draws on what its parent has, up to a limit of its own.
 */
export const AGENT_MODES = ['root', 'carved', 'shared'] as const;
export type AgentMode = (typeof AGENT_MODES)[number];
export type ChildMode = Exclude<AgentMode, 'root'>;

/**
 * active → closing → closed, active → revoked, active → expired. While closing nothing new is authorised, and the key
 * still settles what is open.
 */
export const AGENT_STATES = ['active', 'closing', 'closed', 'revoked', 'expired'] as const;
export type AgentState = (typeof AGENT_STATES)[number];

/** Instants are epoch ms. */
export interface Agent {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly mode: AgentMode;
  readonly state: AgentState;
  /** Ids from the root to this agent, both included. */
  readonly chain: readonly string[];
  /** The depth of the agent whose money it is given: of its nearest carved ancestor, or the root. Its own for a root. */
  readonly drawsOn: number;
  /** The tree's units, sorted. */
  readonly units: readonly string[];
  /** As it was made, or raised since; a unit left out has no limit of its own. While active, the ledger says it. */
  readonly limits: Amounts;
  /** Labels of all its calls besides those of the tree; `tenant` is among them. */
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly scopes: readonly Scope[];
  readonly keyId: string | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly endedAt: number | null;
}

/** How an agent stands in one unit, in steps: limit = used + held + left + returned, exactly. */
export interface AgentFigures {
  readonly unit: string;
  /** null: it has none of its own, and `left` and `returned` are null too. */
  readonly limit: bigint | null;
  /** Spent by it and by all below it. */
  readonly used: bigint;
  /** Held by open calls, its own and those below it, and set aside for carved children. */
  readonly held: bigint;
  /** What it can still spend or set aside itself, as far as its own limit goes; 0 once it ended. */
  readonly left: bigint | null;
  /** What it had not used when it ended: given back where it was carved. */
  readonly returned: bigint | null;
  /** The least that is left on the way to the root: what its next call may cost. */
  readonly available: bigint;
}

export interface AgentView {
  readonly agent: Agent;
  readonly figures: readonly AgentFigures[];
  /** Children that have not ended. */
  readonly children: number;
}

export function depthOf({ chain }: Pick<Agent, 'chain'>): number {
  return chain.length - 1;
}

/** The depth from which on an agent's calls count as its own money's: where it was carved, or what it draws on. */
export function poolOf(agent: Pick<Agent, 'chain' | 'mode' | 'drawsOn'>): number {
  return agent.mode === 'carved' ? depthOf(agent) : agent.drawsOn;
}

export function parentOf({ chain }: Pick<Agent, 'chain'>): string | null {
  return chain.length < 2 ? null : chain[chain.length - 2];
}
