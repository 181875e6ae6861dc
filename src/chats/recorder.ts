// Calls of the gateway as turns: what the user said and what came back, on the call's own hold (there is no second one).
// The facts of the turn ride with the call's own commands, so that the call and its turn begin in one durable step and end
// in one. A call that died with its process is ended by the watchdog. Called by the gateway (gateway/calls/call-record.ts).

import type { CommandOutcome, Decision, Outcome, Settlement } from '../core/outcomes.js';
import type { Authorize, Labels } from '../core/requests.js';
import type {
  CallRecord,
  CallRecorder,
  RecordableCall,
  RecordedEnd,
  RecordRider,
  RunNextAttempt,
  RunRecorded,
} from '../gateway/calls/call-record.js';
import type { CallEnd } from '../gateway/calls/charge.js';
import type { Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { RefusedError } from '../kit/refusals.js';
import { chatsFact, type MessageBody, type TermsBody, termsBody } from './chats-facts.js';
import type { ChatsParts } from './chats-parts.js';
import { digestOf } from './chats-texts.js';
import { isSpoken, Transcript } from './transcript.js';
import { type Role, TEXT_BYTES_MAX, type TurnEnd } from './turn.js';
import { noteOf, type TurnSettler } from './turn-settler.js';

const CHAT_HEADER = 'bursar-chat';
const NEW_CHAT = 'new';
/** On a key: each of its calls is recorded in a chat of its own, unless the header names one. */
const RECORD_LABEL = { name: 'record', value: 'chats' } as const;
/** Ids of chats are UUIDs. */
const CHAT_ID = /^[A-Za-z0-9-]{1,64}$/;

export class Recorder implements CallRecorder {
  constructor(
    private readonly parts: ChatsParts,
    private readonly settler: TurnSettler,
  ) {}

  recordOf({ caller, labels, headers, endpoint, json }: RecordableCall): CallRecord | null {
    if (!isSpoken(endpoint)) return null;
    const chat = chatIn(headers, caller.labels);
    if (chat === null) return null;
    return new RecordedCall(this.parts, this.settler, {
      ...{ caller, labels, chat, transcript: new Transcript(endpoint, json) },
    });
  }
}

function chatIn(headers: RecordableCall['headers'], fixed: Labels): string | null {
  const stated = headers[CHAT_HEADER];
  if (stated === undefined) return fixed[RECORD_LABEL.name] === RECORD_LABEL.value ? NEW_CHAT : null;
  if (typeof stated === 'string' && CHAT_ID.test(stated)) return stated;
  const problem = `the header ${CHAT_HEADER} is a chat's id, or ${NEW_CHAT}`;
  throw new RefusedError('invalid_request', problem, { field: CHAT_HEADER });
}

interface RecordingRequest {
  readonly caller: Caller;
  /** The call's labels: tenant and user say whose chat it is. */
  readonly labels: Labels;
  /** A chat's id; NEW_CHAT makes one. */
  readonly chat: string;
  /** What the user said, and what comes back. */
  readonly transcript: Transcript;
}

class RecordedCall implements CallRecord {
  readonly #id: string;
  readonly #chatId: string;

  constructor(
    private readonly parts: ChatsParts,
    private readonly settler: TurnSettler,
    private readonly request: RecordingRequest,
  ) {
    const now = parts.clock.now();
    this.#id = newId(now);
    this.#chatId = request.chat === NEW_CHAT ? newId(now) : request.chat;
  }

  get headers(): Record<string, string> {
    return { [CHAT_HEADER]: this.#chatId, 'bursar-turn': this.#id };
  }

  answered(answer: unknown): void {
    this.request.transcript.answered(answer);
  }

  event(event: Uint8Array): void {
    this.request.transcript.event(event);
  }

  /** @throws RefusedError not_found; conflict while another turn of the chat runs; invalid_request without tenant or user */
  begin(request: Authorize, run: RunRecorded<Decision>): Promise<Decision> {
    const { texts, queue, liveCalls, clock } = this.parts;
    return queue.run(this.#chatId, async () => {
      const owner = this.#owner();
      const isNew = this.request.chat === NEW_CHAT;
      if (!isNew) this.#assertMayBegin(owner);
      const { systemText, userText } = this.request.transcript;
      const said = [
        ...(systemText === null ? [] : [{ role: 'system' as const, ...cut(systemText) }]),
        { role: 'user' as const, ...cut(userText) },
      ];
      const at = clock.now();
      const started = chatsFact('turn_started', {
        ...{
          id: this.#id,
          chat: this.#chatId,
          request: this.#id,
          meteredBy: 'gateway',
          hold: request.holdId,
        },
        ...{ replaces: null, terms: termsOf(request), messages: said.map(messageBody), at },
      });
      const created = chatsFact('chat_created', {
        ...{ id: this.#chatId, ...owner, titleDigest: null, model: null, isTemporary: false },
        ...{ createdAt: at, updatedAt: at, deletedAt: null },
      });
      await texts.put(this.#place, said);
      liveCalls.add(this.#id);
      const decision = await this.#running(
        run({ facts: isNew ? [created, started] : [started], note: this.#note(digestOf(userText)) }),
      );
      if (decision.outcome !== 'authorized') texts.forget(this.#place);
      return decision;
    });
  }

  nextAttempt(request: Authorize, run: RunNextAttempt): Promise<Decision> {
    const at = this.parts.clock.now();
    const ended = this.#ended('failed_before', null);
    const resumed = { id: this.#id, hold: request.holdId, terms: termsOf(request), at };
    const note = this.#note(digestOf(this.request.transcript.userText));
    // In the chat's queue, so that no other turn starts between the two.
    return this.parts.queue.run(this.#chatId, () =>
      this.#running(
        run({
          ended: { facts: [chatsFact('turn_ended', ended)] },
          authorized: { facts: [chatsFact('turn_resumed', resumed)], note },
        }),
      ),
    );
  }

  async end<O extends Outcome | Settlement>({ end, command }: RecordedEnd, run: RunRecorded<O>): Promise<O> {
    const message = await this.#answer(command.command === 'settle_hold' ? command.usage : undefined);
    const ended = this.#ended(END_OF[end], message);
    const rider: RecordRider = {
      facts: [chatsFact('turn_ended', ended)],
      note: this.#note(message?.digest ?? null),
    };
    try {
      const outcome = await run(rider);
      if (outcome.outcome === 'rejected') await this.#endAlone(command.holdId, END_OF[end], message);
      return outcome;
    } finally {
      this.parts.liveCalls.delete(this.#id);
    }
  }

  get #place() {
    return { chatId: this.#chatId, id: this.#id };
  }

  /** A call that the ledger does not hold is not live. */
  async #running(decided: Promise<Decision>): Promise<Decision> {
    let decision: CommandOutcome | null = null;
    try {
      decision = await decided;
      return decision;
    } finally {
      if (decision?.outcome !== 'authorized') this.parts.liveCalls.delete(this.#id);
    }
  }

  #owner(): { readonly tenant: string; readonly user: string } {
    const { tenant, user } = this.request.labels;
    if (tenant !== undefined && user !== undefined) return { tenant, user };
    const name = tenant === undefined ? 'tenant' : 'user';
    const why = `a call that is recorded needs the label ${name}, which says whose chat it is`;
    throw new RefusedError('invalid_request', why, { field: `labels.${name}` });
  }

  #assertMayBegin({ tenant, user }: { readonly tenant: string; readonly user: string }): void {
    const { reads } = this.parts;
    const chat = reads.chat(this.request.caller, this.#chatId);
    // What is said in a chat counts as its user's.
    if (chat.tenant !== tenant || chat.user !== user)
      throw new RefusedError('not_found', 'there is no such chat of this user', { field: CHAT_HEADER });
    const running = reads.runningTurn(chat.number);
    if (running !== undefined)
      throw new RefusedError('conflict', `the turn ${running} of this chat is running: one call at a time`);
  }

  /** The turn's key in the journal (rule T7). */
  #note(text: string | null): RecordRider['note'] {
    const { tenant } = this.request.labels;
    return { turn: noteOf({ ...this.#place, tenant, requestId: this.#id }, text) };
  }

  #ended(end: TurnEnd, message: MessageBody | null) {
    const { responseId } = this.request.transcript;
    return { id: this.#id, end, digest: null, responseId, message, at: this.parts.clock.now() };
  }

  /** What came of the answer. A text that the vault does not take is lost; the call ends all the same. */
  async #answer(usage: { readonly toolCalls?: number } | undefined): Promise<MessageBody | null> {
    const { answerText } = this.request.transcript;
    if (answerText === null) return null;
    const said = { role: 'assistant' as const, ...cut(answerText) };
    try {
      await this.parts.texts.put(this.#place, [said]);
    } catch (error) {
      this.parts.onFault(`the answer of the turn ${this.#id} could not be kept`, error);
      return null;
    }
    const { toolCalls: _calls, ...tokens } = usage ?? {};
    return { ...messageBody(said), ...tokens };
  }

  /** The ledger did not take the call's end: its turn has ended all the same. */
  async #endAlone(holdId: string, end: TurnEnd, message: MessageBody | null): Promise<void> {
    const { ledger, onFault } = this.parts;
    try {
      const hold = await ledger.whenDurable(() => ledger.hold(holdId));
      const { responseId } = this.request.transcript;
      const said = { end, digest: null, responseId };
      await this.settler.endAlone({ id: this.#id }, said, { message, charged: hold?.charged ?? null });
    } catch (error) {
      onFault(`the end of the turn ${this.#id} could not be recorded`, error);
    }
  }
}

/** The terms of each candidate of a call's authorisation. */
function termsOf({ amounts, candidates, labels }: Authorize): TermsBody[] {
  return (candidates ?? [{}]).map((candidate) => {
    const model = candidate.labels?.model ?? labels.model;
    return termsBody({ held: candidate.amounts ?? amounts, ...(model === undefined ? {} : { model }) });
  });
}

function messageBody({ role, text, isCut }: { role: Role; text: string; isCut: boolean }): MessageBody {
  return { role, digest: digestOf(text), isCut };
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

// What is longer is kept to its beginning: a call is not refused for what is recorded of it.
function cut(text: string): { readonly text: string; readonly isCut: boolean } {
  const whole = text.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Buffer.byteLength(whole) <= TEXT_BYTES_MAX) return { text: whole, isCut: false };
  const bytes = Buffer.from(whole).subarray(0, TEXT_BYTES_MAX);
  // A character that the cut went through.
  return { text: bytes.toString().replace(/\uFFFD$/, ''), isCut: true };
}
