// The ends of turns (rule T2). Two durable steps: which end it is, decided by one row in the service's file, first come;
// then the settlement, by one command of the ledger whose id is the turn's. A crash between them is finished by whoever
// comes next: recovery, the watchdog, or the caller's repeat; the ledger settles once. Called by turns.ts, watchdog.ts,
// recovery.ts and recorder.ts.

import type { Amounts } from '../core/amount.js';
import type { CommandOutcome, Settlement } from '../core/outcomes.js';
import type { Labels, Settle } from '../core/requests.js';
import { endHold, type GivingBack } from '../gateway/calls/hold-end.js';
import { RefusedError } from '../kit/refusals.js';
import { AMOUNTS_BUDGET } from './amounts-budget.js';
import { amountsFromJson } from './amounts-json.js';
import type { GroupCommit } from './group-commit.js';
import type { MessageTable } from './message-table.js';
import {
  type HeldTerms,
  type MessageTokens,
  STATE_OF_END,
  type TurnUsage,
  type TurnWithMessages,
} from './turn.js';
import type { TurnBudget, TurnNote } from './turn-budget.js';
import type { ConversationParts } from './turn-parts.js';
import type { Ending, EndingTurn, TurnRow, TurnTable } from './turn-table.js';

/** An end as it is decided: what is kept of it, and the assistant's message. */
export interface Decided {
  readonly ending: Omit<Ending, 'at'>;
  readonly text: string | null;
  readonly isCut?: boolean;
  readonly responseId: string | null;
}

export class TurnEnds {
  /** Settlements under way: whoever asks again waits for the same one. */
  readonly #finishing = new Map<number, Promise<TurnWithMessages>>();

  constructor(
    private readonly parts: ConversationParts,
    private readonly writer: GroupCommit,
    private readonly turns: TurnTable,
    private readonly messages: MessageTable,
  ) {}

  /** Who counts a new turn. */
  get budgetNow(): { readonly meteredBy: 'quota' | 'amounts'; readonly budget: TurnBudget } {
    const { quotas } = this.parts;
    return quotas?.isActive === true
      ? { meteredBy: 'quota', budget: quotas }
      : { meteredBy: 'amounts', budget: AMOUNTS_BUDGET };
  }

  /**
   * That the ledger can settle a turn at these amounts: once its end is decided it must not refuse.
   * @throws RefusedError invalid_request naming the unit
   */
  assertCharge({ terms, meteredBy }: TurnRow, amounts: Amounts): void {
    const held = terms?.held ?? {};
    for (const unit of Object.keys(amounts)) {
      const isCounted = meteredBy === 'quota' && this.parts.quotas?.isCounted(unit) === true;
      if (!isCounted && Object.hasOwn(held, unit)) continue;
      const units = Object.keys(held).join(', ');
      const problem = isCounted ? 'is counted by the policy' : `the turn holds none; it holds ${units}`;
      const field = `amounts.${unit}`;
      throw new RefusedError('invalid_request', `${field}: ${problem}`, { field });
    }
  }

  /** Within a write: decides the end of a running turn; null when another end was first, and nothing is changed. */
  decide(turn: TurnRow, decided: Decided, at: number): EndingTurn | null {
    const { text, isCut, responseId } = decided;
    const ending = { ...decided.ending, at };
    if (!this.turns.intendEnd(turn.number, ending, responseId)) return null;
    if (text !== null) {
      const { usage } = ending;
      const webSearch = (usage?.webSearches ?? 0) > 0;
      const message = { role: 'assistant', text, isCut, webSearch, at } as const;
      this.messages.insert(turn, { ...message, ...tokensOf(usage) });
    }
    return { ...turn, state: 'running', ending, responseId };
  }

  /**
   * Settles a turn whose end is decided and on disk, once, however often it is asked; resolves with the turn as it ended.
   */
  finish(turn: EndingTurn): Promise<TurnWithMessages> {
    const { number } = turn;
    const under = this.#finishing.get(number);
    if (under !== undefined) return under;
    const finishing = this.#finish(turn).finally(() => this.#finishing.delete(number));
    this.#finishing.set(number, finishing);
    return finishing;
  }

  async #finish(turn: EndingTurn): Promise<TurnWithMessages> {
    if (turn.state !== 'running') return { turn, messages: this.messages.ofTurn(turn) };
    const { number, ending } = turn;
    this.parts.atStep?.('turn_ending', turn.id);
    const charged = await this.#settle(turn, ending);
    this.parts.atStep?.('turn_settled', turn.id);
    const state = STATE_OF_END[ending.end];
    const ended = { ...turn, state, end: ending.end, charged, endedAt: ending.at };
    return this.writer.casually(() => {
      this.turns.finish(number, state, charged);
      return { turn: ended, messages: this.messages.ofTurn(ended) };
    });
  }

  /** Within a write: the ledger has settled what the gateway had decided. */
  settled(number: number, charged: Amounts | null): void {
    const ending = this.turns.byNumber(number)?.ending;
    if (ending !== undefined && ending !== null) this.turns.finish(number, STATE_OF_END[ending.end], charged);
  }

  /** What the ledger charged; null where it does not know the hold any more. */
  async #settle(turn: TurnRow, ending: Ending): Promise<Amounts | null> {
    // A call that died with its process: its hold is short, and charges the estimate when its time is up.
    if (turn.meteredBy === 'gateway' && ending.command === null) return null;
    const { holdId, meteredBy } = turn;
    const outcome = await this.#settlement(turn, ending, `${holdId}/end`);
    if (outcome.outcome === 'settled') return outcome.charged;
    if (outcome.outcome === 'done') return {};
    const code = outcome.outcome === 'rejected' ? outcome.code : outcome.outcome;
    if (meteredBy !== 'gateway')
      this.parts.onFault(`turn ${turn.id} has ended, and its hold could not be settled`, new Error(code));
    const hold = await this.parts.ledger.whenDurable(() => this.parts.ledger.hold(holdId));
    // Amounts past what the ledger can count (rule L6): the turn has ended, and is charged as if none had been stated.
    if (hold?.status === 'open' && meteredBy !== 'gateway' && ending.amounts !== null) {
      const again = await this.#settlement(turn, { ...ending, amounts: null }, `${holdId}/end/held`);
      return again.outcome === 'settled' ? again.charged : null;
    }
    // Somebody else ended the hold, or its end is past the retention period: the ledger has what was charged.
    return hold?.charged ?? null;
  }

  #settlement(turn: TurnRow, ending: Ending, commandId: string): Promise<Settlement | CommandOutcome> {
    const { holdId, terms, meteredBy } = turn;
    if (meteredBy === 'gateway') return this.#gatewayCommand(holdId, ending);
    const budget = meteredBy === 'quota' ? this.parts.quotas : AMOUNTS_BUDGET;
    if (budget === null)
      throw new RefusedError(
        'conflict',
        `the turn ${turn.id} is counted by quotas, which this server does not have`,
      );
    const { request } = budget.settle({
      holdId,
      terms: terms ?? NO_TERMS,
      end: ending.end,
      usage: ending.usage,
      amounts: ending.amounts,
      note: noteOf(turn, ending.textDigest),
    });
    return this.parts.ledger.settle({ ...request, commandId });
  }

  // What the gateway meant to say to the ledger when it decided the end.
  #gatewayCommand(holdId: string, { command }: Ending): Promise<CommandOutcome> {
    const { ledger } = this.parts;
    const said = JSON.parse(command as string) as GatewaySettlement;
    if (said.kind !== 'settle') return endHold(ledger, { command: `${said.kind}_hold`, holdId }, {});
    const { kind: _kind, amounts, ...rest } = said;
    return ledger.settle({ holdId, ...rest, amounts: amountsFromJson(amounts) ?? {} });
  }
}

/** The gateway's own end of its hold, as it is kept until it is done; amounts in steps, as texts. */
export type GatewaySettlement =
  | { readonly kind: GivingBack }
  | ({ readonly kind: 'settle'; readonly amounts: Readonly<Record<string, string>> } & Pick<
      Settle,
      'usage' | 'outcome' | 'note'
    >);

const NO_TERMS: HeldTerms = { decisionId: null, held: {} };

/** The key of a turn's usage event (rule T7). */
export function noteOf(
  turn: { readonly id: string; readonly chatId: string; readonly tenant: string; readonly requestId: string },
  text: string | null,
): TurnNote {
  return { tenant: turn.tenant, chat: turn.chatId, turn: turn.id, request: turn.requestId, text };
}

/** Labels that say whose turn it is. */
export function ownLabels({ tenant, user }: { readonly tenant: string; readonly user: string }): Labels {
  return { tenant, user };
}

function tokensOf(usage: TurnUsage | null): Partial<MessageTokens> {
  if (usage === null) return {};
  const { webSearches: _searches, codeInterpreterCalls: _calls, ...tokens } = usage;
  return tokens;
}
