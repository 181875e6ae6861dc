// Lists of what the ledger has: what the caller may see of it, page by page. Figures are read at once and given out when
// they are durable, without blocking meanwhile.

import { findableId } from '../access/tenant-ids.js';
import { budgetNotFound } from '../budgets/budget-commands.js';
import type { BalanceQuery, BalanceView, BudgetView } from '../budgets/budgets-schema.js';
import type { EventQuery, LedgerEvent as WireEvent } from '../budgets/evidence-schema.js';
import type { HoldQuery, HoldView } from '../budgets/holds-schema.js';
import { balanceOut, budgetOut, eventOut, holdOut } from '../budgets/views-out.js';
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
import { RefusedError } from '../kit/refusals.js';
import type { Api } from './api.js';
import { BUDGETS_PER_LOOK, EVENTS_PER_TURN, EVENTS_SCANNED_MAX } from './limits.js';

export function listHolds(api: Api, caller: Caller, query: HoldQuery): Promise<Page<HoldView>> {
  const { status, label, after = 0 } = query;
  const limit = limitOf(query);
  const filter = {
    ...(status === undefined ? {} : { status }),
    labels: api.tenancy.holdLabels(caller, labelsIn(label)),
    afterSequence: Math.max(after, readSequenceCursor(query)),
    max: limit + 1,
  };
  return api.ledger.whenDurable(() => {
    const holds = api.ledger.holds(filter);
    const items = holds.slice(0, limit);
    const visible = items
      .map((hold) => api.tenancy.visibleHold(caller, hold))
      .filter((hold) => hold !== null);
    return {
      items: visible.map((hold) => holdOut(hold, api.scales)),
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

export function listBudgets(api: Api, caller: Caller, page: PageRequest): Promise<Page<BudgetView>> {
  const limit = limitOf(page);
  return api.ledger.whenDurable(() => {
    const items: BudgetView[] = [];
    let last = lastBudget(api, caller, page);
    for (let after = last; ; ) {
      const found = api.ledger.budgets({ max: BUDGETS_PER_LOOK, ...(after === undefined ? {} : { after }) });
      for (const budget of found) {
        const shown = api.tenancy.visibleBudget(caller, budget);
        if (shown === null) continue;
        if (items.length === limit) return { items, nextCursor: cursorOf(last as string) };
        items.push(budgetOut(shown, api.scales));
        last = budget.id;
      }
      if (found.length < BUDGETS_PER_LOOK) return { items, nextCursor: null };
      after = found[found.length - 1].id;
    }
  });
}

/** The ledger's id of the budget that a cursor names: one that the caller sees. */
function lastBudget(api: Api, caller: Caller, page: PageRequest): string | undefined {
  const id = readCursor(page);
  const budget = id === undefined ? undefined : api.ledger.budget(id);
  if (id !== undefined && (budget === undefined || api.tenancy.visibleBudget(caller, budget) === null))
    throw invalidCursor();
  return id;
}

/** The caller's own budget of this id, or the platform's that applies to it. @throws RefusedError not_found */
export function getBudget(api: Api, caller: Caller, id: string): Promise<BudgetView> {
  return api.ledger.whenDurable(() => {
    const own = findableId(caller, id);
    for (const ledgerId of own === null ? [] : [own, id]) {
      const budget = api.ledger.budget(ledgerId);
      const shown = budget === undefined ? null : api.tenancy.visibleBudget(caller, budget);
      if (shown !== null) return budgetOut(shown, api.scales);
    }
    throw budgetNotFound(id);
  });
}

export function listBalances(api: Api, caller: Caller, query: BalanceQuery): Promise<Page<BalanceView>> {
  const { budgetId, label, current } = query;
  const { tenant } = caller;
  const limit = limitOf(query);
  const filter = {
    values: labelsIn(label),
    current: current !== 'false',
    max: limit + 1,
    ...(tenant === null ? {} : { labels: { tenant } }),
  };
  return api.ledger.whenDurable(() => {
    const named = budgetId === undefined ? undefined : idNamed(api, caller, budgetId);
    if (named === null) return { items: [], nextCursor: null };
    const after = lastBalance(api, caller, query);
    const balances = api.ledger.balances({
      ...filter,
      ...(named === undefined ? {} : { budgetId: named }),
      ...(after === undefined ? {} : { after }),
    });
    return {
      items: balancesOut(api, caller, balances.slice(0, limit)),
      nextCursor: balances.length > limit ? cursorOf(balances[limit - 1].id) : null,
    };
  });
}

/** The ledger's id of the budget that a caller means: its own, or the platform's of that name. */
function idNamed(api: Api, caller: Caller, id: string): string | null {
  const own = findableId(caller, id);
  return own === null || api.ledger.budget(own) !== undefined ? own : id;
}

/** The ledger's id of the balance that a cursor names: one that the caller sees. */
function lastBalance(api: Api, caller: Caller, page: PageRequest): string | undefined {
  const id = readCursor(page);
  const balance = id === undefined ? undefined : api.ledger.balance(id);
  if (id !== undefined && (balance === undefined || api.tenancy.visibleBalance(caller, balance) === null))
    throw invalidCursor();
  return id;
}

export function listGrants(api: Api, caller: Caller, page: PageRequest): Promise<Page<BalanceView>> {
  return api.ledger.whenDurable(() =>
    pageOf(balancesOut(api, caller, api.ledger.grants()), ({ id }) => id, page),
  );
}

/** Those that the caller sees. */
function balancesOut(api: Api, caller: Caller, balances: readonly LedgerBalance[]): BalanceView[] {
  return balances
    .map((balance) => api.tenancy.visibleBalance(caller, balance))
    .filter((balance) => balance !== null)
    .map((balance) => balanceOut(balance, api.scales));
}

/** Events after a sequence number. A page may be short, or empty, and still have a next one. */
export async function listEvents(api: Api, caller: Caller, query: EventQuery): Promise<Page<WireEvent>> {
  const { after = 0, holdId, type } = query;
  const limit = limitOf(query);
  const begin = Math.max(after, readSequenceCursor(query));
  const items: WireEvent[] = [];
  let looked = 0;
  for await (const event of api.ledger.events({ after: begin })) {
    looked += 1;
    const shown = eventSeen(api, caller, event, { holdId, type });
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
  api: Api,
  caller: Caller,
  event: LedgerEvent,
  { holdId, type }: EventFilter,
): WireEvent | null {
  if (type !== undefined && event.type !== type) return null;
  const shown = api.tenancy.visibleEvent(caller, event);
  if (shown === null || (holdId !== undefined && shown.holdId !== holdId)) return null;
  return eventOut(shown, api.scales);
}
