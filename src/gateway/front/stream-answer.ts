// A streamed answer on its way to the caller: bytes pass as they come, read by read, while the meter reads them. Keeps
// back-pressure (a slow caller pauses the provider), takes out the usage chunk that nobody asked for, holds more or cuts
// when the output passes what is held, and tells the end apart from a break: only a whole stream ends cleanly.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Clock } from '../../authority/api.js';
import type { Call } from '../calls/call.js';
import type { CallCharge, EndOfCall } from '../calls/charge.js';
import type { StreamMeter, StreamStep } from '../dialects/dialect.js';
import { hiddenStatus } from '../dialects/hidden-error.js';
import { eventData } from '../dialects/output-text.js';
import { EventSplitter } from '../dialects/sse-split.js';
import type { ProviderError } from '../routing/signatures.js';
import { type AnswerHeaders, costHeaders, passHeaders } from './answer-headers.js';
import type { Attempt, StreamSink } from './attempt.js';
import { STALL_MAX_MS } from './caller-connection.js';
import { StreamCut } from './stream-cut.js';
import { EndedByBursar } from './upstreams.js';

/** The meter counts text, not tokens, and English text runs up to a fifth above: a hold is passed at 125 % of it. */
const METER_PERCENT = 125;
/**
 * How long what comes before an answer waits for it, while another candidate could still take the call: comments,
 * keep-alives, announcements. Proxies and clients wait for a first byte, the impatient ones for 10 s.
 */
const FOREWORD_MAX_MS = 5_000;
const FOREWORD_BYTES_MAX = 64 * 1024;
/** How long a stream may go on behind its provider's error, for a usage or a last event. Clients have given up on it. */
const ERROR_TAIL_MS = 2_000;

/** The provider's side of a stream: an attempt, as far as its stream needs it. */
type StreamSource = Pick<Attempt, 'status' | 'headers' | 'abort' | 'drop' | 'letGo' | 'pause' | 'resume'>;

/** Is told how a stream goes, and decides what the stream itself cannot know. */
export interface StreamListener {
  /** Why nobody takes the answer any more; null while somebody does. */
  readonly stopped: EndedByBursar | null;
  /** Whether another candidate could still take the call. */
  readonly hasOthers: boolean;
  /** An error came before any output: true where another candidate goes on. */
  retryInstead(error: ProviderError): Promise<boolean>;
  /** An error came in the stream. */
  erred(error: ProviderError): void;
  /** How the call ends whose stream ends with this error, before any output. */
  errorEnd(error: ProviderError): EndOfCall['end'];
  /** Whether an error repeats the key that the provider was sent. */
  repeatsKey(error: Buffer): boolean;
  /** Whether the provider is read on for its usage, although the caller takes no more. */
  readsOn(why: EndedByBursar): boolean;
  /** The headers that the answer begins with. */
  answerHeaders(): AnswerHeaders;
  /** The stream's end, however it came. What it cost is known at once; the answer itself is the stream's to end. */
  streamEnded(ended: EndOfCall): CallCharge;
  /** The stream broke before the caller had anything. */
  streamFailed(error: Error): void;
  bug(error: unknown): void;
}

interface StreamAnswerParts {
  readonly source: StreamSource;
  readonly listener: StreamListener;
  readonly call: Pick<Call, 'facts' | 'record' | 'outputHeld' | 'extendFor'>;
  readonly meter: StreamMeter;
  readonly response: ServerResponse;
  readonly requestHeaders: IncomingHttpHeaders;
  /** Whether a stream is cut that passes what is held. */
  readonly cuts: boolean;
  readonly clock: Pick<Clock, 'now'>;
}

export class StreamAnswer implements StreamSink {
  readonly #source: StreamSource;
  readonly #listener: StreamListener;
  readonly #call: StreamAnswerParts['call'];
  readonly #response: ServerResponse;
  readonly #requestHeaders: IncomingHttpHeaders;
  readonly #clock: Pick<Clock, 'now'>;
  /** What the stream has told so far. */
  readonly meter: StreamMeter;
  readonly #splitter = new EventSplitter();
  /** Only where streams may be cut. */
  readonly #cut: StreamCut | null;
  /** Events that the caller gets with the next chunk. */
  readonly #unsent: Buffer[] = [];
  #willFlush = false;
  #headSent = false;
  /** Bytes that wait for the answer to begin, and since when; null once they wait no more. */
  #foreword: { bytes: number; readonly since: number } | null;
  /** Whether the provider has said all. */
  #said = false;
  /** The provider's own error within the stream. */
  #error: ProviderError | null = null;
  /** Since when the caller takes nothing; null while it does. */
  #pausedAt: number | null = null;
  /** Whether the last event had its empty line. */
  #endsEvent = true;
  #sendsTrailers = false;
  /** Set by the first end, of whatever kind. */
  #over = false;
  /** Nobody takes the answer any more: it is read for what it costs alone. */
  #isUnheard = false;

  constructor({ source, listener, call, meter, response, requestHeaders, cuts, clock }: StreamAnswerParts) {
    this.#source = source;
    this.#listener = listener;
    this.#call = call;
    this.meter = meter;
    this.#response = response;
    this.#requestHeaders = requestHeaders;
    this.#clock = clock;
    this.#isUnheard = listener.stopped !== null;
    this.#foreword = listener.hasOthers ? { bytes: 0, since: clock.now() } : null;
    this.#cut = cuts ? new StreamCut(call.facts.endpoint) : null;
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#pass(chunk);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#source.abort(new EndedByBursar('too_large'));
    }
  }

  #pass(chunk: Buffer): void {
    const splitter = this.#splitter;
    splitter.push(chunk);
    for (let event = splitter.next(); event !== null; event = splitter.next()) {
      const step = this.meter.step(event);
      if (!this.#isUnheard) this.#call.record?.event(event);
      if (step.error !== null && this.#beginsWithError(step.error, event)) return;
      this.#note(step, event);
      if (step.error !== null && this.#listener.repeatsKey(event)) return this.#hide();
      if (step.shown !== 'nothing') this.#write(step.shown === 'all' ? event : Buffer.from(step.shown));
      this.#cut?.observe(event);
      if (step.ended) return this.#saidAll();
      if (this.#passesHold() && this.#goesOver()) return;
    }
  }

  // The caller has its answer and the hold its end, whatever the connection does.
  #saidAll(): void {
    this.#over = true;
    this.#source.letGo();
    this.#conclude();
  }

  #note({ ended, error }: StreamStep, event: Buffer): void {
    if (ended) this.#said = true;
    if (error === null || this.#error !== null) return;
    if (!ended) setTimeout(() => this.#source.abort(new EndedByBursar('let_go')), ERROR_TAIL_MS).unref();
    this.#error = { status: hiddenStatus(eventData(event)), text: error };
    this.#listener.erred(this.#error);
  }

  // An error that repeats the key of the provider: the stream breaks instead.
  #hide(): void {
    this.#over = true;
    this.#source.drop(new EndedByBursar('hidden'));
    this.#break(this.#failedEnd());
  }

  // A provider may say that it is overloaded in a stream that has hardly begun: another candidate can take it then.
  #beginsWithError(text: string, event: Buffer): boolean {
    const listener = this.#listener;
    if (this.#headSent || this.meter.begun || !listener.hasOthers) return false;
    this.#over = true;
    this.#source.drop(new EndedByBursar('retried'));
    const error = { status: hiddenStatus(eventData(event)), text };
    void listener
      .retryInstead(error)
      .then((went) => {
        if (went) return;
        const end = listener.errorEnd(error);
        if (listener.repeatsKey(event)) return this.#break(end);
        this.#foreword = null;
        this.#write(event);
        this.#finish({ end, usageFinal: false });
      })
      .catch((fault) => listener.bug(fault));
    return true;
  }

  #passesHold(): boolean {
    const { outputHeld } = this.#call;
    return !this.#said && this.meter.outputTokensSoFar * 100 > outputHeld * METER_PERCENT;
  }

  // Holds more, or ends the stream here. True: it has ended.
  #goesOver(): boolean {
    if (this.#cut === null || this.#isUnheard) {
      void this.#call.extendFor(this.meter.outputTokensSoFar);
      return false;
    }
    this.#write(this.#cut.ending(this.meter.outputTokensSoFar));
    const why = new EndedByBursar('cut');
    this.#flush();
    if (this.#listener.readsOn(why)) return this.#endUnheard();
    this.#over = true;
    this.#source.drop(why);
    this.#finish({ end: 'cancelled', usageFinal: false });
    return true;
  }

  // The caller has all that it gets, and what it costs is not known yet: without trailers.
  #endUnheard(): false {
    this.#response.end();
    return false;
  }

  /** The provider's stream ended as streams do. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    const rest = this.#splitter.rest();
    if (rest !== null) {
      const step = this.meter.step(Buffer.concat([rest, BLANK_LINE]));
      this.#note(step, rest);
      if (step.error !== null && this.#listener.repeatsKey(rest)) return this.#hide();
      if (step.shown === 'all') this.#write(rest);
      else if (step.shown !== 'nothing') this.#write(Buffer.from(step.shown).subarray(0, -BLANK_LINE.length));
    }
    this.#flush();
    if (!this.#headSent && !this.#said && this.#listener.stopped === null)
      return this.#listener.streamFailed(new Error('connection closed without an answer'));
    this.#endsEvent = rest === null;
    this.#conclude();
  }

  #conclude(): void {
    const { usageFinal, isWhole } = this.meter;
    if (this.#error !== null) return this.#finish({ end: this.#failedEnd(), usageFinal });
    if (this.#said || isWhole) return this.#finish({ end: 'completed', usageFinal });
    this.#break('failed_at_provider');
  }

  /** The connection to the provider broke, or was ended from this side. */
  broken(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#flush();
    const { usageFinal } = this.meter;
    if (this.#error !== null) return this.#finish({ end: this.#failedEnd(), usageFinal });
    if (this.#said) return this.#finish({ end: 'completed', usageFinal });
    if (this.#listener.stopped !== null) return this.#break('cancelled');
    if (!this.#headSent) return this.#listener.streamFailed(error);
    this.#break(error instanceof EndedByBursar ? 'malformed' : 'failed_at_provider');
  }

  // An error of the provider's before any output costs nothing (rule Q9); what came before one is charged.
  #failedEnd(): EndOfCall['end'] {
    const { outputTokensSoFar, usageFinal } = this.meter;
    const hasOutput = outputTokensSoFar > 0 || usageFinal || (this.meter.usage()?.toolCalls ?? 0) > 0;
    return hasOutput || this.#error === null ? 'failed_at_provider' : this.#listener.errorEnd(this.#error);
  }

  /**
   * The caller takes no more of the answer, and the provider is read on for its usage: events are metered and go nowhere.
   * How long that may take is the exchange's to bound, which ends the attempt then.
   */
  readOn(): void {
    this.#isUnheard = true;
    this.#unsent.length = 0;
    if (this.#pausedAt === null) return;
    this.#pausedAt = null;
    this.#source.resume();
  }

  /** Called by the sweep: what waits for the answer to begin goes out, and no other candidate is tried any more. */
  waitsNoMore(now: number): void {
    if (this.#foreword === null || now - this.#foreword.since < FOREWORD_MAX_MS) return;
    this.#foreword = null;
    this.#flush();
  }

  isStalled(now: number): boolean {
    return this.#pausedAt !== null && now - this.#pausedAt > STALL_MAX_MS;
  }

  #finish(how: Pick<EndOfCall, 'end' | 'usageFinal'>): void {
    const charge = this.#charged(how);
    const response = this.#response;
    if (this.#isUnheard || response.destroyed) return;
    this.#foreword = null;
    if (wantsCostEvent(this.#requestHeaders)) this.#write(costEvent(charge, this.#endsEvent));
    this.#flush();
    if (!this.#headSent) this.#writeHead();
    if (this.#sendsTrailers) response.addTrailers(costHeaders(charge));
    response.end();
  }

  // What came is charged, and the caller sees a stream that broke, not one that ended.
  #break(end: EndOfCall['end']): void {
    this.#foreword = null;
    this.#flush();
    this.#charged({ end, usageFinal: this.meter.usageFinal });
    if (this.#isUnheard) return;
    const response = this.#response;
    const takesBytes = this.#pausedAt === null && response.socket !== null;
    if (takesBytes) response.socket.destroySoon();
    else response.destroy();
  }

  #charged({ end: how, usageFinal }: Pick<EndOfCall, 'end' | 'usageFinal'>): CallCharge {
    const { outputTokensSoFar } = this.meter;
    const end = this.#listener.stopped !== null && how === 'completed' ? 'cancelled' : how;
    return this.#listener.streamEnded({ end, usage: this.meter.usage(), usageFinal, outputTokensSoFar });
  }

  // What came in one read goes out as one chunk, when the read is done: a chunk for each event would cost more than all
  // else that is done with it.
  #write(bytes: Buffer): void {
    if (this.#isUnheard) return;
    if (this.#foreword !== null) this.#foreword.bytes += bytes.length;
    this.#unsent.push(bytes);
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(this.#flushRead);
  }

  readonly #flushRead = (): void => {
    this.#willFlush = false;
    try {
      this.#flush();
    } catch (error) {
      this.#listener.bug(error);
    }
  };

  #flush(): void {
    if (this.#isForeword()) return;
    const response = this.#response;
    const unsent = this.#unsent.splice(0);
    if (unsent.length === 0 || response.destroyed) return;
    if (!this.#headSent) this.#writeHead();
    const bytes = unsent.length === 1 ? unsent[0] : Buffer.concat(unsent);
    if (response.write(bytes) || this.#pausedAt !== null) return;
    this.#pausedAt = this.#clock.now();
    this.#source.pause();
    response.once('drain', () => {
      this.#pausedAt = null;
      this.#source.resume();
    });
  }

  #isForeword(): boolean {
    const foreword = this.#foreword;
    if (foreword === null) return false;
    const isOver = this.meter.begun || this.#error !== null || foreword.bytes > FOREWORD_BYTES_MAX;
    if (isOver) this.#foreword = null;
    return !isOver;
  }

  // With the first byte, so that until then another candidate can still be tried.
  #writeHead(): void {
    this.#headSent = true;
    const headers = this.#listener.answerHeaders();
    passHeaders(this.#source.headers, headers);
    // Several proxies break on trailers that nobody announced; and HTTP/1.0 has none.
    const response = this.#response;
    this.#sendsTrailers = takesTrailers(this.#requestHeaders) && response.useChunkedEncodingByDefault;
    if (this.#sendsTrailers) headers.trailer = 'bursar-cost, bursar-cost-estimated';
    response.writeHead(this.#source.status, headers);
  }
}

const BLANK_LINE = Buffer.from('\n\n');

/** RFC 9110, "TE". */
function takesTrailers({ te }: IncomingHttpHeaders): boolean {
  return /(?:^|,)\s*trailers\s*(?:,|$)/i.test(String(te ?? ''));
}

function wantsCostEvent(headers: IncomingHttpHeaders): boolean {
  return headers['bursar-cost-event'] === 'true';
}

/** A comment, which clients of every dialect skip: the names and values of the trailers. */
function costEvent(charge: CallCharge, endsEvent: boolean): Buffer {
  const lines = Object.entries(costHeaders(charge)).map(([name, value]) => `: ${name}: ${value}\n`);
  return Buffer.from(`${endsEvent ? '' : '\n\n'}${lines.join('')}\n`);
}
