// The watchdog of rule T6: a running turn that showed no progress for the time-out is ended as orphaned, at its estimate.
// One sweep at a time; the condition is looked at again in the write that decides the end, so that a turn that shows progress
// or ends meanwhile is left alone. Also finishes ends whose settlement failed. The gateway ends its own. Started by
// conversations.ts.

import { setImmediate } from 'node:timers/promises';
import type { GroupCommit } from './group-commit.js';
import type { Decided, TurnEnds } from './turn-ends.js';
import type { ConversationParts } from './turn-parts.js';
import { isEnding, type TurnRow, type TurnTable } from './turn-table.js';

/** Turns looked at, and ended, in one group: a part of what the ledger takes, so that callers get in between. */
const TURNS_AT_ONCE = 100;

export const ORPHANED: Decided = {
  ending: { end: 'orphaned', digest: null, usage: null, amounts: null, textDigest: null, command: null },
  text: null,
  responseId: null,
};

export class Watchdog {
  #sweeping: Promise<number> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly parts: ConversationParts,
    private readonly writer: GroupCommit,
    private readonly turns: TurnTable,
    private readonly ends: TurnEnds,
  ) {}

  /** Looks now and then, at the interval that is in force then, until `stop`. */
  start(): void {
    this.#timer = setTimeout(() => {
      this.sweep(this.parts.clock.now())
        .catch((error) => this.parts.onFault('silent turns could not be ended', error))
        .finally(() => {
          if (this.#timer !== null) this.start();
        });
    }, this.parts.settings().watchdogIntervalMs);
    this.#timer.unref();
  }

  /** Ends what is silent; resolves with how many turns it ended. While one sweep runs, others are that one. */
  sweep(now: number): Promise<number> {
    this.#sweeping ??= this.#sweep(now).finally(() => {
      this.#sweeping = null;
    });
    return this.#sweeping;
  }

  /** No further sweep begins; resolves when the one under way is done. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#sweeping?.catch(() => undefined);
  }

  async #sweep(now: number): Promise<number> {
    const silentSince = now - this.parts.settings().turnTimeoutMs;
    let ended = 0;
    for (let after = 0; ; ) {
      const rows = this.turns.unfinished(after, TURNS_AT_ONCE);
      if (rows.length === 0) return ended;
      after = rows[rows.length - 1].chat;
      const due = rows.filter((turn) => isDue(turn, silentSince));
      const done = await Promise.all(due.map((turn) => this.#end(turn, silentSince)));
      ended += done.filter(Boolean).length;
      await setImmediate();
    }
  }

  /** True where it was this that decided the end. One that fails is tried again by the next sweep, and keeps none of the others. */
  async #end({ id, number }: TurnRow, silentSince: number): Promise<boolean> {
    try {
      // Also where its end is decided already: then that is on disk before it is carried out.
      const [turn, isOrphan] = await this.writer.durably(() => {
        const turn = this.turns.byNumber(number);
        if (turn === undefined || !isDue(turn, silentSince)) return [null, false];
        if (isEnding(turn)) return [turn, false];
        return [this.ends.decide(turn, ORPHANED, this.parts.clock.now()), true];
      });
      if (turn !== null) await this.ends.finish(turn);
      return isOrphan;
    } catch (error) {
      this.parts.onFault(`the turn ${id} could not be ended, and will be tried again`, error);
      return false;
    }
  }
}

function isDue({ state, meteredBy, ending, progressAt }: TurnRow, silentSince: number): boolean {
  return state === 'running' && meteredBy !== 'gateway' && (ending !== null || progressAt <= silentSince);
}
