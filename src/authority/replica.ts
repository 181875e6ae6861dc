// A read-only view of a ledger file: a state of its own that follows the journal. It shows what is durable, as of the
// last `refresh`, and takes no part in deciding.

import type { Amounts, Unit } from '../core/amount.js';
import type {
  BalanceView,
  BudgetView,
  Explanation,
  Head,
  HoldView,
  LedgerEvent,
  Totals,
  Verdict,
  VerifyReport,
} from '../core/outcomes.js';
import type { Aliases, Labels } from '../core/requests.js';
import { toHead } from '../journal/chain.js';
import type { JournalReader } from '../journal/port.js';
import type {
  BalanceFilter,
  BudgetFilter,
  Clock,
  EventFilter,
  HoldFilter,
  LedgerReads,
  Progress,
} from './api.js';
import { balanceById, listBalances } from './balance-list.js';
import { readEvents } from './events.js';
import { explainDecision } from './explain.js';
import * as reads from './reads.js';
import type { Recovered } from './recovery.js';
import { catchUp, recover } from './recovery.js';
import { verifyJournal } from './verify.js';

/** How often a follower of events looks for new batches. */
const FOLLOW_POLL_MS = 100;

export class Replica implements LedgerReads {
  readonly #recovered: Recovered;

  constructor(
    readonly reader: JournalReader,
    readonly clock: Clock,
    readonly seed: number,
    progress: Progress | undefined,
  ) {
    this.#recovered = recover(reader, { seed, ...(progress === undefined ? {} : { progress }) });
  }

  get #state() {
    return this.#recovered.state;
  }

  #now(): number {
    return Math.max(this.#state.time, Math.floor(this.clock.now()));
  }

  /** Takes in what has become durable since. */
  refresh(): void {
    catchUp(this.#recovered, this.reader, { seed: this.seed });
  }

  close(): void {
    this.reader.close();
  }

  check(request: { labels: Labels; amounts?: Amounts }): Verdict {
    return reads.check(this.#state, request, this.#now());
  }

  hold(holdId: string): HoldView | undefined {
    return reads.holdById(this.#state, holdId);
  }

  holdLabels(holdId: string): Labels | undefined {
    return reads.holdLabels(this.#state, holdId);
  }

  holds(filter?: HoldFilter): readonly HoldView[] {
    return reads.listHolds(this.#state, filter);
  }

  balance(balanceId: string): BalanceView | undefined {
    return balanceById(this.#state, balanceId, this.#now());
  }

  balances(filter: BalanceFilter = {}): readonly BalanceView[] {
    return listBalances(this.#state, filter, this.#now());
  }

  grants(): readonly BalanceView[] {
    return reads.listGrants(this.#state, this.#now());
  }

  budget(budgetId: string): BudgetView | undefined {
    return reads.budgetById(this.#state, budgetId, this.#now());
  }

  budgets(filter: BudgetFilter = {}): readonly BudgetView[] {
    return reads.listBudgets(this.#state, filter, this.#now());
  }

  units(): readonly Unit[] {
    return reads.listUnits(this.#state);
  }

  aliases(): Aliases {
    return this.#state.matcher.aliases;
  }

  events(filter: EventFilter = {}): AsyncIterable<LedgerEvent> {
    return readEvents(this.reader, filter, (_after, signal) => pause(FOLLOW_POLL_MS, signal));
  }

  async explain(decisionId: string): Promise<Explanation> {
    return explainDecision(this.reader, decisionId, this.seed);
  }

  verify(progress?: Progress): Promise<VerifyReport> {
    return verifyJournal(this.reader, this.seed, progress);
  }

  head(): Head {
    return toHead(this.#recovered.point);
  }

  totals(): Totals {
    return reads.totals(this.#state);
  }

  /** All that a replica shows is durable. */
  async whenDurable<T>(read: () => T): Promise<T> {
    return read();
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}
