// What the gateway needs to know of a provider's wire format: the facts of a request that bear on its cost, the usage in
// an answer, and the output as it streams. Pure functions over bytes and JSON; each dialect's file implements this.

import type { Quantities } from '../prices/price.js';
import type { ProviderProfile } from '../profiles/profile.js';
import type { ParsedBody } from './request-body.js';

export const DIALECTS = ['openai', 'anthropic'] as const;
export type DialectName = (typeof DIALECTS)[number];

export const ENDPOINTS = [
  ...(['chat_completions', 'responses', 'embeddings', 'messages', 'count_tokens'] as const),
  ...(['completions', 'compact', 'input_tokens', 'moderations'] as const),
  ...(['images', 'image_edits', 'image_variations', 'speech', 'transcriptions', 'translations'] as const),
] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** Counting and judging what was said costs nothing, at any provider. */
export const FREE_ENDPOINTS: ReadonlySet<Endpoint> = new Set(['count_tokens', 'input_tokens', 'moderations']);
/** Whose requests can state how much output they take at most. */
export const LIMITED_ENDPOINTS: ReadonlySet<Endpoint> = new Set([
  'chat_completions',
  'completions',
  'responses',
  'messages',
]);
/** Whose requests are forms with files. */
export const FORM_ENDPOINTS: ReadonlySet<Endpoint> = new Set([
  'image_edits',
  'image_variations',
  'transcriptions',
  'translations',
]);
/** Whose answers may be sound or text: they are JSON only where they say so. */
export const PLAIN_ENDPOINTS: ReadonlySet<Endpoint> = new Set(['speech', 'transcriptions', 'translations']);

/** What a request says that bears on its cost. Token figures are whole numbers ≥ 0. */
export interface RequestFacts {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly stream: boolean;
  /** Never below the true input of one reading; null when its bytes do not bound it: stored, compressed, or found by tools. */
  readonly inputTokensMax: number | null;
  /**
   * What one reading of the input is held at, at most the model's context window: its bound where the bytes give one, else
   * what they let expect (a document's pages). Input that only the provider has comes on top.
   */
  readonly inputTokensHeld: number;
  /** Whether some of the input is what only the provider has, of any size: `storedInputTokens` are held for it. */
  readonly inputIsUnbounded: boolean;
  /** Whether a conversation that the provider keeps goes on, whose length nobody knows: it is held at the context window. */
  readonly conversationIsStored: boolean;
  /** A likely figure of the input (rule Q5), for charges without usage. At most `inputTokensMax` where that is known. */
  readonly inputTokensEstimate: number;
  /** Upper bounds of the parts of the input that may be priced otherwise: each a share of `inputTokensMax`. */
  readonly inputAudioTokensMax: number;
  readonly inputImageTokensMax: number;
  /** Whether the request asks the provider to write its prompt cache, and for how long. */
  readonly cacheWrite: 'none' | 'short' | 'hour';
  /** The limit of output tokens that the caller stated for one choice; null when none. 0 for endpoints without output. */
  readonly outputTokensStated: number | null;
  /** How many alternatives are generated (`n`); 1 otherwise. */
  readonly choices: number;
  /** Whether output may be audio or images, which are priced otherwise. */
  readonly outputAudio: boolean;
  readonly outputImage: boolean;
  /** Tools that the provider runs and bills by the call: the most calls, null when the request does not bound them. */
  readonly billedTools: Readonly<
    Partial<Record<'web_search' | 'code_interpreter' | 'file_search', number | null>>
  >;
  /**
   * How often the provider may read the input for this one request, at most: once, and once more after each round of tools
   * that it runs itself. Null when the request does not bound those. What is held is what is expected of them.
   */
  readonly inputReads: number | null;
  /**
   * Fields that can cost and are not metered, with the reason: a candidate whose profile does not let them pass is refused.
   * Empty where the request has none.
   */
  readonly unmetered: readonly { readonly field: string; readonly why: string }[];
  /**
   * What the caller's bytes do not bound: stored context, files by id, images and documents by URL. Such input counts as it
   * was held where the provider states no usage (rule Q9).
   */
  readonly inputIsStored: boolean;
  /**
   * What the call is billed by, and the most of it, where the model's price has a rate for it: then by that alone, and not by
   * tokens. Absent = by tokens.
   */
  readonly billedBy?:
    | { readonly component: 'character' | 'audio_second' | 'image'; readonly most: number }
    | undefined;
  /** Whether the provider keeps the answer, so that its caller can ask for it again. Absent = it does not. */
  readonly storesAnswer?: boolean | undefined;
  /** Whether the request asks the model to think, or not to in words that its provider heeds; null where it says neither. */
  readonly thinkingAsked: boolean | null;
  /** What the request asks for that changes the price, by the modifier's name (`service_tier`); absent = nothing. */
  readonly modifiersAsked?: Readonly<Record<string, string>> | undefined;
  /** The fields in which the caller stated a limit of output; absent = the dialect has one field alone. */
  readonly outputLimitFields?: readonly string[];
  /** Whether the caller asked for the usage chunk of a stream. True where the dialect always sends it. */
  readonly usageAsked: boolean;
  /** Whom the request says it is for, in the dialect's own field; null where it says nobody. */
  readonly user: string | null;
}

/** The facts of a request that uses no tokens and no tools: what others of few fields begin with. */
export const NOTHING_BILLED: Omit<RequestFacts, 'endpoint' | 'model' | 'user'> = {
  stream: false,
  inputTokensMax: 0,
  inputTokensHeld: 0,
  inputIsUnbounded: false,
  conversationIsStored: false,
  inputTokensEstimate: 0,
  inputAudioTokensMax: 0,
  inputImageTokensMax: 0,
  cacheWrite: 'none',
  outputTokensStated: 0,
  choices: 1,
  outputAudio: false,
  outputImage: false,
  billedTools: {},
  inputReads: 1,
  unmetered: [],
  inputIsStored: false,
  thinkingAsked: false,
  usageAsked: true,
};

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

/**
 * Usage, normalised at the provider's edge: totals include cached tokens in both dialects.
 * null = the provider did not say; an explicit 0 is a fact.
 */
export interface UsageReading {
  readonly inputTokens: {
    readonly total: number | null;
    readonly noCache: number | null;
    readonly cacheRead: number | null;
    readonly cacheWrite: number | null;
  };
  readonly outputTokens: {
    readonly total: number | null;
    readonly text: number | null;
    readonly reasoning: number | null;
  };
  /** Calls of tools that the provider ran, in all; null where the answer does not say: as many as `billedTools` has are charged. */
  readonly toolCalls: number | null;
  /** The same figures by what is priced; unknown parts are left out. */
  readonly quantities: Quantities;
  /** Input and output together, where nothing tells them apart. */
  readonly allTokens?: number;
  /** The provider's own cost in steps of usd, where it states one. */
  readonly cost?: bigint;
  /** What the answer states that changes the price, by the modifier's name: the tier that served it, the place, the speed. */
  readonly modifiers?: Readonly<Record<string, string>>;
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
