// One request to one provider, as undici tells of it: collects a whole answer, or hands a stream on as it comes. Reports
// once: answered, failed, or to its stream. Made by exchange.ts for each candidate that is tried.

import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Exchange } from './exchange.js';
import { StreamAnswer } from './stream-answer.js';

/** Of a whole answer: 2,048 embeddings of 3,072 figures as JSON text are 90 MB, the largest that providers give. */
export const ANSWER_BYTES_MAX = 128 * 1024 * 1024;
/** Of an answer that is an error: its message is what counts. */
export const ERROR_BYTES_MAX = 1024 * 1024;

/** Why the gateway itself ends a request to a provider. */
export class Ended extends Error {
  override readonly name = 'Ended';
  constructor(
    readonly why: 'caller_gone' | 'drained' | 'too_large' | 'cut' | 'stalled' | 'retried' | 'hidden',
  ) {
    super(why);
  }
}

/** One request to one provider. Collects a whole answer, or hands a stream on as it comes. */
export class Attempt implements Dispatcher.DispatchHandler {
  status = 0;
  headers: IncomingHttpHeaders = {};
  /** Whether anything of the request may have been sent. */
  reached = false;
  stream: StreamAnswer | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;

  constructor(readonly exchange: Exchange) {}

  /** Ends it from here; the end is reported as a failure with this reason. */
  abort(why: Ended): void {
    if (!this.#over) this.#controller?.abort(why);
  }

  /** Ends it from here, and reports nothing more. */
  drop(why: Ended): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(why);
  }

  /** The caller takes no more for now, or again. */
  pause(): void {
    this.#controller?.pause();
  }
  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { stopped } = this.exchange;
    if (stopped !== null) controller.abort(stopped);
    else this.reached = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    const isStream = headers['content-type']?.startsWith('text/event-stream') === true;
    if (status < 300 && isStream && this.exchange.call.facts.stream) this.stream = new StreamAnswer(this);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    if (this.stream !== null) return this.stream.data(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > (this.status >= 400 ? ERROR_BYTES_MAX : ANSWER_BYTES_MAX))
      return this.abort(new Ended('too_large'));
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#report(() => (this.stream === null ? this.exchange.answered(this) : this.stream.end()));
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#report(() =>
      this.stream === null ? this.exchange.failed(this, error) : this.stream.broken(error),
    );
  }

  // Once; and what goes wrong in it must not be taken for another failure of the provider.
  #report(how: () => void): void {
    if (this.#over) return;
    this.#over = true;
    try {
      how();
    } catch (error) {
      this.exchange.bug(error);
    }
  }

  /** The whole answer. */
  body(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
  }
}
