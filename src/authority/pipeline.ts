// The four verbs in motion: stamp time → decide → apply → write into the batch → (durable) → follower → reply. The one
// writer of a state. While a batch is being made durable, the next one fills. No outcome is given out before its batch is
// durable (invariant 7). When the journal or the follower fails, the pipeline stops: it answers nothing any more, because
// the state in memory is ahead of the disk.

import { apply } from '../core/apply.js';
import type { CoreCommand } from '../core/commands.js';
import { decide } from '../core/decide.js';
import type { Effect, WindowsDue } from '../core/effects.js';
import { isCarriedOut } from '../core/effects.js';
import { InvalidInputError, LedgerClosedError, OverloadedError } from '../core/errors.js';
import type { CheckedRider } from '../core/facts.js';
import { NO_RIDER } from '../core/facts.js';
import { linesOf } from '../core/line-figures.js';
import { outcomeOf } from '../core/outcome-of.js';
import type { CommandOutcome, Head, SkippedCandidate } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import { windowAt } from '../core/window.js';
import { BatchWriter } from '../journal/batch-writer.js';
import type { JournalWriter } from '../journal/port.js';
import type { Clock } from './api.js';
import { INSTANT_MAX_MS } from './checks.js';
import type { FollowerFeed } from './follower-feed.js';
import { type Deferred, deferred, Replies } from './replies.js';
import { TimeSlice } from './time-slice.js';
import { zoneOffset } from './time-zones.js';

/**
 * A batch of this size is written at once. One commit takes about as long as deciding the next batch of this size.
 */
export const BATCH_SEAL_BYTES = 128 * 1024;
/** While so many batches are being made durable, the next one goes on filling. */
export const BATCHES_IN_FLIGHT_MAX = 4;
/** A filling batch of this size makes further commands wait: the disk is slower than the callers. */
export const BATCH_BYTES_MAX = 1024 * 1024;
/** Commands that may wait then; beyond it callers are told to come back (OverloadedError). */
export const COMMANDS_WAITING_MAX = 100_000;

/** What the pipeline asks of the ledger around it. */
export interface PipelineOwner {
  /** Answers a command whose id may have been used before. */
  again(command: CoreCommand, rider: CheckedRider): Promise<CommandOutcome>;
  onFault(error: unknown): void;
}

export class Pipeline {
  readonly #batch = new BatchWriter();
  #replies = new Replies();
  #inFlight = 0;
  #flushScheduled = false;
  #grouping = false;
  readonly #waiting: (() => void)[] = [];
  /** Resolved at the next durable batch, or rejected when there will be none. */
  #durable: Deferred | null = null;
  #fault: unknown = null;
  head: Head;

  constructor(
    readonly state: State,
    readonly journal: JournalWriter,
    readonly clock: Clock,
    readonly owner: PipelineOwner,
    /** Takes the facts of durable batches; null where nobody follows. */
    readonly feed: FollowerFeed | null,
  ) {
    this.head = journal.reader.head();
    this.#batch.begin(state, 0);
  }

  /** Throws when the pipeline has stopped. */
  assertAlive(): void {
    if (this.#fault !== null) throw this.#fault;
  }

  /** The ledger's time: the clock's, never before the last record's (invariant 8). */
  now(): number {
    const read = Math.floor(this.clock.now());
    if (!(read >= 0 && read <= INSTANT_MAX_MS)) {
      throw new InvalidInputError('clock', `${read} is not an instant from 0 to ${INSTANT_MAX_MS} ms`);
    }
    return Math.max(this.state.time, read);
  }

  /** Decides a command, now or when the journal has caught up; resolves once its outcome is durable. */
  run(command: CoreCommand, rider: CheckedRider): Promise<CommandOutcome> {
    return this.#inTurn(() => this.#runNow(command, rider)) as Promise<CommandOutcome>;
  }

  /** Decides several in one batch, one after another. */
  runGroup(commands: readonly CoreCommand[], rider: CheckedRider): Promise<readonly CommandOutcome[]> {
    const group = this.#inTurn(() => this.#groupNow(commands, rider, 0, () => false));
    return group as Promise<readonly CommandOutcome[]>;
  }

  /**
   * Calls `prepare`, then the function that it returns; all commands that this executes go into one batch. Resolves when
   * that batch is durable. Nothing is decided between `prepare` and its work. When `prepare` throws, nothing is done.
   */
  runTogether<T>(prepare: () => () => T): Promise<Awaited<T>> {
    return this.#inTurn(async () => this.#together(prepare())) as Promise<Awaited<T>>;
  }

  /** Decides commands from index `from` until the time slice is over, at least one. Gives the outcomes of those decided. */
  runPart(
    commands: readonly CoreCommand[],
    rider: CheckedRider,
    from: number,
  ): Promise<readonly CommandOutcome[]> {
    const part = this.#inTurn(() => {
      const turn = new TimeSlice();
      return this.#groupNow(
        commands,
        rider,
        from,
        () => turn.isOver || this.#batch.length >= BATCH_BYTES_MAX,
      );
    });
    return part as Promise<readonly CommandOutcome[]>;
  }

  #inTurn(start: () => Promise<unknown>): Promise<unknown> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    if (this.#waiting.length === 0 && this.#batch.length <= BATCH_BYTES_MAX) return start();
    if (this.#waiting.length >= COMMANDS_WAITING_MAX) {
      const problem = `${COMMANDS_WAITING_MAX} commands wait for the journal; try again later`;
      return Promise.reject(new OverloadedError(problem));
    }
    return new Promise((resolve) => {
      this.#waiting.push(() => resolve(start()));
    });
  }

  #runNow(command: CoreCommand, rider: CheckedRider): Promise<unknown> {
    if (this.wasUsed(command)) return this.owner.again(command, rider);
    return this.runFresh(command, rider);
  }

  /** Decides a command whose id is known not to have been used. */
  runFresh(command: CoreCommand, rider: CheckedRider): Promise<unknown> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    try {
      return this.#reply(this.execute(command, rider));
    } catch (bug) {
      return this.#stopped(bug);
    }
  }

  #groupNow(
    commands: readonly CoreCommand[],
    rider: CheckedRider,
    from: number,
    isEnough: () => boolean,
  ): Promise<unknown> {
    const group = this.#together(() => {
      const outcomes: (CommandOutcome | Promise<CommandOutcome>)[] = [];
      for (let index = from; index < commands.length; index += 1) {
        const command = commands[index];
        outcomes.push(
          this.wasUsed(command) ? this.owner.again(command, rider) : this.execute(command, rider),
        );
        if (isEnough()) break;
      }
      return outcomes;
    });
    return group.then((outcomes) => Promise.all(outcomes as readonly CommandOutcome[]));
  }

  #together(decideAll: () => unknown): Promise<unknown> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    if (this.#batch.recordCount > 0) this.#seal();
    this.#grouping = true;
    try {
      const answer = decideAll();
      this.#grouping = false;
      // Nothing was written, so no batch will become durable.
      if (this.#batch.recordCount === 0) return Promise.resolve(answer);
      return this.#reply(answer);
    } catch (bug) {
      this.#grouping = false;
      // Holds may have expired and windows may have opened before the misuse was found.
      if (this.#batch.recordCount > 0) this.#scheduleFlush();
      return this.#stopped(bug);
    }
  }

  // After a bug nobody knows what was half done, so nothing more is answered from this state. A clock that gives no
  // instant, like any misuse, is found before anything is done.
  #stopped(bug: unknown): Promise<never> {
    if (!(bug instanceof InvalidInputError)) this.stop(bug);
    return Promise.reject(bug);
  }

  /** Whether the command's id may have been used before. */
  wasUsed({ commandId }: CoreCommand): boolean {
    const { commandIds } = this.state;
    return commandId !== null && commandIds.size > 0 && commandIds.candidates(commandId).length > 0;
  }

  /** The promise of an answer, kept when the batch that is filling now is durable. */
  #reply(answer: unknown): Promise<unknown> {
    const promise = this.#replies.add(answer);
    this.#scheduleFlush();
    return promise;
  }

  /** Decides, applies and writes one command; its outcome may not be given out before it is durable. */
  execute(command: CoreCommand, rider: CheckedRider): CommandOutcome {
    const at = this.now();
    this.expireDue(at);
    return this.carryOut(command, this.decided(command, at), rider, at);
  }

  /** Opens the windows that a command needs, and decides it. The state's lines are then those of this decision. */
  decided(command: CoreCommand, at: number): Effect {
    const { state } = this;
    let effect = decide(state, command, at);
    // More than once when candidates count towards different budgets.
    while (effect.type === 'windows_due') {
      if (effect.budgetIds.length === 0) throw new Error('bug: windows were opened and are still due');
      this.#openWindows(effect, at);
      effect = decide(state, command, at);
    }
    return effect;
  }

  /** Applies and writes what was just decided. */
  carryOut(command: CoreCommand, effect: Effect, rider: CheckedRider, at: number): CommandOutcome {
    const { state } = this;
    const changed = this.#commit(command, effect, at, rider);
    const outcome = outcomeOf({
      command,
      effect,
      sequence: state.sequence,
      position: changed ? state.position : null,
      at,
      term: state.term,
      replayed: false,
      lines: linesOf(state, state.lines),
      skipped:
        effect.type === 'hold_authorized' || effect.type === 'hold_denied'
          ? this.#skipped(effect)
          : NONE_SKIPPED,
      units: state.units,
      holdStatus: 'open',
    });
    if (rider.facts.length > 0 && isCarriedOut(effect)) {
      const { commandId } = command;
      this.feed?.add({ sequence: state.sequence, at, commandId, ...rider, outcome });
    }
    return outcome;
  }

  #skipped(effect: Effect & { type: 'hold_authorized' | 'hold_denied' }): readonly SkippedCandidate[] {
    if (effect.skipped.length === 0) return NONE_SKIPPED;
    return effect.skipped.map(({ candidate, reason, lines }) => ({
      candidate,
      reason,
      lines: linesOf(this.state, lines),
    }));
  }

  #commit(command: CoreCommand, effect: Effect, at: number, rider = NO_RIDER): boolean {
    const changed = apply(this.state, command, effect, at);
    this.#batch.record(this.state, command, effect, changed, rider);
    return changed;
  }

  #openWindows(due: WindowsDue, at: number): void {
    for (const budgetId of due.budgetIds) {
      const budget = this.state.budgetById.get(budgetId);
      if (budget === undefined) throw new Error('bug: a window is due for a budget that exists');
      const { startMs: start, endMs: end } = windowAt(budget.window, due.instant, zoneOffset);
      const command: CoreCommand = { kind: 'open_window', commandId: null, budgetId, start, end };
      this.#commit(command, decide(this.state, command, at) as Effect, at);
    }
  }

  /** Expires every hold whose time is up, in the order of their expiry. */
  expireDue(at = this.now()): void {
    const { holds } = this.state;
    for (
      let slot = holds.expiry.first();
      slot !== -1 && holds.expiresAt[slot] <= at;
      slot = holds.expiry.first()
    ) {
      const command: CoreCommand = { kind: 'expire_hold', commandId: null, slot };
      this.#commit(command, decide(this.state, command, at) as Effect, at);
      this.#scheduleFlush();
    }
  }

  /** The sequence numbers up to this one are durable. */
  isDurable(sequence: number): boolean {
    return sequence <= this.head.sequence;
  }

  /** Waits until a record is durable. */
  async whenDurable(sequence: number): Promise<void> {
    while (!this.isDurable(sequence)) {
      this.assertAlive();
      if (!this.#grouping) this.#flush();
      this.#durable ??= deferred();
      await this.#durable.promise;
    }
  }

  /** Blocks until everything decided is durable. */
  drainSync(): Head {
    this.assertAlive();
    if (this.#batch.recordCount > 0) this.#seal();
    try {
      const head = this.journal.drainSync();
      this.feed?.deliver(head);
      this.head = head;
    } catch (error) {
      this.stop(error);
      throw error;
    }
    return this.head;
  }

  /** Ends the pipeline: everything decided is made durable first. */
  async close(): Promise<void> {
    await this.whenDurable(this.state.sequence);
    this.stop(new LedgerClosedError('the ledger is closed'));
  }

  /** Stops at once; replies that are not durable are rejected. */
  stop(error: unknown): void {
    if (this.#fault !== null) return;
    this.#fault = error;
    this.#replies.refuseAll(error);
    this.#replies = new Replies();
    for (const start of this.#waiting.splice(0)) start();
    this.#durable?.reject(error);
    this.#durable = null;
    this.owner.onFault(error);
  }

  #scheduleFlush(): void {
    if (this.#grouping) return;
    if (this.#batch.length >= BATCH_SEAL_BYTES) return this.#flush();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      // A single command is written at the end of the current event-loop turn. While the disk is busy, further commands
      // are collected into one group.
      if (this.#inFlight === 0) this.#flush();
    });
  }

  #flush(): void {
    if (this.#fault !== null || this.#batch.recordCount === 0 || this.#inFlight >= BATCHES_IN_FLIGHT_MAX)
      return;
    this.#seal();
  }

  #seal(): void {
    const { firstSequence, recordCount } = this.#batch;
    const bytes = this.#batch.take();
    const replies = this.#replies;
    this.#replies = new Replies();
    this.#batch.begin(this.state, Math.min(bytes.length * 2, BATCH_BYTES_MAX));
    this.#inFlight += 1;
    this.journal.append({ firstSequence, recordCount, bytes }).then(
      (head) => this.#onDurable(replies, head),
      (error) => this.#onFailure(replies, error),
    );
  }

  #onDurable(replies: Replies, head: Head): void {
    try {
      this.feed?.deliver(head);
    } catch (error) {
      this.#onFailure(replies, error);
      return;
    }
    this.#inFlight -= 1;
    if (head.sequence > this.head.sequence) this.head = head;
    replies.answerAll();
    this.#durable?.resolve();
    this.#durable = null;
    this.#flush();
    while (this.#waiting.length > 0 && this.#batch.length <= BATCH_BYTES_MAX) {
      for (const start of this.#waiting.splice(0, WAITING_CHUNK)) start();
    }
  }

  #onFailure(replies: Replies, error: unknown): void {
    this.#inFlight -= 1;
    replies.refuseAll(error);
    this.stop(error);
  }
}

/** Waiting commands started between two looks at the batch's size. */
const WAITING_CHUNK = 256;

const NONE_SKIPPED: readonly SkippedCandidate[] = [];
