// A ledger behind a server, for the commands: what each method asks and answers is as the library has it, by way of the
// client. Made by context.ts for `--url`.

import type { BalanceFilter, EventFilter, HoldFilter } from '../authority/api.js';
import type { BursarClient, CallOptions, CommandOutcome as WireOutcome } from '../client/index.js';
import { formatAmount, type Unit } from '../core/amount.js';
import type {
  BalanceView,
  BudgetView,
  Certificate,
  Decision,
  Explanation,
  HoldView,
  LedgerEvent,
  Outcome,
  Settlement,
  Verdict,
  VerifyReport,
} from '../core/outcomes.js';
import type {
  AccountRef,
  Aliases,
  Authorize,
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
import type { CliLedger, CliReads } from './cli-ledger.js';
import { fromWire } from './from-wire.js';
import { jsonValue, type Scales, scalesOf } from './json.js';

/** A long journal takes as long to verify behind a server as anywhere. */
const VERIFY_TIMEOUT_MS = 3_600_000;

export class RemoteLedger implements CliReads, CliLedger {
  readonly #client: BursarClient;
  #units: Promise<readonly Unit[]> | undefined;

  constructor(client: BursarClient) {
    this.#client = client;
  }

  refresh(): void {
    this.#units = undefined;
  }

  units(): Promise<readonly Unit[]> {
    this.#units ??= this.#client.units();
    return this.#units;
  }

  async aliases(): Promise<Aliases> {
    return (await this.#client.definitions()).aliases;
  }

  async check(request: { labels: Labels; amounts?: Record<string, bigint> }): Promise<Verdict> {
    return this.#read(this.#client.check(await this.#wire(request)));
  }

  budgets(): Promise<readonly BudgetView[]> {
    return this.#rows(this.#client.budgets.all(), Number.POSITIVE_INFINITY);
  }

  balances(filter: BalanceFilter = {}): Promise<readonly BalanceView[]> {
    const { budgetId, values, current = true, max = Number.POSITIVE_INFINITY } = filter;
    const query = {
      current: current ? 'true' : 'false',
      label: labelQuery(values),
      ...(budgetId === undefined ? {} : { budgetId }),
    } as const;
    return this.#rows(this.#client.balances.all(query), max);
  }

  holds(filter: HoldFilter = {}): Promise<readonly HoldView[]> {
    const { status, labels, afterSequence, max = Number.POSITIVE_INFINITY } = filter;
    const query = {
      label: labelQuery(labels),
      ...(status === undefined ? {} : { status }),
      ...(afterSequence === undefined ? {} : { after: afterSequence }),
    };
    return this.#rows(this.#client.holds.all(query), max);
  }

  async *events(filter: EventFilter = {}): AsyncGenerator<LedgerEvent> {
    const { follow = false, signal, ...query } = filter;
    const options = signal === undefined ? undefined : { signal };
    const { events } = this.#client;
    try {
      for await (const event of follow ? events.follow(query, options) : events.all(query, options))
        yield await this.#read<LedgerEvent>(event);
    } catch (error) {
      // As a ledger in a file ends a follow: quietly.
      if (signal?.aborted !== true) throw error;
    }
  }

  explain(decisionId: string): Promise<Explanation> {
    return this.#read(this.#client.decisions.get(decisionId));
  }

  verify(): Promise<VerifyReport> {
    return this.#read(this.#client.verify({ timeoutMs: VERIFY_TIMEOUT_MS }));
  }

  certify(): Promise<Certificate> {
    return this.#read(this.#client.certify());
  }

  async putDefinitions(request: PutDefinitions): Promise<Outcome> {
    const { commandId, units, ...rest } = request;
    // Budgets of the request may count in units that it brings.
    const scales = scalesOf([...(await this.units()), ...(units ?? [])]);
    const body = {
      ...(jsonValue(rest, scales) as object),
      ...(units === undefined ? {} : { units: [...units] }),
    };
    const answer = this.#client.define(body, keyOf(commandId));
    this.refresh();
    return this.#outcome(answer);
  }

  async topUp(request: TopUp): Promise<Outcome> {
    const { budgetId, commandId, amount, ...rest } = request;
    const body = { ...rest, amount: await this.#decimal(budgetId, amount) };
    return this.#outcome(this.#client.budgets.topUp(budgetId, body, keyOf(commandId)));
  }

  setBudgetStatus(request: SetBudgetStatus): Promise<Outcome> {
    const { budgetId, commandId, ...body } = request;
    return this.#outcome(this.#client.budgets.setStatus(budgetId, body, keyOf(commandId)));
  }

  exhaust(request: Exhaust): Promise<Outcome> {
    const { budgetId, commandId, ...body } = request;
    return this.#outcome(this.#client.budgets.exhaust(budgetId, body, keyOf(commandId)));
  }

  async setBalanceLimit(request: SetBalanceLimit): Promise<Outcome> {
    const { budgetId, commandId, limit, ...rest } = request;
    const stated = typeof limit === 'bigint' ? await this.#decimal(budgetId, limit) : limit;
    return this.#outcome(
      this.#client.budgets.setBalanceLimit(budgetId, { ...rest, limit: stated }, keyOf(commandId)),
    );
  }

  async authorize(request: Authorize): Promise<Decision> {
    const { commandId, ...body } = request;
    return this.#outcome(this.#client.holds.authorize(await this.#wire(body), keyOf(commandId)));
  }

  async settle(request: Settle): Promise<Settlement> {
    const { holdId, commandId, ...body } = request;
    return this.#outcome(this.#client.holds.settle(holdId, await this.#wire(body), keyOf(commandId)));
  }

  async extend(request: Extend): Promise<Outcome> {
    const { holdId, commandId, ...body } = request;
    return this.#outcome(this.#client.holds.extend(holdId, await this.#wire(body), keyOf(commandId)));
  }

  async release(request: Release): Promise<Outcome> {
    const { holdId, commandId, ...body } = request;
    return this.#outcome(this.#client.holds.release(holdId, await this.#wire(body), keyOf(commandId)));
  }

  reverse(request: Reverse): Promise<Outcome> {
    const { holdId, commandId, ...body } = request;
    return this.#outcome(this.#client.holds.reverse(holdId, body, keyOf(commandId)));
  }

  async correct(request: Correct): Promise<Settlement> {
    const { holdId, commandId, ...body } = request;
    return this.#outcome(this.#client.holds.correct(holdId, await this.#wire(body), keyOf(commandId)));
  }

  async record(request: RecordSpend): Promise<Settlement> {
    const { commandId, ...body } = request;
    return this.#outcome(this.#client.spend(await this.#wire(body), keyOf(commandId)));
  }

  async credit(request: CreditSpend): Promise<Settlement> {
    const { commandId, ...body } = request;
    return this.#outcome(this.#client.creditSpend(await this.#wire(body), keyOf(commandId)));
  }

  async #scales(): Promise<Scales> {
    return scalesOf(await this.units());
  }

  /** The request with its amounts as decimal texts. */
  async #wire<Body>(request: object): Promise<Body> {
    return jsonValue(request, await this.#scales()) as Body;
  }

  async #read<T>(answer: unknown): Promise<T> {
    return fromWire<T>(await answer, await this.#scales());
  }

  /** A denial's words for other clients are left out: the library has its reason alone. */
  async #outcome<T>(answer: Promise<WireOutcome>): Promise<T> {
    const outcome = await answer;
    if (outcome.outcome !== 'denied') return this.#read(outcome);
    const { code: _code, message: _message, ...denied } = outcome;
    return this.#read(denied);
  }

  async #rows<T>(rows: AsyncIterable<unknown>, max: number): Promise<readonly T[]> {
    const read: T[] = [];
    for await (const row of rows) {
      if (read.length >= max) break;
      read.push(await this.#read<T>(row));
    }
    return read;
  }

  async #decimal(budgetId: AccountRef['budgetId'], steps: bigint): Promise<string> {
    const { unit } = await this.#client.budgets.get(budgetId);
    return formatAmount(steps, (await this.#scales()).get(unit) ?? 0);
  }
}

function labelQuery(labels: Labels | undefined): readonly string[] {
  return Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
}

function keyOf(commandId: string | undefined): CallOptions | undefined {
  return commandId === undefined ? undefined : { idempotencyKey: commandId };
}
