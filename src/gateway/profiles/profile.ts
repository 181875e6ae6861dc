// What is peculiar to a provider, as data: where its endpoints are, how it is asked, where its answers state usage and cost,
// how its models think, what its errors mean, and what it bills on failure. One small module for each known provider
// implements this; the configuration overrides every part. Dialects, prices, routing and the gateway read it: none of them
// asks which vendor it speaks to.

import type { DialectName, Endpoint } from '../metering/endpoints.js';
import type { Modifier } from '../prices/modifiers.js';

export interface ProviderProfile {
  /** As the configuration names it (`profile: azure-openai`). */
  readonly name: string;
  readonly dialect: DialectName;
  /** Hosts whose base URL means this provider, where the configuration names no profile; `*.example.com` takes every host below. */
  readonly hosts: readonly string[];
  /** The pages that the facts below come from. */
  readonly sources: readonly string[];
  /** The id that the price data has for the provider; null where it has none. */
  readonly pricedAs: string | null;
  readonly request: RequestProfile;
  readonly usage: UsageProfile;
  /** Prices of what a request or an answer can state beside the model, in order; see `Modifier`. */
  readonly modifiers: readonly Modifier[];
  /** The first whose pattern matches counts; a model that none matches has `UNKNOWN_TRAITS`. */
  readonly models: readonly ModelTraits[];
  readonly errors: ErrorProfile;
}

/** How a request reaches the provider. */
export interface RequestProfile {
  /** Put between the base URL and an endpoint's path. Not where the base URL names a version itself: that one is complete. */
  readonly pathPrefix: string;
  /** Paths of endpoints that are not the dialect's own; `{model}` is the provider's name for the model, percent-encoded. */
  readonly paths: Readonly<Partial<Record<Endpoint, string>>>;
  readonly query: Readonly<Record<string, string>>;
  /** The header that carries the key, and what stands before the key in it. */
  readonly key: { readonly header: string; readonly prefix: string };
  /** Sent with each request, unless the caller sends one of the name that may pass. Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body's fields that limit the output of a chat completion: an added limit is written to each. */
  readonly outputLimit: readonly string[];
  /** Further fields that it keeps to where the caller states them. A limit in any other field is moved to `outputLimit`. */
  readonly outputLimitAlso: readonly string[];
  /** Whether a chat stream is asked for its usage by `stream_options`: false where it states it unasked, or refuses the field. */
  readonly asksUsage: boolean;
  /** Fields that are neither counted nor known to every provider of the dialect, and pass all the same: they cost nothing here. */
  readonly passFields: readonly string[];
  /** The fields that it heeds when they ask the model not to think, as thinking-asked.ts names them. */
  readonly thinkingOff: readonly string[];
}

/**
 * Where an answer, or an event of a stream, states what was used. Paths are dotted; a `*` takes every item of a list
 * (`choices.*.usage`). Of several paths the first that states a figure counts, unless said otherwise; null counts as not stated.
 */
export interface UsageProfile {
  /** The usage object. A list of them is added up. */
  readonly at: readonly string[];
  /**
   * Whether a chat stream has `usage` beside its choices only because it was asked for it, so that it must not reach a caller
   * who did not ask. False: the provider puts it there for everybody, or has it in a chunk without choices.
   */
  readonly besideChoicesWhenAsked: boolean;
  // The others stand within the usage object.
  readonly input: readonly string[];
  readonly output: readonly string[];
  /** Input and output together: where the parts do not add up to it, it tells what was left out of them. */
  readonly total: readonly string[];
  readonly cacheRead: readonly string[];
  readonly cacheWrite: readonly string[];
  /** Of `cacheWrite`, what is kept for an hour, and for less. */
  readonly cacheWriteHour: readonly string[];
  readonly cacheWriteShort: readonly string[];
  readonly inputAudio: readonly string[];
  readonly outputAudio: readonly string[];
  readonly outputImage: readonly string[];
  readonly reasoning: readonly string[];
  /** Calls of tools that the provider ran and bills: all paths are added up. */
  readonly webSearch: readonly string[];
  readonly codeInterpreter: readonly string[];
  readonly fileSearch: readonly string[];
  /** Calls of tools that it runs and does not bill. */
  readonly freeTools: readonly string[];
  /** Whether the stated output includes the reasoning, where no total tells. */
  readonly outputIncludesReasoning: boolean;
  /** Whether the stated input includes what was read from the cache and written to it, where no total tells. */
  readonly inputIncludesCache: boolean;
  /** The provider's own cost, within the usage object: all that are there are added up. */
  readonly cost: readonly CostPlace[];
}

export interface CostPlace {
  readonly at: string;
  /** How many digits behind the point of usd its unit has: 0 = usd, 2 = cents, 10 = 10^-10 usd. */
  readonly scale: number;
  /** A flag of the usage object without which it is no part of the bill; null: it always is. */
  readonly when: string | null;
}

/** What a model does that its price does not tell. */
export interface ModelTraits {
  /** A trailing `*` matches any ending. */
  readonly models: readonly string[];
  /** The most output tokens of one answer; null when unknown. */
  readonly outputTokensMax: number | null;
  /**
   * Whether it may think, and whether the caller's stream shows all thinking that is billed:
   * `never`, `shown` (each billed token comes as text), `unseen` (billed tokens that no event shows), `unknown` (nobody has
   * said; never stated by a profile).
   */
  readonly thinking: 'never' | 'shown' | 'unseen' | 'unknown';
  /** Whether it thinks where the request says nothing of it. */
  readonly thinksUnasked: boolean;
  /** The most input tokens of one image; absent where it has no more than the others. */
  readonly imageTokensMax?: number | undefined;
}

/** What errors of the provider mean; RE2 patterns on `STATUS MESSAGE`, case-insensitive, besides the common ones. */
export interface ErrorProfile {
  /** The fault of this one request: the caller's error. */
  readonly request: readonly string[];
  /** This pair of provider and model is throttled. */
  readonly throttle: readonly string[];
  /** The account as a whole is out. */
  readonly account: readonly string[];
  /** Fails for now. */
  readonly flake: readonly string[];
  /** Explicit errors that are billed all the same (a filter that read the prompt): charged as a time-out is. */
  readonly billed: readonly string[];
}
