// Conversations on real files.

import { Conversations } from '#bursar/chats/conversations.js';
import type { TurnWithMessages } from '#bursar/chats/turn.js';
import type { TurnStep } from '#bursar/chats/turn-parts.js';
import type { Started, TurnRequest } from '#bursar/chats/turns.js';
import { Quotas } from '#bursar/quotas/quotas.js';
import { ANN, OnFiles } from './files-setup.js';

export const TIMEOUT_MS = 300_000;

export class Talk extends OnFiles<TurnStep> {
  settings = { turnTimeoutMs: TIMEOUT_MS, watchdogIntervalMs: 60_000 };
  quotas!: Quotas;
  conversations!: Conversations;

  /** With a day's budget of 1.00 usd for each user, and no policy. */
  static async open(): Promise<Talk> {
    const talk = await new Talk().opened();
    await talk.ledger.putBudget({
      id: 'day',
      match: { tenant: '*', user: '*' },
      unit: 'usd',
      limit: 100_000_000n,
      window: 'day',
    });
    return talk;
  }

  protected async begin(): Promise<void> {
    const onAlert = (what: string) => this.faults.push(what);
    this.quotas = new Quotas({ ...this.parts, onAlert });
    this.conversations = new Conversations({
      ...this.parts,
      quotas: this.quotas.turns,
      settings: () => this.settings,
    });
  }

  protected override end(): Promise<void> {
    return this.conversations.close();
  }

  /** Opens both files again and recovers. */
  async restart() {
    await this.reopened();
    return this.conversations.recover();
  }

  get turns() {
    return this.conversations.turns;
  }

  async chat(caller = ANN): Promise<string> {
    return (await this.conversations.chats.create(caller, {})).id;
  }

  start(chatId: string, requestId: string, more: Partial<TurnRequest> = {}, caller = ANN): Promise<Started> {
    const wish = { amounts: { usd: 10_000_000n } };
    return this.turns.start(caller, chatId, { requestId, text: `ask ${requestId}`, wish, ...more });
  }

  /** A turn that runs. */
  async running(
    chatId: string,
    requestId: string,
    more: Partial<TurnRequest> = {},
  ): Promise<TurnWithMessages['turn']> {
    const started = await this.start(chatId, requestId, more);
    if (started.started !== 'now') throw new Error(`the turn did not start: ${started.started}`);
    return started.turn;
  }

  complete(turn: { readonly chatId: string; readonly id: string }, text = 'an answer', usd = 4_000_000n) {
    const ref = { chatId: turn.chatId, turnId: turn.id };
    return this.turns.end(ANN, ref, 'completed', { text, amounts: { usd }, usage: { inputTokens: 9 } });
  }

  /** [held, spent] of ann, in cents. */
  figures(): [number, number] {
    const [balance] = this.ledger.balances({ budgetId: 'day', values: { user: 'ann' } });
    return [Number(balance?.held ?? 0n) / 1e6, Number(balance?.spent ?? 0n) / 1e6];
  }

  texts(chatId: string, caller = ANN): string[] {
    return this.turns.listMessages(caller, chatId, { after: 0, max: 100 }).rows.map(({ text }) => text);
  }

  states(chatId: string): string[] {
    return this.turns
      .list(ANN, chatId, { after: 0, max: 100 })
      .rows.map(({ state, end }) => `${state} ${end}`);
  }
}
