// What a goal is (rules G1 to G4): its states, its figures as the ledger has them, its text, and how a prompt states it. Nothing
// in a text can end the block that wraps it: else what follows in the prompt could be read as the operator's own words.

import { quoted, textProblem } from '../core/labels.js';
import { setting, type ValuesOf, whole } from '../kit/file-value.js';

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

/** The section `goals` of the configuration. */
export const GOAL_SETTINGS = {
  /** Characters that a goal's text may have. */
  textLengthMax: setting(whole(1, TEXT_LENGTH_MAX), TEXT_LENGTH_DEFAULT),
};
export type GoalSettings = ValuesOf<typeof GOAL_SETTINGS>;

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

/** What would end the block, however it is spelt: spaces, letter case and full-width forms do not count. */
const CLOSING_TAG = '</goal';

/** What is wrong with a text as a goal, or null. Line breaks are allowed. */
export function goalTextProblem(text: string, lengthMax: number): string | null {
  const problem = textProblem(text.replaceAll('\n', ' '), lengthMax);
  if (problem !== null) return `${quoted(text)} ${problem}`;
  const plain = text.normalize('NFKC').replaceAll(/\s/g, '').toLowerCase();
  return plain.includes(CLOSING_TAG)
    ? `contains ${CLOSING_TAG}>, which would end its block in a prompt`
    : null;
}

/** The block for a prompt: at most the text and some 200 characters. */
export function promptBlock(goal: Omit<Goal, 'id' | 'tenant' | 'owner' | 'createdAt' | 'endedAt'>): string {
  const { text, state, turns, tokensUsed, tokensLeft, tokenBudget } = goal;
  const budget =
    tokenBudget === null ? '' : ` tokens_left="${tokensLeft ?? 0n}" token_budget="${tokenBudget}"`;
  return `<goal state="${state}" turns="${turns}" tokens_used="${tokensUsed}"${budget}>\n${text}\n</goal>`;
}
