// What is peculiar to a provider, as data: where its endpoints are, how it is asked, where its answers state usage and cost,
// how its models think, what its errors mean, and what it bills on failure. One small module for each known provider
// implements this; the configuration overrides every part. Dialects, prices, routing and the gateway read it: none of them
// asks which vendor it speaks to.

import type { DialectName, Endpoint } from '../dialects/dialect.js';

export interface ProviderProfile {
  /** As the configuration names it (`profile: azure-openai`). */
  readonly name: string;
  readonly dialect: DialectName;
  /** Hosts whose base URL means this provider, where the configuration names no profile; `*.example.com` takes every host below. */
  readonly hosts: readonly string[];
  /** The pages that the facts below come from. */
  readonly sources: readonly string[];
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
  /** Put between the base URL and an endpoint's path, unless the base URL names a version itself (`/v1`, `/v1beta/openai`). */
  readonly pathPrefix: string;
  /** Paths of endpoints that are not the dialect's own; `{model}` is the provider's name for the model, percent-encoded. */
  readonly paths: Readonly<Partial<Record<Endpoint, string>>>;
  readonly query: Readonly<Record<string, string>>;
  /** The header that carries the key, and what stands before the key in it. */
  readonly key: { readonly header: string; readonly prefix: string };
  readonly headers: Readonly<Record<string, string>>;
  /** The body's fields that limit the output of a chat completion: an added limit is written to each. */
  readonly outputLimit: readonly string[];
  /** Whether a chat stream states its usage only when `stream_options` asks for it, or must not be asked. */
  readonly asksUsage: boolean;
  /** Fields that are neither counted nor known to every provider of the dialect, and pass all the same: they cost nothing here. */
  readonly passFields: readonly string[];
}

/** Where an answer, or an event of a stream, states what was used. Paths are dotted (`choices.0.usage`); the first that is there counts. */
export interface UsageProfile {
  /** The usage object. */
  readonly at: readonly string[];
  /**
   * Whether a chat stream has `usage` beside its choices only because it was asked for it, so that it must not reach a caller
   * who did not ask. False: the provider puts it there for everybody, or has it in a chunk without choices.
   */
  readonly besideChoicesWhenAsked: boolean;
  /** Within the usage object. */
  readonly cacheRead: readonly string[];
  readonly cacheWrite: readonly string[];
  readonly reasoning: readonly string[];
  /** Whether the stated output includes the reasoning. */
  readonly outputIncludesReasoning: boolean;
  /** Whether the stated input includes what was read from the cache. */
  readonly inputIncludesCache: boolean;
  /** The provider's own cost in USD, within the usage object; taken as the charge where the configuration says so. */
  readonly cost: readonly string[];
}

/**
 * A field of the request or the answer that changes the price: `percent` by value (100 = the usual price). A value that is
 * not listed has no known price: the charge is then marked `estimated`, and logged.
 */
export interface Modifier {
  /** The field in the request, for the hold; null where only the answer tells. */
  readonly asked: string | null;
  /** Dotted path in the answer (or the answer's usage), for the charge. What the answer states comes before what was asked. */
  readonly stated: readonly string[];
  /** Models that it applies to; all where it is absent. A trailing `*` matches any ending. */
  readonly models?: readonly string[];
  readonly percent: Readonly<Record<string, number>>;
}

/** What a model does that its price does not tell. */
export interface ModelTraits {
  /** A trailing `*` matches any ending. */
  readonly models: readonly string[];
  /** The most output tokens of one answer; null when unknown. */
  readonly outputTokensMax: number | null;
  /**
   * Whether it may think, and whether the caller's stream shows all thinking that is billed:
   * `never`, `shown` (each billed token comes as text), `unseen` (billed tokens that no event shows).
   */
  readonly thinking: 'never' | 'shown' | 'unseen';
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
