// The books as a whole: conservation, ledger snapshots and their canonical text, restoring (rules S1 to S5). Everything
// here reads; sums are taken in unbounded integers, so that an overflow is seen and never wraps.

import { AMOUNT_MAX, BUILT_IN_UNITS } from './amount.js';
import type { Budget, Standing } from './budgets.js';
import { balanceId, valuesOf } from './budgets.js';
import type { CommandRejected } from './effects.js';
import { rejected } from './effects.js';
import type { ConservationFailure, Snapshot, SnapshotAccount, SnapshotBalance } from './outcomes.js';
import type { Labels } from './requests.js';
import type { State } from './state.js';

/** A snapshot but for where it stands in the journal and its digest: balances sorted by id. */
export function snapshotFigures(state: State): Omit<Snapshot, 'head' | 'at' | 'digest'> {
  const spent: Record<string, bigint> = {};
  state.units.units.forEach((unit, index) => {
    spent[unit.name] = state.spentTotal[index];
  });
  const own = state.budgets.filter((budget) => !budget.forGrants);
  return {
    version: state.snapshotVersion,
    units: state.units.units.slice(BUILT_IN_UNITS.length),
    aliases: state.matcher.aliases,
    budgets: own.map((budget) => budget.spec),
    accounts: own.flatMap(snapshotAccounts),
    openHolds: state.holds.open,
    spent,
    balances: snapshotBalances(state),
  };
}

function snapshotAccounts(budget: Budget): SnapshotAccount[] {
  const standings: [Labels | null, Standing][] = [[null, budget.standing]];
  for (const [values, standing] of budget.accounts) standings.push([valuesOf(budget, values), standing]);
  return standings
    .map(([values, { status, exhaustedUntil, limit }]) => ({
      budgetId: budget.id,
      values,
      status,
      exhaustedUntil: exhaustedUntil === 0 ? null : exhaustedUntil,
      limit: limit === undefined ? ('default' as const) : limit,
    }))
    .filter((row) => row.status !== 'active' || row.exhaustedUntil !== null || row.limit !== 'default');
}

function snapshotBalances(state: State): SnapshotBalance[] {
  const { balances } = state;
  const rows: SnapshotBalance[] = [];
  for (let slot = 0; slot < balances.used; slot += 1) {
    const window = balances.windows[slot];
    if (!balances.isLive(slot) || window === null) continue;
    const { budget } = window;
    const metered = balances.isMetered(slot);
    rows.push({
      id: balanceId(budget.id, balances.values[slot], window.start),
      budgetId: budget.id,
      values: valuesOf(budget, balances.values[slot]),
      unit: state.units.name(budget.unit),
      window: window.bounds,
      granted: metered ? null : balances.granted[slot],
      held: balances.held[slot],
      spent: balances.spent[slot],
      remaining: metered ? null : balances.remaining[slot],
      openHolds: balances.openHolds[slot],
      mayBeNegative: balances.mayBeNegative(slot),
    });
  }
  return rows.sort((left, right) => (left.id < right.id ? -1 : left.id > right.id ? 1 : 0));
}

/** Rule S3: the first balance, in the order of ids, whose books do not balance, and by how much. */
export function conservationFailure(balances: readonly SnapshotBalance[]): ConservationFailure | null {
  const sums = new Map<string, bigint>();
  for (const row of balances) {
    if (row.granted !== null && row.remaining !== null) {
      const by = row.granted - row.held - row.spent - row.remaining;
      if (by !== 0n) return { kind: 'unbalanced', balanceId: row.id, by };
      if (row.remaining < 0n && !row.mayBeNegative) {
        return { kind: 'negative_remaining', balanceId: row.id, by: row.remaining };
      }
    }
    for (const [figure, steps] of [
      ['granted', row.granted ?? 0n],
      ['held', row.held],
      ['spent', row.spent],
    ] as const) {
      const key = `${row.unit}\u001f${figure}`;
      const sum = (sums.get(key) ?? 0n) + steps;
      if (sum > AMOUNT_MAX) return { kind: 'aggregate_overflow', unit: row.unit };
      sums.set(key, sum);
    }
  }
  return null;
}

/** Rule S4: the canonical text of which a ledger digest is the SHA-256. Domain-tagged, sorted, one line a balance. */
export function canonicalText(
  snapshot: Pick<Snapshot, 'version' | 'openHolds' | 'spent' | 'balances'>,
): string {
  const lines = ['bursar/ledger-digest/1', `version ${snapshot.version}`, `open_holds ${snapshot.openHolds}`];
  for (const unit of Object.keys(snapshot.spent).sort()) lines.push(`spent ${unit} ${snapshot.spent[unit]}`);
  const sorted = [...snapshot.balances].sort((left, right) =>
    left.id < right.id ? -1 : left.id > right.id ? 1 : 0,
  );
  for (const row of sorted) {
    const figures = [
      row.granted ?? '-',
      row.held,
      row.spent,
      row.remaining ?? '-',
      row.openHolds,
      row.window.end ?? '-',
    ];
    lines.push(
      `${JSON.stringify(row.id)} ${row.unit} ${figures.join(' ')} ${row.mayBeNegative ? 'may_be_negative' : 'never_negative'}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Rule S2: why a snapshot cannot be restored without holds, in the rule's order; null when it can. */
export function restoreProblem(snapshot: Snapshot): CommandRejected | null {
  if (snapshot.openHolds > 0 || snapshot.balances.some((row) => row.openHolds > 0)) {
    return rejected('open_holds', BigInt(snapshot.openHolds));
  }
  const ids = new Set<string>();
  for (const row of snapshot.balances) {
    if (ids.has(row.id)) return rejected('duplicate_balance', row.id);
    ids.add(row.id);
  }
  const ghost = snapshot.balances.find((row) => row.held !== 0n);
  if (ghost !== undefined) return rejected('ghost_hold', ghost.id, ghost.held);
  const isNegative = (row: SnapshotBalance) =>
    (row.granted ?? 0n) < 0n || row.spent < 0n || (row.remaining ?? 0n) < 0n;
  const negative = snapshot.balances.find(isNegative);
  if (negative !== undefined) return rejected('negative_figure', negative.id);
  const failure = conservationFailure(snapshot.balances);
  if (failure === null) return null;
  return rejected(
    'books_unbalanced',
    failure.kind === 'aggregate_overflow' ? failure.unit : failure.balanceId,
  );
}
