// Replays a trace against budgets through a real ledger in the trace's own time: each request authorises its worst case
// when it came and settles what it cost when it ended. Called by the CLI; the ledger is the caller's, opened with the
// TraceClock given here. Budgets that the ledger already has take part as well as those in `definitions`.

import type { Clock, Ledger, Progress } from '../authority/api.js';
import type { Amounts } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { PutDefinitions } from '../core/requests.js';
import { actualCostOf, type CostModel, completionOf, worstCaseOf } from './backtest-costs.js';
import { type BacktestReport, buildReport } from './backtest-report.js';
import { BacktestTally, type TracedCall } from './backtest-tally.js';
import type { Trace } from './trace.js';
import type { TraceRequest } from './trace-spread.js';

/**
 * Commands sent and not yet answered: several batches' worth, and far below the 1 MiB of waiting records from which a ledger makes commands wait, which would decide them at a later time.
 */
const COMMANDS_IN_FLIGHT_MAX = 1_000;

/** Holds outlast the longest call by this much, so that in a backtest none expires before its settlement. */
const TTL_MARGIN_MS = 60_000;
const TTL_MIN_MS = 600_000;

/** The most that a ledger takes (30 days). */
const TTL_MAX_MS = 30 * 86_400_000;

/** Time as the trace has it. Open the ledger with it, starting at the first request. */
export class TraceClock implements Clock {
  #now: number;

  constructor(startAt: number) {
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  /** Never runs back. */
  advanceTo(at: number): void {
    if (at > this.#now) this.#now = at;
  }
}

export interface BacktestOptions {
  /** Opened with `clock`. */
  readonly ledger: Ledger;
  readonly clock: TraceClock;
  readonly trace: Trace;
  readonly costs: CostModel;
  /** Put in force at the first request's time. */
  readonly definitions?: PutDefinitions;
  /** Another ledger, with a clock of its own: the trace is replayed there too, each call held at what it finally cost. */
  readonly foresight?: { readonly ledger: Ledger; readonly clock: TraceClock };
  /** Called with requests that have ended (refused or settled), and all; a replay with foresight counts too. */
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** @throws InvalidInputError for a model without a price; whatever the ledger throws. */
export async function runBacktest(options: BacktestOptions): Promise<BacktestReport> {
  const { ledger, clock, trace, costs, foresight } = options;
  const replays = foresight === undefined ? 1 : 2;
  const all = trace.requests.length;
  const progressFrom =
    (before: number): Progress =>
    (done) =>
      options.progress?.(before + done, all * replays);
  const shared = { ...options, ttlMs: ttlFor(trace, costs) };
  const main = new Replay({ ...shared, ledger, clock, hold: worstCaseOf, progress: progressFrom(0) });
  const endAt = await main.run();
  const foreseen =
    foresight === undefined
      ? null
      : new Replay({ ...shared, ...foresight, hold: actualCostOf, progress: progressFrom(all) });
  await foreseen?.run();
  return buildReport({
    trace,
    costs,
    budgets: ledger.budgets(),
    units: ledger.units(),
    tally: main.tally,
    foreseen: foreseen?.tally ?? null,
    ttlMs: shared.ttlMs,
    endAt,
  });
}

const UNDECIDED = 0;
const AUTHORIZED = 1;
const REFUSED = 2;

/** A command that was handed over and is not yet answered: the call of this index is authorised or settled. */
interface SentCommand {
  readonly at: number;
  readonly index: number;
  readonly call: TracedCall;
  readonly outcome: Promise<CommandOutcome>;
}

interface ReplayOptions extends BacktestOptions {
  /** What is held for a request: its worst case, or its final cost. */
  readonly hold: (request: TraceRequest, costs: CostModel) => Amounts;
  readonly progress: Progress;
  readonly ttlMs: number;
}

class Replay {
  readonly tally: BacktestTally;
  readonly #options: ReplayOptions;
  /** When each call ends, and the calls in that order. */
  readonly #endsAt: Float64Array;
  readonly #byEnd: Uint32Array;
  readonly #states: Uint8Array;
  readonly #open = new Map<number, TracedCall>();
  readonly #inFlight: SentCommand[] = [];

  constructor(options: ReplayOptions) {
    const { requests } = options.trace;
    this.#options = options;
    this.#endsAt = Float64Array.from(requests, (request) => completionOf(request, options.costs.latency));
    this.#byEnd = Uint32Array.from(requests.keys()).sort(
      (a, b) => this.#endsAt[a] - this.#endsAt[b] || a - b,
    );
    this.#states = new Uint8Array(requests.length);
    this.tally = new BacktestTally({
      startAt: requests[0].at,
      lastArrivalAt: requests[requests.length - 1].at,
    });
  }

  /** Goes through the trace, instant by instant; gives the instant of the last end. */
  async run(): Promise<number> {
    const { requests } = this.#options.trace;
    await this.#putDefinitions();
    let arrived = 0;
    let ended = 0;
    let at = requests[0].at;
    while (arrived < requests.length || ended < requests.length) {
      this.#options.signal?.throwIfAborted();
      at = Math.min(requests[arrived]?.at ?? Infinity, this.#endsAt[this.#byEnd[ended]]);
      // What ends at an instant is back in its budgets for what arrives at the same instant.
      for (; ended < requests.length && this.#endsAt[this.#byEnd[ended]] === at; ended++) {
        await this.#settle(at, this.#byEnd[ended]);
      }
      for (; arrived < requests.length && requests[arrived].at === at; arrived++) {
        await this.#authorize(at, arrived);
      }
    }
    while (this.#inFlight.length > 0) await this.#takeOldest();
    return at;
  }

  async #putDefinitions(): Promise<void> {
    const { ledger, definitions } = this.#options;
    if (definitions !== undefined) {
      const put = await ledger.putDefinitions(definitions);
      if (put.outcome === 'rejected')
        throw new Error(`the budgets were refused: ${put.message} (${put.code})`);
    }
    this.tally.useBudgets(ledger.budgets());
  }

  async #authorize(at: number, index: number): Promise<void> {
    const { ledger, trace, costs, hold, ttlMs } = this.#options;
    const request = trace.requests[index];
    const { tenant, user, model, source } = request;
    const call = { request, held: hold(request, costs), finalCost: actualCostOf(request, costs) };
    const holdId = holdIdOf(index);
    const labels = { tenant, user, model, source };
    await this.#send({ at, index, call }, () =>
      ledger.authorize({ holdId, labels, amounts: call.held, ttlMs }),
    );
  }

  async #settle(at: number, index: number): Promise<void> {
    while (this.#states[index] === UNDECIDED) await this.#takeOldest();
    if (this.#states[index] === REFUSED) return;
    const call = this.#open.get(index)!;
    this.#open.delete(index);
    const { inputTokens, outputTokens } = call.request;
    const holdId = holdIdOf(index);
    const usage = { inputTokens, outputTokens };
    await this.#send({ at, index, call }, () =>
      this.#options.ledger.settle({ holdId, amounts: call.finalCost, usage, outcome: 'completed' }),
    );
  }

  // The ledger stamps and decides a command when it is handed one, so the clock stands at `at` for just that moment; the
  // answer comes when it is durable, and #note checks that it was decided at the instant meant.
  async #send(sending: Omit<SentCommand, 'outcome'>, command: () => Promise<CommandOutcome>): Promise<void> {
    this.#options.clock.advanceTo(sending.at);
    const outcome = command();
    // A failure is thrown where the answer is taken; until then it must not count as unhandled.
    outcome.catch(() => undefined);
    this.#inFlight.push({ ...sending, outcome });
    if (this.#inFlight.length >= COMMANDS_IN_FLIGHT_MAX) await this.#takeOldest();
  }

  async #takeOldest(): Promise<void> {
    const sent = this.#inFlight.shift();
    if (sent === undefined) throw new Error('backtest: a call ended before it was sent');
    this.#note(sent, await sent.outcome);
    this.#options.progress(this.tally.refused + this.tally.settled, this.#options.trace.requests.length);
  }

  #note({ at, index, call }: SentCommand, outcome: CommandOutcome): void {
    if (outcome.at !== at) {
      throw new Error(
        `backtest: a command of ${at} was decided at ${outcome.at}; open the ledger with the trace's clock`,
      );
    }
    switch (outcome.outcome) {
      case 'authorized':
        this.#states[index] = AUTHORIZED;
        this.#open.set(index, call);
        this.tally.noteAuthorized(call, outcome);
        return;
      case 'denied':
        this.#states[index] = REFUSED;
        this.tally.noteDenied(call, outcome);
        return;
      case 'settled':
        this.tally.noteSettled(call, outcome);
        return;
      default: {
        const why = outcome.outcome === 'rejected' ? `${outcome.message} (${outcome.code})` : outcome.event;
        throw new Error(`backtest: request ${index + 1} of ${call.request.source}: ${why}`);
      }
    }
  }
}

function holdIdOf(index: number): string {
  return `request-${index + 1}`;
}

function ttlFor(trace: Trace, costs: CostModel): number {
  const longest = (most: number, request: TraceRequest) =>
    Math.max(most, completionOf(request, costs.latency) - request.at);
  const longestMs = trace.requests.reduce(longest, 0);
  const ttlMs = Math.max(TTL_MIN_MS, longestMs + TTL_MARGIN_MS);
  if (ttlMs <= TTL_MAX_MS) return ttlMs;
  throw new InvalidInputError(
    'latency',
    `the longest call takes ${longestMs} ms; a hold lasts at most ${TTL_MAX_MS} ms`,
  );
}
