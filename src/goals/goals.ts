// Goals of agents (rules G1 to G4). Whether a goal is active or paused, and all its figures, are the ledger's; that it began and
// how it ended are facts that ride with the ledger's commands, and its text is in the vault. What is done to the goals of one
// owner is done in a queue: it reads which goal is active, and changes it by one command or by one group that is carried out
// whole or not at all. Used by the HTTP API; the gateway asks `assertUsable`.

import { randomUUID } from 'node:crypto';
import { type LimitHolder, LimitSetters } from '../access/limit-setters.js';
import { hasScope } from '../access/scopes.js';
import { toLedgerId } from '../access/tenant-ids.js';
import type { Clock, Ledger } from '../authority/api.js';
import type { CheckedRider, Fact } from '../core/facts.js';
import type { Labels } from '../core/requests.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { digestOf, requestDigest } from '../kit/facts.js';
import { invalid, notFound, RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import { provenText, type SweepRule, type Vault } from '../vault/vault.js';
import type { ViewDatabase } from '../views/view.js';
import {
  GOAL_PREFIX,
  type Goal,
  type GoalEnding,
  type GoalSettings,
  type GoalState,
  goalTextProblem,
  TURN_TOKENS_MAX,
} from './goal.js';
import { type GoalBalance, GoalLedger, type GoalLedgerPart } from './goal-ledger.js';
import { labelsWith, mayUse, ownerOf, ownersSeen, type RequestedOwner } from './goal-owner.js';
import {
  GOAL_TEXTS_PREFIX,
  type GoalOwner,
  type GoalRecord,
  type GoalRow,
  GoalTable,
  goalFact,
  textIdOf,
} from './goals-facts.js';

/** Open goals of one owner: each is looked at when another begins. Those that nobody goes on with are cleared. */
export const OPEN_GOALS_MAX = 100;

export interface GoalParts {
  readonly views: ViewDatabase;
  readonly vault: Pick<Vault, 'put' | 'get'>;
  readonly ledger: GoalLedgerPart & Pick<Ledger, 'whenDurable'>;
  readonly clock: Clock;
  readonly settings: () => GoalSettings;
  /** Told of usage that could not be recorded. */
  readonly onFault: (what: string, error: unknown) => void;
}

export interface NewGoal extends RequestedOwner {
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
  readonly #setters: LimitSetters;
  /** Reading which of an owner's goals is active, and changing it, is one step (rule G1). */
  readonly #owners = new SerialQueue();

  constructor(parts: GoalParts) {
    this.#parts = parts;
    this.#table = new GoalTable(parts.views);
    this.#books = new GoalLedger(parts.ledger);
    this.#setters = new LimitSetters(parts.views);
  }

  /**
   * A new goal, active; the owner's active one is paused in the same step.
   * @throws RefusedError invalid_request, label_forbidden; conflict when the owner has too many open goals
   */
  async create(caller: Caller, wanted: NewGoal): Promise<Goal> {
    const owner = ownerOf(caller, wanted);
    const { text, tokenBudget } = wanted;
    const problem = goalTextProblem(text, this.#parts.settings().textLengthMax);
    if (problem !== null) throw invalid('text', problem);
    if (tokenBudget !== null && tokenBudget < 1n)
      throw invalid('tokenBudget', '0 tokens allow no turn; state at least 1');
    return this.#owners.run(keyOf(owner), async () =>
      this.#goal(await this.#createdOnce(caller, owner, wanted)),
    );
  }

  async #createdOnce(caller: Caller, owner: GoalOwner, wanted: NewGoal): Promise<GoalRow> {
    const { text, tokenBudget, requestKey, tenant: _tenant, owner: _owner, ...rest } = wanted;
    // `rest` has the fields that NewGoal may gain: without them, the digest stays what it is in older ledgers.
    const digest = requestDigest([text, tokenBudget, ...(Object.keys(rest).length === 0 ? [] : [rest])]);
    const known = requestKey === undefined ? undefined : this.#table.byRequest(owner, requestKey);
    if (known !== undefined) {
      if (known.request?.digest === digest) return known;
      throw new RefusedError('idempotency_key_reused', 'the Idempotency-Key made another goal');
    }
    if (this.#table.openOf(owner).length >= OPEN_GOALS_MAX)
      throw new RefusedError('conflict', `the owner has ${OPEN_GOALS_MAX} open goals: clear some first`);
    const goal: GoalRecord = {
      id: GOAL_PREFIX + randomUUID(),
      ...owner,
      textDigest: digestOf(text),
      ending: null,
      request: requestKey === undefined ? null : { key: requestKey, digest },
      createdAt: this.#parts.clock.now(),
      endedAt: null,
    };
    await this.#parts.vault.put([{ id: textIdOf(goal), body: text }]);
    const facts = [goalFact('goal_begun', goal)];
    if (tokenBudget !== null) facts.push(this.#setterFact(caller, goal.id));
    await this.#books.begin(goal, tokenBudget, this.#activeBeside(goal), ridden(caller, facts));
    return this.#row(goal.id);
  }

  // Of the owner's open goals those that are active: one, or none.
  #activeBeside(goal: Pick<GoalRecord, 'id' | 'tenant' | 'owner'>): GoalRow[] {
    return this.#table
      .openOf(goal)
      .filter((other) => other.id !== goal.id && this.#books.balance(other).status === 'active');
  }

  /** Newest first. @throws RefusedError label_forbidden */
  async list(
    caller: Caller,
    wanted: RequestedOwner,
    page: { readonly before: number | null; readonly max: number },
  ): Promise<{ readonly goals: readonly Goal[]; readonly next: number | null }> {
    const owners = ownersSeen(caller, wanted);
    const rows = this.#table.page(owners, page.before ?? Number.MAX_SAFE_INTEGER, page.max + 1);
    const taken = rows.slice(0, page.max);
    return {
      goals: await this.#goals(taken),
      next: rows.length > page.max ? taken[page.max - 1].number : null,
    };
  }

  /** @throws RefusedError not_found, also for a goal of another owner */
  get(caller: Caller, id: string): Promise<Goal> {
    return this.#goal(this.#usable(caller, id));
  }

  /** The owner's active goal; null when it has none. @throws RefusedError invalid_request, label_forbidden */
  active(caller: Caller, wanted: RequestedOwner): Promise<Goal | null> {
    const owner = ownerOf(caller, wanted);
    // In the queue: while one goal takes over from another, one of them is given, never none.
    return this.#owners.run(keyOf(owner), async () => {
      const row = this.#table.openOf(owner).find((one) => this.#books.balance(one).status === 'active');
      return row === undefined ? null : this.#goal(row);
    });
  }

  /** @throws RefusedError not_found; conflict once it has ended */
  pause(caller: Caller, id: string): Promise<Goal> {
    return this.#change(caller, id, async (row, { status }) => {
      if (status === 'active') await this.#books.pause(row, ridden(caller));
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
      await this.#books.activate(row, this.#activeBeside(row), ridden(caller));
      if (this.#books.balance(row).status !== 'active')
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
      if (!lowers && before !== null) this.#assertMayRaise(caller, row, tokenBudget);
      const facts = lowers ? [] : [this.#setterFact(caller, row.id)];
      await this.#books.limit(row, tokenBudget, ridden(caller, facts));
    });
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

  #setterFact(caller: Caller, id: string): Fact {
    return this.#setters.fact(caller, limitOf(id));
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
    return this.#owners.run(keyOf(this.#usable(caller, id)), async () => {
      const { number: _number, ...goal } = this.#row(id);
      if (goal.ending === ending) return this.#goal(this.#row(id));
      if (goal.ending !== null) throw hasEnded(goal.ending);
      if (ending === 'completed' && this.#books.balance(goal).status === 'paused')
        throw new RefusedError('conflict', 'the goal is paused: resume it first, or clear it');
      const ended = { ...goal, ending, endedAt: this.#parts.clock.now() };
      await this.#books.close(goal, ridden(caller, [goalFact(`goal_${ending}`, ended)]));
      return this.#goal(this.#row(id));
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
      const before = stateOf(row, this.#books.balance(row));
      // Nothing else is decided between reading the balance and recording: both run in one turn of the event loop.
      if (before !== 'active') {
        const goal = await this.#goal(row);
        // How an end that was on its way came out is known now that it is durable.
        return { notCounted: goal.state === 'active' ? before : goal.state, goal };
      }
      const outcome = await this.#books.record(labels, tokens, ledgerId, ridden(caller));
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

  /** The texts in the vault that goals still need. */
  get sweepRule(): SweepRule {
    const isNamed = (id: string) => this.#table.find(id.slice(GOAL_TEXTS_PREFIX.length)) !== undefined;
    return { prefix: GOAL_TEXTS_PREFIX, isNamed };
  }

  #change(
    caller: Caller,
    id: string,
    change: (row: GoalRow, balance: GoalBalance) => Promise<void>,
  ): Promise<Goal> {
    return this.#owners.run(keyOf(this.#usable(caller, id)), async () => {
      const row = this.#row(id);
      const balance = this.#books.balance(row);
      const state = stateOf(row, balance);
      if (state === 'completed' || state === 'cleared') throw hasEnded(state);
      await change(row, balance);
      return this.#goal(row);
    });
  }

  #usable(caller: Caller, id: string, field = 'id'): GoalRow {
    const row = this.#table.find(id);
    if (row !== undefined && mayUse(caller, row)) return row;
    throw notFound(field, 'goal', id);
  }

  #row(id: string): GoalRow {
    const row = this.#table.find(id);
    if (row === undefined) throw new Error('bug: a goal that was found is there');
    return row;
  }

  async #goal(row: GoalRow): Promise<Goal> {
    return (await this.#goals([row]))[0];
  }

  /**
   * The rows with their figures, once those are durable, and with their texts. The figures show an end as soon as it is
   * decided, the rows only when it is durable: so the rows are read after the figures.
   */
  async #goals(rows: readonly GoalRow[]): Promise<Goal[]> {
    const [balances, texts] = await Promise.all([
      this.#parts.ledger.whenDurable(() => rows.map((row) => this.#books.balance(row))),
      this.#parts.vault.get(rows.map(textIdOf)),
    ]);
    return rows.map((row, index) =>
      goalOf(
        this.#row(row.id),
        balances[index],
        provenText(texts.get(textIdOf(row)), (text) => digestOf(text) === row.textDigest) ?? '',
      ),
    );
  }
}

function ridden(caller: Caller, facts: readonly Fact[] = []): CheckedRider {
  return { actor: actorOf(caller), facts };
}

function limitOf(id: string): LimitHolder {
  return { kind: 'goal', id };
}

function keyOf({ tenant, owner }: GoalOwner): string {
  return JSON.stringify([tenant, owner]);
}

function stateOf({ ending }: Pick<GoalRow, 'ending'>, { status }: Pick<GoalBalance, 'status'>): GoalState {
  // Closed by hand: it goes on no more, and nobody said that it was reached.
  return ending ?? (status === 'closed' ? 'cleared' : status);
}

function goalOf(row: GoalRow, { status, ...figures }: GoalBalance, text: string): Goal {
  const { id, tenant, owner, createdAt, endedAt } = row;
  return { id, tenant, owner, text, state: stateOf(row, { status }), ...figures, createdAt, endedAt };
}

function hasEnded(ending: GoalEnding): RefusedError {
  return new RefusedError('conflict', `the goal is ${ending}: that is final`);
}
