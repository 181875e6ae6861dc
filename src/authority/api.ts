// The library's interface (design section 5). Everything that commands is durable when its promise resolves;
// everything that reads changes nothing.

import type { Amounts, Unit } from '../core/amount.js';
import type {
  BalanceView,
  BudgetView,
  Certificate,
  CommandOutcome,
  Decision,
  Explanation,
  Head,
  HoldStatus,
  HoldView,
  LedgerEvent,
  Outcome,
  Settlement,
  Snapshot,
  Totals,
  Verdict,
  VerifyReport,
} from '../core/outcomes.js';
import type {
  Aliases,
  Authorize,
  BudgetSpec,
  Command,
  Correct,
  CreditSpend,
  Exhaust,
  Extend,
  Labels,
  PutDefinitions,
  RecordSpend,
  Release,
  Reverse,
  SetBalanceLimit,
  SetBudgetStatus,
  Settle,
  TopUp,
} from '../core/requests.js';

/** The one place where time comes from; epoch ms. */
export interface Clock {
  now(): number;
}

export interface HoldFilter {
  readonly status?: HoldStatus;
  readonly labels?: Labels;
  /** At most so many, oldest first; default 1,000. */
  readonly max?: number;
  /** Only holds opened after this sequence number: the cursor. */
  readonly afterSequence?: number;
}

export interface BudgetFilter {
  /** Only budgets defined after this one: the cursor. */
  readonly after?: string;
  /** At most so many, as they were defined; default all. */
  readonly max?: number;
}

export interface BalanceFilter {
  readonly budgetId?: string;
  /** Balances whose values contain these. */
  readonly values?: Labels;
  /** Balances that these labels are matched by: among the values, or fixed by the budget. */
  readonly labels?: Labels;
  /** Only balances of windows in force. Default true. */
  readonly current?: boolean;
  /** At most so many; default 1,000. */
  readonly max?: number;
  /** Only balances after the one of this id, which may have left memory: the cursor. */
  readonly after?: string;
}

export interface EventFilter {
  /** Only events after this sequence number; default 0. */
  readonly after?: number;
  readonly holdId?: string;
  readonly type?: LedgerEvent['type'];
  /** Whether to wait for new events when the head is reached. Default false. */
  readonly follow?: boolean;
  /** Ends a follow. */
  readonly signal?: AbortSignal;
}

/** Called with commands done and, where known, the total; at most a few times a second. */
export type Progress = (done: number, total: number) => void;

/** What can be read, from a ledger that one holds or one that another process holds. */
export interface LedgerReads {
  /** Advice for this moment: unlike the other reads it does not wait for what is being made durable. */
  check(request: { labels: Labels; amounts?: Amounts }): Verdict;
  hold(holdId: string): HoldView | undefined;
  /** For this moment, like `check`: labels of a hold never change. */
  holdLabels(holdId: string): Labels | undefined;
  holds(filter?: HoldFilter): readonly HoldView[];
  /** In a time that does not grow with the number of balances. */
  balance(balanceId: string): BalanceView | undefined;
  balances(filter?: BalanceFilter): readonly BalanceView[];
  /** Figures of the grants that requests brought (rule H10). */
  grants(): readonly BalanceView[];
  /** For this moment, like `check`; in a time that does not grow with the number of budgets. */
  budget(budgetId: string): BudgetView | undefined;
  budgets(filter?: BudgetFilter): readonly BudgetView[];
  units(): readonly Unit[];
  aliases(): Aliases;
  events(filter?: EventFilter): AsyncIterable<LedgerEvent>;
  explain(decisionId: string): Promise<Explanation>;
  verify(progress?: Progress): Promise<VerifyReport>;
  head(): Head;
  /** For this moment, like `check`: in a time that grows with the number of units alone. */
  totals(): Totals;
  /**
   * Reads now, and gives what was read once it is durable: as the reads alone do, but without blocking the thread
   * meanwhile. `read` is called once, at once, and uses this ledger's reads. Rejects when the journal fails first.
   */
  whenDurable<T>(read: () => T): Promise<T>;
}

/** What can be proven of a ledger from its journal, worked out beside whoever holds it. */
export interface Evidence {
  /** The event of a sequence number; undefined when there is none. */
  event(sequence: number): Promise<LedgerEvent | undefined>;
  explain(decisionId: string): Promise<Explanation>;
  verify(): Promise<VerifyReport>;
  close(): Promise<void>;
}

export interface SubmitOptions {
  /**
   * For lists of others, of whatever length: worked on in parts of some 20 ms, between which other commands and the
   * event loop have their turn. Each part is one durable group; still all are checked before the first is done, and they
   * are decided in order. Default false.
   */
  readonly inTurns?: boolean;
}

export interface Ledger extends LedgerReads {
  readonly term: string;
  putBudget(spec: BudgetSpec): Promise<BudgetView>;
  /** Units, aliases and budgets in one step. */
  putDefinitions(request: PutDefinitions): Promise<Outcome>;
  topUp(request: TopUp): Promise<Outcome>;
  setBudgetStatus(request: SetBudgetStatus): Promise<Outcome>;
  exhaust(request: Exhaust): Promise<Outcome>;
  setBalanceLimit(request: SetBalanceLimit): Promise<Outcome>;
  authorize(request: Authorize): Promise<Decision>;
  extend(request: Extend): Promise<Outcome>;
  release(request: Release): Promise<Outcome>;
  reverse(request: Reverse): Promise<Outcome>;
  settle(request: Settle): Promise<Settlement>;
  correct(request: Correct): Promise<Settlement>;
  record(request: RecordSpend): Promise<Settlement>;
  /** Takes recorded spend back. */
  credit(request: CreditSpend): Promise<Settlement>;
  /** One durable group, decided in order; each command has its own outcome. At most 10,000. */
  submit(commands: readonly Command[], options?: SubmitOptions): Promise<readonly CommandOutcome[]>;
  /** The books at this moment, with a version one above the last; blocks until they are durable. */
  snapshot(): Snapshot;
  /** A proof over a fresh snapshot; blocks until it is durable. */
  certify(): Certificate;
  restoreSnapshot(snapshot: Snapshot): Promise<Outcome>;
  /** Saves the state, so that the next opening need not replay what came before. */
  checkpoint(): Promise<void>;
  close(): Promise<void>;
}
