// Chats on real files.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Chats } from '#bursar/chats/chats.js';
import type { TurnWithMessages } from '#bursar/chats/turn.js';
import type { TurnRequest } from '#bursar/chats/turn-said.js';
import type { Started } from '#bursar/chats/turns.js';
import type { Ledger } from '#bursar/index.js';
import type { Caller } from '#bursar/kit/caller.js';
import { Quotas } from '#bursar/quotas/quotas.js';
import { SWEEP_AGE_MS, sweepVault } from '#bursar/vault/vault.js';
import { ANN, FilesStage, PLATFORM } from '../setup/files-setup.js';
import { expectNoDifference } from '../views/rebuilt.js';

export const TIMEOUT_MS = 300_000;

/** A page of a list that takes all of it. */
export const ALL = { after: 0, max: 100 };

export class ChatsStage extends FilesStage {
  settings = { turnTimeoutMs: TIMEOUT_MS, watchdogIntervalMs: 60_000 };
  quotas!: Quotas;
  chats!: Chats;
  /** How many turns the start of this opening has ended. */
  orphaned = 0;

  /** With a day's budget of 1.00 usd for each user, and no policy. */
  static async open(settings?: ChatsStage['settings']): Promise<ChatsStage> {
    const stage = new ChatsStage();
    stage.settings = settings ?? stage.settings;
    await stage.opened();
    await stage.ledger.putBudget({
      id: 'day',
      match: { tenant: '*', user: '*' },
      unit: 'usd',
      limit: 100_000_000n,
      window: 'day',
    });
    return stage;
  }

  protected async begin(): Promise<void> {
    const onAlert = (what: string) => this.faults.push(what);
    this.quotas = new Quotas({ ...this.parts, onAlert });
    this.chats = new Chats({ ...this.parts, quotas: this.quotas.turns, settings: () => this.settings });
    this.orphaned = await this.chats.start();
  }

  protected override end(): Promise<void> {
    return this.chats.close();
  }

  /** At the end of each story: the view's file is, row by row, what the journal's facts make of it. */
  override async remove(): Promise<void> {
    if (!existsSync(join(this.folder, 'ledger.db'))) return;
    expectNoDifference({
      ledgerPath: join(this.folder, 'ledger.db'),
      viewsPath: join(this.folder, 'views.db'),
      views: this.viewList,
    });
    await super.remove();
  }

  restart(): Promise<void> {
    return this.reopenedWith('kept');
  }

  /** The ledger as the process under test has it: it dies with the process. */
  get ownLedger(): Ledger {
    return this.parts.ledger;
  }

  get turns() {
    return this.chats.turns;
  }

  async chat(caller = ANN): Promise<string> {
    return (await this.chats.create(caller, {})).id;
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

  async texts(chatId: string, caller = ANN): Promise<string[]> {
    const { rows } = await this.turns.listMessages(caller, chatId, ALL);
    return rows.map(({ text }) => text);
  }

  states(chatId: string): string[] {
    return this.turns.list(ANN, chatId, ALL).rows.map(({ state, end }) => `${state} ${end}`);
  }

  /** All that a caller can read. */
  async read(caller: Caller) {
    const { rows } = await this.chats.list(caller, {}, ALL);
    return Promise.all(
      rows.map(async (chat) => ({
        chat,
        turns: this.turns.list(caller, chat.id, ALL),
        messages: await this.turns.listMessages(caller, chat.id, ALL),
        last: this.turns.last(caller, chat.id),
      })),
    );
  }

  /** The texts that are kept once the sweep has passed, without their ids. */
  async keptTexts(): Promise<string[]> {
    await sweepVault(this.vault, [this.chats.sweepRule], this.clock.at + SWEEP_AGE_MS + 1);
    const ids = await this.vault.ids('chats/');
    return [...(await this.vault.get(ids)).values()].sort();
  }

  /**
   * Whatever was cut: what is held is what runs, every text that can be read is kept, and no other text is.
   */
  async assertWhole(): Promise<void> {
    const read = await this.read(PLATFORM);
    const said = read.flatMap(({ messages }) => messages.rows.map(({ text }) => text));
    const titles = read.flatMap(({ chat }) => (chat.title === null ? [] : [chat.title]));
    expect(said).not.toContain('');
    expect(await this.keptTexts()).toEqual([...said, ...titles].sort());
    const running = read.flatMap(({ turns }) => turns.rows.filter(({ state }) => state === 'running'));
    const open = this.ledger.holds({ status: 'open' });
    expect(open.map(({ holdId }) => holdId)).toEqual(running.map(({ holdId }) => holdId));
    expect((await this.ledger.verify()).ok).toBe(true);
  }
}
