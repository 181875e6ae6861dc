// What a request says that bears on its cost. The dialects read it, prices and calls work out the hold from it. Token figures
// are bounds that the provider's own count does not pass, unless a field says otherwise (rule Q5).

import type { Endpoint } from './endpoints.js';

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
