// The quotas of a chat product (rules Q1–Q10): policies over budgets of the ledger. The HTTP routes ask it for policies,
// preflights, statuses and limits; chats ask it for the holds and settlements of turns. The ledger has every figure.

import { type LimitHolder, LimitSetters } from '../access/limit-setters.js';
import type { Clock, Ledger } from '../authority/api.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { ViewDatabase } from '../views/view.js';
import { Policies } from './policies.js';
import type { QuotaRules } from './policy.js';
import { type Preflight, type PreflightRequest, preflightOf } from './preflight.js';
import { type QuotaStatus, statusOf } from './status.js';
import { TurnQuotas } from './turn-quotas.js';
import { accountOf, limitCommands, type QuotaAccountRequest, type UserLimits } from './user-limits.js';

export interface QuotasParts {
  readonly ledger: Ledger;
  readonly views: ViewDatabase;
  readonly clock: Clock;
  /** Takes what an operator should look at: a turn whose end nobody knows (rule Q9). */
  readonly onAlert: (what: string) => void;
}

export class Quotas {
  readonly policies: Policies;
  /** What chats hold and settle turns by. */
  readonly turns: TurnQuotas;
  readonly #setters: LimitSetters;
  /** Reading who set a user's limits, and setting them, is one step. */
  readonly #users = new SerialQueue();

  constructor(private readonly parts: QuotasParts) {
    this.policies = new Policies(parts);
    this.turns = new TurnQuotas(this.policies, parts.onAlert);
    this.#setters = new LimitSetters(parts.views);
  }

  /** @throws RefusedError conflict when no policy is active; model_not_found, invalid_request or not_found */
  preflight(caller: Caller, account: QuotaAccountRequest, request: PreflightRequest): Preflight {
    const whose = accountOf(caller, account);
    return preflightOf(this.parts.ledger, this.#rules(), { ...whose, ...request });
  }

  /** @throws RefusedError invalid_request or not_found */
  status(caller: Caller, account: QuotaAccountRequest): Promise<QuotaStatus> {
    return statusOf(this.parts.ledger, this.policies.active, accountOf(caller, account));
  }

  /**
   * Replaces all limits of a user's own, and gives the user's status then. Limits that the platform, or an administrator of
   * more of the tenant, gave a user are not for others to change.
   * @throws RefusedError invalid_request, not_found, forbidden; conflict when no policy is active
   */
  async putLimits(caller: Caller, account: QuotaAccountRequest, limits: UserLimits): Promise<QuotaStatus> {
    const whose = accountOf(caller, account);
    const owner: LimitHolder = { kind: 'user', id: JSON.stringify([whose.tenant, whose.user]) };
    await this.#users.run(owner.id, async () => {
      this.#setters.assertMayRaise(caller, owner);
      const facts = [this.#setters.fact(caller, owner)];
      const commands = limitCommands(this.#rules(), caller, { ...whose, limits });
      const steps = commands.map((command, place) => (place === 0 ? { command, facts } : { command }));
      const group = await this.parts.ledger.runAll(steps, { actor: actorOf(caller) });
      if (!group.carriedOut && group.outcome.outcome === 'rejected')
        throw new RefusedError('conflict', `the ledger does not take a limit: ${group.outcome.message}`);
    });
    return statusOf(this.parts.ledger, this.policies.active, whose);
  }

  #rules(): QuotaRules {
    const { active } = this.policies;
    if (active === null) throw new RefusedError('conflict', 'no policy is active: activate one first');
    return active;
  }
}
