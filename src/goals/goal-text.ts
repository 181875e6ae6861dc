// The text of a goal: what it may be, and how a prompt states it (rule G1). Nothing in a text can end the block that wraps
// it, so that what follows in the prompt is not read as the operator's own words.

import { quoted, textProblem } from '../core/labels.js';
import type { Goal } from './goal.js';

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
