// Gives requests the tenant, user and model that their trace does not state, by a seeded rule that the report repeats:
// rank k of each is drawn in proportion to 1/k, so that some tenants and users are busy and many are not. The first
// tenant (t1) is the busiest, and so is the first user of each (t1-u1). Called by trace.ts.

import { InvalidInputError } from '../core/errors.js';
import { HeavyTail, hashOfText, SeededRandom } from './seeded-random.js';

export interface TraceRequest {
  /** Arrival, epoch ms; digits below a millisecond are cut off. */
  readonly at: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly tenant: string;
  readonly user: string;
  readonly model: string;
  /** Name of the source that it came from. */
  readonly source: string;
}

/** A request as read: null where the source does not say. */
export interface RawRequest extends Omit<TraceRequest, 'tenant' | 'user' | 'model'> {
  readonly tenant: string | null;
  readonly user: string | null;
  readonly model: string | null;
}

/** Enough for any test of budgets, and few enough that their names and balances fit into memory. */
export const SPREAD_USERS_MAX = 1_000_000;

export interface SpreadOptions {
  /** Number of tenants, where the trace names none. */
  readonly tenants: number;
  /** Number of users in all, where the trace names none; dealt evenly to the tenants, so at least one each. */
  readonly users: number;
  /** Models, the busiest first, where the trace names none. */
  readonly models: readonly string[];
  readonly seed: number;
}

/** What was spread, for the report: requests that had no tenant, user or model of their own. */
export interface SpreadNote extends SpreadOptions {
  readonly requestsWithoutTenant: number;
  readonly requestsWithoutUser: number;
  readonly requestsWithoutModel: number;
}

interface Spread {
  readonly requests: readonly TraceRequest[];
  readonly spread: SpreadNote | null;
}

/** @throws InvalidInputError when the numbers cannot be. */
export function spreadLabels(raw: readonly RawRequest[], options: SpreadOptions): Spread {
  checkCounts(options);
  const dealer = new Dealer(raw, options);
  const requests = raw.map((request) => dealer.deal(request));
  const missing = (key: 'tenant' | 'user' | 'model') =>
    raw.reduce((n, request) => n + (request[key] === null ? 1 : 0), 0);
  const note: SpreadNote = {
    ...options,
    requestsWithoutTenant: missing('tenant'),
    requestsWithoutUser: missing('user'),
    requestsWithoutModel: missing('model'),
  };
  const spreadAny = note.requestsWithoutTenant + note.requestsWithoutUser + note.requestsWithoutModel > 0;
  return { requests, spread: spreadAny ? note : null };
}

class Dealer {
  readonly #random: SeededRandom;
  readonly #tenants: HeavyTail;
  readonly #models: HeavyTail;
  /** Rank of each tenant that the trace names, by first appearance. */
  readonly #rankOfTenant = new Map<string, number>();
  readonly #userTails = new Map<number, HeavyTail>();
  readonly #options: SpreadOptions;

  constructor(raw: readonly RawRequest[], options: SpreadOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#tenants = new HeavyTail(options.tenants);
    this.#models = new HeavyTail(options.models.length);
    for (const { tenant } of raw) {
      if (tenant !== null && !this.#rankOfTenant.has(tenant))
        this.#rankOfTenant.set(tenant, this.#rankOfTenant.size);
    }
  }

  deal(request: RawRequest): TraceRequest {
    // Always three draws a request, so that naming one column does not change how the others are spread.
    const tenantDraw = this.#random.next();
    const userDraw = this.#random.next();
    const modelDraw = this.#random.next();
    const rank = this.#tenantRank(request, tenantDraw);
    const tenant = request.tenant ?? `t${rank + 1}`;
    return {
      at: request.at,
      inputTokens: request.inputTokens,
      outputTokens: request.outputTokens,
      source: request.source,
      tenant,
      user: request.user ?? `${tenant}-u${this.#usersOf(rank).rankOf(userDraw) + 1}`,
      model: request.model ?? this.#options.models[this.#models.rankOf(modelDraw)],
    };
  }

  #tenantRank(request: RawRequest, draw: number): number {
    if (request.tenant !== null) return this.#rankOfTenant.get(request.tenant) ?? 0;
    // A user whom the trace names belongs to one tenant, wherever it appears.
    return this.#tenants.rankOf(request.user === null ? draw : hashOfText(request.user, this.#options.seed));
  }

  #usersOf(tenantRank: number): HeavyTail {
    const tenants = Math.max(this.#rankOfTenant.size, this.#options.tenants);
    const extra = tenantRank < this.#options.users % tenants ? 1 : 0;
    const users = Math.max(1, Math.floor(this.#options.users / tenants) + extra);
    let tail = this.#userTails.get(users);
    if (tail === undefined) {
      tail = new HeavyTail(users);
      this.#userTails.set(users, tail);
    }
    return tail;
  }
}

function checkCounts(options: SpreadOptions): void {
  const { tenants, users, models, seed } = options;
  if (!Number.isInteger(tenants) || tenants < 1 || tenants > SPREAD_USERS_MAX) {
    throw new InvalidInputError('tenants', `${tenants} is not a whole number from 1 to ${SPREAD_USERS_MAX}`);
  }
  if (!Number.isInteger(users) || users < tenants || users > SPREAD_USERS_MAX) {
    throw new InvalidInputError(
      'users',
      `${users} is not a whole number from ${tenants} (one for each tenant) to ${SPREAD_USERS_MAX}`,
    );
  }
  if (models.length === 0) throw new InvalidInputError('models', 'at least one is needed');
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
    throw new InvalidInputError('seed', `${seed} is not a whole number from 0 to ${0xffff_ffff}`);
  }
}
