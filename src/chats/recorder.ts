// Calls of the gateway as turns: what the user said and what came back, bound to the call's own hold (there is no second
// one). A recorded call speaks to the ledger through RecordedCall, which writes down what is about to be asked and what was
// answered; a crash between the two is finished by recovery.ts with the command that is kept. Called by the gateway.

import type { Authorized, CommandOutcome, Decision, Outcome, Settlement } from '../core/outcomes.js';
import type { Authorize, Command, Labels, Release, Reverse, Settle } from '../core/requests.js';
import type { CallsLedger } from '../gateway/calls/calls.js';
import { type GivingBack, giveBack } from '../gateway/calls/give-back.js';
import type { Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { RefusedError } from '../kit/refusals.js';
import { amountsToJson } from './amounts-json.js';
import type { Chats } from './chats.js';
import type { GroupCommit } from './group-commit.js';
import type { MessageTable } from './message-table.js';
import type { Transcript } from './transcript.js';
import { TEXT_BYTES_MAX, type TurnEnd, type TurnTerms, type TurnUsage } from './turn.js';
import { type GatewaySettlement, noteOf, type TurnEnds } from './turn-ends.js';
import { type ConversationParts, digestOf } from './turn-parts.js';
import type { TurnTable } from './turn-table.js';

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

export class Recorder {
  constructor(private readonly own: RecorderParts) {}

  /** A call's way to the ledger; nothing is written before it is authorised. */
  record(request: RecordingRequest, ledger: CallsLedger): RecordedCall {
    return new RecordedCall(this.own, request, ledger);
  }
}

export class RecordedCall implements CallsLedger {
  readonly turnId: string;
  readonly transcript: Transcript;
  readonly extend: CallsLedger['extend'];
  readonly check: CallsLedger['check'];
  #chatId: string;
  /** The turn's row, once it is intended. */
  #number = 0;

  constructor(
    private readonly own: RecorderParts,
    private readonly request: RecordingRequest,
    private readonly ledger: CallsLedger,
  ) {
    this.turnId = newId(own.parts.clock.now());
    this.transcript = request.transcript;
    this.#chatId = request.chat;
    this.extend = (extension) => ledger.extend(extension);
    this.check = (asked) => ledger.check(asked);
  }

  get chatId(): string {
    return this.#chatId;
  }

  /** @throws RefusedError not_found; conflict while another turn of the chat runs; invalid_request without tenant or user */
  async authorize(request: Authorize): Promise<Decision> {
    await this.#intend(request.holdId);
    const decision = await this.ledger.authorize(this.#noted(request, digestOf(this.transcript.userText)));
    this.own.parts.atStep?.('turn_held', this.turnId);
    if (decision.outcome === 'authorized') await this.#held(decision, request);
    else await this.#refused();
    return decision;
  }

  /** The step to the next candidate: one hold given back, another opened. */
  async submit(commands: readonly Command[]): Promise<readonly CommandOutcome[]> {
    const said = digestOf(this.transcript.userText);
    const outcomes = await this.ledger.submit(
      commands.map((command) =>
        command.command === 'authorize_hold' ? this.#noted(command, said) : command,
      ),
    );
    this.own.parts.atStep?.('turn_held', this.turnId);
    for (const [index, command] of commands.entries()) {
      if (command.command !== 'authorize_hold') continue;
      const outcome = outcomes[index];
      if (outcome.outcome === 'authorized') await this.#held(outcome, command);
      // The budgets have nothing for the others, and the call has ended without a charge.
      else await this.#ending('failed_before', { kind: 'release' }).then(() => this.#ended({}));
    }
    return outcomes;
  }

  async settle(request: Settle): Promise<Settlement> {
    const said = this.#answered();
    const settle = this.#noted(request, said === null ? null : digestOf(said.text));
    const { amounts, usage, outcome, note } = settle;
    const kept: GatewaySettlement = {
      kind: 'settle',
      amounts: amountsToJson(amounts),
      ...(usage === undefined ? {} : { usage }),
      ...(outcome === undefined ? {} : { outcome }),
      ...(note === undefined ? {} : { note }),
    };
    await this.#ending(END_OF[outcome ?? 'completed'], kept, usage);
    const settled = await this.ledger.settle(settle);
    this.own.parts.atStep?.('turn_settled', this.turnId);
    await this.#ended(settled.outcome === 'settled' ? settled.charged : null);
    return settled;
  }

  release({ holdId }: Release): Promise<Outcome | Settlement> {
    return this.#givenBack(holdId, 'release');
  }

  reverse({ holdId }: Reverse): Promise<Outcome | Settlement> {
    return this.#givenBack(holdId, 'reverse');
  }

  async #givenBack(holdId: string, kind: GivingBack): Promise<Outcome | Settlement> {
    await this.#ending('failed_before', { kind });
    const outcome = await giveBack(this.ledger, holdId, kind);
    this.own.parts.atStep?.('turn_settled', this.turnId);
    await this.#ended(outcome.outcome === 'rejected' ? null : {});
    return outcome;
  }

  async #intend(holdId: string): Promise<void> {
    const { parts, writer, turns, messages, chats } = this.own;
    const { caller, labels, transcript } = this.request;
    if (this.request.chat === NEW_CHAT) this.#chatId = await this.#newChat();
    const { turnId: id } = this;
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

  /** The turn's key in the journal (rule T7); left out where the note would not hold it. */
  #noted<R extends { readonly note?: string }>(request: R, text: string | null): R {
    const { tenant } = this.request.labels;
    const turn = { id: this.turnId, chatId: this.#chatId, tenant, requestId: this.turnId };
    const key = `,"turn":${JSON.stringify(noteOf(turn, text))}}`;
    const { note = '{"of":"gateway"}' } = request;
    const longer = note.slice(0, -1) + key;
    return Buffer.byteLength(longer) > NOTE_BYTES_MAX ? request : { ...request, note: longer };
  }

  #answered(): { readonly text: string; readonly isCut: boolean } | null {
    const { answerText } = this.transcript;
    return answerText === null ? null : cut(answerText);
  }

  #held(
    { decisionId, candidate, expiresAt, holdId }: Authorized,
    { amounts, candidates, labels }: Authorize,
  ) {
    const { writer, turns } = this.own;
    const taken = candidates?.[candidate ?? 0];
    const model = taken?.labels?.model ?? labels.model;
    const terms: TurnTerms = {
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
      responseId: this.transcript.responseId,
      ...answer,
    };
    await this.#write(() =>
      writer.durably(() => {
        const turn = turns.byNumber(this.#number);
        if (turn !== undefined) ends.decide(turn, decided, parts.clock.now());
      }),
    );
    parts.atStep?.('turn_ending', this.turnId);
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
      this.own.parts.onFault(`the turn ${this.turnId} could not be recorded`, error);
    }
  }
}

/** The ledger's own bound of a note. */
const NOTE_BYTES_MAX = 4_096;

const END_OF = {
  completed: 'completed',
  failed: 'failed_at_provider',
  cancelled: 'cancelled',
  unknown: 'unknown',
} as const;

// What is longer is kept to its beginning: a call is not refused for what is recorded of it.
function cut(text: string): { readonly text: string; readonly isCut: boolean } {
  const whole = text.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Buffer.byteLength(whole) <= TEXT_BYTES_MAX) return { text: whole, isCut: false };
  const bytes = Buffer.from(whole).subarray(0, TEXT_BYTES_MAX);
  // A character that the cut went through.
  return { text: bytes.toString().replace(/\uFFFD$/, ''), isCut: true };
}
