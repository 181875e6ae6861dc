// OpenAI's dialect: chat completions, responses and embeddings. Says what a request may cost at most, what is changed in it
// before it goes out, and what its answer used. Field by field after the API reference and the types of the `openai` package.

import type { Endpoint } from '../metering/endpoints.js';
import { NOTHING_BILLED, type RequestFacts } from '../metering/request-facts.js';
import type { ProviderProfile, RequestProfile } from '../profiles/profile.js';
import {
  type Dialect,
  type KnownContext,
  NOTHING_KNOWN,
  type RequestChanges,
  type RequestReading,
} from './dialect.js';
import { errorText } from './error-text.js';
import { InputMeasure } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';
import {
  goesOn,
  isOther,
  OTHER_PATHS,
  otherMeter,
  otherOutput,
  otherUsage,
  readOther,
} from './openai-endpoints.js';
import { openAiUnmetered, openAiUser, readsCachedContent } from './openai-fields.js';
import { imageTokensOf, OpenAiInput } from './openai-input.js';
import { ChatMeter, ResponseMeter } from './openai-stream.js';
import { chatTools, responsesTools } from './openai-tools.js';
import { chatUsage, embeddingsUsage, responseUsage } from './openai-usage.js';
import { OutputTally } from './output-text.js';
import { type FieldEdits, LEFT_OUT, type ParsedBody, type RequestFields } from './request-body.js';
import {
  invalid,
  OUTPUT_TOKENS_MAX,
  outputLimitEdits,
  readFlag,
  readList,
  readModel,
  readModifiers,
  readWhole,
  requirePriced,
  usageOptions,
} from './request-fields.js';
import { refuseOtherSpellings } from './request-spelling.js';
import { isThinkingAsked, openAiThinking, type ThinkingAsked } from './thinking-asked.js';
import { usagePlaces } from './usage-places.js';

/** Of `n`, as the API reference bounds it. */
const CHOICES_MAX = 128;
/** Both are limits of output; the first is the newer name. */
const CHAT_LIMITS = ['max_completion_tokens', 'max_tokens'] as const;
/** What changes the price of a request; what each value costs, the provider decides. */
const MODIFIERS = ['service_tier'] as const;

export const openai: Dialect = {
  name: 'openai',
  paths: {
    '/v1/chat/completions': 'chat_completions',
    '/v1/responses': 'responses',
    '/v1/embeddings': 'embeddings',
    ...OTHER_PATHS,
  },
  readRequest,
  readUsage(endpoint, answer, profile) {
    if (isOther(endpoint)) return otherUsage(endpoint, answer, profile);
    const places = usagePlaces(profile);
    if (endpoint === 'embeddings') return embeddingsUsage(answer, places);
    return endpoint === 'responses' ? responseUsage(answer, places) : chatUsage(answer, places);
  },
  estimateOutput(endpoint, answer) {
    if (isOther(endpoint)) return otherOutput(answer);
    if (endpoint === 'embeddings' || !isObject(answer)) return 0;
    const tally = new OutputTally();
    tally.addValue(endpoint === 'responses' ? answer.output : answer.choices);
    return tally.tokens;
  },
  streamMeter(endpoint, facts, profile) {
    if (isOther(endpoint)) return otherMeter(endpoint, facts, profile);
    return endpoint === 'responses' ? new ResponseMeter(usagePlaces(profile)) : new ChatMeter(facts, profile);
  },
  errorText,
};

function readRequest(
  endpoint: Endpoint,
  parsed: ParsedBody,
  { earlierTokens }: KnownContext = NOTHING_KNOWN,
): RequestReading {
  const { json: body, fields, hasOtherSpellings } = parsed;
  if (hasOtherSpellings) refuseOtherSpellings(body);
  if (isOther(endpoint)) return readOther(endpoint, parsed, earlierTokens);
  const model = readModel(body);
  const measure = new InputMeasure(fields.bytes.length);
  const reading = { body, model, measure, earlierTokens };
  if (readsCachedContent(body)) measure.stored();
  const read = endpoint === 'embeddings' ? embeddings : endpoint === 'responses' ? response : chat;
  const facts = read(reading);
  return new OpenAiReading(fields, facts, { measure, thinking: openAiThinking(body) });
}

/** What was found in a request, for facts that depend on who answers it. */
interface Findings {
  readonly measure: InputMeasure;
  readonly thinking: ThinkingAsked;
}

class OpenAiReading implements RequestReading {
  readonly facts: RequestFacts;
  readonly #fields: RequestFields;
  readonly #found: Findings;

  constructor(fields: RequestFields, facts: RequestFacts, found: Findings) {
    this.facts = facts;
    this.#fields = fields;
    this.#found = found;
  }

  get contentType(): string {
    return this.#fields.contentType;
  }

  factsFor(model: string, profile: ProviderProfile): RequestFacts {
    const { facts } = this;
    const { measure, thinking } = this.#found;
    const thinkingAsked = isThinkingAsked(thinking, profile.request.thinkingOff);
    const { hasImages } = measure;
    if (!hasImages && thinkingAsked === facts.thinkingAsked) return facts;
    const input = hasImages ? measure.result(imageTokensOf(model, profile)) : {};
    return { ...facts, ...input, thinkingAsked };
  }

  changed(changes: RequestChanges, profile: ProviderProfile): Uint8Array {
    return changedBytes(this.facts.endpoint, this.#fields, changes, profile.request);
  }
}

interface Reading {
  readonly body: Json;
  readonly model: string;
  readonly measure: InputMeasure;
  readonly earlierTokens: number | null;
}

function chat({ body, model, measure }: Reading): RequestFacts {
  const stream = readFlag(body, 'stream');
  const modalities = readList(body, 'modalities');
  const limits = CHAT_LIMITS.map((field) => readWhole(body, field, { min: 1, max: OUTPUT_TOKENS_MAX }));
  const stated = limits.filter((limit) => limit !== null);
  const { billedTools, inputReads } = chatTools(body, measure);
  new OpenAiInput(measure).messages(readList(body, 'messages'));
  const input = measure.result(imageTokensOf(model));
  // Field by field: on the path of most calls, and spreading three objects into one costs more than reading the request.
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
    // OpenAI's caches are written unasked, where writing is billed at all.
    cacheWrite: 'short',
    // A provider that knows one of two stated limits keeps to that one.
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

function response({ body, model, measure, earlierTokens }: Reading): RequestFacts {
  const tools = responsesTools(body, measure);
  goesOn(body, measure, earlierTokens);
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
    outputTokensStated: readWhole(body, 'max_output_tokens', { min: 1, max: OUTPUT_TOKENS_MAX }),
    ...tools,
    unmetered: openAiUnmetered(body),
    thinkingAsked: null,
    modifiersAsked: readModifiers(body, MODIFIERS),
    storesAnswer: body.store !== false,
    user: openAiUser(body),
  };
}

function embeddings({ body, model, measure }: Reading): RequestFacts {
  // Images and documents of compatible providers.
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

function states(body: Json, field: string): boolean {
  return body[field] !== undefined && body[field] !== null;
}

function asksUsage(body: Json): boolean {
  const { stream_options: options } = body;
  if (options === undefined || options === null) return false;
  if (!isObject(options)) throw invalid('stream_options', options, 'an object');
  return readFlag(options, 'include_usage');
}

function changedBytes(
  endpoint: Endpoint,
  fields: RequestFields,
  changes: RequestChanges,
  request: RequestProfile,
): Uint8Array {
  if (Object.keys(changes).length === 0) return fields.bytes;
  const model: FieldEdits = { model: changes.model === undefined ? null : JSON.stringify(changes.model) };
  if (endpoint === 'embeddings') return fields.with(model);
  if (endpoint === 'responses') {
    const calls = changes.toolCallsMax === undefined ? null : String(changes.toolCallsMax);
    return fields.with({
      ...model,
      ...outputLimitEdits(['max_output_tokens'], changes),
      max_tool_calls: calls,
    });
  }
  return fields.with({
    ...model,
    ...limitEdits(fields, changes, request),
    stream_options: changes.askUsage === undefined ? null : usageOptions(fields, changes.askUsage),
  });
}

/** A limit goes to the caller's own fields where the provider keeps to them, else to the provider's; what it does not know goes. */
function limitEdits(fields: RequestFields, changes: RequestChanges, request: RequestProfile): FieldEdits {
  if (changes.outputTokensMax === undefined) return {};
  const keepsTo = (field: string) =>
    request.outputLimit.includes(field) || request.outputLimitAlso.includes(field);
  const stated = CHAT_LIMITS.filter((field) => statesNumber(fields, field));
  const kept = stated.filter(keepsTo);
  const foreign = CHAT_LIMITS.filter((field) => !keepsTo(field) && fields.get(field) !== null);
  return {
    ...outputLimitEdits(kept.length === 0 ? request.outputLimit : kept, changes),
    ...Object.fromEntries(foreign.map((field) => [field, LEFT_OUT])),
  };
}

function statesNumber(fields: RequestFields, field: string): boolean {
  const value = fields.get(field);
  return value !== null && value[0] !== 'n'.charCodeAt(0);
}
