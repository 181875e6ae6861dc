// What the gateway needs to know of a provider's wire format: the facts of a request that bear on its cost, the usage in
// an answer, and the output as it streams. Pure functions over bytes and JSON; each dialect's file implements this.

import type { DialectName, Endpoint } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import type { ProviderProfile } from '../profiles/profile.js';
import type { ParsedBody } from './request-body.js';

/** A request that was read, once for all candidates. It keeps the bytes that go out, and no copy of what they say. */
export interface RequestReading {
  readonly facts: RequestFacts;
  /** Of the bytes that go out. */
  readonly contentType: string;
  /** The facts at one candidate: images cost more tokens with some models, and providers heed other fields about thinking. */
  factsFor(model: string, profile: ProviderProfile): RequestFacts;
  /** The bytes that go out. The caller's own where nothing changes. */
  changed(changes: RequestChanges, profile: ProviderProfile): Uint8Array;
}

/** What the gateway changes in a request before it goes out. All else keeps its bytes. */
export interface RequestChanges {
  readonly model?: string;
  /** The limit of output tokens for one choice, written to the field that the endpoint has for it. */
  readonly outputTokensMax?: number;
  /** Ask the stream for its usage. */
  readonly askUsage?: boolean;
  /** The most calls of tools that the provider bills, where the endpoint has a field for it. */
  readonly toolCallsMax?: number;
}

/** What one event of a stream meant. */
export interface StreamStep {
  /** What the caller sees of it: all, nothing (a usage chunk that it did not ask for), or these bytes in its place. */
  readonly shown: 'all' | 'nothing' | Uint8Array;
  /** Whether the provider has said that this is the end (`[DONE]`, `message_stop`, `response.completed` …). */
  readonly ended: boolean;
  /** The provider's error, when the event is one. */
  readonly error: string | null;
}

/** Reads a stream event by event; one for each call. */
export interface StreamMeter {
  /** `event` is one whole server-sent event, its blank line included. None is read after the one that ended the stream. */
  step(event: Uint8Array): StreamStep;
  /** Usage as far as the stream has told it; null when it has told nothing. */
  usage(): UsageReading | null;
  /** Whether `usage()` is final, output included. */
  readonly usageFinal: boolean;
  /** Whether the answer is whole when the connection closes cleanly now. */
  readonly isWhole: boolean;
  /**
   * Whether anything of an answer has come. Before that there were comments, keep-alives and announcements (a role, an empty
   * block), and an error that comes now is the whole answer: another candidate can still take the call.
   */
  readonly begun: boolean;
  /** By which the answer can be asked for again, where the provider keeps it; absent until it was stated. */
  readonly answerId?: string | undefined;
  /** Output tokens generated so far, estimated from the text that came: for cutting and for charges without usage. */
  readonly outputTokensSoFar: number;
}

/** What is known of what a request refers to. */
export interface KnownContext {
  /** Tokens of the response that it goes on from, its own input included; null where nobody knows. */
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
  /** Output tokens of a whole answer estimated from its text, for answers without usage. */
  estimateOutput(endpoint: Endpoint, answer: unknown): number;
  streamMeter(endpoint: Endpoint, facts: RequestFacts, profile: ProviderProfile): StreamMeter;
  /** The message of an error answer, for its classification. */
  errorText(status: number, body: Uint8Array): string;
}
