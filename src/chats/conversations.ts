// Conversations: chats, their turns and messages over the service's file and the ledger (rules T1–T8), put together in one
// place. Used by the HTTP API, and by the gateway through `recorder`; opened by the composition root.

import { ChatTable } from './chat-table.js';
import { Chats } from './chats.js';
import { GroupCommit } from './group-commit.js';
import { MessageTable } from './message-table.js';
import { Recorder } from './recorder.js';
import { type Recovered, recoverTurns } from './recovery.js';
import { TurnEnds } from './turn-ends.js';
import type { ConversationParts } from './turn-parts.js';
import { TurnTable } from './turn-table.js';
import { Turns } from './turns.js';
import { Watchdog } from './watchdog.js';

export class Conversations {
  readonly chats: Chats;
  readonly turns: Turns;
  readonly recorder: Recorder;
  readonly watchdog: Watchdog;
  readonly #recover: () => Promise<Recovered>;

  constructor(parts: ConversationParts) {
    const { store, clock } = parts;
    const writer = new GroupCommit(store);
    const turns = new TurnTable(store);
    const messages = new MessageTable(store);
    const ends = new TurnEnds(parts, writer, turns, messages);
    this.chats = new Chats(new ChatTable(store), turns, writer, clock);
    this.turns = new Turns(parts, writer, this.chats, turns, messages, ends);
    this.recorder = new Recorder({ parts, writer, chats: this.chats, turns, messages, ends });
    this.watchdog = new Watchdog(parts, writer, turns, ends);
    this.#recover = () => recoverTurns({ parts, writer, turns, messages, ends });
  }

  /** Finishes what a crash cut. Once, before anybody calls. */
  recover(): Promise<Recovered> {
    return this.#recover();
  }

  /** Before the ledger and the service's file are closed. */
  close(): Promise<void> {
    return this.watchdog.stop();
  }
}
