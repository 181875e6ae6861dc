// How a turn is held and charged, whoever counts it: the quotas of a policy, or the amounts that its caller states. A budget
// works out the ledger's command and asks nothing itself: chats runs the command, since the facts of the turn ride with it.

import type { Amounts } from '../core/amount.js';
import type { Authorize, Labels, Settle } from '../core/requests.js';
import type { TurnEnd, TurnTerms, TurnUsage } from './turn.js';

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
