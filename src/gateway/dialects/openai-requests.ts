// The facts of requests to OpenAI's text endpoints: what each may cost at most. Read field by field after the API reference
// and the types of the `openai` package. Called by openai.ts; images and sound are openai-media.ts's.

import { NOTHING_BILLED, type RequestFacts } from '../metering/request-facts.js';
import { TOKENS_MAX } from '../metering/usage.js';
import type { InputMeasure } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';
import { openAiUnmetered, openAiUser, readsCachedContent } from './openai-fields.js';
import { imageTokensOf, OpenAiInput } from './openai-input.js';
import { chatTools, responsesTools } from './openai-tools.js';
import {
  invalid,
  readFlag,
  readList,
  readModel,
  readModifiers,
  readWhole,
  requirePriced,
} from './request-fields.js';

/** The largest `n` and `best_of` of the API reference. */
const CHOICES_MAX = 128;
/** The two fields that limit the output of a chat completion; the first is the newer name. */
export const CHAT_LIMITS = ['max_completion_tokens', 'max_tokens'] as const;
/** The fields that change the price of a request. The provider decides what each value costs. */
const MODIFIERS = ['service_tier'] as const;
/** How many tokens legacy completions generate where the request states no limit ("Create completion", `max_tokens`). */
const COMPLETION_TOKENS_UNSTATED = 16;
/** The model that judges where a request names none ("Create moderation"). */
const MODERATION_MODEL = 'omni-moderation-latest';

/** One request of OpenAI's dialect, and what has been measured of its input. */
export interface OpenAiRequest {
  readonly body: Json;
  readonly measure: InputMeasure;
  /** Tokens of the response that the request continues; null where they are unknown. */
  readonly earlierTokens: number | null;
}

export function chatFacts({ body, measure }: OpenAiRequest): RequestFacts {
  const model = readModel(body);
  if (readsCachedContent(body)) measure.stored();
  const stream = readFlag(body, 'stream');
  const modalities = readList(body, 'modalities');
  const limits = CHAT_LIMITS.map((field) => readWhole(body, field, { min: 1, max: TOKENS_MAX }));
  const stated = limits.filter((limit) => limit !== null);
  const { billedTools, inputReads } = chatTools(body, measure);
  new OpenAiInput(measure).messages(readList(body, 'messages'));
  const input = measure.result(imageTokensOf(model));
  // Written field by field: most calls come here, and spreading three objects takes longer than reading the request.
  return {
    endpoint: 'chat_completions',
    model,
    stream,
    inputTokensMax: input.inputTokensMax,
    inputTokensHeld: input.inputTokensHeld,
    inputIsUnbounded: input.inputIsUnbounded,
    conversationIsStored: false,
    inputTokensEstimate: input.inputTokensEstimate,
    inputAudioTokensMax: input.inputAudioTokensMax,
    inputImageTokensMax: input.inputImageTokensMax,
    // OpenAI writes its cache without being asked, where writing is billed at all.
    cacheWrite: 'short',
    // A provider that knows only one of two stated limits obeys that one.
    outputTokensStated: stated.length === 0 ? null : Math.max(...stated),
    choices: readWhole(body, 'n', { min: 1, max: CHOICES_MAX }) ?? 1,
    outputAudio: modalities.includes('audio') || states(body, 'audio'),
    outputImage: modalities.includes('image'),
    billedTools,
    inputReads,
    unmetered: openAiUnmetered(body),
    inputIsStored: input.inputIsStored,
    thinkingAsked: null,
    modifiersAsked: readModifiers(body, MODIFIERS),
    outputLimitFields: CHAT_LIMITS.filter((_field, index) => limits[index] !== null),
    usageAsked: stream && asksUsage(body),
    user: openAiUser(body),
  };
}

export function responseFacts({ body, measure, earlierTokens }: OpenAiRequest): RequestFacts {
  const model = readModel(body);
  if (readsCachedContent(body)) measure.stored();
  const tools = responsesTools(body, measure);
  addEarlierInput(body, measure, earlierTokens);
  if (states(body, 'prompt')) measure.stored();
  if (Array.isArray(body.input)) new OpenAiInput(measure).items(body.input);
  if (isObject(body.reasoning)) requirePriced('reasoning.mode', body.reasoning.mode, ['standard']);
  return {
    ...NOTHING_BILLED,
    endpoint: 'responses',
    model,
    stream: readFlag(body, 'stream'),
    ...measure.result(imageTokensOf(model)),
    cacheWrite: 'short',
    outputTokensStated: readWhole(body, 'max_output_tokens', { min: 1, max: TOKENS_MAX }),
    ...tools,
    unmetered: openAiUnmetered(body),
    thinkingAsked: null,
    modifiersAsked: readModifiers(body, MODIFIERS),
    storesAnswer: body.store !== false,
    user: openAiUser(body),
  };
}

export function embeddingsFacts({ body, measure }: OpenAiRequest): RequestFacts {
  const model = readModel(body);
  if (readsCachedContent(body)) measure.stored();
  // Compatible providers take images and documents here.
  if (Array.isArray(body.messages)) new OpenAiInput(measure).messages(body.messages);
  if (Array.isArray(body.input) && body.input.some(isObject)) measure.stored();
  return {
    ...NOTHING_BILLED,
    endpoint: 'embeddings',
    model,
    ...measure.result(imageTokensOf(model)),
    unmetered: openAiUnmetered(body),
    thinkingAsked: null,
    modifiersAsked: readModifiers(body, MODIFIERS),
    user: openAiUser(body),
  };
}

/** Legacy completions. */
export function completionFacts({ body, measure }: OpenAiRequest): RequestFacts {
  const model = readModel(body);
  const stream = readFlag(body, 'stream');
  const bounds = { min: 1, max: CHOICES_MAX };
  // For each prompt `best_of` choices are generated, of which `n` are answered.
  const each = Math.max(readWhole(body, 'n', bounds) ?? 1, readWhole(body, 'best_of', bounds) ?? 1);
  const limit = readWhole(body, 'max_tokens', { min: 0, max: TOKENS_MAX });
  const options = isObject(body.stream_options) ? body.stream_options : {};
  return {
    ...NOTHING_BILLED,
    endpoint: 'completions',
    model,
    stream,
    ...measure.result(imageTokensOf(model)),
    cacheWrite: 'short',
    outputTokensStated: limit ?? COMPLETION_TOKENS_UNSTATED,
    choices: each * promptsIn(body.prompt),
    unmetered: openAiUnmetered(body).filter(({ field }) => field !== 'best_of'),
    thinkingAsked: null,
    usageAsked: stream && readFlag(options, 'include_usage'),
    user: openAiUser(body),
  };
}

/** A compaction has no limit of output, so that the most that the model gives is held. */
export function compactFacts({ body, measure, earlierTokens }: OpenAiRequest): RequestFacts {
  const model = readModel(body);
  addEarlierInput(body, measure, earlierTokens);
  if (Array.isArray(body.input)) new OpenAiInput(measure).items(body.input);
  return {
    ...NOTHING_BILLED,
    endpoint: 'compact',
    model,
    ...measure.result(imageTokensOf(model)),
    cacheWrite: 'short',
    outputTokensStated: null,
    unmetered: openAiUnmetered(body),
    thinkingAsked: null,
    user: openAiUser(body),
  };
}

export function inputTokensFacts({ body }: OpenAiRequest): RequestFacts {
  return { ...freeFacts(body), endpoint: 'input_tokens', model: readModel(body) };
}

export function moderationFacts({ body }: OpenAiRequest): RequestFacts {
  return {
    ...freeFacts(body),
    endpoint: 'moderations',
    model: readModel({ ...body, model: body.model ?? MODERATION_MODEL }),
  };
}

function freeFacts(body: Json): Omit<RequestFacts, 'endpoint' | 'model'> {
  if (body.stream === true) throw invalid('stream', true, 'false');
  return { ...NOTHING_BILLED, user: openAiUser(body) };
}

/** A list of texts, or of lists of tokens, is as many prompts as it has items; a list of tokens is one prompt. */
function promptsIn(prompt: unknown): number {
  if (!Array.isArray(prompt) || prompt.every((one) => typeof one === 'number')) return 1;
  return prompt.length;
}

/** Counts the conversation that the provider keeps and the request continues; its length is not always known. */
function addEarlierInput(body: Json, measure: InputMeasure, earlierTokens: number | null): void {
  if (states(body, 'conversation')) measure.conversation();
  if (!states(body, 'previous_response_id')) return;
  if (earlierTokens === null) measure.conversation();
  else measure.known(earlierTokens);
}

function states(body: Json, field: string): boolean {
  return body[field] !== undefined && body[field] !== null;
}

function asksUsage(body: Json): boolean {
  const { stream_options: options } = body;
  if (options === undefined || options === null) return false;
  if (!isObject(options)) throw invalid('stream_options', options, 'an object');
  return readFlag(options, 'include_usage');
}
