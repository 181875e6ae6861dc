// Why a decision was what it was, from the journal alone: the state is replayed to the decision, and each line is shown
// with the budget version in force, the open holds behind its `held`, and whether the figures add up.

import { InvalidInputError } from '../core/errors.js';
import { labelsOf, shown } from '../core/labels.js';
import type { BudgetLine, ExplainedLine, Explanation, LedgerEvent } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import type { BatchReader } from '../journal/batch-reader.js';
import type { JournalReader } from '../journal/port.js';
import { eventOf } from '../journal/recorded.js';
import { findRecord } from './events.js';
import { openHoldsOn } from './reads.js';
import { recover } from './recovery.js';

/** Holds listed for each line; the count says how many there are. */
export const EXPLAINED_HOLDS_MAX = 100;

/** @throws InvalidInputError when there is no such decision */
export function explainDecision(reader: JournalReader, decision: string, seed: number): Explanation {
  const sequence = sequenceOf(decision);
  const record = findRecord(reader, sequence);
  if (record === undefined)
    throw new InvalidInputError('decisionId', `the journal has no ${shown(decision)}`);
  const { state } = recover(reader, { seed, upTo: sequence });
  const event = eventOf(record);
  const lines = event.lines.map((line, index) => explainLine(state, record, index, line));
  return { decisionId: decision, event, lines, sentence: sentenceOf(event) };
}

function sequenceOf(decision: string): number {
  const match = /^(?:dec|evt)-(\d{1,15})$/.exec(decision);
  if (match === null)
    throw new InvalidInputError('decisionId', `${shown(decision)} is not like "dec-12" or "evt-12"`);
  return Number(match[1]);
}

function explainLine(state: State, record: BatchReader, index: number, line: BudgetLine): ExplainedLine {
  const { slot, unitIndex } = record.lines.balances[index];
  const budget = state.budgetById.get(line.budgetId);
  if (budget === undefined)
    throw new InvalidInputError('decisionId', `budget ${line.budgetId} is not in the journal`);
  const holds = slot === -1 ? [] : openHoldsOn(state, slot, unitIndex);
  const heldByHolds = holds.reduce((sum, hold) => sum + hold.amount, 0n);
  const spent = slot === -1 ? 0n : state.balances.spent[slot];
  const remaining = line.granted === null ? null : line.granted - line.spent - line.held;
  return {
    line,
    budget: budget.spec,
    budgetVersion: budget.version,
    openHolds: holds.length,
    holds: holds.slice(0, EXPLAINED_HOLDS_MAX).map((hold) => ({
      holdId: state.holds.ids[hold.slot],
      amount: hold.amount,
      labels: labelsOf(state.holds.labels[hold.slot]),
      expiresAt: state.holds.expiresAt[hold.slot],
    })),
    addsUp: heldByHolds === line.held && spent === line.spent && remaining === line.remaining,
  };
}

function sentenceOf(event: LedgerEvent): string {
  const hold = event.holdId === null ? '' : ` of hold ${event.holdId}`;
  if (event.type !== 'hold_denied') return `${event.type}${hold} at position ${event.position ?? 'none'}.`;
  const causes = event.lines.filter((line) => line.violated !== null).map(causeOf);
  return `Hold ${event.holdId} was denied (${event.details.reason}): ${causes.join('; ') || 'no budget matches'}.`;
}

// Raw steps: a surface that knows the unit's scale formats the figures of the line itself.
function causeOf(line: BudgetLine): string {
  const { budgetId, unit, requested, granted, spent, held, violations } = line;
  return `${budgetId} breaks ${violations.join(' and ')}: ${requested} ${unit} asked, ${granted ?? 'no limit'} granted, ${spent} spent, ${held} held (steps)`;
}
