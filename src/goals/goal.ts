// What a goal is (rules G1–G4): its text, its states, and its figures as the ledger has them. Used by goals.ts and the wire.

/** Rule G1: active → paused | completed | cleared, paused → active | cleared; the last two are final. */
export const GOAL_STATES = ['active', 'paused', 'completed', 'cleared'] as const;
export type GoalState = (typeof GOAL_STATES)[number];
export type GoalEnding = Extract<GoalState, 'completed' | 'cleared'>;

/** Characters of a text unless configured (rule G1). */
export const TEXT_LENGTH_DEFAULT = 400;
/** The most that may be configured: the text goes into every prompt, and is paid for each time. */
export const TEXT_LENGTH_MAX = 4_000;

/** Begins the ids of goals: a label `goal` with another value is its caller's own, and none of these. */
export const GOAL_PREFIX = 'goal_';

/** Tokens of one turn: ten times the largest context that is sold. What is above is a mistake. */
export const TURN_TOKENS_MAX = 10_000_000n;

export interface GoalSettings {
  /** Characters that a goal's text may have; 1 to 4,000. */
  readonly textLengthMax: number;
}

/** Of the ledger: tokens and turns that count towards the goal. */
export interface GoalFigures {
  /** Null: no budget. */
  readonly tokenBudget: bigint | null;
  readonly tokensUsed: bigint;
  /** Held by calls of the gateway that are under way. */
  readonly tokensHeld: bigint;
  /** What is neither used nor held, never below zero; null without a budget. */
  readonly tokensLeft: bigint | null;
  readonly turns: bigint;
}

export interface Goal extends GoalFigures {
  readonly id: string;
  readonly tenant: string;
  readonly owner: string;
  readonly text: string;
  readonly state: GoalState;
  readonly createdAt: number;
  readonly endedAt: number | null;
}
