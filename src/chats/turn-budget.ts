// How a turn is held and charged, whoever counts it: the quotas of a policy, amounts that the caller states, or the
// gateway's own call. The conversations say which hold and which end; an implementation asks the ledger, once for each.

import type { Amounts } from '../core/amount.js';
import type { Authorized, Denied, Rejected, Settlement } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { TurnEnd, TurnTerms, TurnUsage } from './turn.js';

/** What a caller says of a turn that it wants to run. */
export interface TurnWish {
  /** The model and the tier that are wished for; which it gets is the policy's to say. */
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

export interface TurnToSettle {
  readonly holdId: string;
  /** The same for every attempt to settle this turn: the ledger then settles once. */
  readonly commandId: string;
  readonly labels: Labels | null;
  readonly terms: TurnTerms;
  readonly end: TurnEnd;
  readonly usage: TurnUsage | null;
  readonly amounts: Amounts | null;
  readonly note: TurnNote;
}

export type HeldTurn =
  | { readonly decision: Authorized; readonly terms: TurnTerms }
  | { readonly decision: Denied | Rejected };

export interface TurnBudget {
  /** One authorisation of the ledger's. @throws RefusedError when it is not asked */
  hold(turn: TurnToHold): Promise<HeldTurn>;
  /** One settlement of the ledger's, at 0 where nothing is charged: exactly one usage event a hold (rule T7). */
  settle(turn: TurnToSettle): Promise<Settlement>;
}

/** The quotas as conversations see them. */
export interface QuotaBudget extends TurnBudget {
  /** Whether a policy is active; where none is, turns hold what their callers state. */
  readonly isActive: boolean;
  /** Whether a policy works out what a turn is charged in this unit. */
  isCounted(unit: string): boolean;
}
