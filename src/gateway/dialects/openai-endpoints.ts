// The further endpoints of OpenAI's dialect beside chat completions, responses and embeddings, as a table: what a request
// to each may cost, where its answer states usage, and how its stream is read. Called by openai.ts.

import type { Endpoint } from '../metering/endpoints.js';
import { NOTHING_BILLED, type RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import type { ProviderProfile } from '../profiles/profile.js';
import type { RequestChanges, RequestReading, StreamMeter } from './dialect.js';
import { InputMeasure } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';
import { MediaMeter } from './media-stream.js';
import { openAiUnmetered, openAiUser } from './openai-fields.js';
import { imageTokensOf, OpenAiInput } from './openai-input.js';
import {
  imageFacts,
  imagesUsage,
  speechFacts,
  speechUsage,
  transcriptionFacts,
  transcriptionUsage,
} from './openai-media.js';
import { ChatMeter } from './openai-stream.js';
import { chatUsage, responseUsage } from './openai-usage.js';
import { OutputTally } from './output-text.js';
import type { ParsedBody, RequestFields } from './request-body.js';
import {
  invalid,
  OUTPUT_TOKENS_MAX,
  readFlag,
  readList,
  readModel,
  readWhole,
  usageOptions,
} from './request-fields.js';
import { usagePlaces } from './usage-places.js';

/** Of `n` and `best_of` of legacy completions. */
const CHOICES_MAX = 128;
/** What legacy completions generate where no limit is stated ("Create completion", `max_tokens`). */
const COMPLETION_TOKENS_UNSTATED = 16;
/** The model that judges where a request names none ("Create moderation"). */
const MODERATION_MODEL = 'omni-moderation-latest';

interface EndpointRules {
  /** Below the dialect's prefix. */
  readonly path: string;
  /** @throws RefusedError `invalid_request`, `not_meterable` */
  facts(body: Json, bodyBytes: number, earlierTokens: number | null): RequestFacts;
  usage(answer: unknown, profile: ProviderProfile): UsageReading | null;
  meter(facts: RequestFacts, profile: ProviderProfile): StreamMeter;
}

/** Output tokens of a whole answer, estimated from its text; images and sound are none. */
export function otherOutput(answer: unknown): number {
  const tally = new OutputTally();
  tally.addValue(isObject(answer) ? (answer.choices ?? answer.output ?? answer.text) : null);
  return tally.tokens;
}

export type OtherEndpoint = Exclude<
  Endpoint,
  'chat_completions' | 'responses' | 'embeddings' | 'messages' | 'count_tokens'
>;

const FREE = {
  usage: () => null,
  // None of them streams.
  meter: () => new MediaMeter(() => null, 1),
} as const;

const IMAGES = {
  usage: imagesUsage,
  meter: ({ choices }: RequestFacts) => new MediaMeter(imagesUsage, choices),
} as const;

const HEARD = { usage: transcriptionUsage, meter: () => new MediaMeter(transcriptionUsage, 1) } as const;

const RULES: Readonly<Record<OtherEndpoint, EndpointRules>> = {
  completions: {
    path: '/v1/completions',
    facts: completionFacts,
    usage: (answer, profile) => chatUsage(answer, usagePlaces(profile)),
    meter: (facts, profile) => new ChatMeter(facts, profile, 'text'),
  },
  compact: {
    path: '/v1/responses/compact',
    facts: compactFacts,
    usage: (answer, profile) => responseUsage(answer, usagePlaces(profile)),
    meter: FREE.meter,
  },
  input_tokens: {
    path: '/v1/responses/input_tokens',
    facts: (body) => freeFacts('input_tokens', body),
    ...FREE,
  },
  moderations: {
    path: '/v1/moderations',
    facts: (body) => freeFacts('moderations', { ...body, model: body.model ?? MODERATION_MODEL }),
    ...FREE,
  },
  images: { path: '/v1/images/generations', facts: (body) => imageFacts('images', body), ...IMAGES },
  image_edits: { path: '/v1/images/edits', facts: (body) => imageFacts('image_edits', body), ...IMAGES },
  image_variations: {
    path: '/v1/images/variations',
    facts: (body) => imageFacts('image_variations', body),
    ...IMAGES,
  },
  speech: {
    path: '/v1/audio/speech',
    facts: speechFacts,
    usage: speechUsage,
    meter: () => new MediaMeter(speechUsage, 1),
  },
  transcriptions: {
    path: '/v1/audio/transcriptions',
    facts: (body) => transcriptionFacts('transcriptions', body),
    ...HEARD,
  },
  translations: {
    path: '/v1/audio/translations',
    facts: (body) => transcriptionFacts('translations', body),
    ...HEARD,
  },
};

/** The paths of these endpoints. */
export const OTHER_PATHS: Readonly<Record<string, Endpoint>> = Object.fromEntries(
  Object.entries(RULES).map(([endpoint, { path }]) => [path, endpoint as Endpoint]),
);

export function isOther(endpoint: Endpoint): endpoint is OtherEndpoint {
  return Object.hasOwn(RULES, endpoint);
}

/** @throws RefusedError `invalid_request`, `not_meterable` */
export function readOther(
  endpoint: OtherEndpoint,
  { json, fields }: ParsedBody,
  earlierTokens: number | null,
): RequestReading {
  return new OtherReading(fields, RULES[endpoint].facts(json, fields.bytes.length, earlierTokens));
}

export function otherUsage(
  endpoint: OtherEndpoint,
  answer: unknown,
  profile: ProviderProfile,
): UsageReading | null {
  return RULES[endpoint].usage(answer, profile);
}

export function otherMeter(
  endpoint: OtherEndpoint,
  facts: RequestFacts,
  profile: ProviderProfile,
): StreamMeter {
  return RULES[endpoint].meter(facts, profile);
}

class OtherReading implements RequestReading {
  constructor(
    readonly fields: RequestFields,
    readonly facts: RequestFacts,
  ) {}

  get contentType(): string {
    return this.fields.contentType;
  }

  factsFor(): RequestFacts {
    return this.facts;
  }

  /** Only legacy completions have a limit of output, and a usage that is asked for. */
  changed({ model, outputTokensMax, askUsage }: RequestChanges): Uint8Array {
    const isCompletion = this.facts.endpoint === 'completions';
    return this.fields.with({
      model: model === undefined ? null : JSON.stringify(model),
      max_tokens: isCompletion && outputTokensMax !== undefined ? String(outputTokensMax) : null,
      stream_options: isCompletion && askUsage !== undefined ? usageOptions(this.fields, askUsage) : null,
    });
  }
}

function completionFacts(body: Json, bodyBytes: number): RequestFacts {
  const model = readModel(body);
  const stream = readFlag(body, 'stream');
  const bounds = { min: 1, max: CHOICES_MAX };
  // `best_of` are generated, and `n` of them answered; for each of the prompts.
  const each = Math.max(readWhole(body, 'n', bounds) ?? 1, readWhole(body, 'best_of', bounds) ?? 1);
  const limit = readWhole(body, 'max_tokens', { min: 0, max: OUTPUT_TOKENS_MAX });
  const input = new InputMeasure(bodyBytes).result(imageTokensOf(model));
  const options = isObject(body.stream_options) ? body.stream_options : {};
  return {
    ...NOTHING_BILLED,
    endpoint: 'completions',
    model,
    stream,
    ...input,
    cacheWrite: 'short',
    outputTokensStated: limit ?? COMPLETION_TOKENS_UNSTATED,
    choices: each * promptsIn(body.prompt),
    unmetered: openAiUnmetered(body).filter(({ field }) => field !== 'best_of'),
    thinkingAsked: null,
    usageAsked: stream && readFlag(options, 'include_usage'),
    user: openAiUser(body),
  };
}

/** A list of texts, or of lists of tokens, is as many prompts; a list of tokens is one. */
function promptsIn(prompt: unknown): number {
  if (!Array.isArray(prompt) || prompt.every((one) => typeof one === 'number')) return 1;
  return prompt.length;
}

/** A request that goes on with what the provider keeps: as long as it was, where that is known. */
export function goesOn(body: Json, measure: InputMeasure, earlierTokens: number | null): void {
  if (body.conversation !== undefined && body.conversation !== null) measure.conversation();
  const { previous_response_id: earlier } = body;
  if (earlier === undefined || earlier === null) return;
  if (earlierTokens === null) measure.conversation();
  else measure.known(earlierTokens);
}

// The answer to a compaction has no limit of output: what the model gives at most is held.
function compactFacts(body: Json, bodyBytes: number, earlierTokens: number | null): RequestFacts {
  const model = readModel(body);
  const measure = new InputMeasure(bodyBytes);
  goesOn(body, measure, earlierTokens);
  if (Array.isArray(body.input)) new OpenAiInput(measure).items(readList(body, 'input'));
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

function freeFacts(endpoint: 'input_tokens' | 'moderations', body: Json): RequestFacts {
  if (body.stream === true) throw invalid('stream', true, 'false');
  return { ...NOTHING_BILLED, endpoint, model: readModel(body), user: openAiUser(body) };
}
