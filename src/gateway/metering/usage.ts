// What is metered: the components that have prices, quantities of them, and the usage that an answer states, normalised
// over the dialects. The dialects read it, prices and calls charge by it.

/**
 * What is priced. Tokens and characters are priced by the million; calls, seconds of audio and images by the thousand. All
 * are held per million.
 */
export const COMPONENTS = [
  'input',
  'cache_read',
  'cache_write',
  'cache_write_1h',
  'input_audio',
  'cache_read_audio',
  'input_image',
  'cache_read_image',
  'output',
  'reasoning',
  'output_audio',
  'output_image',
  'request',
  'web_search',
  'code_interpreter',
  'file_search',
  /** Characters of the input, for speech. */
  'character',
  /** Seconds of audio in the input, for transcriptions that are billed by their length. */
  'audio_second',
  /** Images that were made, for models that are not billed by tokens. */
  'image',
] as const;
export type Component = (typeof COMPONENTS)[number];

/** The most tokens of one call (rule Q4). A figure above it is a fault of the provider, which must not book a fortune. */
export const TOKENS_MAX = 10_000_000;

/** How much of each component a call used, or may use at most. `input` excludes what the other input components count. */
export type Quantities = Readonly<Partial<Record<Component, number>>>;

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
