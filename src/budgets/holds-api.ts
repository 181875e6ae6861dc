// Holds and spend over HTTP: the routes, and requests (holds-schema.ts) as commands of the ledger. A body has passed its
// schema; here its amounts and instants are read. Labels and ids are the tenancy's to judge afterwards.

import type { Amounts } from '../core/amount.js';
import type { Command, OnExpiry, OverrunPolicy } from '../core/requests.js';
import { amountIn, amountsIn, type Stated } from '../kit/amounts.js';
import { instantIn } from '../kit/instants.js';
import { invalid } from '../kit/refusals.js';
import { CORRECTORS, ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  AuthorizeRequest,
  BatchAnswer,
  type BatchCommand,
  BatchRequest,
  CheckAnswer,
  CheckRequest,
  CorrectRequest,
  CreditRequest,
  ExtendRequest,
  HoldList,
  HoldQuery,
  HoldView,
  ReleaseRequest,
  ReverseRequest,
  SettleRequest,
  SpendRequest,
} from './holds-schema.js';
import { AuthorizedRef, DoneRef, SettledRef } from './outcomes-schema.js';

/** 10,000 commands of 1,600 bytes: several times an ordinary one. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;

const onHold = {
  method: 'POST',
  tag: 'holds',
  scopes: SPENDERS,
  idempotencyKey: 'required',
  params: ID_PARAMS,
} as const;

export const HOLD_ROUTES = routes({
  authorize: {
    method: 'POST',
    path: '/v1/holds',
    tag: 'holds',
    summary: 'Hold the worst case of a call in every budget that it counts towards, or nothing',
    scopes: SPENDERS,
    idempotencyKey: 'required',
    body: AuthorizeRequest,
    answers: { 201: AuthorizedRef },
  },
  listHolds: {
    method: 'GET',
    path: '/v1/holds',
    tag: 'holds',
    summary: 'Holds in memory, in the order of their opening',
    scopes: SPENDERS_AND_READERS,
    query: HoldQuery,
    answers: { 200: HoldList },
  },
  getHold: {
    method: 'GET',
    path: '/v1/holds/:id',
    tag: 'holds',
    summary: 'One hold',
    scopes: SPENDERS_AND_READERS,
    params: ID_PARAMS,
    answers: { 200: HoldView },
  },
  extend: {
    ...onHold,
    path: '/v1/holds/:id/extend',
    summary: 'Give a hold a later expiry, a larger amount, or both',
    body: ExtendRequest,
    answers: { 200: DoneRef },
  },
  release: {
    ...onHold,
    path: '/v1/holds/:id/release',
    summary: 'Give back what a hold holds, all of it or a part',
    body: ReleaseRequest,
    answers: { 200: DoneRef },
  },
  reverse: {
    ...onHold,
    path: '/v1/holds/:id/reverse',
    summary: 'Undo an untouched hold as if it had never been, its call count too',
    body: ReverseRequest,
    answers: { 200: DoneRef },
  },
  settle: {
    ...onHold,
    path: '/v1/holds/:id/settle',
    summary: 'Book what a call cost; the rest of the hold goes back',
    body: SettleRequest,
    answers: { 200: SettledRef },
  },
  correct: {
    ...onHold,
    path: '/v1/holds/:id/correct',
    scopes: CORRECTORS,
    summary: 'Set the final amounts of a settled hold, by a posted difference',
    body: CorrectRequest,
    answers: { 200: SettledRef },
  },
  recordSpend: {
    method: 'POST',
    path: '/v1/spend',
    tag: 'spend',
    summary: 'Book spend that nobody authorised; never denied',
    scopes: SPENDERS,
    idempotencyKey: 'required',
    body: SpendRequest,
    answers: { 201: SettledRef },
  },
  creditSpend: {
    method: 'POST',
    path: '/v1/spend/credits',
    tag: 'spend',
    summary: 'Take recorded spend back, off every balance that it counts towards, or nothing',
    scopes: ['admin'],
    idempotencyKey: 'required',
    body: CreditRequest,
    answers: { 200: SettledRef },
  },
  check: {
    method: 'POST',
    path: '/v1/check',
    tag: 'spend',
    summary: 'How the budgets of these labels stand; changes nothing, promises nothing',
    scopes: SPENDERS_AND_READERS,
    body: CheckRequest,
    answers: { 200: CheckAnswer },
  },
  batch: {
    method: 'POST',
    path: '/v1/batch',
    tag: 'spend',
    summary: 'Commands that are decided in order, each with its own outcome',
    scopes: ['spend', 'correct'],
    idempotencyKey: 'required',
    body: BatchRequest,
    bodyBytesMax: BATCH_BYTES_MAX,
    answers: { 200: BatchAnswer },
  },
});

type Named<Name extends Command['command']> = Extract<Command, { command: Name }>;

/** Without a hold id of its own the hold has the command's: a repeat names the same one. */
export function authorizeIn(
  body: AuthorizeRequest,
  commandId: string,
  stated: Stated,
): Named<'authorize_hold'> {
  // Field by field: this is on the path of every call, and a spread costs more than all else here.
  const command: Writable<Named<'authorize_hold'>> = {
    command: 'authorize_hold',
    commandId,
    holdId: body.holdId ?? commandId,
    labels: body.labels ?? NO_LABELS,
    amounts: amountsIn(body.amounts, 'amounts', stated),
  };
  const { ttlMs, onExpiry, overrun, candidates, require, grants, authority, note } = body;
  if (ttlMs !== undefined) command.ttlMs = ttlMs;
  if (onExpiry !== undefined) command.onExpiry = onExpiryIn(onExpiry, stated);
  if (overrun !== undefined) command.overrun = overrunIn(overrun);
  if (candidates !== undefined)
    command.candidates = candidates.map((one, index) => candidateIn(one, index, stated));
  if (require !== undefined) command.require = require;
  if (grants !== undefined) command.grants = grants.map((one, index) => grantIn(one, index, stated));
  if (authority !== undefined) command.authority = authority;
  if (note !== undefined) command.note = note;
  return command;
}

const NO_LABELS = Object.freeze({});
type Writable<T> = { -readonly [Field in keyof T]: T[Field] };

function candidateIn(
  { labels, amounts }: NonNullable<AuthorizeRequest['candidates']>[number],
  index: number,
  stated: Stated,
) {
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(amounts === undefined ? {} : { amounts: amountsIn(amounts, `candidates[${index}].amounts`, stated) }),
  };
}

function grantIn(grant: NonNullable<AuthorizeRequest['grants']>[number], index: number, stated: Stated) {
  const { maxPerHold, maxTotal, ...rest } = grant;
  const field = `grants[${index}]`;
  return {
    ...rest,
    ...(maxPerHold === undefined
      ? {}
      : { maxPerHold: amountIn(maxPerHold, grant.unit, `${field}.maxPerHold`, stated) }),
    ...(maxTotal === undefined
      ? {}
      : { maxTotal: amountIn(maxTotal, grant.unit, `${field}.maxTotal`, stated) }),
  };
}

function onExpiryIn(onExpiry: NonNullable<AuthorizeRequest['onExpiry']>, stated: Stated): OnExpiry {
  if (typeof onExpiry === 'string') return onExpiry;
  const charge = onlyField(onExpiry, 'onExpiry', 'charge');
  return { charge: amountsIn(amountsOrThrow(charge, 'onExpiry.charge'), 'onExpiry.charge', stated) };
}

function overrunIn(overrun: NonNullable<AuthorizeRequest['overrun']>): OverrunPolicy {
  if (typeof overrun === 'string') return overrun;
  const cap = onlyField(overrun, 'overrun', 'cap');
  return { cap: { tolerancePercent: onlyField(cap, 'overrun.cap', 'tolerancePercent') as number } };
}

// The schemas of these leave words and objects to the ledger; an object has one field.
function onlyField(value: unknown, field: string, name: string): unknown {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (keys.length !== 1 || keys[0] !== name) throw invalid(field, `is {"${name}": …} and nothing else`);
  return (value as Record<string, unknown>)[name];
}

function amountsOrThrow(value: unknown, field: string): Readonly<Record<string, string | number>> {
  const isAmounts =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((amount) => typeof amount === 'string' || typeof amount === 'number');
  if (!isAmounts) throw invalid(field, 'expected amounts by unit, {"usd":"0.25"}');
  return value as Readonly<Record<string, string | number>>;
}

/** The hold or command that a request on a hold is about. */
export interface On {
  readonly holdId: string;
  readonly commandId: string;
}

export function extendIn({ add, ...rest }: ExtendRequest, on: On, stated: Stated): Named<'extend_hold'> {
  return { ...rest, ...on, command: 'extend_hold', ...optional('add', add, stated) };
}

export function releaseIn(
  { amounts, ...rest }: ReleaseRequest,
  on: On,
  stated: Stated,
): Named<'release_hold'> {
  return { ...rest, ...on, command: 'release_hold', ...optional('amounts', amounts, stated) };
}

export function reverseIn(body: ReverseRequest, on: On): Named<'reverse_hold'> {
  return { ...body, ...on, command: 'reverse_hold' };
}

export function settleIn(body: SettleRequest, on: On, stated: Stated): Named<'settle_hold'> {
  const { amounts, exposure, ...rest } = body;
  return {
    ...rest,
    ...on,
    command: 'settle_hold',
    amounts: amountsIn(amounts, 'amounts', stated),
    ...optional('exposure', exposure, stated),
  };
}

export function correctIn(
  { amounts, ...rest }: CorrectRequest,
  on: On,
  stated: Stated,
): Named<'correct_hold'> {
  return { ...rest, ...on, command: 'correct_hold', amounts: amountsIn(amounts, 'amounts', stated) };
}

export function spendIn(body: SpendRequest, commandId: string, stated: Stated): Named<'record_spend'> {
  const { labels, amounts, occurredAt, ...rest } = body;
  return {
    ...rest,
    command: 'record_spend',
    commandId,
    labels: labels ?? NO_LABELS,
    amounts: amountsIn(amounts, 'amounts', stated),
    ...(occurredAt === undefined ? {} : { occurredAt: instantIn(occurredAt, 'occurredAt') }),
  };
}

export function creditIn(body: CreditRequest, commandId: string, stated: Stated): Named<'credit_spend'> {
  const { labels, amounts, occurredAt, reason } = body;
  return {
    command: 'credit_spend',
    commandId,
    labels: labels ?? NO_LABELS,
    amounts: amountsIn(amounts, 'amounts', stated),
    ...(occurredAt === undefined ? {} : { occurredAt: instantIn(occurredAt, 'occurredAt') }),
    reason,
  };
}

function optional<Name extends string>(
  name: Name,
  amounts: Readonly<Record<string, string | number>> | undefined,
  stated: Stated,
): { [N in Name]?: Amounts } {
  return (amounts === undefined ? {} : { [name]: amountsIn(amounts, name, stated) }) as {
    [N in Name]?: Amounts;
  };
}

/** A command of a batch, with the id that its place gives it. */
export function batchCommandIn(body: BatchCommand, commandId: string, stated: Stated): Command {
  switch (body.command) {
    case 'authorize_hold':
      return authorizeIn(body, commandId, stated);
    case 'record_spend':
      return spendIn(body, commandId, stated);
    case 'credit_spend':
      return creditIn(body, commandId, stated);
    case 'extend_hold':
      return extendIn(body, { holdId: body.holdId, commandId }, stated);
    case 'release_hold':
      return releaseIn(body, { holdId: body.holdId, commandId }, stated);
    case 'reverse_hold':
      return reverseIn(body, { holdId: body.holdId, commandId });
    case 'settle_hold':
      return settleIn(body, { holdId: body.holdId, commandId }, stated);
    case 'correct_hold':
      return correctIn(body, { holdId: body.holdId, commandId }, stated);
  }
}
