// The part of the edge that takes commands on holds, and spend that nobody authorised.

import type {
  CorrectHold,
  CreditSpendCommand,
  ExtendHold,
  HoldClaims,
  RecordSpendCommand,
  ReleaseHold,
  ReverseHold,
  SettleHold,
} from '../core/commands.js';
import { NO_CLAIMS } from '../core/commands.js';
import { InvalidInputError } from '../core/errors.js';
import { HOLD_ENDINGS } from '../core/holds.js';
import { assertText, LABEL_VALUE_LENGTH_MAX, quoted } from '../core/labels.js';
import type {
  Correct,
  CreditSpend,
  Extend,
  OnHold,
  RecordSpend,
  Release,
  Reverse,
  Settle,
} from '../core/requests.js';
import type { State } from '../core/state.js';
import { assertObject, commandIdIn, INSTANT_MAX_MS, noteIn, wholeIn } from './checks.js';
import { labelsIn, leaseIn, quantities, TTL_MAX_MS, usageIn } from './intake-parts.js';

/** Why a correction or a credit was made, for people. */
export const REASON_LENGTH_MAX = 512;

function onHold(
  state: State,
  request: OnHold,
): { commandId: string | null; holdId: string; stated: HoldClaims } {
  assertObject(request, 'request');
  assertText(request.holdId, 'holdId');
  return {
    commandId: commandIdIn(request.commandId),
    holdId: request.holdId,
    stated: statedIn(state, request),
  };
}

function statedIn(state: State, request: OnHold): HoldClaims {
  const { labels, grant, authority } = request;
  if (labels === undefined && grant === undefined && authority === undefined) return NO_CLAIMS;
  if (grant !== undefined) {
    assertObject(grant, 'grant');
    assertText(grant.capability, 'grant.capability', LABEL_VALUE_LENGTH_MAX);
    assertText(grant.grant, 'grant.grant', LABEL_VALUE_LENGTH_MAX);
  }
  return {
    labels: labels === undefined ? null : labelsIn(state, labels, 'labels'),
    grant: grant === undefined ? null : { capability: grant.capability, grant: grant.grant },
    authority: authority === undefined ? null : leaseIn(authority),
  };
}

export function settleCommand(state: State, request: Settle): SettleHold {
  const { commandId, holdId, stated } = onHold(state, request);
  const ending = request.outcome === undefined ? 0 : HOLD_ENDINGS.indexOf(request.outcome);
  if (ending === -1 || request.outcome === null) {
    throw new InvalidInputError(
      'outcome',
      `${quoted(request.outcome)} is none of ${HOLD_ENDINGS.slice(1).join(', ')}`,
    );
  }
  return {
    kind: 'settle_hold',
    commandId,
    holdId,
    stated,
    amounts: quantities(state, request.amounts, 'amounts', false),
    exposure: request.exposure === undefined ? null : quantities(state, request.exposure, 'exposure', false),
    usage: request.usage === undefined ? null : usageIn(request.usage),
    ending,
    note: noteIn(request.note),
  };
}

export function extendCommand(state: State, request: Extend): ExtendHold {
  const { commandId, holdId, stated } = onHold(state, request);
  if (request.ttlMs === undefined && request.add === undefined) {
    throw new InvalidInputError('ttlMs', 'an extension states ttlMs, add, or both');
  }
  const ttlMs = request.ttlMs === undefined ? null : wholeIn(request.ttlMs, 'ttlMs', 1, TTL_MAX_MS);
  const add = request.add === undefined ? null : quantities(state, request.add, 'add', false);
  return { kind: 'extend_hold', commandId, holdId, stated, ttlMs, add };
}

export function releaseCommand(state: State, request: Release): ReleaseHold {
  const { commandId, holdId, stated } = onHold(state, request);
  const amounts = request.amounts === undefined ? null : quantities(state, request.amounts, 'amounts', false);
  return { kind: 'release_hold', commandId, holdId, stated, amounts };
}

export function reverseCommand(state: State, request: Reverse): ReverseHold {
  const { commandId, holdId, stated } = onHold(state, request);
  return { kind: 'reverse_hold', commandId, holdId, stated };
}

export function correctCommand(state: State, request: Correct): CorrectHold {
  const { commandId, holdId, stated } = onHold(state, request);
  assertText(request.reason, 'reason', REASON_LENGTH_MAX);
  const amounts = quantities(state, request.amounts, 'amounts', false);
  const note = noteIn(request.note);
  return { kind: 'correct_hold', commandId, holdId, stated, amounts, reason: request.reason, note };
}

export function recordCommand(state: State, request: RecordSpend): RecordSpendCommand {
  assertObject(request, 'request');
  return {
    kind: 'record_spend',
    commandId: commandIdIn(request.commandId),
    labels: labelsIn(state, request.labels, 'labels'),
    amounts: quantities(state, request.amounts, 'amounts', true),
    occurredAt:
      request.occurredAt === undefined ? null : wholeIn(request.occurredAt, 'occurredAt', 0, INSTANT_MAX_MS),
    usage: request.usage === undefined ? null : usageIn(request.usage),
    note: noteIn(request.note),
  };
}

export function creditCommand(state: State, request: CreditSpend): CreditSpendCommand {
  assertObject(request, 'request');
  assertText(request.reason, 'reason', REASON_LENGTH_MAX);
  return {
    kind: 'credit_spend',
    commandId: commandIdIn(request.commandId),
    labels: labelsIn(state, request.labels, 'labels'),
    amounts: quantities(state, request.amounts, 'amounts', false),
    occurredAt:
      request.occurredAt === undefined ? null : wholeIn(request.occurredAt, 'occurredAt', 0, INSTANT_MAX_MS),
    reason: request.reason,
  };
}
