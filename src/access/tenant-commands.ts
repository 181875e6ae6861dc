// Turns a command as its caller states it into one for the ledger: the ids get the tenant's prefix, the key's labels are
// added, and what the key may not ask is refused (rule T8). Called by tenancy.ts alone.

import type { LedgerReads } from '../authority/api.js';
import { LABEL_VALUE_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type {
  AccountRef,
  Authorize,
  BudgetSpec,
  Candidate,
  Command,
  GrantCaps,
  OnHold,
  PutDefinitions,
} from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { invalid, notFound, RefusedError } from '../kit/refusals.js';
import type { BudgetTenants } from './budget-tenants.js';
import { carriesOwn, isOfPart, labelSetsOf, labelsOfCall } from './labels.js';
import {
  CALL_PREFIX,
  findableId,
  isOfAnotherTenant,
  isOfGateway,
  TURN_PREFIX,
  tenantPrefix,
  toLedgerId,
} from './tenant-ids.js';

/**
 * The most budgets that a tenant has of its own, closed ones included. A hold counts towards at most 255, so a tenant with
 * thousands has a program that makes them in a loop. Checked against the ledger as it is: one batch may exceed it.
 */
export const TENANT_BUDGETS_MAX = 1_000;

/** What says whose the things are that a command names. */
export interface CommandBooks {
  readonly budgets: BudgetTenants;
  readonly ledger: Pick<LedgerReads, 'holdLabels'>;
  /** The ledger's ids of holds that commands before this one in the same batch open. */
  readonly opening: ReadonlySet<string>;
}

/** The command for the ledger. The caller's scope and the amounts have been checked. @throws RefusedError */
export function ledgerCommand<C extends Command>(caller: Caller, command: C, books: CommandBooks): C;
export function ledgerCommand(caller: Caller, command: Command, books: CommandBooks): Command {
  const { budgets } = books;
  switch (command.command) {
    case 'authorize_hold':
      return ledgerAuthorize(caller, command);
    case 'extend_hold':
    case 'release_hold':
    case 'reverse_hold':
    case 'settle_hold':
    case 'correct_hold':
      return { ...command, ...holdParts(caller, command, books), ...ledgerCommandId(caller, command) };
    case 'record_spend':
    case 'credit_spend':
      return {
        ...command,
        labels: labelsOfCall(caller, command.labels),
        ...ledgerCommandId(caller, command),
      };
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit':
      return {
        ...command,
        budgetId: ownBudgetId(caller, command, budgets),
        ...ledgerCommandId(caller, command),
      };
    case 'put_definitions':
      return {
        ...command,
        ...definitionParts(caller, command, budgets),
        ...ledgerCommandId(caller, command),
      };
  }
}

function ledgerCommandId(
  caller: Caller,
  { commandId }: { readonly commandId?: string },
): { commandId?: string } {
  return commandId === undefined ? {} : { commandId: toLedgerId(caller, commandId, 'commandId') };
}

// One copy whose fields are set: this is on the path of every call, and merging objects costs more than all else here.
function ledgerAuthorize<C extends Authorize>(caller: Caller, request: C): C {
  const asked: { -readonly [Field in keyof C]: C[Field] } = { ...request };
  asked.labels = labelsOfCall(caller, request.labels);
  asked.holdId = toLedgerId(caller, request.holdId, 'holdId');
  const { candidates, grants, commandId } = request;
  if (isOfGateway(caller, request.holdId))
    throw invalid(
      'holdId',
      `ids that begin with ${CALL_PREFIX} or ${TURN_PREFIX} are the gateway's and the chats'`,
    );
  if (candidates !== undefined) asked.candidates = candidates.map((one) => checkedCandidate(caller, one));
  // Only the platform can write an id below a tenant's prefix. That tenant may end the hold, so it must be its own.
  if (labelSetsOf(asked).some(({ tenant }) => isOfAnotherTenant(asked.holdId, tenant)))
    throw invalid('holdId', `${quoted(asked.holdId)} is below the prefix of a tenant that is not the hold's`);
  if (grants !== undefined) asked.grants = grants.map((one) => ledgerGrant(caller, one));
  if (commandId !== undefined) asked.commandId = toLedgerId(caller, commandId, 'commandId');
  return asked;
}

// The ledger lays these labels over those of the request, which contain the key's. So only its own are checked here.
function checkedCandidate(caller: Caller, candidate: Candidate): Candidate {
  if (candidate.labels !== undefined) labelsOfCall(caller, candidate.labels);
  return candidate;
}

// The ledger keeps the figures of a grant by capability and grant alone, so capabilities of two tenants need two names.
function ledgerGrant<G extends Pick<GrantCaps, 'capability'>>(caller: Caller, grant: G): G {
  if (caller.tenant === null) return grant;
  const prefix = tenantPrefix(caller.tenant);
  const problem = textProblem(grant.capability, LABEL_VALUE_LENGTH_MAX - prefix.length);
  if (problem !== null) throw invalid('grants.capability', `${quoted(grant.capability)} ${problem}`);
  return { ...grant, capability: prefix + grant.capability };
}

function holdParts(caller: Caller, request: OnHold, books: CommandBooks): Partial<OnHold> {
  if (isOfGateway(caller, request.holdId))
    throw new RefusedError(
      'forbidden',
      'the hold belongs to a call of the gateway or to a turn, and ends with it',
      { field: 'holdId' },
    );
  const holdId = findableId(caller, request.holdId);
  if (holdId === null || !isOwnHold(caller, holdId, books)) throw notFound('holdId', 'hold', request.holdId);
  const { labels, grant } = request;
  return {
    holdId,
    ...(labels === undefined ? {} : { labels: labelsOfCall(caller, labels) }),
    ...(grant === undefined ? {} : { grant: ledgerGrant(caller, grant) }),
  };
}

// For a key of a whole tenant, the id says whose the hold is. A key of a part of a tenant commands only holds that carry its
// labels, and every other hold is not found. Holds that the same batch opens carry them.
function isOwnHold(caller: Caller, holdId: string, { ledger, opening }: CommandBooks): boolean {
  if (!isOfPart(caller)) return true;
  const labels = ledger.holdLabels(holdId);
  return labels === undefined ? opening.has(holdId) : carriesOwn(caller, labels);
}

/**
 * The ledger's id of a budget that the caller may change.
 * @throws RefusedError not_found; forbidden for a budget of the platform's that the caller can see
 */
function ownBudgetId(caller: Caller, { budgetId }: AccountRef, budgets: BudgetTenants): string {
  const { tenant } = caller;
  const id = findableId(caller, budgetId);
  // For the platform, the ledger itself refuses an unknown id.
  if (tenant === null && id !== null) return id;
  const match = id === null ? undefined : budgets.matchOf(id);
  if (id !== null && match !== undefined) {
    if (carriesOwn(caller, match)) return id;
    const why = `the budget ${quoted(budgetId)} is not of this key's part of the tenant alone`;
    throw new RefusedError('forbidden', why, { field: 'budgetId' });
  }
  if (tenant !== null && id !== null && budgets.appliesTo(budgetId, tenant))
    throw new RefusedError('forbidden', `the budget ${quoted(budgetId)} is the platform's`, {
      field: 'budgetId',
    });
  throw notFound('budgetId', 'budget', budgetId);
}

function definitionParts(
  caller: Caller,
  request: PutDefinitions,
  budgets: BudgetTenants,
): Partial<PutDefinitions> {
  const { tenant } = caller;
  if (tenant === null) return {};
  for (const field of ['units', 'aliases'] as const) {
    if (request[field] !== undefined)
      throw new RefusedError('forbidden', `${field} are the platform's`, { field });
  }
  const { budgets: specs = [], close } = request;
  if (specs.length > TENANT_BUDGETS_MAX || (close?.length ?? 0) > TENANT_BUDGETS_MAX) throw tooManyBudgets();
  const put = specs.map((spec) => checkedSpec(caller, spec));
  refuseTooMany(put, tenantPrefix(tenant), budgets);
  for (const { id } of specs) {
    if (budgets.matchOf(id) !== undefined)
      throw new RefusedError('conflict', `the platform has a budget ${quoted(id)}: choose another id`, {
        field: 'id',
      });
  }
  return {
    budgets: put,
    ...(close === undefined
      ? {}
      : { close: close.map((budgetId) => ownBudgetId(caller, { budgetId }, budgets)) }),
  };
}

/** A tenant's own budget counts only its own calls, and a budget of an admin of a part of the tenant only that part's. */
function checkedSpec(caller: Caller, spec: BudgetSpec): BudgetSpec {
  for (const [name, value] of Object.entries(caller.labels)) {
    if (Object.hasOwn(spec.match, name) && spec.match[name] === value) continue;
    const field = `match.${name}`;
    const why = `${field}: a budget of the tenant's own states ${quoted(value)} here`;
    throw new RefusedError('forbidden', why, { field });
  }
  return { ...spec, id: toLedgerId(caller, spec.id) };
}

function refuseTooMany(specs: readonly BudgetSpec[], prefix: string, budgets: BudgetTenants): void {
  const added = new Set(specs.map(({ id }) => id).filter((id) => budgets.matchOf(id) === undefined));
  if (added.size > 0 && budgets.countBelow(prefix) + added.size > TENANT_BUDGETS_MAX) throw tooManyBudgets();
}

function tooManyBudgets(): RefusedError {
  return new RefusedError(
    'conflict',
    `budgets: a tenant has at most ${TENANT_BUDGETS_MAX} of its own, closed ones included`,
  );
}
