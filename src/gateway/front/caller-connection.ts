// The connection to a caller: tells when it leaves before it has its answer, and writes an answer once. What is written to a
// stream is stream-answer.ts's. One for each exchange.

import type { ServerResponse } from 'node:http';
import type { AnswerHeaders } from './answer-headers.js';

/** A caller that takes no byte for so long is gone: its hold and its connection to the provider are needed by others. */
export const STALL_MAX_MS = 120_000;

export class CallerConnection {
  #isAnswered = false;

  /** @param left called when the caller leaves without its answer */
  constructor(
    readonly response: ServerResponse,
    private readonly left: () => void,
  ) {
    response.on('close', this.#onClose);
  }

  readonly #onClose = (): void => {
    if (!this.response.writableFinished) this.left();
  };

  /** Whether the caller has its answer, or never will. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  // Node keeps a connection's last answer until its next one: without its listener, nothing of the call is kept with it.
  answered(): void {
    this.#isAnswered = true;
    this.response.off('close', this.#onClose);
  }

  /** Writes a whole answer, unless one was given or the caller has left. */
  write(status: number, headers: AnswerHeaders, body: Buffer): void {
    if (this.#isAnswered || this.response.destroyed) return;
    this.answered();
    headers['content-length'] = String(body.length);
    this.response.writeHead(status, headers);
    this.response.end(body);
    // Settled, and no longer looked after by the sweep: Node lets go of it, with an answer of up to 128 MiB.
    if (!this.response.writableFinished) this.response.setTimeout(STALL_MAX_MS);
  }
}
