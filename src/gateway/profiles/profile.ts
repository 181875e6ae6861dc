// What is peculiar to a provider, as data: where its endpoints are, how it is asked, where its answers state usage and cost,
// how its models think, what its errors mean, and what it bills on failure. Each known provider has a profile; the
// configuration can override every part of it. Dialects, prices, routing and the gateway read profiles. None of them asks
// which vendor it speaks to.

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
  /** Paths of the endpoints whose path differs from the dialect's; `{model}` is the provider's name for the model, percent-encoded. */
  readonly paths: Readonly<Partial<Record<Endpoint, string>>>;
  readonly query: Readonly<Record<string, string>>;
  /** The header that carries the key, and what stands before the key in it. */
  readonly key: { readonly header: string; readonly prefix: string };
  /** Headers sent with each request, except those that the caller sends and that may pass. Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body's fields that limit the output of a chat completion: an added limit is written to each. */
  readonly outputLimit: readonly string[];
  /** Further limit fields that the provider obeys where the caller states them. A limit in any other field moves to `outputLimit`. */
  readonly outputLimitAlso: readonly string[];
  /** Whether a chat stream states its usage only where `stream_options` asks for it. False also where the field is refused. */
  readonly asksUsage: boolean;
  /** Fields that cost nothing at this provider and pass, although Bursar neither counts them nor knows them in the dialect. */
  readonly passFields: readonly string[];
  /** The fields by which a request can turn thinking off at this provider, as thinking-asked.ts names them. */
  readonly thinkingOff: readonly string[];
}

/** The figures that a usage object may state, by their names in profiles. */
export const USAGE_FIGURES = [
  'input',
  'output',
  /** Input and output together. Where input and output do not add up to it, it shows what they leave out. */
  'total',
  'cacheRead',
  'cacheWrite',
  /** The parts of `cacheWrite` that are kept for an hour, and for less. */
  'cacheWriteHour',
  'cacheWriteShort',
  'inputAudio',
  'outputAudio',
  'outputImage',
  'reasoning',
  /** Calls of tools that the provider ran and bills. All paths are added up. */
  'webSearch',
  'codeInterpreter',
  'fileSearch',
  /** Calls of tools that the provider runs and does not bill. All paths are added up. */
  'freeTools',
] as const;
export type UsageFigure = (typeof USAGE_FIGURES)[number];

/**
 * Where an answer, or an event of a stream, states what was used. The paths of figures begin at the usage object. Paths are dotted; a `*` takes every item of a list
 * (`choices.*.usage`). Of several paths the first that states a figure counts, unless said otherwise; null counts as not stated.
 */
export interface UsageProfile extends Readonly<Record<UsageFigure, readonly string[]>> {
  /** The usage object. A list of them is added up. */
  readonly at: readonly string[];
  /**
   * Whether a chat stream has `usage` beside its choices only where the request asks for it. It is then removed for a caller
   * who did not ask. False: the provider sends it to everybody, or in a chunk without choices.
   */
  readonly besideChoicesWhenAsked: boolean;
  /** Whether the stated output includes the reasoning. Used where the answer states no total. */
  readonly outputIncludesReasoning: boolean;
  /** Whether the stated input includes cache reads and cache writes. Used where the answer states no total. */
  readonly inputIncludesCache: boolean;
  /** Where the provider states its own cost. All that are present are added up. */
  readonly cost: readonly CostPlace[];
}

export interface CostPlace {
  readonly at: string;
  /** The unit, as decimal places of usd: 0 = usd, 2 = cents, 10 = 10^-10 usd. */
  readonly scale: number;
  /** The flag of the usage object that makes this cost a part of the bill; null = it always is. */
  readonly when: string | null;
}

/** How a model behaves, beside its price. */
export interface ModelTraits {
  /** A trailing `*` matches any ending. */
  readonly models: readonly string[];
  /** The most output tokens of one answer; null when unknown. */
  readonly outputTokensMax: number | null;
  /**
   * Whether the model may think, and whether the caller's stream shows all thinking that is billed: `never`, `shown` (each
   * billed token comes as text), `unseen` (some billed tokens are in no event), `unknown` (no profile has the model).
   */
  readonly thinking: 'never' | 'shown' | 'unseen' | 'unknown';
  /** Whether the model thinks where the request does not mention thinking. */
  readonly thinksUnasked: boolean;
  /** The most input tokens of one image. Absent = the dialect's own figure. */
  readonly imageTokensMax?: number | undefined;
}

/**
 * A row of a profile's table of models. `if asked`: the models think only where the request asks them to.
 * @param outputTokensMax the most output tokens of one answer; null when unknown
 */
export function modelRow(
  thinks: 'never' | 'shown' | 'shown if asked' | 'unseen' | 'unseen if asked',
  outputTokensMax: number | null,
  models: readonly string[],
): ModelTraits {
  const thinking = thinks.replace(' if asked', '') as ModelTraits['thinking'];
  return { models, outputTokensMax, thinking, thinksUnasked: thinks === 'shown' || thinks === 'unseen' };
}

/** What errors of the provider mean; RE2 patterns on `STATUS MESSAGE`, case-insensitive, besides the common ones. */
export interface ErrorProfile {
  /** The request is at fault: the caller gets the error. */
  readonly request: readonly string[];
  /** The provider throttles this model. */
  readonly throttle: readonly string[];
  /** The whole account is out of credit or blocked. */
  readonly account: readonly string[];
  /** The provider fails for the moment. */
  readonly flake: readonly string[];
  /** Errors that the provider bills (a filter that read the prompt). They are charged as a time-out is. */
  readonly billed: readonly string[];
}
