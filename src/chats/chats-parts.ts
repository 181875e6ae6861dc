// What the parts of chats work with: the ledger, the view, the vault, the budgets, and a queue for each chat. In its queue
// a step reads the view, decides, and runs one command with its facts; so nothing of a chat changes between the reading
// and the facts. Put together by chats.ts.

import type { Clock, Ledger } from '../authority/api.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { Vault } from '../vault/vault.js';
import type { ViewDatabase } from '../views/view.js';
import { ChatsReads } from './chats-reads.js';
import type { ChatsSettings } from './chats-settings.js';
import { ChatsTexts } from './chats-texts.js';
import type { Message, Turn, TurnWithMessages } from './turn.js';
import { type QuotaBudget, TurnBudgets } from './turn-budget.js';

export interface ChatsNeeds {
  readonly ledger: Pick<Ledger, 'run' | 'hold' | 'whenDurable'>;
  /** The file of the views, with CHATS_VIEW among them. */
  readonly views: ViewDatabase;
  readonly vault: Vault;
  /** Null where this Bursar has no quotas. */
  readonly quotas: QuotaBudget | null;
  readonly clock: Clock;
  readonly settings: () => ChatsSettings;
  /** Told of what went wrong where no caller can be. */
  readonly onFault: (what: string, error: unknown) => void;
}

export class ChatsParts {
  readonly ledger: ChatsNeeds['ledger'];
  readonly reads: ChatsReads;
  readonly texts: ChatsTexts;
  readonly budgets: TurnBudgets;
  readonly clock: Clock;
  readonly settings: () => ChatsSettings;
  readonly onFault: ChatsNeeds['onFault'];
  /** By chat id. */
  readonly queue = new SerialQueue();
  /** Turns whose call of the gateway runs in this process: it ends them. The watchdog ends those that no process does. */
  readonly liveCalls = new Set<string>();

  constructor({ ledger, views, vault, quotas, clock, settings, onFault }: ChatsNeeds) {
    this.ledger = ledger;
    this.reads = new ChatsReads(views);
    this.texts = new ChatsTexts(vault, onFault);
    this.budgets = new TurnBudgets(quotas);
    this.clock = clock;
    this.settings = settings;
    this.onFault = onFault;
  }

  /** Turns that were started here and run. */
  readonly justStarted = new JustStarted();

  /** What was said in a turn. */
  messagesOf({ number, chatId }: { readonly number: number; readonly chatId: string }): Promise<Message[]> {
    return this.texts.messages(chatId, this.reads.messagesOfTurn(number));
  }
}

/** A turn with its messages, and whose it is. */
export interface StartedTurn extends TurnWithMessages {
  readonly user: string;
}

/** Most turns end within a minute of their start: so many are kept. */
const KEPT_MAX = 2_000;
/** Longer texts are read from the vault again: 32 MiB are kept at most. */
const KEPT_TEXT_CHARS_MAX = 8 * 1024;

/** Turns as they were answered when they started, so that an end need not read them. Whatever changes a turn takes it out. */
class JustStarted {
  readonly #turns = new Map<string, StartedTurn>();

  keep(started: StartedTurn): void {
    if (started.messages.some(({ text }) => text.length > KEPT_TEXT_CHARS_MAX)) return;
    if (this.#turns.size >= KEPT_MAX) this.drop(this.#turns.keys().next().value as string);
    this.#turns.set(started.turn.id, started);
  }

  get(turnId: string): StartedTurn | undefined {
    return this.#turns.get(turnId);
  }

  drop(turnId: Turn['id']): void {
    this.#turns.delete(turnId);
  }
}
