// Anthropic's dialect: the endpoints messages and count_tokens. It reads what a request may cost at most, changes fields before
// the request goes out, and reads what the answer used. Written after the API reference and the types of `@anthropic-ai/sdk`.

import type { Endpoint } from '../metering/endpoints.js';
import { NOTHING_BILLED, type RequestFacts } from '../metering/request-facts.js';
import { TOKENS_MAX, type UsageReading } from '../metering/usage.js';
import { AnthropicInput, IMAGE_TOKENS } from './anthropic-input.js';
import { MessageMeter } from './anthropic-stream.js';
import { anthropicTools, boundedTools } from './anthropic-tools.js';
import { messageUsage } from './anthropic-usage.js';
import type { Dialect, RequestChanges, RequestReading } from './dialect.js';
import { errorText } from './error-text.js';
import { InputMeasure } from './input-bound.js';
import { isObject, type Json, namesIn } from './json-scan.js';
import { OutputTally } from './output-text.js';
import type { ParsedBody, RequestFields } from './request-body.js';
import {
  invalid,
  outputLimitEdits,
  readFlag,
  readList,
  readModel,
  readModifiers,
  readUser,
  readWhole,
} from './request-fields.js';
import { refuseOtherSpellings } from './request-spelling.js';
import { anthropicThinking } from './thinking-asked.js';
import { type FieldRules, unmeteredFields } from './unmetered-fields.js';
import { usagePlaces } from './usage-places.js';

/** Tokens of the prompt that asks for an output format ("Structured outputs"). The schema itself is in the body. */
const FORMAT_TOKENS_MAX = 512;

/** The fields that change the price of a request. The provider decides what each value costs. */
const MODIFIERS = ['service_tier', 'speed', 'inference_geo'] as const;

const COMPACTION = 'compaction is billed beside the usage that the answer states';

// The top-level fields of a request, beta messages included (API reference "Create a message", types of `@anthropic-ai/sdk`).
const METERED: ReadonlySet<string> = new Set([
  ...namesIn('model stream max_tokens service_tier speed inference_geo messages system tools thinking'),
  ...namesIn('cache_control output_config output_format context_management'),
]);

const FREE: ReadonlySet<string> = new Set([
  ...namesIn('tool_choice metadata stop_sequences temperature top_p top_k diagnostics betas user_profile_id'),
  ...namesIn('workspace_id'),
  // Bedrock and Vertex state these in the body.
  ...namesIn('anthropic_version anthropic_beta'),
]);

const COSTING: ReadonlyMap<string, string> = new Map([
  ['container', 'code execution is billed by time'],
  ['mcp_servers', 'the input that servers add is not bounded'],
  ['compaction', COMPACTION],
  ['fallbacks', 'another model than the priced one may answer'],
  ['fallback_credit_token', 'it changes the price'],
  ['billing_policy', 'it changes the price'],
  ['thread', 'the request does not bound a conversation that the provider keeps'],
]);

const FIELDS: FieldRules = { metered: METERED, free: FREE, costing: COSTING };

export const anthropic: Dialect = {
  name: 'anthropic',
  paths: { '/v1/messages': 'messages', '/v1/messages/count_tokens': 'count_tokens' },
  readRequest,
  readUsage: (endpoint, answer, profile) =>
    endpoint === 'count_tokens' ? COUNTED : messageUsage(answer, usagePlaces(profile)),
  estimateOutput(endpoint, answer) {
    if (endpoint === 'count_tokens' || !isObject(answer)) return 0;
    const tally = new OutputTally();
    tally.addValue(answer.content);
    return tally.tokens;
  },
  streamMeter: (_endpoint, _facts, profile) => new MessageMeter(usagePlaces(profile)),
  errorText,
};

/** Counting tokens is free ("Token counting"). */
const COUNTED: UsageReading = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
  toolCalls: 0,
  quantities: {},
};

function readRequest(endpoint: Endpoint, { json, fields, hasOtherSpellings }: ParsedBody): RequestReading {
  if (hasOtherSpellings) refuseOtherSpellings(json);
  const model = readModel(json);
  const facts: RequestFacts =
    endpoint === 'count_tokens'
      ? { ...NOTHING_BILLED, endpoint, model, user: null }
      : message(model, json, fields.bytes.length);
  const { contentType } = fields;
  return {
    facts,
    contentType,
    factsFor: () => facts,
    changed: (changes) => changedBytes(endpoint, fields, changes),
  };
}

function message(model: string, body: Json, bodyBytes: number): RequestFacts {
  const measure = new InputMeasure(bodyBytes);
  if (isObject(body.output_format) || isObject(body.output_config)) measure.overhead(FORMAT_TOKENS_MAX);
  const tools = anthropicTools(body, measure);
  const declared = readList(body, 'tools');
  const input = new AnthropicInput(measure, declared);
  input.breakpoint(body);
  for (const tool of declared) input.breakpoint(tool);
  input.content(body.system);
  for (const message of readList(body, 'messages')) if (isObject(message)) input.content(message.content);
  return {
    ...NOTHING_BILLED,
    endpoint: 'messages',
    model,
    stream: readFlag(body, 'stream'),
    ...measure.result(IMAGE_TOKENS),
    cacheWrite: input.cacheWrite,
    // 0 fills the prompt cache and generates nothing.
    outputTokensStated: readWhole(body, 'max_tokens', { min: 0, max: TOKENS_MAX }),
    ...tools,
    unmetered: [...unmeteredFields(body, FIELDS), ...compaction(body)],
    thinkingAsked: anthropicThinking(body),
    modifiersAsked: readModifiers(body, MODIFIERS),
    user: isObject(body.metadata) ? readUser(body.metadata.user_id) : null,
  };
}

// Clearing old tool results makes the input smaller. Compaction generates a summary, which is billed by itself.
function compaction(body: Json): RequestFacts['unmetered'] {
  const { context_management: management } = body;
  if (management === undefined || management === null) return [];
  if (!isObject(management)) throw invalid('context_management', management, 'an object');
  const isClearing = (edit: unknown) =>
    isObject(edit) && typeof edit.type === 'string' && edit.type.startsWith('clear_');
  if (readList(management, 'edits').every(isClearing)) return [];
  return [{ field: 'context_management', why: COMPACTION }];
}

function changedBytes(endpoint: Endpoint, fields: RequestFields, changes: RequestChanges): Uint8Array {
  if (Object.keys(changes).length === 0) return fields.bytes;
  const model = changes.model === undefined ? null : JSON.stringify(changes.model);
  if (endpoint === 'count_tokens') return fields.with({ model });
  const tools = changes.toolCallsMax === undefined ? null : fields.get('tools');
  return fields.with({
    model,
    ...outputLimitEdits(['max_tokens'], changes),
    tools: tools === null ? null : boundedTools(tools, changes.toolCallsMax as number),
  });
}
