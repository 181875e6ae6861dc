// The ledger that one process holds: the public interface over the pipeline. Commands resolve when durable; a command id
// used before gets its first outcome again, read from the journal (invariant 5).

import { randomInt } from 'node:crypto';
import type { Amounts, Unit } from '../core/amount.js';
import type { CoreCommand } from '../core/commands.js';
import { InvalidInputError, LedgerClosedError } from '../core/errors.js';
import type { CheckedRider, Rider } from '../core/facts.js';
import { NO_RIDER } from '../core/facts.js';
import type {
  BalanceView,
  BudgetView,
  Certificate,
  CommandOutcome,
  Decision,
  Explanation,
  GroupOutcome,
  Head,
  HoldView,
  LedgerEvent,
  Outcome,
  OutcomeOf,
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
import type { State } from '../core/state.js';
import { budgetView } from '../core/views.js';
import { fromHex } from '../journal/chain.js';
import { encodeCheckpoint } from '../journal/checkpoint-codec.js';
import type { JournalWriter } from '../journal/port.js';
import { runAllOrNothing } from './all-or-nothing.js';
import type {
  BalanceFilter,
  BudgetFilter,
  Clock,
  EventFilter,
  Follower,
  GroupStep,
  HoldFilter,
  Ledger,
  Progress,
  SubmitOptions,
} from './api.js';
import { balanceById, listBalances } from './balance-list.js';
import { takeCertificate, takeSnapshot } from './certificate.js';
import { readEvents } from './events.js';
import { explainDecision } from './explain.js';
import { FollowerFeed } from './follower-feed.js';
import { runInTurns } from './group-turns.js';
import { coreCommand, groupCommands, stepsIn } from './intake.js';
import { authorizeCommand } from './intake-authorize.js';
import {
  correctCommand,
  creditCommand,
  extendCommand,
  recordCommand,
  releaseCommand,
  reverseCommand,
  settleCommand,
} from './intake-holds.js';
import { riderIn } from './intake-rider.js';
import { restoreCommand } from './intake-snapshot.js';
import { Keeper, type LeaseTerms } from './keeper.js';
import { Pipeline, type PipelineOwner } from './pipeline.js';
import * as reads from './reads.js';
import { Replays } from './replay.js';
import { verifyJournal } from './verify.js';

interface LedgerOptions {
  readonly lease: LeaseTerms;
  readonly follower: Follower | null;
  readonly onStopped: (fault: unknown) => void;
}

export class OpenLedger implements Ledger, PipelineOwner {
  readonly #state: State;
  readonly #journal: JournalWriter;
  readonly #pipeline: Pipeline;
  readonly #feed: FollowerFeed | null;
  readonly #replays: Replays;
  readonly #keeper: Keeper;
  readonly #onStopped: (fault: unknown) => void;
  #closed = false;
  /** True while `whenDurable` reads: it waits for the disk after the read, so the read itself must not block. */
  #waitsLater = false;

  constructor(
    state: State,
    journal: JournalWriter,
    clock: Clock,
    { lease, follower, onStopped }: LedgerOptions,
  ) {
    this.#state = state;
    this.#journal = journal;
    this.#feed = follower === null ? null : new FollowerFeed(follower);
    this.#pipeline = new Pipeline(state, journal, clock, this, this.#feed);
    this.#replays = new Replays(this.#pipeline, journal.reader);
    this.#keeper = new Keeper(this.#pipeline, journal, lease);
    this.#onStopped = onStopped;
  }

  get term(): string {
    return this.#state.term;
  }

  /** Opens the ledger's term in the journal; called once, before anything else. */
  async begin(
    settings: Omit<Extract<CoreCommand, { kind: 'open_ledger' }>, 'kind' | 'commandId'>,
  ): Promise<void> {
    await this.#pipeline.run({ kind: 'open_ledger', commandId: null, ...settings }, NO_RIDER);
    this.#keeper.start();
  }

  run<C extends LedgerCommand>(command: C, rider?: Rider): Promise<OutcomeOf<C>> {
    return this.#run(() => coreCommand(this.#state, command), rider);
  }

  authorize(request: Authorize, rider?: Rider): Promise<Decision> {
    return this.#run(() => authorizeCommand(this.#state, request), rider);
  }

  extend(request: Extend, rider?: Rider): Promise<Outcome> {
    return this.#run(() => extendCommand(this.#state, request), rider);
  }

  release(request: Release, rider?: Rider): Promise<Outcome> {
    return this.#run(() => releaseCommand(this.#state, request), rider);
  }

  reverse(request: Reverse, rider?: Rider): Promise<Outcome> {
    return this.#run(() => reverseCommand(this.#state, request), rider);
  }

  settle(request: Settle, rider?: Rider): Promise<Settlement> {
    return this.#run(() => settleCommand(this.#state, request), rider);
  }

  correct(request: Correct, rider?: Rider): Promise<Settlement> {
    return this.#run(() => correctCommand(this.#state, request), rider);
  }

  record(request: RecordSpend, rider?: Rider): Promise<Settlement> {
    return this.#run(() => recordCommand(this.#state, request), rider);
  }

  credit(request: CreditSpend, rider?: Rider): Promise<Settlement> {
    return this.#run(() => creditCommand(this.#state, request), rider);
  }

  topUp(request: TopUp, rider?: Rider): Promise<Outcome> {
    return this.run({ ...request, command: 'top_up' }, rider);
  }

  setBudgetStatus(request: SetBudgetStatus, rider?: Rider): Promise<Outcome> {
    return this.run({ ...request, command: 'set_budget_status' }, rider);
  }

  exhaust(request: Exhaust, rider?: Rider): Promise<Outcome> {
    return this.run({ ...request, command: 'exhaust_budget' }, rider);
  }

  setBalanceLimit(request: SetBalanceLimit, rider?: Rider): Promise<Outcome> {
    return this.run({ ...request, command: 'set_balance_limit' }, rider);
  }

  putDefinitions(request: PutDefinitions, rider?: Rider): Promise<Outcome> {
    return this.run({ ...request, command: 'put_definitions' }, rider);
  }

  async putBudget(spec: BudgetSpec, rider?: Rider): Promise<BudgetView> {
    const outcome = await this.putDefinitions({ budgets: [spec] }, rider);
    if (outcome.outcome === 'rejected') throw new InvalidInputError(`budget ${spec.id}`, outcome.message);
    const budget = this.#state.budgetById.get(spec.id);
    if (budget === undefined) throw new Error('bug: a budget that was put is there');
    return budgetView(budget, this.#pipeline.now());
  }

  restoreSnapshot(snapshot: Snapshot, rider?: Rider): Promise<Outcome> {
    return this.#run(() => restoreCommand(this.#state, snapshot), rider);
  }

  async submit(
    commands: readonly Command[],
    { inTurns = false, actor = null }: SubmitOptions = {},
  ): Promise<readonly CommandOutcome[]> {
    const rider = riderIn({ actor });
    if (inTurns) return runInTurns(this.#state, this.#pipeline, commands, rider);
    return this.#pipeline.runGroup(groupCommands(this.#state, commands), rider);
  }

  async runAll(
    steps: readonly GroupStep[] | (() => readonly GroupStep[]),
    { actor = null }: Pick<SubmitOptions, 'actor'> = {},
  ): Promise<GroupOutcome> {
    const check = (list: readonly GroupStep[]) => stepsIn(this.#state, list, actor);
    const listed = typeof steps === 'function' ? null : check(steps);
    return this.#pipeline.runTogether(() => {
      const checked = listed ?? check((steps as () => readonly GroupStep[])());
      return () =>
        checked.some(({ command }) => this.#pipeline.wasUsed(command))
          ? this.#replays.groupAgain(checked)
          : runAllOrNothing(this.#pipeline, checked);
    });
  }

  // The type of the outcome follows from the command, which the caller knows.
  #run<O extends CommandOutcome>(make: () => CoreCommand, rider: Rider | undefined): Promise<O> {
    let command: CoreCommand;
    let checked: CheckedRider;
    try {
      command = make();
      checked = riderIn(rider);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#pipeline.run(command, checked) as Promise<O>;
  }

  again(command: CoreCommand, rider: CheckedRider): Promise<CommandOutcome> {
    return this.#replays.again(command, rider);
  }

  onFault(fault: unknown): void {
    this.#keeper.stop();
    if (!(fault instanceof LedgerClosedError)) this.#onStopped(fault);
  }

  // Before every read, holds whose time is up are expired. The ledger does this by itself; the reader changes
  // nothing.
  #live(): State {
    this.#assertOpen();
    this.#pipeline.assertAlive();
    this.#pipeline.expireDue();
    return this.#state;
  }

  // Figures are given out only once they are durable (invariant 7): a read waits for the batch that is on its way.
  #reading(): State {
    const state = this.#live();
    if (!this.#waitsLater && !this.#pipeline.isDurable(state.sequence)) this.#pipeline.drainSync();
    return state;
  }

  async whenDurable<T>(read: () => T): Promise<T> {
    this.#live();
    this.#waitsLater = true;
    let found: T;
    try {
      found = read();
    } finally {
      this.#waitsLater = false;
    }
    await this.#pipeline.whenDurable(this.#state.sequence);
    return found;
  }

  #assertOpen(): void {
    if (this.#closed) throw new LedgerClosedError('the ledger is closed');
  }

  check(request: { labels: Labels; amounts?: Amounts }): Verdict {
    return reads.check(this.#live(), request, this.#pipeline.now());
  }

  totals(): Totals {
    return reads.totals(this.#live());
  }

  hold(holdId: string): HoldView | undefined {
    return reads.holdById(this.#reading(), holdId);
  }

  holdLabels(holdId: string): Labels | undefined {
    return reads.holdLabels(this.#live(), holdId);
  }

  holds(filter?: HoldFilter): readonly HoldView[] {
    return reads.listHolds(this.#reading(), filter);
  }

  balance(balanceId: string): BalanceView | undefined {
    return balanceById(this.#reading(), balanceId, this.#pipeline.now());
  }

  balances(filter: BalanceFilter = {}): readonly BalanceView[] {
    return listBalances(this.#reading(), filter, this.#pipeline.now());
  }

  grants(): readonly BalanceView[] {
    return reads.listGrants(this.#reading(), this.#pipeline.now());
  }

  budget(budgetId: string): BudgetView | undefined {
    return reads.budgetById(this.#live(), budgetId, this.#pipeline.now());
  }

  budgets(filter: BudgetFilter = {}): readonly BudgetView[] {
    return reads.listBudgets(this.#reading(), filter, this.#pipeline.now());
  }

  units(): readonly Unit[] {
    return reads.listUnits(this.#reading());
  }

  aliases(): Aliases {
    return this.#reading().matcher.aliases;
  }

  events(filter: EventFilter = {}): AsyncIterable<LedgerEvent> {
    this.#assertOpen();
    return readEvents(this.#journal.reader, filter, (after, signal) =>
      this.#keeper.whenBeyond(after, signal),
    );
  }

  async explain(decisionId: string): Promise<Explanation> {
    this.#assertOpen();
    await this.#pipeline.whenDurable(this.#state.sequence);
    return explainDecision(this.#journal.reader, decisionId, this.#state.options.seed);
  }

  async verify(progress?: Progress): Promise<VerifyReport> {
    this.#assertOpen();
    await this.#pipeline.whenDurable(this.#state.sequence);
    return verifyJournal(this.#journal.reader, this.#state.options.seed, progress);
  }

  head(): Head {
    this.#assertOpen();
    this.#pipeline.assertAlive();
    return this.#pipeline.head;
  }

  snapshot(rider?: Rider): Snapshot {
    const checked = riderIn(rider);
    this.#reading();
    return takeSnapshot(this.#pipeline, { certify: false, rider: checked });
  }

  certify(rider?: Rider): Certificate {
    const checked = riderIn(rider);
    this.#reading();
    return takeCertificate(this.#pipeline, checked);
  }

  async checkpoint(): Promise<void> {
    this.#assertOpen();
    const head = this.#pipeline.drainSync();
    const bytes = encodeCheckpoint(this.#state);
    await this.#journal.saveCheckpoint({ sequence: head.sequence, chainHash: fromHex(head.hash), bytes });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#keeper.stop();
    try {
      await this.#pipeline.close();
      this.#feed?.close(this.#pipeline.head);
    } finally {
      await this.#journal.close();
    }
  }
}

/** A seed for a ledger's or a process's hash indexes: nobody outside knows it. */
export function newSeed(): number {
  return randomInt(2 ** 31);
}
