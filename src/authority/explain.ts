// Why a decision was what it was, from the journal alone: the state is replayed to the decision, and each line is shown
// with the budget version in force, the open holds behind its `held`, and whether the figures add up.

import { formatAmount } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import { labelsOf, quoted } from '../core/labels.js';
import type { BudgetLine, ExplainedLine, Explanation, LedgerEvent } from '../core/outcomes.js';
import type { BudgetSpec } from '../core/requests.js';
import type { State } from '../core/state.js';
import type { BatchReader } from '../journal/batch-reader.js';
import type { JournalReader } from '../journal/port.js';
import { eventOf } from '../journal/recorded.js';
import { findRecord } from './events.js';
import { openHoldsOn } from './reads.js';
import { recover } from './recovery.js';
import type { ReplayPoints } from './replay-points.js';

/** Holds listed for each line; the count says how many there are. */
export const EXPLAINED_HOLDS_MAX = 100;

/** @throws InvalidInputError when there is no such decision */
export function explainDecision(
  reader: JournalReader,
  decision: string,
  seed: number,
  points?: ReplayPoints,
): Explanation {
  const sequence = sequenceOf(decision);
  const record = findRecord(reader, sequence);
  if (record === undefined)
    throw new InvalidInputError('decisionId', `the journal has no ${quoted(decision)}`);
  const { state } = recover(reader, { seed, upTo: sequence, ...(points === undefined ? {} : { points }) });
  const event = eventOf(record);
  const lines = event.lines.map((line, index) => explainLine(state, record, index, line));
  const sentence = sentenceOf(
    state,
    event,
    lines.map((line) => line.budget),
  );
  return { decisionId: decision, event, lines, sentence };
}

function sequenceOf(decision: string): number {
  const match = /^(?:dec|evt)-(\d{1,15})$/.exec(decision);
  if (match === null)
    throw new InvalidInputError('decisionId', `${quoted(decision)} is not like "dec-12" or "evt-12"`);
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

function sentenceOf(state: State, event: LedgerEvent, specs: readonly BudgetSpec[]): string {
  const hold = event.holdId === null ? '' : ` of hold ${event.holdId}`;
  if (event.type !== 'hold_denied') {
    return `${event.type}${hold}, ${event.position === null ? 'which changed nothing' : `position ${event.position}`}.`;
  }
  const causes = event.lines.flatMap((line, index) =>
    line.violated === null ? [] : [causeOf(state, line, specs[index])],
  );
  const unmet = (event.details.unmet as string[] | undefined)?.map((key) => `no budget limits ${key}`) ?? [];
  return `Hold ${event.holdId} was denied (${event.details.reason}): ${[...unmet, ...causes].join('; ')}.`;
}

function causeOf(state: State, line: BudgetLine, spec: BudgetSpec): string {
  const { scale } = state.units.units[state.units.index(line.unit)];
  const shownAmount = (steps: bigint) => `${formatAmount(steps, scale)} ${line.unit}`;
  const caps = line.violations.map((violation) => {
    if (violation === 'per_hold_max' && spec.perHoldMax !== undefined)
      return `at most ${shownAmount(spec.perHoldMax)} a hold`;
    if (violation === 'held_max' && spec.heldMax !== undefined)
      return `at most ${shownAmount(spec.heldMax)} held`;
    return violation.replaceAll('_', ' ');
  });
  const granted = line.granted === null ? 'no limit' : shownAmount(line.granted);
  const figures = `of ${granted} granted, ${shownAmount(line.spent)} are spent and ${shownAmount(line.held)} held`;
  const values = Object.values(line.values).join(', ');
  const balance = values === '' ? line.budgetId : `${line.budgetId} of ${values}`;
  return `${balance} (${caps.join(', ')}): ${shownAmount(line.requested)} asked; ${figures}`;
}
