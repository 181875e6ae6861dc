// The interface of a dialect: what the gateway needs to know of a wire format. It reads the facts of a request that bear on its
// cost, the usage in an answer, and the output of a stream. Pure functions over bytes and JSON.

import type { DialectName, Endpoint } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import type { ProviderProfile } from '../profiles/profile.js';
import type { ParsedBody } from './request-body.js';

/** A request, read once for all candidates. It keeps the bytes that go out and not the parsed body. */
export interface RequestReading {
  readonly facts: RequestFacts;
  /** The content type of the bytes that go out. */
  readonly contentType: string;
  /** The facts at one candidate: images cost more tokens with some models, and providers obey different fields for thinking. */
  factsFor(model: string, profile: ProviderProfile): RequestFacts;
  /** The bytes that go out: the caller's own where nothing changes. */
  changed(changes: RequestChanges, profile: ProviderProfile): Uint8Array;
}

/** What the gateway changes in a request before it goes out. Every other byte stays. */
export interface RequestChanges {
  readonly model?: string;
  /** The limit of output tokens for one choice, written to the field that the endpoint has for it. */
  readonly outputTokensMax?: number;
  /** Ask the stream for its usage. */
  readonly askUsage?: boolean;
  /** The most calls of tools that the provider bills, where the endpoint has a field for it. */
  readonly toolCallsMax?: number;
}

/** What one event of a stream means for the caller and the call. */
export interface StreamStep {
  /** What the caller sees: the event, nothing (a usage chunk that it did not ask for), or these bytes instead. */
  readonly shown: 'all' | 'nothing' | Uint8Array;
  /** Whether the event ends the stream (`[DONE]`, `message_stop`, `response.completed` …). */
  readonly ended: boolean;
  /** The provider's error, when the event is one. */
  readonly error: string | null;
}

/** Reads one stream, event by event. */
export interface StreamMeter {
  /** Takes one whole server-sent event with its blank line. Not called after the event that ended the stream. */
  step(event: Uint8Array): StreamStep;
  /** The usage that the stream has stated so far; null when it has stated none. */
  usage(): UsageReading | null;
  /** Whether `usage()` is final, output included. */
  readonly usageFinal: boolean;
  /** Whether the answer is whole when the connection closes cleanly now. */
  readonly isWhole: boolean;
  /**
   * Whether any output has come. Comments, keep-alives and announcements (a role, an empty block) are no output. An error that
   * comes before any output is the whole answer: another candidate can still take the call.
   */
  readonly begun: boolean;
  /** The id of an answer that the provider stores, so that it can be asked for again; absent until it is stated. */
  readonly answerId?: string | undefined;
  /** Output tokens so far, estimated from the text: for cutting, and for charges without usage. */
  readonly outputTokensSoFar: number;
}

/** What Bursar knows of the earlier response that a request continues. */
export interface KnownContext {
  /** Tokens of that response, its own input included; null where they are unknown. */
  readonly earlierTokens: number | null;
}

export const NOTHING_KNOWN: KnownContext = { earlierTokens: null };

export interface Dialect {
  readonly name: DialectName;
  /** Endpoint by path below the dialect's prefix, for example `/v1/chat/completions`. */
  readonly paths: Readonly<Record<string, Endpoint>>;
  /** @throws RefusedError `invalid_request`, `not_meterable`, `price_unknown` */
  readRequest(endpoint: Endpoint, body: ParsedBody, known?: KnownContext): RequestReading;
  /** Usage in a whole answer; null when it states none. */
  readUsage(endpoint: Endpoint, answer: unknown, profile: ProviderProfile): UsageReading | null;
  /** Output tokens of a whole answer, estimated from its text. For answers without usage. */
  estimateOutput(endpoint: Endpoint, answer: unknown): number;
  streamMeter(endpoint: Endpoint, facts: RequestFacts, profile: ProviderProfile): StreamMeter;
  /** The message of an error answer, for its classification. */
  errorText(status: number, body: Uint8Array): string;
}
