// Turns a command as a request states it, on a route of its own or in a batch, into one for the ledger. A body has passed its
// schema; its amounts and instants are read here. Labels and ids are judged by the tenancy afterwards.

import type { Amounts } from '../core/amount.js';
import type { Command, OnExpiry, OverrunPolicy } from '../core/requests.js';
import { type AmountReading, amountIn, amountsIn } from '../kit/amounts.js';
import { commandIdIn, optionalCommandId } from '../kit/idempotency-key.js';
import { instantIn } from '../kit/instants.js';
import { invalid } from '../kit/refusals.js';
import type { Route, RouteHost, RouteRequest } from '../kit/route.js';
import type { BudgetUnits } from './budget-units.js';
import type { AccountCommand } from './budgets-api.js';
import type { AuthorizeRequest, BatchCommand } from './holds-api.js';

/** A command with its word, and with the id of its hold or budget. */
export type CommandRequest = BatchCommand | AccountCommand;

/** What is needed to read a command: the units of amounts, and its id where it has one. */
export interface CommandReading extends AmountReading {
  readonly commandId?: string;
  /** The unit of a budget: amounts of a command on a budget are in it. */
  readonly unitOf: (budgetId: string) => string;
}

type CommandOf<Word extends Command['command']> = Extract<Command, { command: Word }>;
type RequestOf<Word extends CommandRequest['command']> = Extract<CommandRequest, { command: Word }>;
type Differing<From, To> = {
  [Field in keyof From & keyof To]-?: Exclude<From[Field], undefined> extends To[Field] ? never : Field;
}[keyof From & keyof To];

/** Fields that the ledger has in another form than the wire, of all commands but `authorize_hold`. */
type ReadField = {
  [Word in Exclude<CommandRequest['command'], 'authorize_hold'>]: Differing<RequestOf<Word>, CommandOf<Word>>;
}[Exclude<CommandRequest['command'], 'authorize_hold'>];

type AmountTexts = Readonly<Record<string, string | number>>;
type Reader = (value: never, field: string, reading: CommandReading, budgetId: string) => unknown;

const readAmounts = (value: AmountTexts, field: string, reading: CommandReading) =>
  amountsIn(value, field, reading);
const readAmount = (value: string | number, field: string, reading: CommandReading, budgetId: string) =>
  amountIn(value, reading.unitOf(budgetId), field, reading);

// A field whose two forms differ does not compile without a reader.
const READERS: Readonly<Record<ReadField, Reader>> = {
  amounts: readAmounts,
  add: readAmounts,
  exposure: readAmounts,
  occurredAt: instantIn,
  until: instantIn,
  amount: readAmount,
  limit: (value: string | number | null, field, reading, budgetId) =>
    value === null || value === 'default' ? value : readAmount(value, field, reading, budgetId),
};

const NO_LABELS = Object.freeze({});

/** @throws RefusedError invalid_request naming the field */
export function commandIn(request: CommandRequest, reading: CommandReading): Command {
  if (request.command === 'authorize_hold') return authorizeIn(request, reading);
  const command: Record<string, unknown> = {};
  if (reading.commandId !== undefined) command.commandId = reading.commandId;
  if (request.command === 'record_spend' || request.command === 'credit_spend') command.labels = NO_LABELS;
  const budgetId = 'budgetId' in request ? request.budgetId : '';
  for (const field in request) {
    const value = request[field as keyof CommandRequest];
    const read = READERS[field as ReadField];
    command[field] = read === undefined ? value : read(value as never, field, reading, budgetId);
  }
  return command as unknown as Command;
}

/** Without a hold id of its own the hold has the command's, so that a repeat names the same one. */
export function authorizeIn(body: AuthorizeRequest, reading: CommandReading): CommandOf<'authorize_hold'> {
  const { commandId } = reading;
  // Field by field: this is on the path of every call, and a spread costs more than all else here.
  const command: Writable<CommandOf<'authorize_hold'>> = {
    command: 'authorize_hold',
    holdId: body.holdId ?? (commandId as string),
    labels: body.labels ?? NO_LABELS,
    amounts: amountsIn(body.amounts, 'amounts', reading),
  };
  const { ttlMs, onExpiry, overrun, candidates, require, grants, authority, note } = body;
  if (commandId !== undefined) command.commandId = commandId;
  if (ttlMs !== undefined) command.ttlMs = ttlMs;
  if (onExpiry !== undefined) command.onExpiry = onExpiryIn(onExpiry, reading);
  if (overrun !== undefined) command.overrun = overrunIn(overrun);
  if (candidates !== undefined)
    command.candidates = candidates.map((one, index) => candidateIn(one, index, reading));
  if (require !== undefined) command.require = require;
  if (grants !== undefined) command.grants = grants.map((one, index) => grantIn(one, index, reading));
  if (authority !== undefined) command.authority = authority;
  if (note !== undefined) command.note = note;
  return command;
}

type Writable<T> = { -readonly [Field in keyof T]: T[Field] };

function candidateIn(
  { labels, amounts }: NonNullable<AuthorizeRequest['candidates']>[number],
  index: number,
  reading: AmountReading,
) {
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(amounts === undefined
      ? {}
      : { amounts: amountsIn(amounts, `candidates[${index}].amounts`, reading) }),
  };
}

function grantIn(
  grant: NonNullable<AuthorizeRequest['grants']>[number],
  index: number,
  reading: AmountReading,
) {
  const { maxPerHold, maxTotal, ...rest } = grant;
  const cap = (value: string | number, name: string) =>
    amountIn(value, grant.unit, `grants[${index}].${name}`, reading);
  return {
    ...rest,
    ...(maxPerHold === undefined ? {} : { maxPerHold: cap(maxPerHold, 'maxPerHold') }),
    ...(maxTotal === undefined ? {} : { maxTotal: cap(maxTotal, 'maxTotal') }),
  };
}

function onExpiryIn(onExpiry: NonNullable<AuthorizeRequest['onExpiry']>, reading: AmountReading): OnExpiry {
  if (typeof onExpiry === 'string') return onExpiry;
  const charge = onlyField(onExpiry, 'onExpiry', 'charge');
  return { charge: amountsOrThrow(charge, 'onExpiry.charge', reading) };
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

function amountsOrThrow(value: unknown, field: string, reading: AmountReading): Amounts {
  const isAmounts =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((amount) => typeof amount === 'string' || typeof amount === 'number');
  if (!isAmounts) throw invalid(field, 'expected amounts by unit, {"usd":"0.25"}');
  return amountsIn(value as AmountTexts, field, reading);
}

/** Mounts the routes of a table that are commands. `idField` is where a command names what its path names. */
export function commandRoutes(
  host: RouteHost,
  routes: Readonly<Record<string, Route>>,
  { idField, units }: { readonly idField: 'holdId' | 'budgetId'; readonly units: BudgetUnits },
): void {
  for (const [name, route] of Object.entries(routes)) {
    const { command, params, idempotencyKey } = route;
    if (command === undefined) continue;
    host.serve(name, route, (request, reply) => {
      const ids =
        idempotencyKey === 'required' ? { commandId: commandIdIn(request) } : optionalCommandId(request);
      const reading = readingOf(host, request, units, ids);
      const body = request.body as object | undefined;
      // The hot path: its body is not copied.
      if (command === 'authorize_hold')
        return host.decide(request, reply, authorizeIn(body as AuthorizeRequest, reading));
      const named = params === undefined ? {} : { [idField]: (request.params as { readonly id: string }).id };
      return host.decide(
        request,
        reply,
        commandIn({ command, ...named, ...body } as CommandRequest, reading),
      );
    });
  }
}

export function readingOf(
  host: RouteHost,
  request: RouteRequest,
  units: BudgetUnits,
  ids: { readonly commandId?: string },
): CommandReading {
  const { scales, unplain } = host.stated(request);
  return { scales, unplain, ...ids, unitOf: (id) => units.unitOf(request.caller, id) };
}
