// Quotas over real files, which can be closed and opened again as by a restart. Prices are one micro-credit a token unless a
// test says otherwise, and estimates add nothing, so that figures can be read off.

import { LIMIT_SETTERS_VIEW } from '#bursar/access/limit-setters.js';
import type { TurnWish } from '#bursar/chats/turn-budget.js';
import type { Authorized, Denied, Rejected, Settlement } from '#bursar/index.js';
import type { QuotaEnd, QuotaUsage } from '#bursar/quotas/charge.js';
import type { PolicyInput } from '#bursar/quotas/policy.js';
import { Quotas } from '#bursar/quotas/quotas.js';
import { QUOTAS_VIEW } from '#bursar/quotas/quotas-facts.js';
import type { QuotaSettlement, QuotaTerms } from '#bursar/quotas/turn-quotas.js';
import { FilesStage, PLATFORM } from '../setup/files-setup.js';

export { ACME, PLATFORM, refused } from '../setup/files-setup.js';

/** One micro-credit a token. */
const MILLION = 1_000_000;

export function modelOf(name: string, tier: string, multiplier = MILLION, outputTokensMax = 100_000) {
  return { name, tier, inputMultiplier: multiplier, outputMultiplier: multiplier, outputTokensMax };
}

/** Estimates of the stated tokens alone. */
export const BARE = { fixedTokens: 0, safetyPercent: 0 };

/** Two tiers, of which the first costs ten times the other. */
export const TWO_TIERS: PolicyInput = {
  tiers: ['premium', 'standard'],
  models: [modelOf('big', 'premium', 10 * MILLION), modelOf('small', 'standard')],
  estimate: BARE,
};

export const DAY_MS = 86_400_000;
export const ANN = { tenant: 'acme', user: 'ann' };

/** One micro-credit a token. */
export const ONE_TIER: PolicyInput = {
  tiers: ['premium'],
  models: [modelOf('big', 'premium')],
  estimate: BARE,
};

/** Two tiers with these limits a day. */
export function limited(daily: Record<string, string>, more: Partial<PolicyInput> = {}): PolicyInput {
  return { ...TWO_TIERS, limits: { daily }, ...more };
}

export type Wish = TurnWish & { readonly textBytes?: number };

export class QuotasStage extends FilesStage {
  readonly alerts: string[] = [];
  protected override readonly viewList = [LIMIT_SETTERS_VIEW, QUOTAS_VIEW];
  quotas!: Quotas;
  #count = 0;

  /** With this policy in force, unless it is null. */
  static async open(policy: PolicyInput | null): Promise<QuotasStage> {
    const stage = await new QuotasStage().opened();
    if (policy !== null) await stage.activate(policy);
    return stage;
  }

  protected begin(): void {
    this.quotas = new Quotas({ ...this.parts, onAlert: (what) => this.alerts.push(what) });
  }

  restart(): Promise<void> {
    return this.reopened();
  }

  /** Puts a version and puts it in force; its number. */
  async activate(policy: PolicyInput): Promise<number> {
    const { number } = (await this.quotas.policies.put(PLATFORM, policy)).policy;
    await this.quotas.policies.activate(PLATFORM, number);
    return number;
  }

  /** A turn of ann's, of acme's, unless another is named. */
  async hold(wish: Wish, user = 'ann', tenant = 'acme'): Promise<HeldTurn> {
    this.#count += 1;
    const holdId = `turn-${this.#count}`;
    const { textBytes = 0, ...rest } = wish;
    const note = { tenant, chat: 'c', turn: holdId, request: 'r', text: null };
    const turn = { holdId, labels: { tenant, user }, ttlMs: 600_000, note, textBytes, wish: rest };
    const { request, terms } = this.quotas.turns.hold(turn);
    const decision = await this.ledger.authorize(request);
    if (decision.outcome !== 'authorized') return { holdId, decision };
    return { holdId, decision, terms: terms[decision.candidate ?? 0] };
  }

  /** Of so many tokens in all: at one micro-credit each, of so many micro-credits. */
  async running(tokens: number, more: Wish = {}): Promise<Running> {
    const held = await this.hold({ inputTokens: 0, outputTokensMax: tokens, ...more });
    if (!('terms' in held)) throw new Error(`the turn is not held: ${JSON.stringify(held.decision.outcome)}`);
    return held;
  }

  async settle(
    turn: Running,
    end: QuotaEnd,
    usage: QuotaUsage | null,
    commandId = `${turn.holdId}/end`,
  ): Promise<Settlement & Omit<QuotaSettlement, 'request'>> {
    const { holdId, terms } = turn;
    const note = { tenant: 'acme', chat: 'c', turn: holdId, request: 'r', text: null };
    const { request, ...marks } = this.quotas.turns.settle({
      holdId,
      terms,
      end,
      usage,
      amounts: null,
      note,
    });
    return { ...(await this.ledger.settle({ ...request, commandId })), ...marks };
  }

  /** A turn that used so many tokens, and has ended. */
  async used(tokens: number, more: Wish = {}): Promise<void> {
    await this.settle(await this.running(tokens, more), 'completed', {
      inputTokens: 0,
      outputTokens: tokens,
    });
  }

  /** [held, spent] of a balance, in steps. */
  figures(budgetId: string, user = 'ann', tenant = 'acme'): [number, number] | null {
    const [balance] = this.ledger.balances({ budgetId, values: { tenant, user } });
    return balance === undefined ? null : [Number(balance.held), Number(balance.spent)];
  }
}

export interface Running {
  readonly holdId: string;
  readonly decision: Authorized;
  readonly terms: QuotaTerms;
}

type HeldTurn = Running | { readonly holdId: string; readonly decision: Denied | Rejected };
