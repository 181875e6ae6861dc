// The ledger that one process holds: the public interface over the pipeline. Commands resolve when durable; a command id
// used before gets its first outcome again, read from the journal (invariant 5).

import { randomInt } from 'node:crypto';
import type { Amounts, Unit } from '../core/amount.js';
import { canonicalText, conservationFailure, snapshotFigures } from '../core/books.js';
import type { CoreCommand } from '../core/commands.js';
import { InvalidInputError, LedgerClosedError } from '../core/errors.js';
import { HOLD_STATUSES } from '../core/holds.js';
import type {
  BalanceView,
  BudgetView,
  Certificate,
  CommandOutcome,
  Decision,
  Explanation,
  Head,
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
import type { State } from '../core/state.js';
import { budgetView } from '../core/views.js';
import { digestOf, fromHex } from '../journal/chain.js';
import { encodeCheckpoint } from '../journal/checkpoint-codec.js';
import type { JournalWriter } from '../journal/port.js';
import type {
  BalanceFilter,
  BudgetFilter,
  Clock,
  EventFilter,
  HoldFilter,
  Ledger,
  Progress,
  SubmitOptions,
} from './api.js';
import { balanceById, listBalances } from './balance-list.js';
import { readEvents } from './events.js';
import { explainDecision } from './explain.js';
import { runInTurns } from './group-turns.js';
import { coreCommand, groupCommands } from './intake.js';
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
import { restoreCommand } from './intake-snapshot.js';
import { Keeper, type LeaseTerms } from './keeper.js';
import { Pipeline, type PipelineOwner } from './pipeline.js';
import * as reads from './reads.js';
import { firstOutcome } from './replay.js';
import { verifyJournal } from './verify.js';

export class OpenLedger implements Ledger, PipelineOwner {
  readonly #state: State;
  readonly #journal: JournalWriter;
  readonly #pipeline: Pipeline;
  readonly #keeper: Keeper;
  #closed = false;
  /** While `whenDurable` reads: the waiting is done after the read, and not in it. */
  #waitsLater = false;

  constructor(state: State, journal: JournalWriter, clock: Clock, lease: LeaseTerms) {
    this.#state = state;
    this.#journal = journal;
    this.#pipeline = new Pipeline(state, journal, clock, this);
    this.#keeper = new Keeper(this.#pipeline, journal, lease);
  }

  get term(): string {
    return this.#state.term;
  }

  /** Opens the ledger's term in the journal; called once, before anything else. */
  async begin(
    settings: Omit<Extract<CoreCommand, { kind: 'open_ledger' }>, 'kind' | 'commandId'>,
  ): Promise<void> {
    await this.#run(() => ({ kind: 'open_ledger', commandId: null, ...settings }));
    this.#keeper.start();
  }

  authorize(request: Authorize): Promise<Decision> {
    return this.#run(() => authorizeCommand(this.#state, request)) as Promise<Decision>;
  }

  settle(request: Settle): Promise<Settlement> {
    return this.#run(() => settleCommand(this.#state, request)) as Promise<Settlement>;
  }

  extend(request: Extend): Promise<Outcome> {
    return this.#run(() => extendCommand(this.#state, request)) as Promise<Outcome>;
  }

  release(request: Release): Promise<Outcome> {
    return this.#run(() => releaseCommand(this.#state, request)) as Promise<Outcome>;
  }

  reverse(request: Reverse): Promise<Outcome> {
    return this.#run(() => reverseCommand(this.#state, request)) as Promise<Outcome>;
  }

  correct(request: Correct): Promise<Settlement> {
    return this.#run(() => correctCommand(this.#state, request)) as Promise<Settlement>;
  }

  record(request: RecordSpend): Promise<Settlement> {
    return this.#run(() => recordCommand(this.#state, request)) as Promise<Settlement>;
  }

  credit(request: CreditSpend): Promise<Settlement> {
    return this.#run(() => creditCommand(this.#state, request)) as Promise<Settlement>;
  }

  topUp(request: TopUp): Promise<Outcome> {
    return this.#administer({ ...request, command: 'top_up' });
  }

  setBudgetStatus(request: SetBudgetStatus): Promise<Outcome> {
    return this.#administer({ ...request, command: 'set_budget_status' });
  }

  exhaust(request: Exhaust): Promise<Outcome> {
    return this.#administer({ ...request, command: 'exhaust_budget' });
  }

  setBalanceLimit(request: SetBalanceLimit): Promise<Outcome> {
    return this.#administer({ ...request, command: 'set_balance_limit' });
  }

  putDefinitions(request: PutDefinitions): Promise<Outcome> {
    return this.#administer({ ...request, command: 'put_definitions' });
  }

  async putBudget(spec: BudgetSpec): Promise<BudgetView> {
    const outcome = await this.putDefinitions({ budgets: [spec] });
    if (outcome.outcome === 'rejected') throw new InvalidInputError(`budget ${spec.id}`, outcome.message);
    const budget = this.#state.budgetById.get(spec.id);
    if (budget === undefined) throw new Error('bug: a budget that was put is there');
    return budgetView(budget, this.#pipeline.now());
  }

  restoreSnapshot(snapshot: Snapshot): Promise<Outcome> {
    return this.#run(() => restoreCommand(this.#state, snapshot)) as Promise<Outcome>;
  }

  #administer(command: Command): Promise<Outcome> {
    return this.#run(() => coreCommand(this.#state, command)) as Promise<Outcome>;
  }

  submit(
    commands: readonly Command[],
    { inTurns = false }: SubmitOptions = {},
  ): Promise<readonly CommandOutcome[]> {
    if (inTurns) return runInTurns(this.#state, this.#pipeline, commands);
    return this.#checked(
      () => groupCommands(this.#state, commands),
      (group) => this.#pipeline.runGroup(group),
    );
  }

  #run(make: () => CoreCommand): Promise<CommandOutcome> {
    return this.#checked(make, (command) => this.#pipeline.run(command));
  }

  // What the edge refuses is a rejected promise like any other fault.
  #checked<C, O>(make: () => C, run: (made: C) => Promise<O>): Promise<O> {
    let made: C;
    try {
      made = make();
    } catch (error) {
      return Promise.reject(error);
    }
    return run(made);
  }

  /** Answers a command whose id may have been used: with its first outcome, or as new when only the hashes were equal. */
  async again(command: CoreCommand): Promise<CommandOutcome> {
    const sequences = this.#state.commandIds.candidates(command.commandId as string);
    for (const sequence of sequences) {
      await this.#pipeline.whenDurable(sequence);
      this.#pipeline.expireDue();
      const outcome = firstOutcome(this.#journal.reader, sequence, command, (holdId) =>
        this.#statusOf(holdId),
      );
      if (outcome !== null) return outcome;
    }
    const known = this.#state.commandIds.candidates(command.commandId as string);
    if (known.length > sequences.length) return this.again(command);
    return this.#pipeline.runFresh(command) as Promise<CommandOutcome>;
  }

  onFault(): void {
    this.#keeper.stop();
  }

  #statusOf(holdId: string): HoldView['status'] | undefined {
    const slot = this.#state.holds.index.get(holdId);
    return slot === -1 ? undefined : HOLD_STATUSES[this.#state.holds.status[slot]];
  }

  // Before every read, holds whose time is up are expired: that is the ledger's own duty, not the reader's change.
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

  snapshot(): Snapshot {
    this.#reading();
    this.#pipeline.execute({ kind: 'take_snapshot', commandId: null, certify: false });
    return this.#frozen();
  }

  /** A snapshot of the state as it is; what led to it is durable when this returns. */
  #frozen(): Snapshot {
    const figures = snapshotFigures(this.#state);
    const head = this.#pipeline.drainSync();
    return { ...figures, head, at: this.#state.time, digest: digestOf(canonicalText(figures)) };
  }

  certify(): Certificate {
    const state = this.#reading();
    const before = [...state.certifiedTotal];
    this.#pipeline.execute({ kind: 'take_snapshot', commandId: null, certify: true });
    const { digest, version, head, at, balances } = this.#frozen();
    const failure = conservationFailure(balances);
    const since = before.map((steps, unit) =>
      state.spentTotal[unit] > steps ? state.spentTotal[unit] - steps : 0n,
    );
    const spentSinceLast = Object.fromEntries(
      state.units.units.map((unit, index) => [unit.name, since[index]]),
    );
    return {
      digest,
      status: failure === null ? 'balanced' : 'unbalanced',
      failure,
      version,
      head,
      at,
      spentSinceLast,
    };
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
    } finally {
      await this.#journal.close();
    }
  }
}

/** A seed for a ledger's or a process's hash indexes: nobody outside knows it. */
export function newSeed(): number {
  return randomInt(2 ** 31);
}
