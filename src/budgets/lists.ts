// Lists of what the ledger has, page by page, as far as the caller may see it. Figures are read at once and answered when they
// are durable; nothing blocks meanwhile.

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
    let last = cursorId(page, (id) => visibleBudget(parts, caller, id));
    for (let after = last; ; ) {
      const found = parts.ledger.budgets({
        max: BUDGETS_PER_LOOK,
        ...(after === undefined ? {} : { after }),
      });
      for (const budget of found) {
        const visible = parts.tenancy.visibleBudget(caller, budget);
        if (visible === null) continue;
        if (items.length === limit) return { items, nextCursor: cursorOf(last as string) };
        items.push(budgetOut(visible, parts.scales));
        last = budget.id;
      }
      if (found.length < BUDGETS_PER_LOOK) return { items, nextCursor: null };
      after = found[found.length - 1].id;
    }
  });
}

/** The ledger's id that a cursor names. @throws RefusedError for one of what the caller may not see */
function cursorId(page: PageRequest, visibleOf: (id: string) => unknown): string | undefined {
  const id = readCursor(page);
  if (id !== undefined && visibleOf(id) === null) throw invalidCursor();
  return id;
}

function visibleBudget({ ledger, tenancy }: ListParts, caller: Caller, ledgerId: string) {
  const budget = ledger.budget(ledgerId);
  return budget === undefined ? null : tenancy.visibleBudget(caller, budget);
}

function visibleBalance({ ledger, tenancy }: ListParts, caller: Caller, ledgerId: string) {
  const balance = ledger.balance(ledgerId);
  return balance === undefined ? null : tenancy.visibleBalance(caller, balance);
}

/** The caller's own budget of this id, or the platform's that applies to it. @throws RefusedError not_found */
export function getBudget(parts: ListParts, caller: Caller, id: string): Promise<BudgetView> {
  return parts.ledger.whenDurable(() => {
    const own = findableId(caller, id);
    for (const ledgerId of own === null ? [] : [own, id]) {
      const visible = visibleBudget(parts, caller, ledgerId);
      if (visible !== null) return budgetOut(visible, parts.scales);
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
    const after = cursorId(query, (id) => visibleBalance(parts, caller, id));
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

export function listGrants(parts: ListParts, caller: Caller, page: PageRequest): Promise<Page<BalanceView>> {
  return parts.ledger.whenDurable(() =>
    pageOf(balancesOut(parts, caller, parts.ledger.grants()), ({ id }) => id, page),
  );
}

/** The balances that the caller may see. */
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
    const visible = eventSeen(parts, caller, event, { holdId, type });
    if (visible !== null) items.push(visible);
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

/** An event as the caller may see it; null for an event that it may not see, or did not ask for. */
export function eventSeen(
  parts: ListParts,
  caller: Caller,
  event: LedgerEvent,
  { holdId, type }: EventFilter,
): WireEvent | null {
  if (type !== undefined && event.type !== type) return null;
  const visible = parts.tenancy.visibleEvent(caller, event);
  if (visible === null || (holdId !== undefined && visible.holdId !== holdId)) return null;
  return eventOut(visible, parts.scales);
}
