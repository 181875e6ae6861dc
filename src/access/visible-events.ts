// Which journal events and explanations a caller sees, and what of them. An event is a tenant's when it is about a hold, a
// spend or a budget of the tenant; what it says about other tenants is taken out. Called by tenancy.ts.

import type { LedgerReads } from '../authority/api.js';
import type { ExplainedLine, Explanation, LedgerEvent } from '../core/outcomes.js';
import type { BudgetSpec, Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import type { BudgetTenants } from './budget-tenants.js';
import { carriesOwn, isOfPart } from './labels.js';
import { fromLedgerId, visibleId } from './tenant-ids.js';
import {
  type BareLine,
  type FullLine,
  hasFigures,
  visibleLine,
  visibleLines,
  type WithVisibleLines,
  withoutPrefix,
} from './visible.js';

/** `actor` is there for the platform alone: a tenant does not see who of the platform gave a command. */
export type VisibleEvent = Omit<WithVisibleLines<LedgerEvent>, 'actor'> & Partial<Pick<LedgerEvent, 'actor'>>;

/** A line without figures is explained by its name alone. */
export type VisibleExplainedLine =
  | (Omit<ExplainedLine, 'line'> & { readonly line: FullLine })
  | { readonly line: BareLine };

export type VisibleExplanation = Omit<Explanation, 'event' | 'lines'> & {
  readonly event: VisibleEvent;
  readonly lines: readonly VisibleExplainedLine[];
};

/** What says whose an event is. */
interface Books {
  readonly budgets: BudgetTenants;
  readonly ledger: Pick<LedgerReads, 'hold' | 'holdLabels'>;
}

export function visibleEvent(caller: Caller, event: LedgerEvent, books: Books): VisibleEvent | null {
  const { tenant } = caller;
  if (tenant !== null && !isOfTenant(caller, event, tenant, books)) return null;
  if (isOfPart(caller) && isOfHold(event) && !carriesOwnLabels(caller, event, books)) return null;
  const lines = visibleLines(caller, event.lines, books.budgets);
  if (tenant === null) return { ...event, lines };
  const { actor: _actor, ...withoutActor } = event;
  return {
    ...withoutActor,
    // Command ids that the platform chose are the platform's to know.
    commandId: event.commandId === null ? null : fromLedgerId(caller, event.commandId),
    holdId: event.holdId === null ? null : visibleId(caller, event.holdId),
    lines,
    details: visibleDetails(caller, event.details),
  };
}

function isOfTenant(caller: Caller, event: LedgerEvent, tenant: string, books: Books): boolean {
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

/**
 * Judged by the labels in the event, else by those of the hold while it is in memory. An event whose labels nobody knows
 * any more is not shown.
 */
function carriesOwnLabels(caller: Caller, { holdId, details }: LedgerEvent, { ledger }: Books): boolean {
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

// A rejected command has no lines. It is the tenant's when the tenant gave the command.
function isOwnRejection(caller: Caller, event: LedgerEvent, tenant: string, books: Books): boolean {
  // Only the platform gives credits, and the rejection of one names a balance of the platform.
  if (event.details.command === 'credit_spend') return false;
  if (event.commandId !== null) return fromLedgerId(caller, event.commandId) !== null;
  const { budgetId } = event.details;
  if (typeof budgetId === 'string') return fromLedgerId(caller, budgetId) !== null;
  if (event.details.command === 'put_definitions') return definesOwnOnly(caller, event.details);
  return isOfOwnHold(caller, event, tenant, books);
}

/** Judged by the hold's id or labels; else by the lines, since budgets stay in memory longer than holds; else by the hold. */
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

/** Fields of an event's details that contain ids as the ledger has them. */
const WITH_IDS: ReadonlySet<string> = new Set(['budgetId', 'budgets', 'close', 'grant', 'grants', 'value']);

function visibleDetails(caller: Caller, details: LedgerEvent['details']): LedgerEvent['details'] {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      name,
      WITH_IDS.has(name) ? visibleIds(caller, value) : value,
    ]),
  );
}

function visibleIds(caller: Caller, value: unknown): unknown {
  if (typeof value === 'string') return visibleId(caller, value);
  if (Array.isArray(value)) return value.map((part) => visibleIds(caller, part));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [
      name,
      name === 'id' || name === 'capability' ? visibleIds(caller, part) : part,
    ]),
  );
}

/** Null when the decision is not the caller's to see. */
export function visibleExplanation(
  caller: Caller,
  explanation: Explanation,
  books: Books,
): VisibleExplanation | null {
  const event = visibleEvent(caller, explanation.event, books);
  if (event === null) return null;
  const lines = explanation.lines.map((line) => visibleExplainedLine(caller, line, books));
  return { ...explanation, event, lines, sentence: visibleSentence(caller, explanation, event) };
}

function visibleExplainedLine(
  caller: Caller,
  explained: ExplainedLine,
  { budgets }: Books,
): VisibleExplainedLine {
  const line = visibleLine(caller, explained.line, budgets);
  if (!hasFigures(line)) return { line };
  const { tenant } = caller;
  if (tenant === null) return { ...explained, line };
  return {
    ...explained,
    line,
    budget: { ...explained.budget, id: visibleId(caller, explained.budget.id) },
    // Aliases of a tenant's name can bring holds of another tenant into one quota. They count and are not shown.
    holds: explained.holds
      .filter(({ labels }) => carriesOwn(caller, labels))
      .map((hold) => ({ ...hold, holdId: visibleId(caller, hold.holdId) })),
  };
}

/** The ledger's sentence, or one without figures where the ledger's states those of a platform's budget. */
function visibleSentence(caller: Caller, explanation: Explanation, event: VisibleEvent): string {
  const broken = event.lines.filter(({ violated }) => violated !== null);
  if (broken.every(hasFigures)) return withoutPrefix(caller, explanation.sentence);
  const causes = broken.map(({ budgetId, scope, violations }) => {
    const whose = scope === 'platform' ? ', a budget of the platform' : '';
    return `${budgetId}${whose} (${violations.join(', ').replaceAll('_', ' ')})`;
  });
  return `Hold ${event.holdId} was denied (${event.details.reason}): ${causes.join('; ')}.`;
}
