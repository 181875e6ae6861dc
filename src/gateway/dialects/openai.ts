// OpenAI's dialect: a table of its endpoints. A row says what a request to the endpoint may cost, where its answer states
// usage, how its stream is read, and which limits Bursar writes into it.

import type { Endpoint } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import type { ProviderProfile, RequestProfile } from '../profiles/profile.js';
import {
  type Dialect,
  type KnownContext,
  NOTHING_KNOWN,
  type RequestChanges,
  type RequestReading,
  type StreamMeter,
} from './dialect.js';
import { errorText } from './error-text.js';
import { InputMeasure } from './input-bound.js';
import { isObject } from './json-scan.js';
import { imageTokensOf } from './openai-input.js';
import {
  imageFacts,
  imagesUsage,
  MediaMeter,
  speechFacts,
  speechUsage,
  transcriptionFacts,
  transcriptionUsage,
} from './openai-media.js';
import {
  CHAT_LIMITS,
  chatFacts,
  compactFacts,
  completionFacts,
  embeddingsFacts,
  inputTokensFacts,
  moderationFacts,
  type OpenAiRequest,
  responseFacts,
} from './openai-requests.js';
import { ChatMeter, ResponseMeter } from './openai-stream.js';
import { chatUsage, embeddingsUsage, responseUsage } from './openai-usage.js';
import { OutputTally } from './output-text.js';
import { type FieldEdits, LEFT_OUT, type ParsedBody, type RequestFields } from './request-body.js';
import { outputLimitEdits, usageOptions } from './request-fields.js';
import { refuseOtherSpellings } from './request-spelling.js';
import { isThinkingAsked, openAiThinking, type ThinkingAsked } from './thinking-asked.js';
import { type UsagePlaces, usagePlaces } from './usage-places.js';

interface EndpointRules {
  /** Below the dialect's prefix. */
  readonly path: string;
  /** @throws RefusedError `invalid_request`, `not_meterable`, `price_unknown` */
  readonly facts: (request: OpenAiRequest) => RequestFacts;
  readonly usage: (answer: unknown, places: UsagePlaces) => UsageReading | null;
  readonly meter: (facts: RequestFacts, profile: ProviderProfile) => StreamMeter;
  /** The fields that are written beside `model` where Bursar changes a request. Absent = none. */
  readonly edits?: (fields: RequestFields, changes: RequestChanges, request: RequestProfile) => FieldEdits;
  /** Whether the facts of a request depend on the candidate that answers it: by its images, and by what it says of thinking. */
  readonly differsByCandidate?: boolean;
}

type OpenAiEndpoint = Exclude<Endpoint, 'messages' | 'count_tokens'>;

const noUsage = () => null;
/** None of these endpoints streams. */
const noStream = () => new MediaMeter(noUsage, 1);
const chatMeter: EndpointRules['meter'] = (facts, profile) => new ChatMeter(facts, profile);

const FREE = { usage: noUsage, meter: noStream } as const;
const IMAGES = {
  usage: imagesUsage,
  meter: ({ choices }: RequestFacts) => new MediaMeter(imagesUsage, choices),
} as const;
const TRANSCRIPTIONS = {
  usage: transcriptionUsage,
  meter: () => new MediaMeter(transcriptionUsage, 1),
} as const;

const ENDPOINTS: Readonly<Record<OpenAiEndpoint, EndpointRules>> = {
  chat_completions: {
    path: '/v1/chat/completions',
    facts: chatFacts,
    usage: chatUsage,
    meter: chatMeter,
    edits: (fields, changes, request) => ({
      ...chatLimitEdits(fields, changes, request),
      ...usageEdits(fields, changes),
    }),
    differsByCandidate: true,
  },
  responses: {
    path: '/v1/responses',
    facts: responseFacts,
    usage: responseUsage,
    meter: (_facts, profile) => new ResponseMeter(usagePlaces(profile)),
    edits: (_fields, changes) => ({
      ...outputLimitEdits(['max_output_tokens'], changes),
      max_tool_calls: changes.toolCallsMax === undefined ? null : String(changes.toolCallsMax),
    }),
    differsByCandidate: true,
  },
  embeddings: {
    path: '/v1/embeddings',
    facts: embeddingsFacts,
    usage: embeddingsUsage,
    meter: chatMeter,
    differsByCandidate: true,
  },
  completions: {
    path: '/v1/completions',
    facts: completionFacts,
    usage: chatUsage,
    meter: (facts, profile) => new ChatMeter(facts, profile, 'text'),
    edits: (fields, changes) => ({
      ...outputLimitEdits(['max_tokens'], changes),
      ...usageEdits(fields, changes),
    }),
  },
  compact: { path: '/v1/responses/compact', facts: compactFacts, usage: responseUsage, meter: noStream },
  input_tokens: { path: '/v1/responses/input_tokens', facts: inputTokensFacts, ...FREE },
  moderations: { path: '/v1/moderations', facts: moderationFacts, ...FREE },
  images: { path: '/v1/images/generations', facts: ({ body }) => imageFacts('images', body), ...IMAGES },
  image_edits: { path: '/v1/images/edits', facts: ({ body }) => imageFacts('image_edits', body), ...IMAGES },
  image_variations: {
    path: '/v1/images/variations',
    facts: ({ body }) => imageFacts('image_variations', body),
    ...IMAGES,
  },
  speech: {
    path: '/v1/audio/speech',
    facts: ({ body }) => speechFacts(body),
    usage: speechUsage,
    meter: () => new MediaMeter(speechUsage, 1),
  },
  transcriptions: {
    path: '/v1/audio/transcriptions',
    facts: ({ body }) => transcriptionFacts('transcriptions', body),
    ...TRANSCRIPTIONS,
  },
  translations: {
    path: '/v1/audio/translations',
    facts: ({ body }) => transcriptionFacts('translations', body),
    ...TRANSCRIPTIONS,
  },
};

function rulesOf(endpoint: Endpoint): EndpointRules {
  return ENDPOINTS[endpoint as OpenAiEndpoint];
}

export const openai: Dialect = {
  name: 'openai',
  paths: Object.fromEntries(
    Object.entries(ENDPOINTS).map(([endpoint, { path }]) => [path, endpoint as Endpoint]),
  ),
  readRequest,
  readUsage: (endpoint, answer, profile) => rulesOf(endpoint).usage(answer, usagePlaces(profile)),
  estimateOutput(_endpoint, answer) {
    if (!isObject(answer)) return 0;
    const tally = new OutputTally();
    tally.addValue(answer.choices ?? answer.output ?? answer.text);
    return tally.tokens;
  },
  streamMeter: (endpoint, facts, profile) => rulesOf(endpoint).meter(facts, profile),
  errorText,
};

function readRequest(
  endpoint: Endpoint,
  { json: body, fields, hasOtherSpellings }: ParsedBody,
  { earlierTokens }: KnownContext = NOTHING_KNOWN,
): RequestReading {
  if (hasOtherSpellings) refuseOtherSpellings(body);
  const rules = rulesOf(endpoint);
  const measure = new InputMeasure(fields.bytes.length);
  const facts = rules.facts({ body, measure, earlierTokens });
  const byCandidate = rules.differsByCandidate ? { measure, thinking: openAiThinking(body) } : null;
  return new OpenAiReading(fields, facts, byCandidate);
}

/** The parts of a request that cost more at one candidate than at another. */
interface CandidateParts {
  readonly measure: InputMeasure;
  readonly thinking: ThinkingAsked;
}

class OpenAiReading implements RequestReading {
  readonly facts: RequestFacts;
  readonly #fields: RequestFields;
  readonly #byCandidate: CandidateParts | null;

  constructor(fields: RequestFields, facts: RequestFacts, byCandidate: CandidateParts | null) {
    this.facts = facts;
    this.#fields = fields;
    this.#byCandidate = byCandidate;
  }

  get contentType(): string {
    return this.#fields.contentType;
  }

  factsFor(model: string, profile: ProviderProfile): RequestFacts {
    const { facts } = this;
    if (this.#byCandidate === null) return facts;
    const { measure, thinking } = this.#byCandidate;
    const thinkingAsked = isThinkingAsked(thinking, profile.request.thinkingOff);
    const { hasImages } = measure;
    if (!hasImages && thinkingAsked === facts.thinkingAsked) return facts;
    const input = hasImages ? measure.result(imageTokensOf(model, profile)) : {};
    return { ...facts, ...input, thinkingAsked };
  }

  changed(changes: RequestChanges, { request }: ProviderProfile): Uint8Array {
    const fields = this.#fields;
    if (Object.keys(changes).length === 0) return fields.bytes;
    return fields.with({
      model: changes.model === undefined ? null : JSON.stringify(changes.model),
      ...rulesOf(this.facts.endpoint).edits?.(fields, changes, request),
    });
  }
}

function usageEdits(fields: RequestFields, { askUsage }: RequestChanges): FieldEdits {
  return { stream_options: askUsage === undefined ? null : usageOptions(fields, askUsage) };
}

/**
 * Writes the limit into the caller's own fields where the provider obeys them, else into the provider's field. Fields that the
 * provider does not know are removed.
 */
function chatLimitEdits(fields: RequestFields, changes: RequestChanges, request: RequestProfile): FieldEdits {
  if (changes.outputTokensMax === undefined) return {};
  const isObeyed = (field: string) =>
    request.outputLimit.includes(field) || request.outputLimitAlso.includes(field);
  const stated = CHAT_LIMITS.filter((field) => statesNumber(fields, field));
  const kept = stated.filter(isObeyed);
  const unknown = CHAT_LIMITS.filter((field) => !isObeyed(field) && fields.get(field) !== null);
  return {
    ...outputLimitEdits(kept.length === 0 ? request.outputLimit : kept, changes),
    ...Object.fromEntries(unknown.map((field) => [field, LEFT_OUT])),
  };
}

function statesNumber(fields: RequestFields, field: string): boolean {
  const value = fields.get(field);
  return value !== null && value[0] !== 'n'.charCodeAt(0);
}
