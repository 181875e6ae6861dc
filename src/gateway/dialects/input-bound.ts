// Counts the tokens of a request's input: a bound that the true count never exceeds, and a likely figure (rule Q5). The bound
// is one token for each byte of the body. Each token of a byte-level tokenizer (OpenAI's tiktoken, Anthropic's, the
// byte-fallback ones of open models) has at least one byte; an escape in JSON is never shorter than its character; and a
// message's braces and names are longer than its frame in the prompt (3 or 4 tokens; OpenAI cookbook, "How to count tokens
// with tiktoken"). Media are taken out of the bytes and counted by their kind.

import type { RequestFacts } from '../metering/request-facts.js';
import { pagesOf } from './document-pages.js';

/** Bytes of text that are estimated as one token (rule Q5). */
const ESTIMATE_BYTES_PER_TOKEN = 4;
/** Added to the estimate of each request (rule Q5). */
const ESTIMATE_FIXED_TOKENS = 100;
/** Percent that are added to the estimate of the text (rule Q5). */
const ESTIMATE_SAFETY_PERCENT = 10;
/** Estimates of each image, and of a request's tools, web search and code interpreter (rule Q5). */
const ESTIMATE_IMAGE_TOKENS = 1_000;
const ESTIMATE_TOOLS_TOKENS = 500;
const ESTIMATE_WEB_SEARCH_TOKENS = 500;
const ESTIMATE_CODE_INTERPRETER_TOKENS = 1_000;
/** The estimate of a page: Anthropic's "PDF support" states 1,500 to 3,000 tokens of text. */
const ESTIMATE_PAGE_TOKENS = 3_000;
/** What is held for a page: the most of its text, and its picture (1,600 tokens; "PDF support"). */
const EXPECTED_PAGE_TOKENS = 5_000;
/** The estimate of audio: MP3 of 64 kbit/s, ten tokens a second. */
const ESTIMATE_AUDIO_BYTES_PER_TOKEN = 800;
/**
 * The bound of audio. OpenAI counts ten tokens a second, Gemini's compatible endpoint 32. A second of MP3 has at least 1,000
 * bytes (8 kbit/s), so that a token has at least 31.
 */
const BOUND_AUDIO_BYTES_PER_TOKEN = 30;
/**
 * Tokens that the templates of compatible servers put before every conversation (a system message with dates and channels:
 * about 100 with gpt-oss's harmony, 25 with Llama 3's).
 */
const BOUND_FIXED_TOKENS = 256;
/** Four characters of base64 are three bytes. */
const BASE64_BYTES_PER_CHAR = 0.75;

/** The most tokens of one image, at full detail and at detail `low`. */
export interface ImageTokens {
  readonly full: number;
  readonly low: number;
}

type InputFacts = Pick<
  RequestFacts,
  | 'inputTokensMax'
  | 'inputTokensHeld'
  | 'inputIsUnbounded'
  | 'conversationIsStored'
  | 'inputTokensEstimate'
  | 'inputAudioTokensMax'
  | 'inputImageTokensMax'
  | 'inputIsStored'
>;

/** Sums up the parts of one request's input. */
export class InputMeasure {
  readonly #bodyBytes: number;
  #mediaChars = 0;
  #images = 0;
  #imagesLow = 0;
  #audioTokensMax = 0;
  #audioTokensEstimate = 0;
  #pages = 0;
  #overheadTokens = BOUND_FIXED_TOKENS;
  #estimateSurcharge = 0;
  /** Whether a part is named by URL or id and is not in the body. */
  #isNamed = false;
  /** Whether the size of a stored part is unknown. */
  #isUnbounded = false;
  /** Whether a whole conversation is stored. */
  #isConversation = false;
  /** Whether tools of the provider find further input. */
  #isSearched = false;

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  get hasImages(): boolean {
    return this.#images > 0;
  }

  /** Adds an image. `data` is its text in the body; null where it is named by URL or id. */
  image(detail: keyof ImageTokens, data: string | null): void {
    this.#images++;
    if (detail === 'low') this.#imagesLow++;
    if (data === null) this.#isNamed = true;
    else this.#mediaChars += data.length;
  }

  /** Adds audio in base64. */
  audio(data: string): void {
    const bytes = data.length * BASE64_BYTES_PER_CHAR;
    this.#audioTokensMax += Math.ceil(bytes / BOUND_AUDIO_BYTES_PER_TOKEN);
    this.#audioTokensEstimate += Math.ceil(bytes / ESTIMATE_AUDIO_BYTES_PER_TOKEN);
    this.#mediaChars += data.length;
  }

  /** Adds a document in base64. Its bytes give an estimate and no bound, since a PDF is compressed. */
  document(data: string): void {
    this.#pages += pagesOf(data);
    this.#mediaChars += data.length;
  }

  /** Adds an item or file that only the provider has, of unknown size. */
  stored(): void {
    this.#isUnbounded = true;
  }

  /** Adds a conversation that only the provider has: only the context window bounds the input. */
  conversation(): void {
    this.#isUnbounded = true;
    this.#isConversation = true;
  }

  /** Adds a conversation that only the provider has, of known length. */
  known(tokens: number): void {
    this.#overheadTokens += tokens;
    this.#estimateSurcharge += tokens;
  }

  /** Notes that a part is named by URL or id. Its bound is counted elsewhere. */
  named(): void {
    this.#isNamed = true;
  }

  /** Notes that tools of the provider find further input. */
  searched(): void {
    this.#isSearched = true;
  }

  /** Adds tokens of prompts that the provider adds and that are not in the body. */
  overhead(tokens: number): void {
    this.#overheadTokens += tokens;
  }

  estimateTools(): void {
    this.#estimateSurcharge += ESTIMATE_TOOLS_TOKENS;
  }

  estimateWebSearch(): void {
    this.#estimateSurcharge += ESTIMATE_WEB_SEARCH_TOKENS;
  }

  estimateCodeInterpreter(): void {
    this.#estimateSurcharge += ESTIMATE_CODE_INTERPRETER_TOKENS;
  }

  /** @param imageTokens the most tokens of an image with the model that the provider runs */
  result(imageTokens: ImageTokens): InputFacts {
    const textBytes = this.#bodyBytes - this.#mediaChars;
    const imageTokensMax =
      (this.#images - this.#imagesLow) * imageTokens.full + this.#imagesLow * imageTokens.low;
    const max = textBytes + this.#overheadTokens + imageTokensMax + this.#audioTokensMax;
    const text = Math.ceil(textBytes / ESTIMATE_BYTES_PER_TOKEN) + ESTIMATE_FIXED_TOKENS;
    const estimate =
      Math.ceil((text * (100 + ESTIMATE_SAFETY_PERCENT)) / 100) +
      this.#images * ESTIMATE_IMAGE_TOKENS +
      this.#audioTokensEstimate +
      this.#pages * ESTIMATE_PAGE_TOKENS +
      this.#estimateSurcharge;
    const isBounded = !this.#isUnbounded && !this.#isSearched && this.#pages === 0;
    return {
      inputTokensMax: isBounded ? max : null,
      inputTokensHeld: max + this.#pages * EXPECTED_PAGE_TOKENS,
      inputIsUnbounded: this.#isUnbounded,
      conversationIsStored: this.#isConversation,
      inputTokensEstimate: isBounded ? Math.min(estimate, max) : estimate,
      inputAudioTokensMax: this.#audioTokensMax,
      inputImageTokensMax: imageTokensMax,
      inputIsStored: this.#isUnbounded || this.#isNamed || this.#pages > 0,
    };
  }
}

export interface DataUrl {
  readonly mediaType: string;
  readonly data: string;
}

/** The data of a data URL, and its media type; null for other URLs. */
export function dataUrl(url: string): DataUrl | null {
  if (!url.startsWith('data:')) return null;
  const comma = url.indexOf(',');
  if (comma < 0) return null;
  return { mediaType: url.slice('data:'.length, comma).toLowerCase(), data: url.slice(comma + 1) };
}
