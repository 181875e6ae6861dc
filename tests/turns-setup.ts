// Conversations over real files, service.db and ledger.db, which can be closed and opened again as by a restart; and a
// place to stop at between two steps, where a crash would.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import type { Ledger, LedgerEvent } from '#bursar/index.js';
import { openLedger } from '#bursar/index.js';
import type { Caller } from '#bursar/service/access/caller.js';
import { CHAT_AREA } from '#bursar/service/conversations/chat-area.js';
import { Conversations } from '#bursar/service/conversations/conversations.js';
import type { TurnWithMessages } from '#bursar/service/conversations/turn.js';
import type { TurnStep } from '#bursar/service/conversations/turn-parts.js';
import type { Started, TurnRequest } from '#bursar/service/conversations/turns.js';
import { QUOTA_AREA } from '#bursar/service/quotas/policy-table.js';
import { Quotas } from '#bursar/service/quotas/quotas.js';
import { RefusedError } from '#bursar/service/refusals.js';
import { ServiceStore } from '#bursar/service/store/service-store.js';
import { TestClock } from './scenario.js';
import { callerOf } from './tenancy-setup.js';

export const TIMEOUT_MS = 300_000;

/** A key of acme's for everybody, and one for each of two users; and another tenant's. */
export const ACME = callerOf('acme', 'tenant_admin');
export const ANN = withUser(callerOf('acme', 'spend', 'read'), 'ann');
export const BEN = withUser(callerOf('acme', 'spend', 'read'), 'ben');
export const OTHER = callerOf('other', 'tenant_admin');
export const PLATFORM = callerOf(null, 'admin');

function withUser(caller: Caller, user: string): Caller {
  return { ...caller, labels: { ...caller.labels, user }, callerLabels: new Set() };
}

/** What a crash is here: work stops at a step, and nothing after it is done. */
export class Crash extends Error {}

const open: Talk[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const talk of open.splice(0)) await talk.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export class Talk {
  readonly clock = new TestClock();
  readonly faults: string[] = [];
  /** Stops at this step, once. */
  stopAt: TurnStep | null = null;
  settings = { turnTimeoutMs: TIMEOUT_MS, watchdogIntervalMs: 60_000 };
  ledger!: Ledger;
  store!: ServiceStore;
  quotas!: Quotas;
  conversations!: Conversations;

  private constructor(private readonly folder: string) {}

  /** With a day's budget of 1.00 usd for each user, and no policy. */
  static async open(): Promise<Talk> {
    const folder = mkdtempSync(join(tmpdir(), 'bursar-turns-'));
    folders.push(folder);
    const talk = new Talk(folder);
    open.push(talk);
    await talk.#open();
    await talk.ledger.putBudget({
      id: 'day',
      match: { tenant: '*', user: '*' },
      unit: 'usd',
      limit: 100_000_000n,
      window: 'day',
    });
    return talk;
  }

  async #open(): Promise<void> {
    const { clock } = this;
    this.ledger = await openLedger({ path: join(this.folder, 'ledger.db'), clock });
    this.store = ServiceStore.open(join(this.folder, 'service.db'), [CHAT_AREA, QUOTA_AREA]);
    const { ledger, store } = this;
    const onAlert = (what: string) => this.faults.push(what);
    this.quotas = await Quotas.open({ ledger, store, clock, onAlert });
    this.conversations = new Conversations({
      store,
      ledger,
      quotas: this.quotas.turns,
      clock,
      settings: () => this.settings,
      onFault: (what, error) => this.faults.push(`${what}: ${(error as Error).message}`),
      atStep: (step) => {
        if (step !== this.stopAt) return;
        this.stopAt = null;
        throw new Crash(step);
      },
    });
  }

  async close(): Promise<void> {
    await this.conversations.close();
    await this.ledger.close();
    this.store.close();
  }

  /** Opens both files again and recovers. */
  async restart() {
    await this.close();
    await this.#open();
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

  async events(): Promise<LedgerEvent[]> {
    const found: LedgerEvent[] = [];
    for await (const event of this.ledger.events()) found.push(event);
    return found;
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

/** What was refused, as its code and message. */
export async function refused(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof RefusedError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
}

export async function crashes(act: Promise<unknown>): Promise<void> {
  await expect(act).rejects.toBeInstanceOf(Crash);
}
