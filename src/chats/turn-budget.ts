// How a turn is held and charged, whoever counts it: the quotas of a policy, or the amounts that its caller states. A budget
// works out the ledger's command and asks nothing itself: chats runs the command, since the facts of the turn ride with it.

import type { Amounts } from '../core/amount.js';
import type { Authorize, Labels, Settle, Usage } from '../core/requests.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import type { MeteredBy, Turn, TurnEnd, TurnTerms, TurnUsage } from './turn.js';

/** What a caller says of a turn that it wants to run. */
export interface TurnWish {
  /** The model and the tier that are wished for. Under a policy, the policy decides which ones the turn gets. */
  readonly model?: string;
  readonly tier?: string;
  /** Tokens of all that will be sent, history included; where it is not stated, estimated from the texts stated here. */
  readonly inputTokens?: number;
  readonly outputTokensMax?: number;
  readonly images?: number;
  readonly tools?: number;
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
  /** Amounts of any unit to hold, in steps: beside the credits of a policy, or alone where no policy is active. */
  readonly amounts?: Amounts;
}

export interface TurnToHold {
  readonly holdId: string;
  /** The labels of the call: the key's, those stated, and tenant and user of the chat. */
  readonly labels: Labels;
  readonly ttlMs: number;
  /** For the journal (rule T7): ids and digests, no text. */
  readonly note: TurnNote;
  /** Bytes of UTF-8 of the texts of this turn. */
  readonly textBytes: number;
  readonly wish: TurnWish;
}

/** The key of a turn's usage event, and what was said in it as SHA-256. */
export interface TurnNote {
  readonly tenant: string;
  readonly chat: string;
  readonly turn: string;
  readonly request: string;
  /** Hex SHA-256 of the user's text, on the hold; of the assistant's, on the settlement. */
  readonly text: string | null;
}

/** The authorisation of a turn. */
export interface TurnHold {
  readonly request: Authorize;
  /** The terms of each candidate of the request, in order; of the request itself where it names no candidates. */
  readonly terms: readonly TurnTerms[];
}

export interface TurnToSettle {
  readonly holdId: string;
  readonly terms: TurnTerms;
  readonly end: TurnEnd;
  readonly usage: TurnUsage | null;
  readonly amounts: Amounts | null;
  readonly note: TurnNote;
}

/** The settlement of a turn, at 0 where nothing is charged: exactly one usage event a hold (rule T7). */
export interface TurnCharge {
  readonly request: Settle;
  /** Whether some of the charge is an estimate, since the caller did not state all that it takes. */
  readonly estimated: boolean;
}

export interface TurnBudget {
  /** @throws RefusedError where the wish cannot be held by this budget */
  hold(turn: TurnToHold): TurnHold;
  /** Never throws: a turn that has ended is charged, whatever is said of it. */
  settle(turn: TurnToSettle): TurnCharge;
}

/** The quotas as chats sees them. */
export interface QuotaBudget extends TurnBudget {
  /** Whether a policy is active; where none is, turns hold what their callers state. */
  readonly isActive: boolean;
  /** Whether a policy works out what a turn is charged in this unit. */
  isCounted(unit: string): boolean;
}

/** The part of chats that knows which budget counts a turn. */
export class TurnBudgets {
  /** @param quotas null where this Bursar has no quotas */
  constructor(private readonly quotas: QuotaBudget | null) {}

  /** Who counts a new turn. */
  get ofNewTurns(): { readonly meteredBy: Exclude<MeteredBy, 'gateway'>; readonly budget: TurnBudget } {
    const { quotas } = this;
    if (quotas?.isActive === true) return { meteredBy: 'quota', budget: quotas };
    return { meteredBy: 'amounts', budget: STATED_AMOUNTS };
  }

  /** @throws RefusedError conflict where the turn is counted by quotas, and this Bursar has none */
  of({ id, meteredBy }: Pick<Turn, 'id' | 'meteredBy'>): TurnBudget {
    if (meteredBy === 'amounts') return STATED_AMOUNTS;
    if (this.quotas !== null) return this.quotas;
    throw new RefusedError(
      'conflict',
      `the turn ${id} is counted by quotas, which this server does not have`,
    );
  }

  /**
   * Asserts that a turn can be charged these amounts. @throws RefusedError invalid_request naming the unit
   */
  assertCharge({ terms, meteredBy }: Pick<Turn, 'terms' | 'meteredBy'>, amounts: Amounts): void {
    for (const unit of Object.keys(amounts)) {
      const isCounted = meteredBy === 'quota' && this.quotas?.isCounted(unit) === true;
      if (isCounted) throw invalid(`amounts.${unit}`, 'is counted by the policy');
      if (Object.hasOwn(terms.held, unit)) continue;
      const units = Object.keys(terms.held).join(', ');
      throw invalid(`amounts.${unit}`, `the turn holds none; it holds ${units}`);
    }
  }
}

/**
 * The budget of turns where no policy is active. The hold is the amounts that the caller states, or the one call where it
 * states none. The charge is what the caller says that the turn cost, or what was held where it does not say (rule Q9).
 */
const STATED_AMOUNTS: TurnBudget = {
  hold({ holdId, labels, ttlMs, note, wish }) {
    const { amounts, model, tier } = wish;
    const held = { calls: 1n, ...amounts };
    const request = {
      ...{ holdId, labels, amounts: held, ttlMs },
      overrun: 'record',
      // Where no Bursar runs to settle it as an orphan, its time ends it at the same charge.
      onExpiry: 'charge',
      note: JSON.stringify(note),
    } as const;
    const wished = { ...(model === undefined ? {} : { model }), ...(tier === undefined ? {} : { tier }) };
    return { request, terms: [{ held, ...wished }] };
  },

  settle({ holdId, terms, end, usage, amounts, note }) {
    const isFree = end === 'failed_before';
    const estimated = amounts === null && !isFree;
    const charged: Record<string, bigint> = {};
    for (const unit of Object.keys(terms.held))
      charged[unit] = isFree ? 0n : (amounts?.[unit] ?? terms.held[unit]);
    const request = {
      ...{ holdId, amounts: charged },
      ...(usage === null ? {} : { usage: ledgerUsage(usage) }),
      outcome: OUTCOME_OF[end],
      note: JSON.stringify({ ...note, end, estimated }),
    };
    return { request, estimated };
  },
};

const OUTCOME_OF = {
  completed: 'completed',
  cancelled: 'cancelled',
  failed_before: 'failed',
  failed_at_provider: 'failed',
  orphaned: 'failed',
  unknown: 'unknown',
} as const;

/** As the ledger journals it: both kinds of tool calls in one figure. */
function ledgerUsage({ webSearches = 0, codeInterpreterCalls = 0, ...tokens }: TurnUsage): Usage {
  const toolCalls = webSearches + codeInterpreterCalls;
  return toolCalls === 0 ? tokens : { ...tokens, toolCalls };
}
