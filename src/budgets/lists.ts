// Lists of what the ledger has: what the caller may see of it, page by page. Figures are read at once and given out when
// they are durable, without blocking meanwhile.

import { findableId } from '../access/tenant-ids.js';
import type { BalanceView as LedgerBalance, LedgerEvent } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import {
  cursorOf,
  invalidCursor,
  limitOf,
  type Page,
  type PageRequest,
  pageOf,
  readCursor,
  readSequenceCursor,
} from '../kit/page.js';
import { notFound, RefusedError } from '../kit/refusals.js';
import type { BalanceQuery, BalanceView, BudgetView } from './budgets-api.js';
import type { EventQuery, LedgerEvent as WireEvent } from './evidence-api.js';
import type { HoldQuery, HoldView } from './holds-api.js';
import type { ListParts } from './ledger-parts.js';
import { balanceOut, budgetOut, eventOut, holdOut } from './views-out.js';

/** Budgets that a page looks at before it asks for more: a tenant that sees few of them passes over the rest in such steps. */
const BUDGETS_PER_LOOK = 1_000;
/** Events looked at before other requests get a turn: a few milliseconds. */
export const EVENTS_PER_TURN = 512;
/** Events looked at for one page of a list: a filter that matches nothing ends with a cursor to go on from. */
const EVENTS_SCANNED_MAX = 100_000;

export function listHolds(parts: ListParts, caller: Caller, query: HoldQuery): Promise<Page<HoldView>> {
  const { status, label, after = 0 } = query;
  const limit = limitOf(query);
  const filter = {
    ...(status === undefined ? {} : { status }),
    labels: parts.tenancy.holdLabels(caller, labelsIn(label)),
    afterSequence: Math.max(after, readSequenceCursor(query)),
    max: limit + 1,
  };
  return parts.ledger.whenDurable(() => {
    const holds = parts.ledger.holds(filter);
    const items = holds.slice(0, limit);
    const visible = items
      .map((hold) => parts.tenancy.visibleHold(caller, hold))
      .filter((hold) => hold !== null);
    return {
      items: visible.map((hold) => holdOut(hold, parts.scales)),
      nextCursor: holds.length > limit ? cursorOf(items[limit - 1].openedSequence) : null,
    };
  });
}

/** `key=value`, or several. @throws RefusedError invalid_request */
function labelsIn(stated: string | readonly string[] | undefined): Labels {
  const labels: Record<string, string> = Object.create(null);
  for (const pair of stated === undefined ? [] : [stated].flat()) {
    const mark = pair.indexOf('=');
    if (mark < 1)
      throw new RefusedError('invalid_request', 'label: is stated as key=value', { field: 'label' });
    labels[pair.slice(0, mark)] = pair.slice(mark + 1);
  }
  return labels;
}

export function listBudgets(parts: ListParts, caller: Caller, page: PageRequest): Promise<Page<BudgetView>> {
  const limit = limitOf(page);
  return parts.ledger.whenDurable(() => {
    const items: BudgetView[] = [];
    let last = lastBudget(parts, caller, page);
    for (let after = last; ; ) {
      const found = parts.ledger.budgets({
        max: BUDGETS_PER_LOOK,
        ...(after === undefined ? {} : { after }),
      });
      for (const budget of found) {
        const shown = parts.tenancy.visibleBudget(caller, budget);
        if (shown === null) continue;
        if (items.length === limit) return { items, nextCursor: cursorOf(last as string) };
        items.push(budgetOut(shown, parts.scales));
        last = budget.id;
      }
      if (found.length < BUDGETS_PER_LOOK) return { items, nextCursor: null };
      after = found[found.length - 1].id;
    }
  });
}

/** The ledger's id of the budget that a cursor names: one that the caller sees. */
function lastBudget(parts: ListParts, caller: Caller, page: PageRequest): string | undefined {
  const id = readCursor(page);
  const budget = id === undefined ? undefined : parts.ledger.budget(id);
  if (id !== undefined && (budget === undefined || parts.tenancy.visibleBudget(caller, budget) === null))
    throw invalidCursor();
  return id;
}

/** The caller's own budget of this id, or the platform's that applies to it. @throws RefusedError not_found */
export function getBudget(parts: ListParts, caller: Caller, id: string): Promise<BudgetView> {
  return parts.ledger.whenDurable(() => {
    const own = findableId(caller, id);
    for (const ledgerId of own === null ? [] : [own, id]) {
      const budget = parts.ledger.budget(ledgerId);
      const shown = budget === undefined ? null : parts.tenancy.visibleBudget(caller, budget);
      if (shown !== null) return budgetOut(shown, parts.scales);
    }
    throw notFound('budgetId', 'budget', id);
  });
}

export function listBalances(
  parts: ListParts,
  caller: Caller,
  query: BalanceQuery,
): Promise<Page<BalanceView>> {
  const { budgetId, label, current } = query;
  const { tenant } = caller;
  const limit = limitOf(query);
  const filter = {
    values: labelsIn(label),
    current: current !== 'false',
    max: limit + 1,
    ...(tenant === null ? {} : { labels: { tenant } }),
  };
  return parts.ledger.whenDurable(() => {
    const named = budgetId === undefined ? undefined : idNamed(parts, caller, budgetId);
    if (named === null) return { items: [], nextCursor: null };
    const after = lastBalance(parts, caller, query);
    const balances = parts.ledger.balances({
      ...filter,
      ...(named === undefined ? {} : { budgetId: named }),
      ...(after === undefined ? {} : { after }),
    });
    return {
      items: balancesOut(parts, caller, balances.slice(0, limit)),
      nextCursor: balances.length > limit ? cursorOf(balances[limit - 1].id) : null,
    };
  });
}

/** The ledger's id of the budget that a caller means: its own, or the platform's of that name. */
function idNamed(parts: ListParts, caller: Caller, id: string): string | null {
  const own = findableId(caller, id);
  return own === null || parts.ledger.budget(own) !== undefined ? own : id;
}

/** The ledger's id of the balance that a cursor names: one that the caller sees. */
function lastBalance(parts: ListParts, caller: Caller, page: PageRequest): string | undefined {
  const id = readCursor(page);
  const balance = id === undefined ? undefined : parts.ledger.balance(id);
  if (id !== undefined && (balance === undefined || parts.tenancy.visibleBalance(caller, balance) === null))
    throw invalidCursor();
  return id;
}

export function listGrants(parts: ListParts, caller: Caller, page: PageRequest): Promise<Page<BalanceView>> {
  return parts.ledger.whenDurable(() =>
    pageOf(balancesOut(parts, caller, parts.ledger.grants()), ({ id }) => id, page),
  );
}

/** Those that the caller sees. */
function balancesOut(parts: ListParts, caller: Caller, balances: readonly LedgerBalance[]): BalanceView[] {
  return balances
    .map((balance) => parts.tenancy.visibleBalance(caller, balance))
    .filter((balance) => balance !== null)
    .map((balance) => balanceOut(balance, parts.scales));
}

/** Events after a sequence number. A page may be short, or empty, and still have a next one. */
export async function listEvents(
  parts: ListParts,
  caller: Caller,
  query: EventQuery,
): Promise<Page<WireEvent>> {
  const { after = 0, holdId, type } = query;
  const limit = limitOf(query);
  const begin = Math.max(after, readSequenceCursor(query));
  const items: WireEvent[] = [];
  let looked = 0;
  for await (const event of parts.ledger.events({ after: begin })) {
    looked += 1;
    const shown = eventSeen(parts, caller, event, { holdId, type });
    if (shown !== null) items.push(shown);
    if (items.length >= limit || looked >= EVENTS_SCANNED_MAX)
      return { items, nextCursor: cursorOf(event.sequence) };
    if (looked % EVENTS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { items, nextCursor: null };
}

interface EventFilter {
  readonly holdId?: string | undefined;
  readonly type?: LedgerEvent['type'] | undefined;
}

/** An event as its caller sees it; null for one that is nothing of the caller's, or was not asked for. */
export function eventSeen(
  parts: ListParts,
  caller: Caller,
  event: LedgerEvent,
  { holdId, type }: EventFilter,
): WireEvent | null {
  if (type !== undefined && event.type !== type) return null;
  const shown = parts.tenancy.visibleEvent(caller, event);
  if (shown === null || (holdId !== undefined && shown.holdId !== holdId)) return null;
  return eventOut(shown, parts.scales);
}
