// The dialects that the gateway speaks and the endpoints that it meters, with what holds for an endpoint at any provider.
// The vocabulary of all other rooms of the gateway.

export const DIALECTS = ['openai', 'anthropic'] as const;
export type DialectName = (typeof DIALECTS)[number];

export const ENDPOINTS = [
  ...(['chat_completions', 'responses', 'embeddings', 'messages', 'count_tokens'] as const),
  ...(['completions', 'compact', 'input_tokens', 'moderations'] as const),
  ...(['images', 'image_edits', 'image_variations', 'speech', 'transcriptions', 'translations'] as const),
] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** Counting and judging what was said costs nothing, at any provider. */
export const FREE_ENDPOINTS: ReadonlySet<Endpoint> = new Set(['count_tokens', 'input_tokens', 'moderations']);
/** Whose requests can state how much output they take at most. */
export const LIMITED_ENDPOINTS: ReadonlySet<Endpoint> = new Set([
  'chat_completions',
  'completions',
  'responses',
  'messages',
]);
/** Whose requests are forms with files. */
export const FORM_ENDPOINTS: ReadonlySet<Endpoint> = new Set([
  'image_edits',
  'image_variations',
  'transcriptions',
  'translations',
]);
/** Whose answers may be sound or text: they are JSON only where they say so. */
export const PLAIN_ENDPOINTS: ReadonlySet<Endpoint> = new Set(['speech', 'transcriptions', 'translations']);
