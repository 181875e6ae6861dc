// The top-level fields of requests in Anthropic's dialect: those that anthropic.ts reads, those that cost nothing, and those
// that can cost and are not metered. After the API reference ("Create a message") and the types of `@anthropic-ai/sdk`, beta
// messages included.

import { namesIn } from './json-scan.js';
import type { FieldRules } from './unmetered-fields.js';

export const COMPACTION = 'compaction is billed beside the usage that the answer states';

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

export const ANTHROPIC_FIELDS: FieldRules = { metered: METERED, free: FREE, costing: COSTING };
