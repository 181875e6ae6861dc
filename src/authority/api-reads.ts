// The reading half of the library's interface (api.ts): what is asked of a ledger that this process holds, or of a
// replica of one that another process holds. Reads change nothing.

import type { Amounts, Unit } from '../core/amount.js';
import type {
  BalanceView,
  BudgetView,
  Explanation,
  Head,
  HoldStatus,
  HoldView,
  LedgerEvent,
  Totals,
  Verdict,
  VerifyReport,
} from '../core/outcomes.js';
import type { Aliases, Labels } from '../core/requests.js';

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
  /** Only balances that a hold with these labels would count towards: each label is among the values, or fixed by the budget. */
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

/** What can be read, from a ledger that this process holds or that another process holds. */
export interface LedgerReads {
  /**
   * Whether a hold of these amounts would be authorised at this moment, and how full its budgets are. The answer is
   * advice: unlike the other reads, it may rest on commands that are not durable yet.
   *
   * @example
   * const { verdict, fits } = ledger.check({ labels: { tenant: 'acme' }, amounts: { usd: usd('0.25') } });
   */
  check(request: { labels: Labels; amounts?: Amounts }): Verdict;
  /**
   * The hold of an id; undefined when there is none, or when it ended and left memory.
   *
   * @example
   * ledger.hold('call-1')?.status; // 'open'
   */
  hold(holdId: string): HoldView | undefined;
  /**
   * The labels of a hold in memory. They never change, so this does not wait for what is being made durable.
   *
   * @example
   * ledger.holdLabels('call-1')?.tenant; // 'acme'
   */
  holdLabels(holdId: string): Labels | undefined;
  /**
   * Holds in memory, in the order of their opening.
   *
   * @example
   * const open = ledger.holds({ status: 'open', labels: { tenant: 'acme' }, max: 50 });
   */
  holds(filter?: HoldFilter): readonly HoldView[];
  /**
   * The balance of an id, as in `BalanceView.id`. The time it takes does not grow with the number of balances.
   *
   * @example
   * ledger.balance('tenants|acme|2026-03-01T00:00:00.000Z')?.remaining; // in steps of its unit
   */
  balance(balanceId: string): BalanceView | undefined;
  /**
   * Balances in memory, by budget in the order of definition.
   *
   * @example
   * const rows = ledger.balances({ budgetId: 'tenants', values: { tenant: 'acme' } });
   */
  balances(filter?: BalanceFilter): readonly BalanceView[];
  /**
   * The figures of the grants that requests brought (rule H10).
   *
   * @example
   * const spent = ledger.grants().map(({ values, spent }) => [values.grant, spent]);
   */
  grants(): readonly BalanceView[];
  /**
   * A budget at this moment, like `check`. The time it takes does not grow with the number of budgets.
   *
   * @example
   * ledger.budget('tenants')?.limit;
   */
  budget(budgetId: string): BudgetView | undefined;
  /**
   * Budgets in the order of their definition, without the ledger's own for grants.
   *
   * @example
   * const first = ledger.budgets({ max: 100 });
   * const next = ledger.budgets({ max: 100, after: first.at(-1)?.id ?? '' });
   */
  budgets(filter?: BudgetFilter): readonly BudgetView[];
  /**
   * Every unit with its scale: `usd`, `tokens`, `calls`, then the ledger's own.
   *
   * @example
   * const scales = new Map(ledger.units().map(({ name, scale }) => [name, scale]));
   */
  units(): readonly Unit[];
  /**
   * Names that share one quota: label key → stated value → canonical value (rule P6).
   *
   * @example
   * ledger.aliases().provider?.opus; // 'claude-code'
   */
  aliases(): Aliases;
  /**
   * Events in the journal's order; only what is durable is an event. Throws JournalCorruptError while it is iterated
   * where stored bytes are not what was written.
   *
   * @example
   * for await (const event of ledger.events({ after: 120, follow: true, signal })) show(event);
   */
  events(filter?: EventFilter): AsyncIterable<LedgerEvent>;
  /**
   * Why a decision was as it was: its lines, and the open holds and the spend behind their figures. Rejects with
   * InvalidInputError when no decision has this id.
   *
   * @example
   * console.log((await ledger.explain('dec-42')).sentence);
   */
  explain(decisionId: string): Promise<Explanation>;
  /**
   * Walks the hash chain, decides every command again and compares each byte. What is wrong is in the report.
   *
   * @example
   * const { ok, failure } = await ledger.verify((done, total) => bar.update(done / total));
   */
  verify(progress?: Progress): Promise<VerifyReport>;
  /**
   * The last durable sequence number and the chain's hash there.
   *
   * @example
   * const { sequence, hash } = ledger.head();
   */
  head(): Head;
  /**
   * Sums since the ledger began, at this moment, like `check`. The time it takes grows with the number of units alone.
   *
   * @example
   * ledger.totals().spent.usd; // in microcents
   */
  totals(): Totals;
  /**
   * Calls `read` once, at once, and gives what it returned when that is durable. The reads alone would block the thread
   * meanwhile. Rejects when the journal fails first.
   *
   * @example
   * const rows = await ledger.whenDurable(() => ledger.balances({ budgetId: 'tenants' }));
   */
  whenDurable<T>(read: () => T): Promise<T>;
}
