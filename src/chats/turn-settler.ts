// The ends of turns that chats settles itself (rule T2): the answer's text goes into the vault, then one command of the
// ledger ends the hold, and the fact that the turn has ended rides with it. Called within the queue of the turn's chat, by
// turns.ts for callers and by watchdog.ts.

import type { Amounts } from '../core/amount.js';
import type { Actor } from '../core/facts.js';
import type { Rejected } from '../core/outcomes.js';
import { RefusedError } from '../kit/refusals.js';
import { chatsFact, type MessageBody, stepTexts } from './chats-facts.js';
import type { ChatsParts } from './chats-parts.js';
import { STATE_OF_END, type Turn, type TurnEnd, type TurnUsage } from './turn.js';
import type { TurnCharge, TurnNote } from './turn-budget.js';

/** An end, with all that is said of it. */
export interface EndSaid {
  readonly end: TurnEnd;
  /** SHA-256 of what the caller said; null for the watchdog's. */
  readonly digest: string | null;
  readonly usage: TurnUsage | null;
  /** What the turn cost, in steps, where the caller states it. */
  readonly amounts: Amounts | null;
  readonly answer: { readonly text: string; readonly digest: string } | null;
  readonly responseId: string | null;
}

/** Why a charge is corrected that the watchdog had estimated. */
const LATE_REASON = 'the turn was ended late, with its real usage';

export class TurnSettler {
  constructor(private readonly parts: ChatsParts) {}

  /** Ends a running turn; the turn as it ended, and what was answered in it. */
  async end(turn: Turn, said: EndSaid, actor: Actor | null): Promise<EndedTurn> {
    const { ledger, clock, onFault, justStarted } = this.parts;
    justStarted.drop(turn.id);
    const budget = this.parts.budgets.of(turn);
    const message = await this.#answer(turn, said);
    const { end, digest, usage, amounts, responseId } = said;
    const ended = { id: turn.id, end, digest, responseId, message, at: clock.now() };
    const note = noteOf(turn, message?.digest ?? null);
    const settle = (stated: Amounts | null) => {
      const { holdId, terms } = turn;
      const { request } = budget.settle({ holdId, terms, end, usage, amounts: stated, note });
      return ledger.run(
        { command: 'settle_hold', ...request },
        { actor, facts: [chatsFact('turn_ended', ended)] },
      );
    };
    const settled = await settle(amounts);
    if (settled.outcome !== 'rejected') {
      const { charged } = settled;
      const state = STATE_OF_END[end];
      return { turn: { ...turn, state, end, charged, responseId, endedAt: ended.at }, message };
    }
    onFault(`turn ${turn.id} has ended, and its hold could not be settled`, faultOf(settled));
    const hold = await ledger.whenDurable(() => ledger.hold(turn.holdId));
    // Amounts past what the ledger can count (rule L6): the turn has ended, and is charged as if none had been stated.
    const isSettled =
      hold?.status === 'open' && amounts !== null && (await settle(null)).outcome !== 'rejected';
    // Somebody else ended the hold, or its end is past the retention period: the ledger has what was charged.
    if (!isSettled) await this.endAlone(turn, said, { actor, message, charged: hold?.charged ?? null });
    return { turn: this.parts.reads.turnById(turn.id) ?? turn, message };
  }

  /** Ends a turn whose hold no command of ours ends. */
  async endAlone(
    { id }: Pick<Turn, 'id'>,
    { end, digest, responseId }: Pick<EndSaid, 'end' | 'digest' | 'responseId'>,
    { actor = null, message = null, charged }: EndedElsewhere,
  ): Promise<void> {
    const { ledger, clock } = this.parts;
    const texts = charged === null ? null : stepTexts(charged);
    const ended = { id, end, digest, responseId, message, at: clock.now(), charged: texts };
    await ledger.run({ command: 'record_facts' }, { actor, facts: [chatsFact('turn_ended', ended)] });
  }

  /**
   * Corrects the charge of a turn that the watchdog had ended; the state stays what it was. False where the caller states
   * nothing that a charge could be worked out from.
   * @throws RefusedError conflict where the ledger cannot correct it any more
   */
  async correct(turn: Turn, said: EndSaid, actor: Actor): Promise<boolean> {
    const { ledger, clock, budgets } = this.parts;
    const { digest, responseId, amounts } = said;
    const charge = this.#chargeOf(turn, said);
    if (amounts === null && charge.estimated) return false;
    if (amounts !== null) budgets.assertCharge(turn, amounts);
    const message = await this.#answer(turn, said);
    const corrected = { id: turn.id, digest, responseId, message, at: clock.now() };
    const outcome = await ledger.run(
      {
        command: 'correct_hold',
        holdId: turn.holdId,
        amounts: charge.request.amounts,
        reason: LATE_REASON,
        note: JSON.stringify({ ...noteOf(turn, message?.digest ?? null), late: true }),
      },
      { actor, facts: [chatsFact('turn_corrected', corrected)] },
    );
    if (outcome.outcome !== 'rejected') return true;
    this.parts.texts.forget(turn, ['assistant']);
    throw new RefusedError(
      'conflict',
      `the charge of the turn ${turn.id} cannot be corrected: ${outcome.message}`,
    );
  }

  #chargeOf(turn: Turn, { end, usage, amounts }: EndSaid): TurnCharge {
    const { holdId, terms } = turn;
    return this.parts.budgets
      .of(turn)
      .settle({ holdId, terms, end, usage, amounts, note: noteOf(turn, null) });
  }

  /** Puts the answer into the vault; the message for the fact, or null where nothing was answered. */
  async #answer(turn: Turn, { answer, usage }: EndSaid): Promise<MessageBody | null> {
    if (answer === null) return null;
    const { text, digest } = answer;
    await this.parts.texts.put(turn, [{ role: 'assistant', text }]);
    const { webSearches = 0, codeInterpreterCalls: _calls, ...tokens } = usage ?? {};
    return { role: 'assistant', digest, webSearch: webSearches > 0, ...tokens };
  }
}

export interface EndedTurn {
  readonly turn: Turn;
  readonly message: MessageBody | null;
}

interface EndedElsewhere {
  readonly actor?: Actor | null;
  readonly message?: MessageBody | null;
  readonly charged: Amounts | null;
}

/** The key of a turn's usage event (rule T7). */
export function noteOf(
  turn: { readonly id: string; readonly chatId: string; readonly tenant: string; readonly requestId: string },
  text: string | null,
): TurnNote {
  return { tenant: turn.tenant, chat: turn.chatId, turn: turn.id, request: turn.requestId, text };
}

function faultOf({ code, message }: Rejected): Error {
  return new Error(`${code}: ${message}`);
}
