// One request to one provider, as undici tells of it: collects a whole answer, or hands a stream on as it comes. Reports its
// end once, to its listener or to the stream that the listener made. Made by exchange.ts for each candidate that is tried.

import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { type AnswerShape, EVENT_STREAM, shapeOf } from './answer-shape.js';
import { type Unpacking, unpackingOf } from './unpacking.js';
import { EndedByBursar } from './upstreams.js';

/** Of a whole answer: 2,048 embeddings of 3,072 figures as JSON text are 90 MB, the largest that providers give. */
export const ANSWER_BYTES_MAX = 128 * 1024 * 1024;
/** Of an answer that is an error: its message is what counts. */
export const ERROR_BYTES_MAX = 1024 * 1024;

/** By which an answer has told whether it is a stream: above any run of empty lines that keeps one alive. */
const SHAPE_BYTES_MAX = 1024;
/** How long a provider may keep the connection of an answer that it has ended, and what it may still send, to be asked again on it. */
const LET_GO_MS = 1_000;
const LATE_BYTES_MAX = 64 * 1024;
/** Of text; as rule Q5 has it for the input. */
const ANSWER_BYTES_PER_TOKEN = 4;

/** Takes a streamed answer as it comes, unpacked. */
export interface StreamSink {
  data(chunk: Buffer): void;
  /** The provider's stream ended as streams do. */
  end(): void;
  /** The connection to the provider broke, or was ended from this side. */
  broken(error: Error): void;
}

/** Is told how an attempt goes. */
export interface AttemptListener {
  /** Why nobody waits for the answer any more; null while somebody does. */
  readonly stopped: EndedByBursar | null;
  /** The answer is a stream: what takes it. */
  streams(attempt: Attempt): StreamSink;
  /** A whole answer came. */
  answered(attempt: Attempt): void;
  /** No answer came, or not all of it. */
  failed(attempt: Attempt, error: Error): void;
  /** A fault of the gateway's own, which must not be taken for a failure of the provider. */
  bug(error: unknown): void;
}

export class Attempt implements Dispatcher.DispatchHandler {
  status = 0;
  headers: IncomingHttpHeaders = {};
  /** Whether anything of the request may have been sent. */
  reached = false;
  #stream: StreamSink | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  /** Null where the answer is not packed. */
  #unpacking: Unpacking | null = null;
  /** Null until the first bytes tell. */
  #shape: AnswerShape | null = null;
  /** What is told once all that came is unpacked: the end, or how it broke. */
  #whenUnpacked: () => void = () => undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;
  /** Set once the answer has ended and the connection has not. */
  #letGo: NodeJS.Timeout | null = null;

  constructor(private readonly listener: AttemptListener) {}

  /** Whether the provider may be at work on it. */
  get isOpen(): boolean {
    return this.reached && !this.#over;
  }

  /** Whether its answer is one that comes in one piece, whatever was asked for. */
  get isBody(): boolean {
    return this.#shape === 'body';
  }

  /** Output tokens of a whole answer that did not come whole, by its bytes. A page of a proxy's has none. */
  get outputTokensSoFar(): number {
    const isAnswer = this.#stream === null && /\bjson\b/.test(this.headers['content-type'] ?? '');
    return isAnswer ? Math.floor(this.#bytes / ANSWER_BYTES_PER_TOKEN) : 0;
  }

  /** Ends it from here; the end is reported as a failure with this reason. */
  abort(why: EndedByBursar): void {
    if (this.#over) return;
    // The connection may have closed already, and what came be still unpacked: nobody else would report.
    if (this.#unpacking !== null) this.#failed(why);
    this.#controller?.abort(why);
  }

  /** Ends it from here, and reports nothing more. */
  drop(why: EndedByBursar): void {
    if (this.#over) return;
    this.#over = true;
    this.#unpacking?.destroy();
    this.#controller?.abort(why);
  }

  /**
   * The provider has said all: nothing more is reported, and what it still sends is lost. It has a moment to end its answer,
   * after which the connection could be used again; one that it keeps open is closed.
   */
  letGo(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unpacking?.destroy();
    this.#bytes = 0;
    this.#controller?.resume();
    this.#letGo = setTimeout(() => this.#close(), LET_GO_MS).unref();
  }

  #close(): void {
    this.#letGoOf();
    this.#controller?.abort(new EndedByBursar('let_go'));
  }

  #letGoOf(): void {
    if (this.#letGo === null) return;
    clearTimeout(this.#letGo);
    this.#letGo = null;
  }

  /** The caller takes no more for now, or again. A packed answer pauses its provider once what was unpacked is not taken. */
  pause(): void {
    if (this.#unpacking === null) this.#controller?.pause();
    else this.#unpacking.pause();
  }
  resume(): void {
    if (this.#unpacking === null) this.#controller?.resume();
    else this.#unpacking.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { stopped } = this.listener;
    if (stopped !== null) controller.abort(stopped);
    else this.reached = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    if (status >= 300) this.#shape = 'body';
    try {
      this.#unpacking = unpackingOf(headers['content-encoding'], {
        data: (chunk) => this.#took(chunk),
        end: () => this.#whenUnpacked(),
        error: () => this.abort(new EndedByBursar('unreadable')),
        drained: () => controller.resume(),
      });
    } catch {
      this.abort(new EndedByBursar('unreadable'));
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) {
      this.#bytes += chunk.length;
      if (this.#bytes > LATE_BYTES_MAX) this.#close();
    } else if (this.#unpacking === null) this.#took(chunk);
    else if (!this.#unpacking.write(chunk)) controller.pause();
  }

  // A fault of the gateway's own must not be taken for a failure of the provider, as undici would.
  #took(chunk: Buffer): void {
    try {
      this.#data(chunk);
    } catch (error) {
      this.drop(new EndedByBursar('unreadable'));
      this.listener.bug(error);
    }
  }

  #data(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#stream !== null) return this.#stream.data(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > (this.status >= 400 ? ERROR_BYTES_MAX : ANSWER_BYTES_MAX))
      return this.abort(new EndedByBursar('too_large'));
    this.#chunks.push(chunk);
    if (this.#shape !== null) return;
    const isLong = this.#bytes > SHAPE_BYTES_MAX;
    this.#tellShape(isLong ? this.#labelledShape() : shapeOf(this.body(), this.headers['content-type']));
  }

  #labelledShape(): AnswerShape {
    return isEventStream(this.headers) ? 'events' : 'body';
  }

  // Whatever the caller asked for: a provider that streams unasked, or does not when asked, is passed on and charged all the
  // same.
  #tellShape(shape: AnswerShape | null): void {
    if (shape === null) return;
    this.#shape = shape;
    const isLabelled = isEventStream(this.headers);
    if (shape === 'body') {
      if (isLabelled) this.headers = { ...this.headers, 'content-type': 'application/json' };
      return;
    }
    if (!isLabelled) this.headers = { ...this.headers, 'content-type': EVENT_STREAM };
    const start = this.#chunks.splice(0);
    this.#stream = this.listener.streams(this);
    for (const chunk of start) this.#stream.data(chunk);
  }

  onResponseEnd(): void {
    this.#letGoOf();
    if (this.#over) return;
    if (this.#unpacking === null) return this.#ended();
    this.#whenUnpacked = () => this.#ended();
    this.#unpacking.end();
  }

  #ended(): void {
    this.#report(() => {
      if (this.#shape === null) this.#tellShape(this.#labelledShape());
      if (this.#stream === null) this.listener.answered(this);
      else this.#stream.end();
    });
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#letGoOf();
    if (this.#unpacking === null || error instanceof EndedByBursar) return this.#failed(error);
    // What came before the connection broke is unpacked first.
    this.#whenUnpacked = () => this.#failed(error);
    this.#unpacking.end();
  }

  #failed(error: Error): void {
    this.#unpacking?.destroy();
    this.#report(() =>
      this.#stream === null ? this.listener.failed(this, error) : this.#stream.broken(error),
    );
  }

  // Once; and what goes wrong in it must not be taken for another failure of the provider.
  #report(how: () => void): void {
    if (this.#over) return;
    this.#over = true;
    try {
      how();
    } catch (error) {
      this.listener.bug(error);
    }
  }

  /** The whole answer. */
  body(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
  }
}

function isEventStream(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith(EVENT_STREAM) === true;
}
