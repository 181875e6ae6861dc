// Which journal events and explanations a caller sees, and how. An event is a tenant's when the hold, the spend or the
// budget that it is about is the tenant's; what it says of others' is taken out. Called by tenancy.ts.

import type { LedgerReads } from '../authority/api.js';
import type { ExplainedLine, Explanation, LedgerEvent } from '../core/outcomes.js';
import type { BudgetSpec, Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import type { BudgetTenants } from './budget-tenants.js';
import { carriesOwn, isOfPart } from './own-labels.js';
import { fromLedgerId, visibleId } from './tenant-ids.js';
import { lineFor, linesFor, withoutPrefix } from './tenant-views.js';
import { isOpen, type VisibleEvent, type VisibleExplainedLine, type VisibleExplanation } from './visible.js';

interface Books {
  readonly budgets: BudgetTenants;
  readonly ledger: Pick<LedgerReads, 'hold' | 'holdLabels'>;
}

export function visibleEvent(caller: Caller, event: LedgerEvent, books: Books): VisibleEvent | null {
  const { tenant } = caller;
  if (tenant !== null && !isTenants(caller, event, tenant, books)) return null;
  if (isOfPart(caller) && isOfHold(event) && !carriesItsLabels(caller, event, books)) return null;
  const lines = linesFor(caller, event.lines, books.budgets);
  if (tenant === null) return { ...event, lines };
  const { actor: _actor, ...withoutActor } = event;
  return {
    ...withoutActor,
    // A command id of the platform's is the platform's.
    commandId: event.commandId === null ? null : fromLedgerId(caller, event.commandId),
    holdId: event.holdId === null ? null : visibleId(caller, event.holdId),
    lines,
    details: detailsFor(caller, event.details),
  };
}

function isTenants(caller: Caller, event: LedgerEvent, tenant: string, books: Books): boolean {
  switch (event.type) {
    case 'balance_topped_up':
    case 'budget_status_set':
    case 'budget_exhausted':
    case 'balance_limit_set':
    case 'window_opened':
      return books.budgets.tenantOf(accountIn(event.details)) === tenant;
    case 'definitions_put':
      return definesOwnOnly(caller, event.details);
    case 'snapshot_restored':
    case 'snapshot_taken':
    case 'ledger_opened':
    case 'facts_recorded':
      return false;
    case 'command_rejected':
      return isOwnRejection(caller, event, tenant, books);
    default:
      return isOfOwnHold(caller, event, tenant, books);
  }
}

function isOfHold({ holdId, details }: LedgerEvent): boolean {
  return holdId !== null || details.labels !== undefined;
}

/** By the labels in the event, else by the hold's while it is in memory: what cannot be known is not shown. */
function carriesItsLabels(caller: Caller, { holdId, details }: LedgerEvent, { ledger }: Books): boolean {
  const stated = details.labels as Labels | undefined;
  const labels = stated ?? (holdId === null ? undefined : ledger.holdLabels(holdId));
  return labels !== undefined && carriesOwn(caller, labels);
}

function accountIn(details: LedgerEvent['details']): { budgetId: string; values: Labels } {
  return { budgetId: String(details.budgetId ?? ''), values: (details.values ?? {}) as Labels };
}

function definesOwnOnly(caller: Caller, { budgets, close, units, aliases }: LedgerEvent['details']): boolean {
  if (units !== undefined || aliases !== undefined) return false;
  const ids = [...((budgets ?? []) as BudgetSpec[]).map(({ id }) => id), ...((close ?? []) as string[])];
  return ids.length > 0 && ids.every((id) => fromLedgerId(caller, id) !== null);
}

// What was rejected had no lines: it is the tenant's when the tenant asked.
function isOwnRejection(caller: Caller, event: LedgerEvent, tenant: string, books: Books): boolean {
  // A credit is the platform's to ask for, and what it may not take names the platform's balance.
  if (event.details.command === 'credit_spend') return false;
  if (event.commandId !== null) return fromLedgerId(caller, event.commandId) !== null;
  const { budgetId } = event.details;
  if (typeof budgetId === 'string') return fromLedgerId(caller, budgetId) !== null;
  if (event.details.command === 'put_definitions') return definesOwnOnly(caller, event.details);
  return isOfOwnHold(caller, event, tenant, books);
}

/** By the hold's id or labels; else by its lines, as holds leave memory sooner than budgets; else by the hold itself. */
function isOfOwnHold(caller: Caller, event: LedgerEvent, tenant: string, books: Books): boolean {
  const { holdId, details, lines } = event;
  if (holdId !== null && fromLedgerId(caller, holdId) !== null) return true;
  const labels = details.labels as Labels | undefined;
  if (labels !== undefined) return Object.hasOwn(labels, 'tenant') && labels.tenant === tenant;
  for (const line of lines) {
    const owner = books.budgets.tenantOf(line);
    if (owner !== null) return owner === tenant;
  }
  const hold = holdId === null ? undefined : books.ledger.hold(holdId);
  return hold !== undefined && Object.hasOwn(hold.labels, 'tenant') && hold.labels.tenant === tenant;
}

/** Fields of an event's details in which ids of the ledger's stand. */
const WITH_IDS: ReadonlySet<string> = new Set(['budgetId', 'budgets', 'close', 'grant', 'grants', 'value']);

function detailsFor(caller: Caller, details: LedgerEvent['details']): LedgerEvent['details'] {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      name,
      WITH_IDS.has(name) ? idsShown(caller, value) : value,
    ]),
  );
}

function idsShown(caller: Caller, value: unknown): unknown {
  if (typeof value === 'string') return visibleId(caller, value);
  if (Array.isArray(value)) return value.map((part) => idsShown(caller, part));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [
      name,
      name === 'id' || name === 'capability' ? idsShown(caller, part) : part,
    ]),
  );
}

/** Null when the decision is nothing of the caller's. */
export function explanationFor(
  caller: Caller,
  explanation: Explanation,
  books: Books,
): VisibleExplanation | null {
  const event = visibleEvent(caller, explanation.event, books);
  if (event === null) return null;
  const lines = explanation.lines.map((line) => explainedLineFor(caller, line, books));
  return { ...explanation, event, lines, sentence: sentenceFor(caller, explanation, event) };
}

function explainedLineFor(
  caller: Caller,
  explained: ExplainedLine,
  { budgets }: Books,
): VisibleExplainedLine {
  const line = lineFor(caller, explained.line, budgets);
  if (!isOpen(line)) return { line };
  const { tenant } = caller;
  if (tenant === null) return { ...explained, line };
  return {
    ...explained,
    line,
    budget: { ...explained.budget, id: visibleId(caller, explained.budget.id) },
    // Aliases of a tenant's name can bring another's holds into one quota: those count, and are not shown.
    holds: explained.holds
      .filter(({ labels }) => carriesOwn(caller, labels))
      .map((hold) => ({ ...hold, holdId: visibleId(caller, hold.holdId) })),
  };
}

/** The ledger's own sentence, unless it states figures of the platform's. */
function sentenceFor(caller: Caller, explanation: Explanation, event: VisibleEvent): string {
  const broken = event.lines.filter(({ violated }) => violated !== null);
  if (broken.every(isOpen)) return withoutPrefix(caller, explanation.sentence);
  const causes = broken.map(({ budgetId, scope, violations }) => {
    const whose = scope === 'platform' ? ", which is the platform's" : '';
    return `${budgetId}${whose} (${violations.join(', ').replaceAll('_', ' ')})`;
  });
  return `Hold ${event.holdId} was denied (${event.details.reason}): ${causes.join('; ')}.`;
}
