// What conversations are made of, as the service speaks of them: chats, turns and messages (rules T1, T3, T5). A turn is
// one request of a user and its answer; its hold is in the ledger. Surfaces format these; turn-table.ts keeps them.

import type { Amounts } from '../core/amount.js';
import { RefusedError } from '../kit/refusals.js';

/** Rule T1: only `running` is not final. */
export const TURN_STATES = ['running', 'completed', 'failed', 'cancelled'] as const;
export type TurnState = (typeof TURN_STATES)[number];
export type FinalState = Exclude<TurnState, 'running'>;

/**
 * How a turn ended, in the words of rule Q9. failed_before: the provider was never reached, nothing is charged.
 * orphaned: nobody ended it, and the watchdog did.
 */
export const TURN_ENDS = [
  'completed',
  'cancelled',
  'failed_before',
  'failed_at_provider',
  'orphaned',
  'unknown',
] as const;
export type TurnEnd = (typeof TURN_ENDS)[number];

export const STATE_OF_END: Readonly<Record<TurnEnd, FinalState>> = {
  completed: 'completed',
  cancelled: 'cancelled',
  failed_before: 'failed',
  failed_at_provider: 'failed',
  orphaned: 'failed',
  unknown: 'failed',
};

export const ROLES = ['user', 'assistant', 'system'] as const;
export type Role = (typeof ROLES)[number];

/** What a turn is counted by: the quotas of the policy in force, amounts that its caller states, or the gateway's call. */
export type MeteredBy = 'quota' | 'amounts' | 'gateway';

/** Token counters of a message; what is not stated is 0 (rule T5). */
export interface MessageTokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
}

/** What a caller says that a turn used. */
export interface TurnUsage extends Partial<MessageTokens> {
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
}

export interface Chat {
  readonly id: string;
  readonly tenant: string;
  readonly user: string;
  readonly title: string | null;
  /** Epoch ms, as all instants here. */
  readonly createdAt: number;
}

export interface Message extends MessageTokens {
  readonly turnId: string;
  readonly requestId: string;
  readonly role: Role;
  readonly text: string;
  /** Whether the text was longer than what is kept; only where the gateway recorded it. */
  readonly isCut: boolean;
  readonly webSearch: boolean;
  readonly createdAt: number;
}

/** By which terms a turn is held; figures are the ledger's, these say which. */
export interface TurnTerms {
  /** What was held, in steps. */
  readonly held: Amounts;
  /** Of turns that a policy meters: its number, and what the cascade gave. */
  readonly policy?: number;
  readonly tier?: string;
  readonly model?: string;
  readonly reasons?: readonly string[];
}

/** The terms of a turn that is held, by a decision of the ledger's. */
export interface HeldTerms extends TurnTerms {
  readonly decisionId: string | null;
}

export interface Turn {
  readonly id: string;
  readonly chatId: string;
  readonly tenant: string;
  readonly requestId: string;
  readonly state: TurnState;
  readonly meteredBy: MeteredBy;
  /** How it ended; null while it runs. */
  readonly end: TurnEnd | null;
  /** The ledger's full id. */
  readonly holdId: string;
  readonly terms: HeldTerms | null;
  /** What the ledger charged, in steps; null while it runs, or when the ledger no longer says. */
  readonly charged: Amounts | null;
  /** The id that the provider gave its answer. */
  readonly responseId: string | null;
  readonly startedAt: number;
  readonly progressAt: number;
  readonly endedAt: number | null;
}

/** A turn with what was said in it. */
export interface TurnWithMessages {
  readonly turn: Turn;
  readonly messages: readonly Message[];
}

/** @throws RefusedError invalid_request for a name that is no state (rule T1) */
export function turnStateOf(name: string): TurnState {
  const state = TURN_STATES.find((known) => known === name);
  if (state !== undefined) return state;
  throw new RefusedError(
    'invalid_request',
    `state: ${JSON.stringify(name.slice(0, 64))} is none of ${TURN_STATES.join(', ')}`,
    { field: 'state' },
  );
}

/** Bytes of UTF-8 of one message: a request body of the API is 1 MiB, in which text may take two bytes for one. */
export const TEXT_BYTES_MAX = 512 * 1024;
export const TITLE_LENGTH_MAX = 200;
export const RESPONSE_ID_LENGTH_MAX = 256;

/** @throws RefusedError invalid_request naming the field and the bound; for text that would not come back as it is */
export function assertText(text: string, field: string): void {
  const bytes = Buffer.byteLength(text);
  const problem =
    bytes > TEXT_BYTES_MAX
      ? `has ${bytes} bytes; at most ${TEXT_BYTES_MAX} are kept`
      : !text.isWellFormed()
        ? 'has half a surrogate pair, which UTF-8 cannot carry'
        : text.includes('\0')
          ? 'has a NUL character'
          : null;
  if (problem !== null) throw new RefusedError('invalid_request', `${field}: ${problem}`, { field });
}
