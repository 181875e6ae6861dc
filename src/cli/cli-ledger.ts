// What the commands ask of a ledger, in the wire's values: a ledger in a file (local-ledger.ts) and one behind a server
// answer in the same form, so that each command is one code path.

import type { Progress } from '../authority/api.js';
import type { BalanceView, BudgetView, Definitions, DefinitionsRequest } from '../budgets/budgets-api.js';
import type { CommandRequest } from '../budgets/commands-in.js';
import type { Certificate, Explanation, LedgerEvent, VerifyReport } from '../budgets/evidence-api.js';
import type { CheckAnswer, CheckRequest, HoldQuery, HoldView } from '../budgets/holds-api.js';
import type { BursarClient, CommandOutcome } from '../client/index.js';
import type { Unit } from '../core/amount.js';
import type { EventType } from '../core/outcomes.js';

/** Which balances: with `all` those of past windows too. */
export interface BalancesAsked {
  readonly budgetId?: string;
  /** `key=value` of wildcard labels. */
  readonly label: readonly string[];
  readonly all: boolean;
  readonly max: number;
}

export type HoldsAsked = Pick<HoldQuery, 'status' | 'label' | 'after'> & { readonly max: number };

export interface EventsAsked {
  readonly after?: number;
  readonly holdId?: string;
  readonly type?: EventType;
  readonly follow?: boolean;
  readonly signal: AbortSignal;
}

export interface CliReads {
  units(): Promise<readonly Unit[]>;
  definitions(): Promise<Definitions>;
  budgets(): Promise<readonly BudgetView[]>;
  balances(asked: BalancesAsked): Promise<readonly BalanceView[]>;
  holds(asked: HoldsAsked): Promise<readonly HoldView[]>;
  events(asked: EventsAsked): AsyncIterable<LedgerEvent>;
  check(request: CheckRequest): Promise<CheckAnswer>;
  explain(decisionId: string): Promise<Explanation>;
  verify(progress: Progress): Promise<VerifyReport>;
}

export interface CliLedger extends Pick<CliReads, 'units' | 'definitions' | 'budgets'> {
  /** Without a command id a repeat is another command. */
  run(request: CommandRequest, commandId: string | undefined): Promise<CommandOutcome>;
  define(request: DefinitionsRequest): Promise<CommandOutcome>;
  certify(): Promise<Certificate>;
}

/** A long journal takes as long to verify behind a server as anywhere. */
const VERIFY_TIMEOUT_MS = 3_600_000;

export class RemoteLedger implements CliReads, CliLedger {
  readonly #client: BursarClient;

  constructor(client: BursarClient) {
    this.#client = client;
  }

  units() {
    return this.#client.units();
  }

  definitions() {
    return this.#client.definitions();
  }

  budgets() {
    return firstOf(this.#client.budgets.all(), Number.POSITIVE_INFINITY);
  }

  balances({ all, max, ...query }: BalancesAsked) {
    return firstOf(this.#client.balances.all({ ...query, current: all ? 'false' : 'true' }), max);
  }

  holds({ max, ...query }: HoldsAsked) {
    return firstOf(this.#client.holds.all(query), max);
  }

  async *events({ follow = false, signal, ...query }: EventsAsked) {
    const { events } = this.#client;
    try {
      yield* follow ? events.follow(query, { signal }) : events.all(query, { signal });
    } catch (error) {
      // Ends the follow without an error, as a ledger in a file does.
      if (!signal.aborted) throw error;
    }
  }

  check(request: CheckRequest) {
    return this.#client.check(request);
  }

  explain(decisionId: string) {
    return this.#client.decisions.get(decisionId);
  }

  verify() {
    return this.#client.verify({ timeoutMs: VERIFY_TIMEOUT_MS });
  }

  run(request: CommandRequest, commandId: string | undefined) {
    return this.#client.run(request, commandId === undefined ? {} : { idempotencyKey: commandId });
  }

  define(request: DefinitionsRequest) {
    return this.#client.define(request);
  }

  certify() {
    return this.#client.certify();
  }
}

/** At most so many rows, read page by page. */
export async function firstOf<T>(rows: AsyncIterable<T>, max: number): Promise<T[]> {
  const read: T[] = [];
  for await (const row of rows) {
    read.push(row);
    if (read.length >= max) break;
  }
  return read;
}
