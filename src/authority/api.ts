// The library's interface. A command is durable when its promise resolves; a read changes nothing. Expected outcomes
// (authorised, denied, rejected …) are values. Only misuse and faults throw, as the classes of core/errors.ts.

import type { Actor, Fact, Rider } from '../core/facts.js';
import type {
  BudgetView,
  Certificate,
  CommandOutcome,
  Decision,
  Explanation,
  GroupOutcome,
  Head,
  LedgerEvent,
  Outcome,
  OutcomeOf,
  Settlement,
  Snapshot,
  VerifyReport,
} from '../core/outcomes.js';
import type {
  Authorize,
  BudgetSpec,
  Command,
  Correct,
  CreditSpend,
  Exhaust,
  Extend,
  LedgerCommand,
  PutDefinitions,
  RecordSpend,
  Release,
  Reverse,
  SetBalanceLimit,
  SetBudgetStatus,
  Settle,
  TopUp,
} from '../core/requests.js';
import type { FactRecord } from '../journal/fact-records.js';
import type { JournalReader } from '../journal/port.js';
import type { LedgerReads, Progress } from './api-reads.js';

export type * from './api-reads.js';

/** What can be proven of a ledger from its journal. It runs beside the process that holds the ledger. */
export interface Evidence {
  /** The event of a sequence number; undefined when there is none. */
  event(sequence: number): Promise<LedgerEvent | undefined>;
  explain(decisionId: string): Promise<Explanation>;
  verify(): Promise<VerifyReport>;
  close(): Promise<void>;
}

/**
 * Follows a ledger: keeps what it likes of the facts. A throw of any method stops the ledger, as a journal's fault does:
 * the callers of that batch are refused with JournalUnavailableError, and nothing is answered any more.
 */
export interface Follower {
  /** Called once at the opening, before the first command: brings the follower up to date from the journal. */
  catchUp(reader: JournalReader, progress?: Progress): void;
  /**
   * The facts that became durable, in order and never empty, before the replies of their commands go out; and the
   * journal's head, up to which there are no others.
   */
  follow(records: readonly FactRecord[], head: Head): void;
  /** The last durable head, when the ledger closes without a fault. */
  close?(head: Head): void;
}

export interface SubmitOptions {
  /**
   * For long lists of one caller. The list is worked on in parts of about 20 ms, and other commands and the event loop
   * have their turn between two parts. Each part is one durable group. All commands are checked before the first is
   * done, and they are decided in order. Default false.
   */
  readonly inTurns?: boolean;
  /** Who asks, for all commands of the list. */
  readonly actor?: Actor | null;
}

/** One command of an all-or-nothing group. */
export interface GroupStep {
  readonly command: LedgerCommand;
  /** Written if and only if the whole group is carried out. */
  readonly facts?: readonly Fact[];
}

/**
 * A ledger that this process holds. Amounts are whole numbers of steps of their unit, durations are ms, instants are
 * epoch ms. Every command resolves when its outcome is durable, and takes a `rider`: who asks, and the facts that are
 * written with it if and only if it is carried out.
 *
 * Every command rejects with InvalidInputError when the request is no command, OverloadedError when 100,000 commands
 * wait for the disk, FencedError when another writer took the ledger over, JournalUnavailableError when the journal or
 * the follower failed, and LedgerClosedError after `close`.
 */
export interface Ledger extends LedgerReads {
  /** `authorityId:epoch` of this opening. */
  readonly term: string;
  /**
   * Carries out any command. The named methods are short for it.
   *
   * @example
   * const outcome = await ledger.run({ command: 'settle_hold', holdId: 'call-1', amounts: { usd: 12n } });
   */
  run<C extends LedgerCommand>(command: C, rider?: Rider): Promise<OutcomeOf<C>>;
  /**
   * Defines a budget, or a new version of it. Throws InvalidInputError when the ledger rejects it, for example because
   * the match of a known budget differs.
   *
   * @example
   * await ledger.putBudget({ id: 'day', match: {}, unit: 'usd', limit: usd('50'), window: 'day' });
   */
  putBudget(spec: BudgetSpec, rider?: Rider): Promise<BudgetView>;
  /**
   * Puts units, aliases and up to 100,000 budgets in one step, or rejects them all (`definition_conflict`).
   *
   * @example
   * await ledger.putDefinitions({ units: [{ name: 'gpu_seconds', scale: 3 }], close: ['old-budget'] });
   */
  putDefinitions(request: PutDefinitions, rider?: Rider): Promise<Outcome>;
  /**
   * Adds to what one balance in force was granted. Rejected where it has no limit (`budget_metered`) or does not exist.
   *
   * @example
   * await ledger.topUp({ budgetId: 'tenants', values: { tenant: 'acme' }, amount: usd('10') });
   */
  topUp(request: TopUp, rider?: Rider): Promise<Outcome>;
  /**
   * Pauses, resumes or closes a budget, or one account of it. `closed` is for good.
   *
   * @example
   * await ledger.setBudgetStatus({ budgetId: 'tenants', values: { tenant: 'acme' }, status: 'paused' });
   */
  setBudgetStatus(request: SetBudgetStatus, rider?: Rider): Promise<Outcome>;
  /**
   * Makes a budget or an account refuse everything until an instant, or until its window ends. No spend is invented.
   *
   * @example
   * await ledger.exhaust({ budgetId: 'claude', until: Date.parse('2026-03-28T12:00:00Z') });
   */
  exhaust(request: Exhaust, rider?: Rider): Promise<Outcome>;
  /**
   * Gives one account a limit of its own (null = metered only), or the budget's again (`'default'`).
   *
   * @example
   * await ledger.setBalanceLimit({ budgetId: 'tenants', values: { tenant: 'acme' }, limit: usd('500') });
   */
  setBalanceLimit(request: SetBalanceLimit, rider?: Rider): Promise<Outcome>;
  /**
   * Holds the worst-case amounts in every budget that the labels match, or in none. `denied` says which caps are broken
   * and when to try again.
   *
   * @example
   * const decision = await ledger.authorize({ holdId: 'call-1', labels: { tenant: 'acme' }, amounts: { usd: 50n } });
   * if (decision.outcome !== 'authorized') return;
   */
  authorize(request: Authorize, rider?: Rider): Promise<Decision>;
  /**
   * A later expiry (at most 30 days from now), more held, or both. Rejected as `extension_denied` where it does not fit.
   *
   * @example
   * await ledger.extend({ holdId: 'call-1', ttlMs: 600_000, add: { usd: 25n } });
   */
  extend(request: Extend, rider?: Rider): Promise<Outcome>;
  /**
   * Gives back some of what is held, or all of it, which ends the hold. The call stays counted.
   *
   * @example
   * await ledger.release({ holdId: 'call-1', amounts: { usd: 20n } });
   */
  release(request: Release, rider?: Rider): Promise<Outcome>;
  /**
   * Ends an untouched hold as if it had never been: the call is not counted either.
   *
   * @example
   * await ledger.reverse({ holdId: 'call-1' });
   */
  reverse(request: Reverse, rider?: Rider): Promise<Outcome>;
  /**
   * Charges what the call cost and gives the rest back. After the expiry it is booked all the same, marked `late`. What
   * happens above the held amount is decided by the hold's overrun policy.
   *
   * @example
   * const settled = await ledger.settle({ holdId: 'call-1', amounts: { usd: 31n }, outcome: 'completed' });
   */
  settle(request: Settle, rider?: Rider): Promise<Settlement>;
  /**
   * Sets the final amounts of a settled hold that is still in memory. Units that are left out stay as charged.
   *
   * @example
   * await ledger.correct({ holdId: 'call-1', amounts: { usd: 30n }, reason: 'invoice 7' });
   */
  correct(request: Correct, rider?: Rider): Promise<Settlement>;
  /**
   * Books spend that nobody authorised, to the windows of the instant at which it occurred. Never denied.
   *
   * @example
   * await ledger.record({ labels: { tenant: 'acme' }, amounts: { usd: 12n }, occurredAt: Date.now() - 3_600_000 });
   */
  record(request: RecordSpend, rider?: Rider): Promise<Settlement>;
  /**
   * Takes recorded spend back. Rejected as `credit_exceeds_spent` where a balance has spent less.
   *
   * @example
   * await ledger.credit({ labels: { tenant: 'acme' }, amounts: { usd: 12n }, reason: 'recorded twice' });
   */
  credit(request: CreditSpend, rider?: Rider): Promise<Settlement>;
  /**
   * Up to 10,000 commands in one durable group, decided in order. Each has its own outcome: one that is refused does not
   * stop the others.
   *
   * @example
   * const outcomes = await ledger.submit([
   *   { command: 'reverse_hold', holdId: 'call-1' },
   *   { command: 'authorize_hold', holdId: 'call-2', labels, amounts },
   * ]);
   */
  submit(commands: readonly Command[], options?: SubmitOptions): Promise<readonly CommandOutcome[]>;
  /**
   * All or nothing: up to 1,000 commands, all decided on the state before the group and carried out in one durable batch.
   * If one is denied or rejected, only its refusal is journalled, and nothing is done. Rejects with InvalidInputError,
   * naming both steps, when two of them touch the same hold, account or command id, or when definitions are put beside
   * anything but facts. A group that is sent again with a command id of its own is answered with its first outcome.
   *
   * `steps` may be a function. It is called at the moment at which the group is decided, so what it reads by `check` still
   * holds. When it gives no steps, or throws, nothing is done.
   *
   * @example
   * const group = await ledger.runAll([
   *   { command: { command: 'set_budget_status', budgetId: 'goals', values: { goal: 'g1' }, status: 'paused' } },
   *   { command: { command: 'set_balance_limit', budgetId: 'goals', values: { goal: 'g2' }, limit: 500n }, facts },
   * ]);
   * if (!group.carriedOut) console.log(group.index, group.outcome.outcome);
   */
  runAll(
    steps: readonly GroupStep[] | (() => readonly GroupStep[]),
    options?: Pick<SubmitOptions, 'actor'>,
  ): Promise<GroupOutcome>;
  /**
   * The books at this moment, with a version one above the last. Blocks the thread until they are durable.
   *
   * @example
   * const { balances, digest } = ledger.snapshot();
   */
  snapshot(rider?: Rider): Snapshot;
  /**
   * A proof that a fresh snapshot balances. Blocks the thread until it is durable.
   *
   * @example
   * const { status, failure } = ledger.certify();
   */
  certify(rider?: Rider): Certificate;
  /**
   * Makes the figures of a snapshot those of this ledger, which must be empty, else `ledger_not_empty`.
   *
   * @example
   * await fresh.restoreSnapshot(old.snapshot());
   */
  restoreSnapshot(snapshot: Snapshot, rider?: Rider): Promise<Outcome>;
  /**
   * Saves the state, so that the next opening need not replay what came before.
   *
   * @example
   * await ledger.checkpoint();
   */
  checkpoint(): Promise<void>;
  /**
   * Makes everything durable, gives the lease back and closes the file. The ledger answers nothing afterwards.
   *
   * @example
   * await ledger.close();
   */
  close(): Promise<void>;
}
