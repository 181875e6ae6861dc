// What an agent is: a budget of its own in a tree of budgets, and one key that spends it. agents-facts.ts keeps who the agents
// are, the ledger has their figures. new-agent.ts sees to it that a child is never wider than its parent.

import type { Amounts } from '../core/amount.js';
import type { Labels } from '../core/requests.js';
import type { Scope } from '../kit/caller.js';

/** The root is at depth 0. Eight levels below it are more than agents nest; each costs a call two budget lines a unit. */
export const DEPTH_MAX = 8;
/** Units that a tree counts. Each costs a call one more budget line a level. usd, tokens and calls are usual. */
export const AGENT_UNITS_MAX = 4;

/**
 * root: the top of a tree. carved: its limit is set aside at its parent when it is made, and what is left of the limit goes
 * back when it ends. shared: it draws on what its parent has, up to a limit of its own.
 */
export const AGENT_MODES = ['root', 'carved', 'shared'] as const;
export type AgentMode = (typeof AGENT_MODES)[number];
export type ChildMode = Exclude<AgentMode, 'root'>;

/**
 * active → closing → closed, active → revoked, active → expired. While an agent is closing, nothing new is authorised, and
 * its key still settles the open calls.
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
  /** The depth of the agent whose money it is given: its nearest carved ancestor, or the root. Its own depth for a root. */
  readonly drawsOn: number;
  /** The tree's units, sorted. */
  readonly units: readonly string[];
  /** The limits that it was made with, or raised to; a unit left out has no limit of its own. Once it ended, they stay. */
  readonly limits: Amounts;
  /** Labels of all its calls besides those of the tree; `tenant` is among them. */
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly scopes: readonly Scope[];
  readonly keyId: string;
  /** The request that made it, so that a repeat is known. */
  readonly request: AgentRequestKey | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly endedAt: number | null;
  /** Until when late charges may come after its end; null while it lives. */
  readonly watchedUntil: number | null;
}

export interface AgentRequestKey {
  /** The caller's request id. A child's has its parent's id before it, since the request ids of an agent are its own. */
  readonly id: string;
  /** Of what was stated: another request under the same id is no repeat. */
  readonly digest: string;
}

/** An agent before it is made: it has no key. */
export type AgentDraft = Omit<Agent, 'state' | 'keyId' | 'endedAt' | 'watchedUntil'>;

/** The figures of an agent in one unit, in steps: limit = used + held + left + returned, exactly. */
export interface AgentFigures {
  readonly unit: string;
  /** null: the agent has no limit of its own, and `left` and `returned` are null too. */
  readonly limit: bigint | null;
  /** Spent by the agent and by all below it. */
  readonly used: bigint;
  /** Held by open calls of the agent and of those below it, and set aside for carved children. */
  readonly held: bigint;
  /** What the agent can still spend or set aside itself, as far as its own limit goes; 0 once it ended. */
  readonly left: bigint | null;
  /** What the agent had not used when it ended. Where it was carved, that was given back. */
  readonly returned: bigint | null;
  /** The least that is left on the way to the root: what the agent's next call may cost. */
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

/** The depth from which on an agent's calls spend its own money: its own depth where it was carved, else what it draws on. */
export function poolOf(agent: Pick<Agent, 'chain' | 'mode' | 'drawsOn'>): number {
  return agent.mode === 'carved' ? depthOf(agent) : agent.drawsOn;
}

export function parentOf({ chain }: Pick<Agent, 'chain'>): string | null {
  return chain.length < 2 ? null : chain[chain.length - 2];
}

/** Whether it can still have open calls: its key is accepted. */
export function isLiving({ state }: Pick<Agent, 'state'>): boolean {
  return state === 'active' || state === 'closing';
}
