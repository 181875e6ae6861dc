// Goals of agents (rules G1–G4) over the service's file and the ledger. Whether a goal is active or paused, and all figures,
// are decided by the ledger alone; how a goal ended, by one write to the file in its owner's turn. A goal is created by an
// intent in the file, then one durable group in the ledger, then the file again; it ends in the file first and is closed in
// the ledger then. `recover` finishes what a crash cut. Used by the HTTP API; the gateway asks `assertUsable`.

import { createHash, randomUUID } from 'node:crypto';
import { type LimitOwner, LimitSetters } from '../access/limit-setters.js';
import { hasScope } from '../access/scopes.js';
import { toLedgerId } from '../access/tenant-ids.js';
import type { Clock, Ledger } from '../authority/api.js';
import { OverloadedError } from '../core/errors.js';
import { quoted } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { ServiceStore } from '../kit/service-store.js';
import type { ViewDatabase } from '../views/view.js';
import {
  GOAL_PREFIX,
  type Goal,
  type GoalEnding,
  type GoalSettings,
  type GoalState,
  TURN_TOKENS_MAX,
} from './goal.js';
import { GoalLedger, type GoalLedgerPart, type GoalStanding } from './goal-ledger.js';
import { labelsWith, mayUse, ownerOf, ownersSeen, type StatedOwner } from './goal-owner.js';
import { type GoalRow, GoalTable } from './goal-table.js';
import { goalTextProblem } from './goal-text.js';

/** Open goals of one owner: each is looked at when another begins. Those that nobody goes on with are cleared. */
export const OPEN_GOALS_MAX = 100;
/** Goals finished in one go after a crash: their rows are in memory meanwhile. */
const RECOVERED_AT_ONCE = 500;

export interface GoalParts {
  readonly store: ServiceStore;
  readonly views: ViewDatabase;
  readonly ledger: GoalLedgerPart & Pick<Ledger, 'whenDurable' | 'run'>;
  readonly clock: Clock;
  readonly settings: () => GoalSettings;
  /** Told of usage that could not be recorded. */
  readonly onFault: (what: string, error: unknown) => void;
  /** Tests stop here, as a crash would. */
  readonly atStep?: (step: GoalStep) => void;
}

export type GoalStep = 'intended' | 'begun' | 'ended' | 'closed';

export interface NewGoal extends StatedOwner {
  readonly text: string;
  /** Tokens, at least 1; null: no budget. */
  readonly tokenBudget: bigint | null;
  /** The same key again gives the same goal. */
  readonly requestKey?: string | undefined;
}

export interface TurnTokens {
  readonly tokens: bigint;
  /** A repeat with the same id counts once. */
  readonly commandId?: string | undefined;
}

/** What became of a turn's tokens (rule G2). */
export interface Accrual {
  /** Null when the tokens were counted; else why they were not. */
  readonly notCounted: Exclude<GoalState, 'active'> | 'unavailable' | null;
  /** Null when the ledger cannot be asked. */
  readonly goal: Goal | null;
}

export class Goals {
  readonly #parts: GoalParts;
  readonly #table: GoalTable;
  readonly #books: GoalLedger;
  /** What is done to one owner's goals: reading which is active and changing it is one step (rule G1). */
  readonly #turns = new SerialQueue();
  readonly #setters: LimitSetters;

  constructor(parts: GoalParts) {
    this.#parts = parts;
    this.#setters = new LimitSetters(parts.views);
    this.#table = new GoalTable(parts.store);
    this.#books = new GoalLedger(parts.ledger);
  }

  /**
   * A new goal, active; the owner's active one is paused in the same step.
   * @throws RefusedError invalid_request, label_forbidden; conflict when the owner has too many open goals
   */
  async create(caller: Caller, stated: NewGoal): Promise<Goal> {
    const owner = ownerOf(caller, stated);
    const { text, tokenBudget } = stated;
    const problem = goalTextProblem(text, this.#parts.settings().textLengthMax);
    if (problem !== null) throw invalid('text', problem);
    if (tokenBudget !== null && tokenBudget < 1n)
      throw invalid('tokenBudget', '0 tokens allow no turn; state at least 1');
    return this.#turns.run(keyOf(owner), async () =>
      this.#goal(await this.#createdOnce(caller, owner, stated)),
    );
  }

  async #createdOnce(
    caller: Caller,
    owner: Pick<GoalRow, 'tenant' | 'owner'>,
    stated: NewGoal,
  ): Promise<GoalRow> {
    const { text, tokenBudget, requestKey } = stated;
    const digest = digestOf([text, tokenBudget?.toString() ?? null]);
    const known = requestKey === undefined ? undefined : this.#table.byRequest(owner, requestKey);
    if (known !== undefined) {
      if (known.requestDigest !== digest)
        throw new RefusedError('idempotency_key_reused', 'the Idempotency-Key made another goal');
      return this.#finished(known);
    }
    if (this.#table.open(owner).length >= OPEN_GOALS_MAX)
      throw new RefusedError('conflict', `the owner has ${OPEN_GOALS_MAX} open goals: clear some first`);
    const id = GOAL_PREFIX + randomUUID();
    if (tokenBudget !== null) await this.#noteSetter(caller, id);
    const number = this.#parts.store.transaction(() =>
      this.#table.insert({
        ...owner,
        id,
        text,
        intent: { step: 'create', tokenBudget },
        request: requestKey === undefined ? null : { key: requestKey, digest },
        createdAt: this.#parts.clock.now(),
      }),
    );
    this.#step('intended');
    return this.#finished(this.#row(number));
  }

  /** The goal's intent carried out. @throws what the ledger says against it; the goal then never was */
  async #finished(row: GoalRow): Promise<GoalRow> {
    const { number, intent } = row;
    if (intent === null) return row;
    if (intent.step === 'close') {
      await this.#books.close(row);
      this.#step('closed');
      // Closing again changes nothing: this may be lost with the power.
      this.#parts.store.casually(() => this.#table.finish(number));
    } else {
      await this.#begin(row, intent.tokenBudget);
      this.#step('begun');
      this.#parts.store.transaction(() => this.#table.finish(number));
    }
    return this.#row(number);
  }

  async #begin(row: GoalRow, tokenBudget: bigint | null): Promise<void> {
    try {
      await this.#books.begin(row, tokenBudget, this.#activeBeside(row));
    } catch (error) {
      // Nothing was done. After any other fault it is not known, and the intent stays.
      const isRefused = error instanceof RefusedError || error instanceof OverloadedError;
      if (isRefused) this.#parts.store.transaction(() => this.#table.forget(row.number));
      throw error;
    }
  }

  // Of the owner's open goals those that are active: one, or none.
  #activeBeside(row: Pick<GoalRow, 'id' | 'tenant' | 'owner'>): GoalRow[] {
    return this.#table
      .open(row)
      .filter((other) => other.id !== row.id && this.#books.standing(other).status === 'active');
  }

  /** Newest first. @throws RefusedError label_forbidden */
  async list(
    caller: Caller,
    stated: StatedOwner,
    page: { readonly before: number | null; readonly max: number },
  ): Promise<{ readonly goals: readonly Goal[]; readonly next: number | null }> {
    const owners = ownersSeen(caller, stated);
    const rows = this.#table.page(owners, page.before ?? Number.MAX_SAFE_INTEGER, page.max + 1);
    const taken = rows.slice(0, page.max);
    const goals = await this.#durably(() => taken.map((row) => goalOf(row, this.#books.standing(row))));
    return { goals, next: rows.length > page.max ? taken[page.max - 1].number : null };
  }

  /** @throws RefusedError not_found, also when it is another's */
  get(caller: Caller, id: string): Promise<Goal> {
    return this.#goal(this.#usable(caller, id));
  }

  /** The owner's active goal; null when it has none. @throws RefusedError invalid_request, label_forbidden */
  active(caller: Caller, stated: StatedOwner): Promise<Goal | null> {
    const owner = ownerOf(caller, stated);
    // In its turn: while one goal takes over from another, one of them is given, never none.
    return this.#turns.run(keyOf(owner), async () => {
      const row = this.#table.open(owner).find((one) => this.#books.standing(one).status === 'active');
      return row === undefined ? null : this.#goal(row);
    });
  }

  /** @throws RefusedError not_found; conflict once it has ended */
  pause(caller: Caller, id: string): Promise<Goal> {
    return this.#change(caller, id, async (row, { status }) => {
      if (status === 'active') await this.#books.pause(row);
    });
  }

  /** Goes on, and pauses the owner's active one in the same step. @throws RefusedError not_found; conflict without budget left */
  resume(caller: Caller, id: string): Promise<Goal> {
    return this.#change(caller, id, async (row, { status, tokenBudget, tokensUsed }) => {
      if (status === 'active') return;
      if (tokenBudget !== null && tokensUsed >= tokenBudget)
        throw new RefusedError(
          'conflict',
          `the goal has used ${tokensUsed} of its ${tokenBudget} tokens: raise its budget first`,
        );
      await this.#books.activate(row, this.#activeBeside(row));
      if (this.#books.standing(row).status !== 'active')
        throw new RefusedError('conflict', 'the platform has paused all goals');
    });
  }

  /**
   * Sets the token budget; it does not resume. Whoever may use the goal lowers it, or gives it one where it has none;
   * raising needs what whoever set it had, and lifting an administrator.
   * @throws RefusedError invalid_request for one that is used up already; forbidden
   */
  setBudget(caller: Caller, id: string, tokenBudget: bigint | null): Promise<Goal> {
    return this.#change(caller, id, async (row, { tokensUsed, tokenBudget: before }) => {
      if (tokenBudget !== null && tokenBudget <= tokensUsed)
        throw invalid('tokenBudget', `${tokenBudget} is not above the ${tokensUsed} tokens that were used`);
      const lowers = before !== null && tokenBudget !== null && tokenBudget <= before;
      if (!lowers) {
        if (before !== null) this.#assertMayRaise(caller, row, tokenBudget);
        await this.#noteSetter(caller, row.id);
      }
      await this.#books.limit(row, tokenBudget);
    });
  }

  async #noteSetter(caller: Caller, id: string): Promise<void> {
    const facts = [this.#setters.fact(caller, limitOf(id))];
    await this.#parts.ledger.run({ command: 'record_facts' }, { actor: actorOf(caller), facts });
  }

  #assertMayRaise(caller: Caller, { id }: GoalRow, tokenBudget: bigint | null): void {
    if (tokenBudget === null && !hasScope(caller, 'tenant_admin'))
      throw new RefusedError(
        'forbidden',
        'tokenBudget: lifting a budget needs a key with the scope tenant_admin',
        { field: 'tokenBudget' },
      );
    this.#setters.assertMayRaise(caller, limitOf(id));
  }

  /** Of an active goal. The first end wins; the same one again gives what it gave. @throws RefusedError not_found, conflict */
  complete(caller: Caller, id: string): Promise<Goal> {
    return this.#end(caller, id, 'completed');
  }

  /** @throws RefusedError not_found, conflict */
  clear(caller: Caller, id: string): Promise<Goal> {
    return this.#end(caller, id, 'cleared');
  }

  #end(caller: Caller, id: string, ending: GoalEnding): Promise<Goal> {
    const seen = this.#usable(caller, id);
    return this.#turns.run(keyOf(seen), async () => {
      const row = this.#row(seen.number);
      if (row.ending !== null && row.ending !== ending) throw hasEnded(row);
      if (row.ending === null) {
        const { status } = this.#books.standing(row);
        if (ending === 'completed' && status === 'paused')
          throw new RefusedError('conflict', 'the goal is paused: resume it first, or clear it');
        this.#parts.store.transaction(() => this.#table.end(row.number, ending, this.#parts.clock.now()));
        this.#step('ended');
      }
      return this.#goal(await this.#finished(this.#row(row.number)));
    });
  }

  /**
   * Counts a turn that ran elsewhere (rule G2). Only an active goal counts; nothing that goes wrong in the books is the
   * turn's failure. @throws RefusedError not_found, invalid_request, idempotency_key_reused: mistakes of the caller's
   */
  async note(caller: Caller, id: string, { tokens, commandId }: TurnTokens): Promise<Accrual> {
    if (tokens > TURN_TOKENS_MAX)
      throw invalid('tokens', `${tokens} are more than the ${TURN_TOKENS_MAX} that one turn can have`);
    const row = this.#usable(caller, id);
    const labels = labelsWith(caller, row);
    const ledgerId = commandId === undefined ? undefined : toLedgerId(caller, commandId, 'commandId');
    try {
      const before = stateOf(row, this.#books.standing(row));
      // Between this look and the record nothing else is decided: both are in one go.
      if (before !== 'active') return { notCounted: before, goal: await this.#goal(row) };
      const outcome = await this.#books.record(labels, tokens, ledgerId);
      if (outcome.outcome !== 'rejected') return { notCounted: null, goal: await this.#goal(row) };
      if (outcome.code === 'command_id_reused')
        throw new RefusedError('idempotency_key_reused', 'the Idempotency-Key noted another turn');
      throw new Error(`${outcome.code}: ${outcome.message}`);
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      this.#parts.onFault(`the tokens of a turn of goal ${id} could not be counted`, error);
      return { notCounted: 'unavailable', goal: null };
    }
  }

  /**
   * For calls that carry the label `goal`: that the goal is there, and the caller's. Whether it goes on is the ledger's to
   * decide. A value that is no goal's id is a label like any other. @throws RefusedError not_found
   */
  assertUsable(caller: Caller, labels: Labels): void {
    const goal = Object.hasOwn(labels, 'goal') ? labels.goal : '';
    if (goal.startsWith(GOAL_PREFIX)) this.#usable(caller, goal, 'labels.goal');
  }

  /** Finishes what a crash cut. Once, before anybody calls. Resolves with how many goals it finished. */
  async recover(): Promise<number> {
    let finished = 0;
    for (let after = 0; ; ) {
      const rows = this.#table.unfinished(after, RECOVERED_AT_ONCE);
      if (rows.length === 0) return finished;
      after = rows[rows.length - 1].number;
      for (const row of rows) {
        try {
          await this.#finished(row);
          finished += 1;
        } catch (error) {
          if (!(error instanceof RefusedError)) throw error;
          this.#parts.onFault(`goal ${row.id} could not be finished`, error);
        }
      }
    }
  }

  #change(
    caller: Caller,
    id: string,
    change: (row: GoalRow, standing: GoalStanding) => Promise<void>,
  ): Promise<Goal> {
    const seen = this.#usable(caller, id);
    return this.#turns.run(keyOf(seen), async () => {
      const row = this.#row(seen.number);
      const standing = this.#books.standing(row);
      const state = stateOf(row, standing);
      if (state === 'completed' || state === 'cleared') throw hasEnded({ ending: state });
      await change(row, standing);
      return this.#goal(row);
    });
  }

  #usable(caller: Caller, id: string, field = 'id'): GoalRow {
    const row = this.#table.find(id);
    if (row !== undefined && mayUse(caller, row)) return row;
    throw new RefusedError('not_found', `there is no goal ${quoted(id)}`, { field });
  }

  #row(number: number): GoalRow {
    const row = this.#table.byNumber(number);
    if (row === undefined) throw new Error('bug: a goal that was found is there');
    return row;
  }

  #goal(row: GoalRow): Promise<Goal> {
    return this.#durably(() => goalOf(row, this.#books.standing(row)));
  }

  #durably<T>(read: () => T): Promise<T> {
    return this.#parts.ledger.whenDurable(read);
  }

  #step(step: GoalStep): void {
    this.#parts.atStep?.(step);
  }
}

function limitOf(id: string): LimitOwner {
  return { kind: 'goal', id };
}

function keyOf({ tenant, owner }: Pick<GoalRow, 'tenant' | 'owner'>): string {
  return JSON.stringify([tenant, owner]);
}

function stateOf({ ending }: Pick<GoalRow, 'ending'>, { status }: Pick<GoalStanding, 'status'>): GoalState {
  // Closed by hand: it goes on no more, and nobody said that it was reached.
  return ending ?? (status === 'closed' ? 'cleared' : status);
}

function goalOf(row: GoalRow, { status, ...figures }: GoalStanding): Goal {
  const { id, tenant, owner, text, createdAt, endedAt } = row;
  return { id, tenant, owner, text, state: stateOf(row, { status }), ...figures, createdAt, endedAt };
}

function hasEnded({ ending }: { readonly ending: GoalEnding | null }): RefusedError {
  return new RefusedError('conflict', `the goal is ${ending}: that is final`);
}

function digestOf(parts: readonly (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
