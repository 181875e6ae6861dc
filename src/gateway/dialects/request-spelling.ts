// Refuses keys that a parser which ignores case (Go's encoding/json and others) takes for another key: `Max_Tokens` would be a
// second limit, `Type` another kind of tool. They are refused everywhere except in areas that callers write freely: schemas,
// arguments of tools, metadata. Called by body-scan.ts for each key, and by both dialects.

import { RefusedError } from '../../kit/refusals.js';
import { type Json, namesIn } from './json-scan.js';

/** Keys that are no other spelling of a name. */
const PLAIN_KEY = /^[a-z0-9_]*$/;

/** Names that bear on the cost, at any depth. */
const READ_NAMES: ReadonlySet<string> = new Set([
  // Of the request.
  ...namesIn(
    'model models stream stream_options include_usage n best_of service_tier speed inference_geo messages',
  ),
  ...namesIn('input instructions system tools functions max_tokens max_completion_tokens max_output_tokens'),
  ...namesIn('max_tool_calls previous_response_id conversation prompt modalities audio web_search_options'),
  ...namesIn('background prediction plugins provider search_parameters fallbacks route deferred mcp_servers'),
  ...namesIn(
    'container compaction thread context_management edits output_config output_format format extra_body',
  ),
  ...namesIn('google'),
  // Of thinking.
  ...namesIn(
    'reasoning reasoning_effort effort enabled thinking enable_thinking think budget_tokens prompt_mode',
  ),
  ...namesIn(
    'chat_template_kwargs thinking_config thinking_budget thinking_level cached_content task_budget mode',
  ),
  // Of images, speech and transcriptions.
  ...namesIn('quality partial_images stream_format image mask known_speaker_references store'),
  // Of messages, items and their parts.
  ...namesIn(
    'role content type text image_url url detail file file_id file_data file_url input_audio data source',
  ),
  ...namesIn(
    'media_type output result encrypted_content id item cache_control ttl tool_changes tool definition',
  ),
  ...namesIn('video_url'),
  // Of tools.
  ...namesIn('max_uses allowed_callers execution environment memory_limit'),
]);

/** Areas that callers write freely and in which no provider looks for settings. */
const FREE_AREAS: ReadonlySet<string> = new Set([
  // Schemas of tools and of formats.
  ...namesIn('parameters input_schema schema json_schema response_format output_schema guided_json'),
  ...namesIn('structured_outputs metadata client_metadata litellm_metadata trace usage logit_bias variables'),
]);

/** Whether a key is another spelling of a name that bears on the cost. Called for each key of a body. */
export function isOtherSpelling(key: string): boolean {
  return !PLAIN_KEY.test(key) && spelledFor(key) !== null;
}

/**
 * Refuses other spellings outside the free areas. Called where the body has another spelling anywhere, which is rare.
 * @throws RefusedError `invalid_request`, naming the key
 */
export function refuseOtherSpellings(body: Json): void {
  for (const key in body) {
    refuseSpelling(key);
    if (!FREE_AREAS.has(key)) refuseWithin(body[key]);
  }
}

function refuseWithin(value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) refuseWithin(item);
    return;
  }
  if (value === null || typeof value !== 'object') return;
  const of = value as Json;
  for (const key in of) {
    refuseSpelling(key);
    if (FREE_AREAS.has(key) || isArguments(key, of.type)) continue;
    refuseWithin(of[key]);
  }
}

// `input` is a field of the request, but in a block `tool_use` it has the arguments that the model wrote.
function isArguments(key: string, type: unknown): boolean {
  return (key === 'input' || key === 'arguments') && typeof type === 'string';
}

function refuseSpelling(key: string): void {
  const name = PLAIN_KEY.test(key) ? null : spelledFor(key);
  if (name === null) return;
  const shown = JSON.stringify(key.slice(0, SHOWN_CHARS_MAX));
  const message = `The key ${shown} can be taken for ${name}; write it so.`;
  throw new RefusedError('invalid_request', message, { field: name });
}

const SHOWN_CHARS_MAX = 80;

/** The name that a key is another spelling of; null when it is none. */
function spelledFor(key: string): string | null {
  const name = folded(key);
  return name !== key && READ_NAMES.has(name) ? name : null;
}

// Full case folding, the Kelvin sign, the long s, ligatures and the Turkish dotted and dotless i included.
function folded(key: string): string {
  return key.toUpperCase().toLowerCase().replaceAll('\u0307', '');
}
