// How many tokens the input of a request has: a bound that the true count never passes, and a likely figure (rule Q5).
// The bound counts a token for each byte of the body: byte-level tokenizers (OpenAI's tiktoken, Anthropic's, the
// byte-fallback ones of open models) make at least one byte into each token, an escape in JSON is never shorter than what
// it stands for, and the braces and names round a message are more than what frames it in the prompt (3 or 4 tokens; OpenAI
// cookbook, "How to count tokens with tiktoken"). Media are taken out of the bytes and counted by what they are.

import type { RequestFacts } from '../metering/request-facts.js';
import { pagesOf } from './document-pages.js';

/** Bytes of text to a token (rule Q5). */
const ESTIMATE_BYTES_PER_TOKEN = 4;
/** Put on each request (rule Q5). */
const ESTIMATE_FIXED_TOKENS = 100;
/** Safety on the text, percent (rule Q5). */
const ESTIMATE_SAFETY_PERCENT = 10;
/** For each image, for a request with tools, with web search, with a code interpreter (rule Q5). */
const ESTIMATE_IMAGE_TOKENS = 1_000;
const ESTIMATE_TOOLS_TOKENS = 500;
const ESTIMATE_WEB_SEARCH_TOKENS = 500;
const ESTIMATE_CODE_INTERPRETER_TOKENS = 1_000;
/** A page of a document: Anthropic's "PDF support" states 1,500 to 3,000 tokens of text. */
const ESTIMATE_PAGE_TOKENS = 3_000;
/** What a page is held at: the most of its text, and its picture (1,600 tokens; the same page). */
const EXPECTED_PAGE_TOKENS = 5_000;
/** MP3 of 64 kbit/s, at ten tokens a second. */
const ESTIMATE_AUDIO_BYTES_PER_TOKEN = 800;
/**
 * OpenAI hears ten tokens a second, Gemini's compatible endpoint 32; MP3's lowest rate is 8 kbit/s, so that a second is at
 * least 1,000 bytes, and a token at least 31 of them.
 */
const BOUND_AUDIO_BYTES_PER_TOKEN = 30;
/**
 * What the templates of compatible servers put before a conversation without being asked (a system message with dates and
 * channels: about 100 tokens with gpt-oss's harmony, 25 with Llama 3's).
 */
const BOUND_FIXED_TOKENS = 256;
/** Four characters of base64 are three bytes. */
const BASE64_BYTES_PER_CHAR = 0.75;

/** The most tokens of one image, by the detail that the request asks for. */
export interface ImageTokens {
  readonly full: number;
  readonly low: number;
}

export type InputFacts = Pick<
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

/** Sums up an input as its parts are walked. One for each request. */
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
  /** Something is named that the body does not have. */
  #isNamed = false;
  /** Nothing tells how much that is. */
  #isUnbounded = false;
  /** A whole conversation is. */
  #isConversation = false;
  /** Tools of the provider find further input. */
  #isSearched = false;

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  get hasImages(): boolean {
    return this.#images > 0;
  }

  /** An image; `data` are the characters of the body that hold it, null where it is named by URL or id. */
  image(detail: keyof ImageTokens, data: string | null): void {
    this.#images++;
    if (detail === 'low') this.#imagesLow++;
    if (data === null) this.#isNamed = true;
    else this.#mediaChars += data.length;
  }

  /** Audio in base64. */
  audio(data: string): void {
    const bytes = data.length * BASE64_BYTES_PER_CHAR;
    this.#audioTokensMax += Math.ceil(bytes / BOUND_AUDIO_BYTES_PER_TOKEN);
    this.#audioTokensEstimate += Math.ceil(bytes / ESTIMATE_AUDIO_BYTES_PER_TOKEN);
    this.#mediaChars += data.length;
  }

  /** A document in base64. Its bytes tell how much is to be expected, and bound nothing: a PDF is compressed. */
  document(data: string): void {
    this.#pages += pagesOf(data);
    this.#mediaChars += data.length;
  }

  /** Something that only the provider has, and of any size: an item, a file. */
  stored(): void {
    this.#isUnbounded = true;
  }

  /** A conversation that only the provider has: nothing but the context window bounds the input. */
  conversation(): void {
    this.#isUnbounded = true;
    this.#isConversation = true;
  }

  /** A conversation that only the provider has, and of which it has said how long it is. */
  known(tokens: number): void {
    this.#overheadTokens += tokens;
    this.#estimateSurcharge += tokens;
  }

  /** Something is read by its name beside what the body says of it; its bound is counted. */
  named(): void {
    this.#isNamed = true;
  }

  /** What tools of the provider find is input too. */
  searched(): void {
    this.#isSearched = true;
  }

  /** Prompts that a provider adds without their text being in the body. */
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

  /** @param imageTokens what an image costs at most with the model that the provider runs */
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

/** The characters of a data URL behind its comma, and its media type; null for other URLs. */
export function dataUrl(url: string): DataUrl | null {
  if (!url.startsWith('data:')) return null;
  const comma = url.indexOf(',');
  if (comma < 0) return null;
  return { mediaType: url.slice('data:'.length, comma).toLowerCase(), data: url.slice(comma + 1) };
}
