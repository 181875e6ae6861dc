// The field `stream_options` of chat completions and legacy completions, by which a stream is asked for its usage. Called by
// openai.ts and openai-endpoints.ts.

import { Buffer } from 'node:buffer';
import { BodyFields, LEFT_OUT, type RequestFields } from './request-body.js';

/** The caller's stream options with usage asked for; none for a provider that is not asked. `null` counts as none. */
export function usageOptions(fields: RequestFields, asks: boolean): string {
  if (!asks) return LEFT_OUT;
  const options = fields.get('stream_options');
  if (options === null || options[0] !== '{'.charCodeAt(0)) return '{"include_usage":true}';
  return Buffer.from(BodyFields.of(options).with({ include_usage: 'true' })).toString('utf8');
}
