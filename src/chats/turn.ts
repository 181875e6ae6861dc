// The words of chats: chats, turns and messages (rules T1, T3, T5). A turn is one request of a user and its answer; its
// hold is in the ledger. The HTTP API and the gateway format these; chats-facts.ts writes them, chats-reads.ts reads them.

import type { Amounts } from '../core/amount.js';
import { invalid } from '../kit/refusals.js';

/** Rule T1: only `running` is not final. */
export const TURN_STATES = ['running', 'completed', 'failed', 'cancelled'] as const;
export type TurnState = (typeof TURN_STATES)[number];

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

export const STATE_OF_END: Readonly<Record<TurnEnd, Exclude<TurnState, 'running'>>> = {
  completed: 'completed',
  cancelled: 'cancelled',
  failed_before: 'failed',
  failed_at_provider: 'failed',
  orphaned: 'failed',
  unknown: 'failed',
};

/** In the order in which they are said in a turn. */
export const ROLES = ['system', 'user', 'assistant'] as const;
export type Role = (typeof ROLES)[number];

/** What a turn is counted by: the policy in force, the amounts that its caller states, or the gateway's call. */
export const METERS = ['quota', 'amounts', 'gateway'] as const;
export type MeteredBy = (typeof METERS)[number];

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
  /** What its turns ask for when they state no model. */
  readonly model: string | null;
  /** A mark of the chat product's own: shown, and a filter of the list. */
  readonly isTemporary: boolean;
  /** Epoch ms, as all instants here. */
  readonly createdAt: number;
  /** When it was changed, or its last turn started or ended. */
  readonly updatedAt: number;
}

export interface Message extends MessageTokens {
  /** The turn's id and the role: a turn has one message of each role at most. */
  readonly id: string;
  readonly turnId: string;
  readonly requestId: string;
  readonly role: Role;
  readonly text: string;
  /** Whether the text was longer than what is kept; only where the gateway recorded it. */
  readonly isCut: boolean;
  readonly webSearch: boolean;
  /** The turn's model. */
  readonly model: string | null;
  /** The id that the provider gave its answer; of the assistant's message alone. */
  readonly responseId: string | null;
  readonly createdAt: number;
}

export function messageId(turnId: string, role: Role): string {
  return `${turnId}-${role}`;
}

/** By which terms a turn is held. */
export interface TurnTerms {
  /** What was held, in steps. */
  readonly held: Amounts;
  /** Of turns that a policy meters: its number, and the reasons for the tier. */
  readonly policy?: number;
  readonly reasons?: readonly string[];
  /** What the policy gave; where none is active, what the caller stated. */
  readonly tier?: string;
  readonly model?: string;
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
  readonly decisionId: string | null;
  readonly terms: TurnTerms;
  /** What the ledger charged, in steps; null while it runs, or when the ledger no longer knew the hold. */
  readonly charged: Amounts | null;
  /** Whether its caller said only after the watchdog what it had used, and the charge was corrected then. */
  readonly isLate: boolean;
  /** The id that the provider gave its answer. */
  readonly responseId: string | null;
  /** The turn whose place it took (retry, edit). */
  readonly replaces: string | null;
  readonly startedAt: number;
  readonly progressAt: number;
  readonly endedAt: number | null;
}

/** A turn with what was said in it. */
export interface TurnWithMessages {
  readonly turn: Turn;
  readonly messages: readonly Message[];
}

/** Bytes of UTF-8 of one message: a request body of the API is 1 MiB, in which text may take two bytes for one. */
export const TEXT_BYTES_MAX = 512 * 1024;
export const TITLE_LENGTH_MAX = 200;
export const MODEL_LENGTH_MAX = 256;
export const RESPONSE_ID_LENGTH_MAX = 256;

/** @throws RefusedError invalid_request naming the field and the bound; for text that would not come back as it is */
export function assertText(text: string, field: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > TEXT_BYTES_MAX) throw invalid(field, `has ${bytes} bytes; at most ${TEXT_BYTES_MAX} are kept`);
  if (!text.isWellFormed()) throw invalid(field, 'has half a surrogate pair, which UTF-8 cannot carry');
  if (text.includes('\0')) throw invalid(field, 'has a NUL character');
}
