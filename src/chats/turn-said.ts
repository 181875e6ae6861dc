// What is said in a turn: the request and the result as a caller states them, their checks, and messages as they are shown
// when they were just written. Called by turns.ts.

import type { Amounts } from '../core/amount.js';
import { ID_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { invalid } from '../kit/refusals.js';
import type { MessageBody } from './chats-facts.js';
import { digestOf } from './chats-texts.js';
import {
  assertText,
  type Message,
  messageId,
  RESPONSE_ID_LENGTH_MAX,
  type Role,
  type Turn,
  type TurnUsage,
} from './turn.js';
import type { TurnWish } from './turn-budget.js';

export interface TurnRequest {
  /** Names the request: the same one never runs twice in a chat (rules T1, T4). */
  readonly requestId: string;
  readonly text: string;
  readonly systemText?: string;
  readonly webSearch?: boolean;
  readonly labels?: Labels;
  readonly wish: TurnWish;
}

export interface TurnResult {
  /** What the ledger charged for the turn to have, in steps; absent: what is estimated or held. */
  readonly amounts?: Amounts | null;
  readonly usage?: TurnUsage;
  readonly text?: string;
  readonly responseId?: string;
}

export interface SaidInRequest {
  readonly role: Role;
  readonly text: string;
  readonly body: MessageBody;
}

/** The user's text is the last. */
export function saidIn({ text, systemText, webSearch = false }: TurnRequest): SaidInRequest[] {
  const said = (role: Role, text: string, webSearch: boolean): SaidInRequest => ({
    role,
    text,
    body: { role, digest: digestOf(text), webSearch },
  });
  const user = said('user', text, webSearch);
  return systemText === undefined ? [user] : [said('system', systemText, false), user];
}

/** A message that was just written, as the view gives it from now on. */
export function messageOf(turn: Turn, body: MessageBody, text: string): Message {
  const { role } = body;
  const isAnswer = role === 'assistant';
  return {
    id: messageId(turn.id, role),
    turnId: turn.id,
    requestId: turn.requestId,
    role,
    text,
    isCut: false,
    webSearch: body.webSearch ?? false,
    model: turn.terms.model ?? null,
    responseId: isAnswer ? turn.responseId : null,
    inputTokens: body.inputTokens ?? 0,
    outputTokens: body.outputTokens ?? 0,
    cacheReadTokens: body.cacheReadTokens ?? 0,
    cacheWriteTokens: body.cacheWriteTokens ?? 0,
    reasoningTokens: body.reasoningTokens ?? 0,
    createdAt: (isAnswer ? turn.endedAt : null) ?? turn.startedAt,
  };
}

/** @throws RefusedError invalid_request */
export function assertRequest({ requestId, text, systemText }: TurnRequest): void {
  const problem = textProblem(requestId, ID_LENGTH_MAX);
  if (problem !== null) throw invalid('requestId', `${quoted(requestId)} ${problem}`);
  assertText(text, 'text');
  if (systemText !== undefined) assertText(systemText, 'systemText');
}

/** @throws RefusedError invalid_request */
export function assertResult({ text, responseId }: TurnResult): void {
  if (text !== undefined) assertText(text, 'text');
  const problem = responseId === undefined ? null : textProblem(responseId, RESPONSE_ID_LENGTH_MAX);
  if (problem !== null) throw invalid('responseId', `${quoted(responseId)} ${problem}`);
}
