// Calls of the gateway as turns: what the user said and what came back, bound to the call's own hold (there is no second
// one). RecordedCall writes down what is about to be asked of the ledger and what it answered; a crash between the two is
// finished by recovery.ts with the command that is kept. Called by the gateway (gateway/calls/call-record.ts).

import type { Authorized, Decision, Outcome, Settlement } from '../core/outcomes.js';
import type { Authorize, Labels, Settle } from '../core/requests.js';
import {
  type CallRecord,
  type CallRecorder,
  NOTHING_RECORDED,
  type RecordableCall,
  type RecordedEnd,
  type RecordRider,
  type RunNextAttempt,
  type RunRecorded,
} from '../gateway/calls/call-record.js';
import type { CallEnd } from '../gateway/calls/charge.js';
import { withNote } from '../gateway/calls/note.js';
import type { Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { RefusedError } from '../kit/refusals.js';
import { amountsToJson } from './amounts-json.js';
import type { Chats } from './chats.js';
import type { GroupCommit } from './group-commit.js';
import type { MessageTable } from './message-table.js';
import { isSpoken, Transcript } from './transcript.js';
import { type HeldTerms, TEXT_BYTES_MAX, type TurnEnd, type TurnUsage } from './turn.js';
import { type GatewaySettlement, noteOf, type TurnEnds } from './turn-ends.js';
import { type ConversationParts, digestOf } from './turn-parts.js';
import type { TurnTable } from './turn-table.js';

const CHAT_HEADER = 'bursar-chat';
/** On a key: each of its calls is recorded in a chat of its own, unless the header names one. */
const RECORD_LABEL = { name: 'record', value: 'chats' } as const;
/** Ids of chats are UUIDs. */
const CHAT_ID = /^[A-Za-z0-9-]{1,64}$/;

export interface RecorderParts {
  readonly parts: ConversationParts;
  readonly writer: GroupCommit;
  readonly chats: Chats;
  readonly turns: TurnTable;
  readonly messages: MessageTable;
  readonly ends: TurnEnds;
}

export interface RecordingRequest {
  readonly caller: Caller;
  /** The call's labels: tenant and user say whose chat it is. */
  readonly labels: Labels;
  /** A chat's id; NEW_CHAT makes one. */
  readonly chat: string;
  /** What the user said, and what comes back. */
  readonly transcript: Transcript;
}

export const NEW_CHAT = 'new';

export class Recorder implements CallRecorder {
  constructor(private readonly own: RecorderParts) {}

  recordOf({ caller, labels, headers, endpoint, json }: RecordableCall): RecordedCall | null {
    if (!isSpoken(endpoint)) return null;
    const chat = chatIn(headers, caller.labels);
    if (chat === null) return null;
    return this.record({ caller, labels, chat, transcript: new Transcript(endpoint, json) });
  }

  /** Nothing is written before the call is authorised. */
  record(request: RecordingRequest): RecordedCall {
    return new RecordedCall(this.own, request);
  }
}

function chatIn(headers: RecordableCall['headers'], fixed: Labels): string | null {
  const stated = headers[CHAT_HEADER];
  if (stated === undefined) return fixed[RECORD_LABEL.name] === RECORD_LABEL.value ? NEW_CHAT : null;
  if (typeof stated === 'string' && CHAT_ID.test(stated)) return stated;
  const problem = `the header ${CHAT_HEADER} is a chat's id, or ${NEW_CHAT}`;
  throw new RefusedError('invalid_request', problem, { field: CHAT_HEADER });
}

export class RecordedCall implements CallRecord {
  readonly #turnId: string;
  readonly #transcript: Transcript;
  #chatId: string;
  /** The turn's row, once it is intended. */
  #number = 0;

  constructor(
    private readonly own: RecorderParts,
    private readonly request: RecordingRequest,
  ) {
    this.#turnId = newId(own.parts.clock.now());
    this.#transcript = request.transcript;
    this.#chatId = request.chat;
  }

  get headers(): Record<string, string> {
    return { [CHAT_HEADER]: this.#chatId, 'bursar-turn': this.#turnId };
  }

  answered(answer: unknown): void {
    this.#transcript.answered(answer);
  }

  event(event: Uint8Array): void {
    this.#transcript.event(event);
  }

  /** @throws RefusedError not_found; conflict while another turn of the chat runs; invalid_request without tenant or user */
  async begin(request: Authorize, run: RunRecorded<Decision>): Promise<Decision> {
    await this.#intend(request.holdId);
    const decision = await run(this.#rider(digestOf(this.#transcript.userText)));
    this.own.parts.atStep?.('turn_held', this.#turnId);
    if (decision.outcome === 'authorized') await this.#held(decision, request);
    else await this.#refused();
    return decision;
  }

  async nextAttempt(request: Authorize, run: RunNextAttempt): Promise<Decision> {
    const authorized = this.#rider(digestOf(this.#transcript.userText));
    const decision = await run({ ended: NOTHING_RECORDED, authorized });
    this.own.parts.atStep?.('turn_held', this.#turnId);
    if (decision.outcome === 'authorized') await this.#held(decision, request);
    // The budgets have nothing for the others, and the call has ended without a charge.
    else await this.#ending('failed_before', { kind: 'release' }).then(() => this.#ended({}));
    return decision;
  }

  async end<O extends Outcome | Settlement>({ end, command }: RecordedEnd, run: RunRecorded<O>): Promise<O> {
    const said = this.#answered();
    const rider = this.#rider(said === null ? null : digestOf(said.text));
    const isSettled = command.command === 'settle_hold';
    await this.#ending(
      END_OF[end],
      isSettled
        ? settlementOf(withNote(command, rider.note))
        : { kind: command.command === 'release_hold' ? 'release' : 'reverse' },
      isSettled ? command.usage : undefined,
    );
    const outcome = await run(isSettled ? rider : NOTHING_RECORDED);
    this.own.parts.atStep?.('turn_settled', this.#turnId);
    const isGivenBack = !isSettled && outcome.outcome !== 'rejected';
    await this.#ended(isGivenBack ? {} : outcome.outcome === 'settled' ? outcome.charged : null);
    return outcome;
  }

  async #intend(holdId: string): Promise<void> {
    const { parts, writer, turns, messages, chats } = this.own;
    const { caller, labels, transcript } = this.request;
    if (this.request.chat === NEW_CHAT) this.#chatId = await this.#newChat();
    const id = this.#turnId;
    this.#number = await writer.durably(() => {
      const chat = chats.get(caller, this.#chatId);
      // What is said in a chat counts as its user's.
      if (chat.tenant !== labels.tenant || chat.user !== labels.user)
        throw new RefusedError('not_found', 'there is no such chat of this user', { field: 'bursar-chat' });
      const open = turns.open(chat.number);
      if (open !== undefined)
        throw new RefusedError('conflict', `the turn ${open} of this chat is running: one call at a time`);
      const at = parts.clock.now();
      const turn = turns.insert({
        id,
        chat,
        requestId: id,
        holdId,
        meteredBy: 'gateway',
        replaces: null,
        at,
      });
      const { systemText, userText } = transcript;
      if (systemText !== null) messages.insert(turn, { at, role: 'system', ...cut(systemText) });
      messages.insert(turn, { at, role: 'user', ...cut(userText) });
      return turn.number;
    });
    parts.atStep?.('turn_intended', id);
  }

  async #newChat(): Promise<string> {
    const { caller, labels } = this.request;
    for (const name of ['tenant', 'user'] as const) {
      if (labels[name] !== undefined) continue;
      const why = `a call that is recorded needs the label ${name}, which says whose chat it is`;
      throw new RefusedError('invalid_request', why, { field: `labels.${name}` });
    }
    const { tenant, user } = labels;
    return (await this.own.chats.create(caller, { tenant, user })).id;
  }

  /** The turn's key in the journal (rule T7). */
  #rider(text: string | null): RecordRider {
    const { tenant } = this.request.labels;
    const turn = { id: this.#turnId, chatId: this.#chatId, tenant, requestId: this.#turnId };
    return { facts: [], note: { turn: noteOf(turn, text) } };
  }

  #answered(): { readonly text: string; readonly isCut: boolean } | null {
    const { answerText } = this.#transcript;
    return answerText === null ? null : cut(answerText);
  }

  #held(
    { decisionId, candidate, expiresAt, holdId }: Authorized,
    { amounts, candidates, labels }: Authorize,
  ) {
    const { writer, turns } = this.own;
    const taken = candidates?.[candidate ?? 0];
    const model = taken?.labels?.model ?? labels.model;
    const terms: HeldTerms = {
      decisionId,
      held: taken?.amounts ?? amounts,
      ...(model === undefined ? {} : { model }),
    };
    return this.#write(() =>
      writer.casually(() => {
        turns.setHold(this.#number, holdId);
        turns.run(this.#number, terms, expiresAt);
      }),
    );
  }

  #refused(): Promise<void> {
    const { writer, messages, turns, chats } = this.own;
    return this.#write(() =>
      writer.casually(() => {
        messages.forget(this.#number);
        turns.forget(this.#number);
        if (this.request.chat === NEW_CHAT) chats.forget(this.#chatId);
      }),
    );
  }

  /** Decides the turn's end, durable before the ledger is told. */
  async #ending(end: TurnEnd, settlement: GatewaySettlement, usage?: Settle['usage']): Promise<void> {
    const { writer, turns, ends, parts } = this.own;
    const { toolCalls: _calls, ...tokens } = usage ?? {};
    const answer = this.#answered() ?? { text: null };
    const textDigest = answer.text === null ? null : digestOf(answer.text);
    const decided = {
      ending: {
        end,
        usage: tokens as TurnUsage,
        command: JSON.stringify(settlement),
        digest: null,
        amounts: null,
        textDigest,
      },
      responseId: this.#transcript.responseId,
      ...answer,
    };
    await this.#write(() =>
      writer.durably(() => {
        const turn = turns.byNumber(this.#number);
        if (turn !== undefined) ends.decide(turn, decided, parts.clock.now());
      }),
    );
    parts.atStep?.('turn_ending', this.#turnId);
  }

  #ended(charged: Parameters<TurnEnds['settled']>[1]): Promise<void> {
    const { writer, ends } = this.own;
    return this.#write(() => writer.casually(() => ends.settled(this.#number, charged)));
  }

  // A call that the budgets let through is not broken by what is written down of it.
  async #write(write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.own.parts.onFault(`the turn ${this.#turnId} could not be recorded`, error);
    }
  }
}

const END_OF: Readonly<Record<CallEnd, TurnEnd>> = {
  failed_before: 'failed_before',
  refused_by_provider: 'failed_before',
  completed: 'completed',
  cancelled: 'cancelled',
  failed_at_provider: 'failed_at_provider',
  malformed: 'failed_at_provider',
  unknown: 'unknown',
};

/** The settlement as it is kept until the ledger has it. */
function settlementOf({ amounts, usage, outcome, note }: Settle): GatewaySettlement {
  return {
    kind: 'settle',
    amounts: amountsToJson(amounts),
    ...(usage === undefined ? {} : { usage }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(note === undefined ? {} : { note }),
  };
}

// What is longer is kept to its beginning: a call is not refused for what is recorded of it.
function cut(text: string): { readonly text: string; readonly isCut: boolean } {
  const whole = text.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Buffer.byteLength(whole) <= TEXT_BYTES_MAX) return { text: whole, isCut: false };
  const bytes = Buffer.from(whole).subarray(0, TEXT_BYTES_MAX);
  // A character that the cut went through.
  return { text: bytes.toString().replace(/\uFFFD$/, ''), isCut: true };
}
