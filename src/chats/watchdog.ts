// The watchdog of rule T6: a running turn that showed no progress for the time-out is ended as orphaned, at its estimate.
// A call of the gateway is orphaned once no process runs it any more; its hold then charges its estimate when it expires.
// One sweep runs at a time. The condition is looked at again in the step that ends the turn. Started by chats.ts.

import { setImmediate } from 'node:timers/promises';
import type { ChatsParts } from './chats-parts.js';
import type { TurnRow } from './chats-reads.js';
import type { EndSaid, TurnSettler } from './turn-settler.js';

/** Turns looked at, and ended, in one group: a part of what the ledger takes, so that callers get in between. */
const TURNS_AT_ONCE = 100;

const ORPHANED: EndSaid = {
  ...{ end: 'orphaned', digest: null, usage: null, amounts: null, answer: null, responseId: null },
} as const;

export class Watchdog {
  #sweeping: Promise<number> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly parts: ChatsParts,
    private readonly settler: TurnSettler,
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
      const rows = this.parts.reads.runningTurns(after, TURNS_AT_ONCE);
      if (rows.length === 0) return ended;
      after = rows[rows.length - 1].chat;
      const due = rows.filter((turn) => this.#isDue(turn, silentSince));
      const done = await Promise.all(due.map((turn) => this.#end(turn, silentSince)));
      ended += done.filter(Boolean).length;
      await setImmediate();
    }
  }

  /** True where the watchdog ended it. One that fails is tried again by the next sweep, and does not stop the others. */
  async #end({ id, chatId }: TurnRow, silentSince: number): Promise<boolean> {
    const { queue, reads, onFault } = this.parts;
    try {
      return await queue.run(chatId, async () => {
        const turn = reads.turnById(id);
        if (turn === undefined || !this.#isDue(turn, silentSince)) return false;
        if (turn.meteredBy === 'gateway') await this.#endCall(turn);
        else await this.settler.end(turn, ORPHANED, null);
        return true;
      });
    } catch (error) {
      onFault(`the turn ${id} could not be ended, and will be tried again`, error);
      return false;
    }
  }

  /** What its hold was charged, where the hold has ended. */
  async #endCall(turn: TurnRow): Promise<void> {
    const { ledger } = this.parts;
    const hold = await ledger.whenDurable(() => ledger.hold(turn.holdId));
    await this.settler.endAlone(turn, ORPHANED, { charged: hold?.charged ?? null });
  }

  #isDue({ id, state, meteredBy, progressAt }: TurnRow, silentSince: number): boolean {
    if (state !== 'running') return false;
    return meteredBy === 'gateway' ? !this.parts.liveCalls.has(id) : progressAt <= silentSince;
  }
}
