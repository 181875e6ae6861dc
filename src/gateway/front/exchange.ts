// One call between its caller and the providers: sends it to the candidate that is held, tries the next one where that may
// help, answers the caller, and ends the call once, whatever happens on either side. It listens to its attempt, to the stream
// of the answer and to the caller's connection; none of them knows it. Event-driven: no promise a chunk.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Fact } from '../../core/facts.js';
import type { Call } from '../calls/call.js';
import { type CallCharge, type CallEnd, type EndOfCall, NOTHING_CHARGED } from '../calls/charge.js';
import { mayBillUnseen } from '../calls/floor.js';
import type { Dialect, RequestReading } from '../dialects/dialect.js';
import type { UsageReading } from '../metering/usage.js';
import { readRetryAfter } from '../routing/reset-times.js';
import type { ErrorClass } from '../routing/route.js';
import { isBilledError, type ProviderError } from '../routing/signatures.js';
import { type AnswerHeaders, callHeaders, costHeaders, passHeaders, retryHints } from './answer-headers.js';
import { Attempt, type AttemptListener, type StreamSink } from './attempt.js';
import { CallerConnection } from './caller-connection.js';
import type { GatewayContext, OpenExchange } from './context.js';
import { refusalAnswer } from './refusal-answers.js';
import { type CallSpan, startCallSpan } from './spans.js';
import { StreamAnswer, type StreamListener } from './stream-answer.js';
import { EndedByBursar } from './upstreams.js';
import { shownStatus, tokensIn, wholeAnswer } from './whole-answer.js';

/** A server that stops is back within a restart. */
const DRAINED_RETRY_MS = 1_000;

interface ExchangeRequest {
  readonly dialect: Dialect;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly reading: RequestReading;
  readonly requestId: string;
  readonly response: ServerResponse;
  readonly call: Call;
}

export class Exchange implements OpenExchange, AttemptListener, StreamListener {
  place = -1;
  readonly call: Call;
  readonly #caller: CallerConnection;
  #attempt: Attempt | null = null;
  /** The attempt's answer, where it is a stream. */
  #stream: StreamAnswer | null = null;
  #span: CallSpan | null = null;
  /** Set once: the caller takes no more, or the server stops. What comes from the provider afterwards only settles. */
  #stopped: EndedByBursar | null = null;
  /** What the last attempt failed of. */
  #failure: ErrorClass | null = null;

  constructor(
    readonly gateway: GatewayContext,
    readonly request: ExchangeRequest,
  ) {
    this.call = request.call;
    this.#caller = new CallerConnection(request.response, () => this.left(new EndedByBursar('caller_gone')));
    gateway.opened(this);
  }

  get dialect(): Dialect {
    return this.request.dialect;
  }
  get stopped(): EndedByBursar | null {
    return this.#stopped;
  }

  /** Sends the request to the candidate that is held now. */
  send(): void {
    if (this.request.response.destroyed) this.#stopped ??= new EndedByBursar('caller_gone');
    if (this.#stopped !== null) return this.#ended('failed_before', this.#stopped);
    const { call, dialect, request } = this;
    const { changes } = call.candidate;
    const attempt = new Attempt(this);
    // Of the provider that failed: the next one's answer has nothing to do with it.
    this.#failure = null;
    this.#attempt = attempt;
    this.#stream = null;
    this.#span = startCallSpan(call, dialect.name);
    try {
      this.gateway.upstreams.send(
        {
          provider: call.candidate.provider,
          dialect: dialect.name,
          path: request.path,
          headers: request.headers,
          candidate: call.candidate,
          body: request.reading.changed(changes, call.candidate.provider.profile),
          contentType: request.reading.contentType,
        },
        attempt,
      );
    } catch (error) {
      attempt.onResponseError(undefined, error as Error);
    }
  }

  streams(attempt: Attempt): StreamSink {
    const { call, dialect, gateway, request } = this;
    const { facts, candidate } = call;
    this.#stream = new StreamAnswer({
      source: attempt,
      listener: this,
      call,
      meter: dialect.streamMeter(facts.endpoint, facts, candidate.provider.profile),
      response: request.response,
      requestHeaders: request.headers,
      cuts: gateway.settings().cutStreams,
      clock: gateway.clock,
    });
    return this.#stream;
  }

  /** The caller takes no more: the provider is read on, or stopped. */
  left(why: EndedByBursar): void {
    if (this.#stopped !== null || this.#caller.isAnswered) return;
    if (!this.readsOn(why)) this.stop(why);
  }

  /**
   * Reads the provider on without a caller, where more may be billed than was seen (rule Q9). False: all was seen, or there
   * is no room or time for it, and the provider is to be stopped.
   */
  readsOn(why: EndedByBursar): boolean {
    if (!this.#mayBillMore() || !this.gateway.callsReadOn.admits(this)) return false;
    this.#stopped = why;
    this.#stream?.readOn();
    return true;
  }

  #mayBillMore(): boolean {
    const attempt = this.#attempt;
    if (attempt?.isOpen !== true) return false;
    const meter = this.#stream?.meter;
    if (meter?.usageFinal === true) return false;
    const { candidate, facts } = this.call;
    return mayBillUnseen(candidate, {
      stated: meter?.usage() ?? null,
      streams: facts.stream && !attempt.isBody,
    });
  }

  /** Ends it from outside, at once: nobody takes the answer, or the server stops. The provider's work is stopped too. */
  stop(why: EndedByBursar): void {
    const isOver = this.#stopped !== null || this.#caller.isAnswered;
    const wasReadOn = this.gateway.callsReadOn.remove(this);
    if (isOver && !wasReadOn) return;
    this.#stopped ??= why;
    this.#attempt?.abort(why);
  }

  /** Called by the sweep: a caller that takes nothing for long is gone, and one that waits for long gets what there is. */
  checkStalled(now: number): void {
    this.#stream?.waitsNoMore(now);
    if (this.#stream?.isStalled(now) === true) {
      this.left(new EndedByBursar('stalled'));
      this.request.response.destroy();
    }
  }

  /** A whole answer came. */
  answered(attempt: Attempt): void {
    const { dialect, call } = this;
    if (attempt.status >= 400) return this.#guarded(this.#statusError(attempt, attempt.body()));
    if (attempt.status >= 300)
      return this.#fail('refused_by_provider', 'answered with a redirect, which is not followed');
    const body = attempt.body();
    const answer = wholeAnswer(body, {
      dialect,
      endpoint: call.facts.endpoint,
      profile: call.candidate.provider.profile,
      contentType: attempt.headers['content-type'],
    });
    if (answer.is === 'unreadable') return this.#fail('malformed', 'gave an answer that cannot be read');
    if (answer.is === 'error') return this.#guarded(this.#explicitError(attempt, answer.error, body));
    const { said, usage, outputTokens, error } = answer;
    // What is read on without a caller was never said to anybody.
    const answered = this.#stopped === null ? 'completed' : 'cancelled';
    const end = error === null ? answered : this.errorEnd(error);
    if (end === 'completed') call.record?.answered(said);
    this.#settle(
      { end, usage, usageFinal: true, outputTokensSoFar: outputTokens },
      (charge, lines) => this.#caller.write(attempt.status, this.#headersFor(attempt, charge, lines), body),
      (said as { readonly id?: unknown }).id,
    );
  }

  /** No answer came, or not all of it, and the caller has seen nothing of it. */
  failed(attempt: Attempt, error: Error): void {
    // Its status has said what it is, whether or not all of its text came.
    if (attempt.status >= 400) return this.#guarded(this.#statusError(attempt, null));
    if (this.#stopped !== null)
      return this.#ended(attempt.reached ? 'cancelled' : 'failed_before', this.#stopped);
    if (error instanceof EndedByBursar) {
      const what = error.why === 'unreadable' ? 'cannot be read' : 'is too large';
      return this.#fail('malformed', `gave an answer that ${what}`);
    }
    this.#guarded(this.#connectionError(attempt, error));
  }

  async #connectionError(attempt: Attempt, error: Error): Promise<void> {
    const code = (error as { code?: unknown }).code;
    const text = `${typeof code === 'string' ? `${code} ` : ''}${error.message}`;
    // Its work may have begun, and may be billed.
    if (await this.#tryNext(attempt, { status: 0, text }, attempt.reached)) return;
    const why = this.#failure?.class === 'key' ? 'has no key' : 'could not be reached';
    if (!attempt.reached) return this.#fail('failed_before', why);
    const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
    if (timedOut) return this.#fail('failed_at_provider', 'did not answer in time', 504);
    this.#fail('failed_at_provider', 'broke off its answer');
  }

  // EndedByBursar from this side before the caller had anything: one who still listens is told to come back.
  #ended(end: CallEnd, { why }: EndedByBursar): void {
    this.#settle({ ...this.#came(), end }, (charge, lines) => {
      if (why !== 'drained') return void this.request.response.destroy();
      const message = 'Bursar is stopping and ended this call; try again shortly.';
      this.#refuse({ code: 'draining', message, retryAfterMs: DRAINED_RETRY_MS }, charge, lines);
    });
  }

  /** A fault of the gateway itself: the call's end is unknown, so it is charged the floor (rule Q9). */
  bug(error: unknown): void {
    this.gateway.bug(error, this.request.requestId);
    this.#settle({ ...this.#seen(), end: 'unknown' });
    this.request.response.destroy();
  }

  #guarded(work: Promise<void>): void {
    work.catch((error) => this.bug(error));
  }

  #statusError(attempt: Attempt, body: Buffer | null): Promise<void> {
    const { status } = attempt;
    const text = this.dialect.errorText(status, body ?? attempt.body());
    return this.#explicitError(attempt, { status, text }, body);
  }

  async #explicitError(
    attempt: Attempt,
    { status, text }: ProviderError,
    body: Buffer | null,
  ): Promise<void> {
    const { headers } = attempt;
    const waits = {
      retryAfter: single(headers['retry-after']),
      retryAfterMs: single(headers['retry-after-ms']),
    };
    const error = { status, text, retryAfterMs: readRetryAfter(waits, this.gateway.clock.now()) };
    const end = this.errorEnd(error);
    if (await this.#tryNext(attempt, error, end === 'failed_at_provider')) return;
    // What a provider says of the operator's key is not for callers, who would take it for their own.
    if (this.#failure?.class === 'key')
      return this.#fail(end, 'does not take the key that is configured for it');
    if (body === null || this.repeatsKey(body))
      return this.#fail(end, `answered ${status} with an error that is not shown here`);
    this.#settle({ ...NOTHING_CAME, end }, (charge, lines) =>
      this.#caller.write(shownStatus(status), this.#headersFor(attempt, charge, lines), body),
    );
  }

  /**
   * Classifies what went wrong (rule P9) and goes on with the next candidate where that may help and the budgets allow
   * it. False: there is nowhere to go, and the call still has to be ended.
   */
  async #tryNext(attempt: Attempt, error: ProviderError, mayBeBilled: boolean): Promise<boolean> {
    const { call, gateway } = this;
    const found = gateway.classify(call.candidate, error);
    this.#failure = found;
    this.#span?.failed(error.status, found.class);
    this.#span = null;
    // A 200 that is an error is broken, whatever it says.
    const isOver = found.class === 'request' || (found.class === 'unknown' && error.status !== 200);
    if ((isOver && attempt.reached) || this.#stopped !== null) return false;
    const next = await call.tryNext({ mayBeBilled });
    if (next !== true) return false;
    this.send();
    return true;
  }

  retryInstead(error: ProviderError): Promise<boolean> {
    return this.#tryNext(this.#attempt as Attempt, error, this.errorEnd(error) === 'failed_at_provider');
  }

  erred(error: ProviderError): void {
    this.gateway.classify(this.call.candidate, error);
  }

  streamFailed(error: Error): void {
    this.failed(this.#attempt as Attempt, error);
  }

  /** How a call ends whose provider says that it failed, before any output: nothing is billed, unless its profile says so. */
  errorEnd(error: ProviderError): 'failed_at_provider' | 'refused_by_provider' {
    const { errors } = this.call.candidate.provider.profile;
    return isBilledError(errors, error) ? 'failed_at_provider' : 'refused_by_provider';
  }

  /** Whether an error of the provider's repeats the key that it was sent. */
  repeatsKey(error: Buffer): boolean {
    return this.gateway.upstreams.repeatsKey(this.call.candidate.provider, error);
  }

  get hasOthers(): boolean {
    return this.call.remaining.length > 0;
  }

  streamEnded(ended: EndOfCall): CallCharge {
    this.#caller.answered();
    return this.#settle(ended, undefined, this.#stream?.meter.answerId);
  }

  /** Ends the call; `durable` answers it. @returns what it is charged, which is known before that is durable */
  #settle(ended: EndOfCall, durable?: WhenDurable, answerId?: unknown): CallCharge {
    const { call, gateway } = this;
    this.#span?.ended(ended);
    this.#span = null;
    gateway.callsReadOn.remove(this);
    if (ended.end === 'completed') gateway.worked(call.candidate);
    const result = call.end(ended, this.#storedFacts(answerId, ended));
    if (result === null) {
      // The budgets had nothing for the next candidate: the call has ended already, without a charge.
      const nothing = { end: ended.end, ...NOTHING_CHARGED };
      durable?.(nothing, call.lines);
      gateway.closed(this);
      return nothing;
    }
    const { charge, settled } = result;
    gateway.charged(call.candidate, charge);
    const answered = settled.then((lines) => {
      durable?.(charge, lines);
      gateway.closed(this);
    });
    this.#guarded(answered);
    return charge;
  }

  // Its caller can ask the provider for the answer again, and nobody else can.
  #storedFacts(answerId: unknown, { usage, usageFinal }: EndOfCall): readonly Fact[] {
    if (this.call.facts.storesAnswer !== true || typeof answerId !== 'string') return NO_FACTS;
    return this.gateway.stored(this.call, answerId, usageFinal ? tokensIn(usage) : null);
  }

  /** The headers that every answer to an authorised call has. */
  answerHeaders(lines: Call['lines'] = this.call.lines): AnswerHeaders {
    return callHeaders(this.call, lines, { gateway: this.gateway, requestId: this.request.requestId });
  }

  #headersFor(attempt: Attempt, charge: CallCharge, lines: Call['lines']): AnswerHeaders {
    const headers = this.answerHeaders(lines);
    passHeaders(attempt.headers, headers);
    if (this.#failure !== null) retryHints(headers, this.#failure, this.gateway.clock.now());
    return Object.assign(headers, costHeaders(charge));
  }

  #fail(end: CallEnd, what: string, status = 502): void {
    const message = `The provider ${this.call.candidate.provider.name} ${what}.`;
    this.#settle({ ...this.#came(), end }, (charge, lines) =>
      this.#refuse({ code: 'provider_failed', message, status }, charge, lines),
    );
  }

  // What came of the attempt under way, whatever it is.
  #seen(): Omit<EndOfCall, 'end'> {
    const meter = this.#stream?.meter;
    if (meter === undefined) return this.#came();
    const { usageFinal, outputTokensSoFar } = meter;
    return { usage: meter.usage(), usageFinal, outputTokensSoFar };
  }

  // What came of an answer in one piece that did not come whole.
  #came(): Omit<EndOfCall, 'end'> {
    return { ...NOTHING_CAME, outputTokensSoFar: this.#attempt?.outputTokensSoFar ?? 0 };
  }

  #refuse(refusal: Parameters<typeof refusalAnswer>[1], charge: CallCharge, lines: Call['lines']): void {
    const { status, headers, body } = refusalAnswer(this.dialect.name, refusal, this.request.requestId);
    this.#caller.write(
      status,
      { ...this.answerHeaders(lines), ...costHeaders(charge), ...headers },
      Buffer.from(body),
    );
  }
}

type WhenDurable = (charge: CallCharge, lines: Call['lines']) => void;

const NO_FACTS: readonly Fact[] = [];
const NOTHING_CAME = { usage: null as UsageReading | null, usageFinal: false, outputTokensSoFar: 0 } as const;

function single(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
