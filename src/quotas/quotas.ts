// The quotas of a chat product (rules Q1–Q10): policies over budgets of the ledger. Put together here; surfaces ask it for
// policies, preflights, statuses and limits, conversations for the holds and settlements of turns. It keeps no figure.

import { type Limited, LimitSetters } from '../access/limit-setters.js';
import type { Ledger } from '../authority/api.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore } from '../kit/service-store.js';
import { Policies } from './policies.js';
import { type Preflight, type PreflightRequest, preflightOf } from './preflight.js';
import { type QuotaStatus, statusOf } from './status.js';
import { type QuotaParts, TurnQuotas } from './turn-quotas.js';
import { accountOf, type StatedAccount } from './user-account.js';
import { putUserLimits, type UserLimits } from './user-limits.js';

export class Quotas {
  /** What conversations count turns by. */
  readonly turns: TurnQuotas;
  readonly #ledger: Ledger;
  readonly #store: ServiceStore;
  readonly #setters: LimitSetters;

  private constructor(
    parts: QuotaParts & { readonly store: ServiceStore },
    readonly policies: Policies,
  ) {
    this.#ledger = parts.ledger;
    this.#store = parts.store;
    this.#setters = new LimitSetters(parts.store);
    this.turns = new TurnQuotas(parts, policies);
  }

  /** Finishes an activation that a crash cut. Before anybody calls, and before conversations recover their turns. */
  static async open(parts: QuotaParts & { readonly store: ServiceStore }): Promise<Quotas> {
    return new Quotas(parts, await Policies.open(parts));
  }

  /** @throws RefusedError conflict when no policy is active; model_not_found, invalid_request or not_found */
  preflight(caller: Caller, account: StatedAccount, request: PreflightRequest): Preflight {
    const whose = accountOf(caller, account);
    return preflightOf(this.#ledger, this.#rules(), { ...whose, ...request });
  }

  /** @throws RefusedError invalid_request or not_found */
  status(caller: Caller, account: StatedAccount): Promise<QuotaStatus> {
    return statusOf(this.#ledger, this.policies.active, accountOf(caller, account));
  }

  /**
   * A user's own limits in place of all that it had; its status then. Those that the platform, or an administrator of more
   * of the tenant, gave a user are not for others to change. @throws RefusedError
   */
  async putLimits(caller: Caller, account: StatedAccount, limits: UserLimits): Promise<QuotaStatus> {
    const whose = accountOf(caller, account);
    const limited: Limited = { kind: 'user', id: JSON.stringify([whose.tenant, whose.user]) };
    this.#setters.assertMayRaise(caller, limited);
    await putUserLimits({ ledger: this.#ledger, rules: this.#rules(), caller }, whose, limits);
    this.#store.transaction(() => this.#setters.note(caller, limited));
    return statusOf(this.#ledger, this.policies.active, whose);
  }

  #rules() {
    const { active } = this.policies;
    if (active === null) throw new RefusedError('conflict', 'no policy is active: activate one first');
    return active;
  }
}
