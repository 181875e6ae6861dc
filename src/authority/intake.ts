// The edge of the library: what a caller passed is checked and becomes a core command, or throws InvalidInputError that
// names the field, the value and the bound. Nothing that comes in here is trusted; everything behind it is.

import type { Amounts } from '../core/amount.js';
import { AMOUNT_MAX } from '../core/amount.js';
import type {
  AuthorizeHold,
  CoreCommand,
  CorrectHold,
  ExtendHold,
  RecordSpendCommand,
  ReleaseHold,
  ReverseHold,
  SettleHold,
  Stated,
} from '../core/commands.js';
import { NOTHING_STATED } from '../core/commands.js';
import { InvalidInputError } from '../core/errors.js';
import {
  HOLD_ENDINGS,
  type HoldExtras,
  NO_EXTRAS,
  OVERRUN_CAP,
  OVERRUN_FORBID,
  OVERRUN_RECORD,
  OVERRUN_REJECT,
} from '../core/holds.js';
import { assertLabels, assertText, LABEL_VALUE_LENGTH_MAX, labelText, shown } from '../core/labels.js';
import type {
  Authorize,
  Candidate,
  Command,
  Correct,
  Extend,
  GrantCaps,
  Labels,
  Lease,
  OnHold,
  OverrunPolicy,
  RecordSpend,
  Release,
  Reverse,
  Settle,
  Usage,
} from '../core/requests.js';
import type { State } from '../core/state.js';
import type { Quantities } from '../core/units.js';
import { CALLS } from '../core/units.js';
import { assertList, assertObject, commandIdIn, INSTANT_MAX_MS, stepsIn, wholeIn } from './checks.js';
import { accountCommand, definitionsCommand } from './intake-definitions.js';

/** Ten minutes: longer than model calls last, short enough that a lost caller does not hold money for long. */
export const TTL_DEFAULT_MS = 600_000;
/** Thirty days: a hold is not a budget. */
export const TTL_MAX_MS = 30 * 86_400_000;
export const CANDIDATES_MAX = 16;
export const GRANTS_MAX = 16;
/** Why a correction was made, for people. */
export const REASON_LENGTH_MAX = 512;

/** Commands in one durable group at most, and characters of labels in it: they become one batch of the journal. */
export const GROUP_COMMANDS_MAX = 10_000;
export const GROUP_LABEL_CHARACTERS_MAX = 8 * 1024 * 1024;

/** The commands of a group; all are checked before the first is done. */
export function groupCommands(state: State, commands: readonly Command[]): CoreCommand[] {
  assertList(commands, 'commands', GROUP_COMMANDS_MAX);
  let characters = 0;
  const made = new Array<CoreCommand>(commands.length);
  for (let index = 0; index < made.length; index += 1) {
    const command = coreCommand(state, commands[index]);
    made[index] = command;
    if (command.kind !== 'authorize_hold' && command.kind !== 'record_spend') continue;
    characters += command.labels.length;
    if (command.kind === 'authorize_hold') {
      for (const candidate of command.candidates ?? []) characters += candidate.labels.length;
    }
  }
  if (characters > GROUP_LABEL_CHARACTERS_MAX) {
    throw new InvalidInputError(
      'commands',
      `have ${characters} characters of labels; at most ${GROUP_LABEL_CHARACTERS_MAX}`,
    );
  }
  return made;
}

/** A command as the core decides it. */
export function coreCommand(state: State, command: Command): CoreCommand {
  assertObject(command, 'command');
  switch (command.command) {
    case 'authorize_hold':
      return authorizeCommand(state, command);
    case 'settle_hold':
      return settleCommand(state, command);
    case 'extend_hold':
      return extendCommand(state, command);
    case 'release_hold':
      return releaseCommand(state, command);
    case 'reverse_hold':
      return reverseCommand(state, command);
    case 'correct_hold':
      return correctCommand(state, command);
    case 'record_spend':
      return recordCommand(state, command);
    case 'put_definitions':
      return definitionsCommand(state, command);
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit':
      return accountCommand(state, command);
    default:
      throw new InvalidInputError(
        'command',
        `${shown((command as { command: unknown }).command)} is no command`,
      );
  }
}

export function authorizeCommand(state: State, request: Authorize): AuthorizeHold {
  assertObject(request, 'request');
  assertText(request.holdId, 'holdId');
  const labels = labelsIn(state, request.labels, 'labels');
  const amounts = quantities(state, request.amounts, 'amounts', true);
  const candidates =
    request.candidates === undefined ? null : candidatesIn(state, request, request.candidates);
  const { onExpiry } = request;
  return {
    kind: 'authorize_hold',
    commandId: commandIdIn(request.commandId),
    holdId: request.holdId,
    labels,
    amounts,
    callsStated: Object.hasOwn(request.amounts, 'calls'),
    ttlMs: request.ttlMs === undefined ? TTL_DEFAULT_MS : wholeIn(request.ttlMs, 'ttlMs', 1, TTL_MAX_MS),
    overrun: overrunIn(request.overrun),
    chargeOnExpiry: chargesOnExpiry(onExpiry),
    extras: extrasIn(state, request, amounts),
    candidates,
    require: request.require === undefined ? NO_KEYS : requireIn(request.require),
  };
}

const NO_KEYS: readonly string[] = [];

function chargesOnExpiry(onExpiry: Authorize['onExpiry']): boolean {
  if (onExpiry === undefined || onExpiry === 'release') return false;
  if (onExpiry === 'charge') return true;
  assertObject(onExpiry, 'onExpiry', "'release', 'charge' or {charge: amounts}");
  return true;
}

function overrunIn(overrun: OverrunPolicy | undefined): number {
  if (overrun === undefined || overrun === 'record') return OVERRUN_RECORD;
  if (overrun === 'reject') return OVERRUN_REJECT;
  if (overrun === 'forbid') return OVERRUN_FORBID;
  assertObject(overrun, 'overrun', "'record', 'reject', 'forbid' or {cap: {tolerancePercent}}");
  assertObject(overrun.cap, 'overrun.cap');
  return OVERRUN_CAP;
}

function extrasIn(state: State, request: Authorize, amounts: Quantities): HoldExtras {
  const { authority, grants, onExpiry, overrun } = request;
  const plain =
    authority === undefined &&
    grants === undefined &&
    typeof onExpiry !== 'object' &&
    typeof overrun !== 'object';
  if (plain) return NO_EXTRAS;
  return {
    lease: authority === undefined ? null : leaseIn(authority),
    grants: grants === undefined ? [] : grantsIn(state, grants),
    expiryCharge: typeof onExpiry === 'object' ? expiryChargeIn(state, onExpiry.charge, amounts) : null,
    tolerancePercent:
      typeof overrun === 'object'
        ? wholeIn(overrun.cap.tolerancePercent, 'overrun.cap.tolerancePercent', 0, 1_000)
        : 0,
  };
}

// By place of the held units; a unit that is not stated is charged as it was held.
function expiryChargeIn(state: State, charge: Amounts, held: Quantities): bigint[] {
  const stated = quantities(state, charge, 'onExpiry.charge', false);
  for (let place = 0; place < stated.steps.length; place += 1) {
    const unit = stated.set.units[place];
    const name = `onExpiry.charge.${state.units.name(unit)}`;
    if (held.set.placeOf[unit] < 0)
      throw new InvalidInputError(name, 'is in a unit that the hold does not have');
    const ceiling = held.steps[held.set.placeOf[unit]];
    if (stated.steps[place] < 0n || stated.steps[place] > ceiling) {
      throw new InvalidInputError(name, `${stated.steps[place]} is not between 0 and the ${ceiling} held`);
    }
  }
  return held.set.units.map((unit, place) => {
    const own = stated.set.placeOf[unit];
    return own < 0 ? held.steps[place] : stated.steps[own];
  });
}

function candidatesIn(
  state: State,
  request: Authorize,
  candidates: readonly Candidate[],
): AuthorizeHold['candidates'] {
  assertList(candidates, 'candidates', CANDIDATES_MAX);
  if (candidates.length === 0)
    throw new InvalidInputError('candidates', 'is empty; leave it out or name at least one');
  return candidates.map((candidate, index) => {
    assertObject(candidate, `candidates[${index}]`);
    const labels = { ...request.labels, ...candidate.labels };
    return {
      labels: labelsIn(state, labels, `candidates[${index}].labels`),
      amounts: quantities(state, candidate.amounts ?? request.amounts, `candidates[${index}].amounts`, true),
    };
  });
}

function requireIn(keys: readonly string[]): readonly string[] {
  assertList(keys, 'require', 32);
  for (const [index, key] of keys.entries()) assertText(key, `require[${index}]`);
  return [...keys];
}

function grantsIn(state: State, grants: readonly GrantCaps[]): GrantCaps[] {
  assertList(grants, 'grants', GRANTS_MAX);
  return grants.map((grant, index) => {
    const field = `grants[${index}]`;
    assertObject(grant, field);
    assertText(grant.capability, `${field}.capability`, LABEL_VALUE_LENGTH_MAX);
    assertText(grant.grant, `${field}.grant`, LABEL_VALUE_LENGTH_MAX);
    unitIn(state, grant.unit, `${field}.unit`);
    return {
      capability: grant.capability,
      grant: grant.grant,
      unit: grant.unit,
      ...(grant.maxCalls === undefined
        ? {}
        : { maxCalls: wholeIn(grant.maxCalls, `${field}.maxCalls`, 0, Number.MAX_SAFE_INTEGER) }),
      ...(grant.maxPerHold === undefined
        ? {}
        : { maxPerHold: stepsIn(grant.maxPerHold, `${field}.maxPerHold`) }),
      ...(grant.maxTotal === undefined ? {} : { maxTotal: stepsIn(grant.maxTotal, `${field}.maxTotal`) }),
    };
  });
}

function leaseIn(lease: Lease): Lease {
  assertObject(lease, 'authority');
  assertText(lease.authorityId, 'authority.authorityId');
  assertText(lease.leaseId, 'authority.leaseId');
  const epoch = wholeIn(lease.epoch, 'authority.epoch', 0, Number.MAX_SAFE_INTEGER);
  return { authorityId: lease.authorityId, leaseId: lease.leaseId, epoch };
}

function onHold(state: State, request: OnHold): { commandId: string | null; holdId: string; stated: Stated } {
  assertObject(request, 'request');
  assertText(request.holdId, 'holdId');
  return {
    commandId: commandIdIn(request.commandId),
    holdId: request.holdId,
    stated: statedIn(state, request),
  };
}

function statedIn(state: State, request: OnHold): Stated {
  const { labels, grant, authority } = request;
  if (labels === undefined && grant === undefined && authority === undefined) return NOTHING_STATED;
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
      `${shown(request.outcome)} is none of ${HOLD_ENDINGS.slice(1).join(', ')}`,
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
  return { kind: 'correct_hold', commandId, holdId, stated, amounts, reason: request.reason };
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
  };
}

const USAGE_FIELDS = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'reasoningTokens',
  'toolCalls',
] as const;

function usageIn(usage: Usage): Usage {
  assertObject(usage, 'usage');
  const counts: Record<string, number> = {};
  for (const [key, value] of Object.entries(usage)) {
    if (value === undefined) continue;
    if (!USAGE_FIELDS.includes(key as (typeof USAGE_FIELDS)[number])) {
      throw new InvalidInputError(`usage.${shown(key)}`, `is none of ${USAGE_FIELDS.join(', ')}`);
    }
    counts[key] = wholeIn(value, `usage.${key}`, 0, Number.MAX_SAFE_INTEGER);
  }
  return counts;
}

/** Canonical label text; labels whose route is remembered have been checked before. */
export function labelsIn(state: State, labels: Labels, field: string): string {
  if (labels !== null && typeof labels === 'object') {
    const text = labelText(labels);
    const known = state.router.known(text);
    if (known !== undefined && known.labelCount === Object.keys(labels).length) return text;
  }
  assertLabels(labels, field);
  return labelText(labels);
}

const steps: bigint[] = [];

/** Amounts by unit as a list; `calls` is 1 unless stated where a call is implied. Signs are the core's to judge. */
export function quantities(state: State, amounts: Amounts, field: string, withCall: boolean): Quantities {
  assertObject(amounts, field);
  let mask = 0;
  for (const name of Object.keys(amounts)) {
    const unit = state.units.index(name);
    if (unit === -1) throw unknownUnit(state, `${field}.${shown(name)}`);
    const value = amounts[name];
    if (typeof value !== 'bigint') {
      throw new InvalidInputError(
        `${field}.${name}`,
        `expected a bigint number of steps, got ${shown(value)} (${typeof value})`,
      );
    }
    if (value > AMOUNT_MAX || value < -AMOUNT_MAX) {
      throw new InvalidInputError(`${field}.${name}`, `${value} is beyond 2^63−1 steps`);
    }
    mask |= 1 << unit;
    steps[unit] = value;
  }
  if (withCall && (mask & (1 << CALLS)) === 0) {
    mask |= 1 << CALLS;
    steps[CALLS] = 1n;
  }
  const set = state.units.set(mask);
  const listed = new Array<bigint>(set.units.length);
  for (let place = 0; place < listed.length; place += 1) listed[place] = steps[set.units[place]];
  return { set, steps: listed };
}

function unknownUnit(state: State, field: string): InvalidInputError {
  return new InvalidInputError(
    field,
    `the ledger has no such unit; it has ${state.units.units.map((unit) => unit.name).join(', ')}`,
  );
}

function unitIn(state: State, name: unknown, field: string): number {
  const unit = typeof name === 'string' ? state.units.index(name) : -1;
  if (unit === -1) throw unknownUnit(state, field);
  return unit;
}
