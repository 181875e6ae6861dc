// The top-level fields of requests in OpenAI's dialect, with those that compatible providers and clients add. A field is
// metered (openai-requests.ts reads it), free, or costing (it can cost and is not metered). Each list names its source.

import { isObject, type Json, namesIn } from './json-scan.js';
import { readUser } from './request-fields.js';
import { asksNothing, type FieldRules, type UnmeteredField, unmeteredFields } from './unmetered-fields.js';

const METERED: ReadonlySet<string> = new Set([
  // OpenAI, API reference: "Create chat completion", "Create a model response", "Create embeddings".
  ...namesIn('model stream stream_options n service_tier messages input instructions max_completion_tokens'),
  ...namesIn(
    'max_tokens max_output_tokens max_tool_calls tools functions previous_response_id conversation prompt',
  ),
  ...namesIn('modalities audio web_search_options'),
  // Each provider's fields about thinking: see thinking-asked.ts.
  ...namesIn('reasoning reasoning_effort thinking enable_thinking think prompt_mode chat_template_kwargs'),
  ...namesIn('extra_body google'),
]);

const FREE: ReadonlySet<string> = new Set([
  // OpenAI, the same references.
  ...namesIn('tool_choice function_call parallel_tool_calls stop metadata logit_bias logprobs top_logprobs'),
  ...namesIn('response_format text include moderation seed store user verbosity temperature top_p'),
  ...namesIn('frequency_penalty presence_penalty safety_identifier truncation prompt_cache_key'),
  ...namesIn('prompt_cache_options prompt_cache_retention dimensions encoding_format'),
  // Codex (codex-rs, `ResponsesApiRequest`).
  ...namesIn('client_metadata access_programs'),
  // Claude's prompt cache, through compatible providers. Every hold of this dialect covers writing it.
  'cache_control',
  // OpenRouter, "API reference" and "Parameters".
  ...namesIn('usage transforms trace session_id top_a include_reasoning structured_outputs'),
  // Groq, "API reference".
  ...namesIn('citation_options disable_tool_validation documents reasoning_format'),
  // Mistral, "Chat completion"; Moonshot, "Partial mode"; Zhipu, "Chat completion"; DashScope, "Qwen API reference".
  ...namesIn('safe_prompt random_seed partial do_sample tool_stream incremental_output result_format'),
  ...namesIn('thinking_budget preserve_thinking'),
  // Together and Fireworks, "Create chat completion".
  ...namesIn('context_length_exceeded_behavior compliance echo prompt_truncate_len prompt_truncation_length'),
  ...namesIn('perf_metrics_in_response raw_output reasoning_history prompt_cache_isolation_key'),
  // vLLM and SGLang, "OpenAI-compatible server": sampling, guided decoding, scheduling.
  ...namesIn(
    'priority request_id cache_salt kv_transfer_params vllm_xargs bad_words stop_token_ids guided_json',
  ),
  ...namesIn('guided_regex guided_choice guided_grammar guided_decoding_backend guided_whitespace_pattern'),
  ...namesIn(
    'logits_processors truncate_prompt_tokens prompt_token_ids separate_reasoning stream_reasoning regex',
  ),
  ...namesIn('ebnf session_params custom_logit_processor'),
  // llama.cpp server and Ollama.
  ...namesIn('samplers grammar json_schema format keep_alive t_max_predict_ms cache_prompt'),
  // Sent by clients of LiteLLM's proxy.
  ...namesIn('litellm_metadata litellm_session_id litellm_trace_id tags caching cache num_retries'),
]);

const OTHER_MODEL = 'another model than the priced one may answer';
const SEARCHES = 'searches are billed beside the tokens';
const LATER = 'the answer and its usage come after the call has ended';
const MORE = 'it generates more than it answers';

const COSTING: ReadonlyMap<string, string> = new Map([
  // OpenAI.
  ['background', LATER],
  ['prediction', 'rejected prediction tokens are billed beyond the limit of output'],
  ['context_management', 'compaction generates text beyond the limit of output'],
  // OpenRouter, "Model fallbacks", "Provider selection", "Plugins"; xAI, "Live search", "Deferred completions".
  ['models', OTHER_MODEL],
  ['fallbacks', OTHER_MODEL],
  ['route', OTHER_MODEL],
  ['provider', 'another provider than the priced one may answer'],
  ['plugins', 'plugins are billed beside the tokens'],
  ['search_parameters', SEARCHES],
  ['deferred', LATER],
  // Groq, "Compound"; DashScope, "Web search", "Code interpreter"; Together, "Safety models".
  ['compound_custom', 'another model and billed tools may run'],
  ['search_settings', SEARCHES],
  ['enable_search', SEARCHES],
  ['search_options', SEARCHES],
  ['safety_model', 'another model reads the request, and is billed for it'],
  // vLLM: beam search, templates that add text, more frames of a video.
  ['best_of', MORE],
  ['use_beam_search', MORE],
  ['chat_template', 'a template may write more input than the request has'],
  ['mm_processor_kwargs', 'it changes how many tokens images and videos have'],
  ['media_io_kwargs', 'it changes how many tokens images and videos have'],
  ['prompt_embeds', 'the tokens of embeddings are not bounded by the bytes'],
  // LiteLLM's proxy.
  ['api_base', 'another provider than the priced one may answer'],
  ['base_url', 'another provider than the priced one may answer'],
  ['api_key', 'another account than the priced one may pay'],
  ['mcp_servers', 'the input that servers add is not bounded'],
]);

const FIELDS: FieldRules = { metered: METERED, free: FREE, costing: COSTING };

/** The fields of a request that can cost and are not metered. */
export function openAiUnmetered(body: Json): readonly UnmeteredField[] {
  const found = unmeteredFields(body, isSearchOff(body) ? WITHOUT_SEARCH : FIELDS);
  const google = googleOptions(body);
  if (body.extra_body === undefined && google === null) return found;
  return [...found, ...extraUnmetered(body.extra_body), ...(google === null ? [] : googleUnmetered(google))];
}

/** Whether the request continues content that Google stores under a name ("Context caching", "OpenAI compatibility"). */
export function readsCachedContent(body: Json): boolean {
  const cached = googleOptions(body)?.cached_content;
  return cached !== undefined && cached !== null;
}

// xAI, "Live search": mode `off` turns it off explicitly.
function isSearchOff({ search_parameters: search }: Json): boolean {
  return isObject(search) && search.mode === 'off';
}

const WITHOUT_SEARCH: FieldRules = { ...FIELDS, free: new Set([...FREE, 'search_parameters']) };

/** Google's options: its endpoint takes them in `extra_body.google`; clients that unpack `extra_body` send `google`. */
function googleOptions({ extra_body: extra, google }: Json): Json | null {
  if (isObject(extra) && isObject(extra.google)) return extra.google;
  return isObject(google) ? google : null;
}

const GOOGLE: FieldRules = {
  metered: new Set(['thinking_config', 'cached_content']),
  free: new Set(['thought_tag_marker', 'safety_settings', 'labels']),
  costing: new Map(),
};

function googleUnmetered(google: Json): UnmeteredField[] {
  return unmeteredFields(google, GOOGLE).map(({ field, why }) => ({ field: `google.${field}`, why }));
}

// Proxies merge `extra_body` into the request, so that a limit in it would replace the limit that is held.
function extraUnmetered(extra: unknown): UnmeteredField[] {
  if (extra === undefined || extra === null) return [];
  if (!isObject(extra)) return [{ field: 'extra_body', why: 'it is no object' }];
  const stated = Object.keys(extra).filter((field) => field !== 'google');
  const hidden = stated.filter((field) => METERED.has(field) && !asksNothing(extra[field]));
  const inner = hidden.map((field) => ({ field, why: 'it is read at the top level of the request alone' }));
  return [...inner, ...unmeteredFields(extra, FIELDS)].map(({ field, why }) => ({
    field: `extra_body.${field}`,
    why,
  }));
}

/** The user that a request names: `safety_identifier` is the newer name of `user` ("Safety best practices"). */
export function openAiUser(body: Json): string | null {
  return readUser(body.safety_identifier) ?? readUser(body.user);
}
