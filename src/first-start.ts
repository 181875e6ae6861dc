// What a start says to people: where the server is, and at the first one its keys, once, and a call that works at once.

import type { IssuedKey } from './service/access/key-ring.js';

export interface FirstKeys {
  readonly admin: IssuedKey;
  readonly demo: IssuedKey;
}

/** `demoModel`: a model that the built-in demonstration answers; null when the configuration has none. */
export function firstStartText(started: { url: string; keys: FirstKeys; demoModel: string | null }): string {
  const { url, keys, demoModel } = started;
  const lines = [
    'Bursar is ready. These keys are shown this once:',
    '',
    `  admin key              ${keys.admin.secret}`,
    `  key of the tenant demo ${keys.demo.secret}`,
    '',
    ...addresses(url),
    ...(demoModel === null ? [] : firstCall({ url, key: keys.demo.secret, model: demoModel })),
    '',
  ];
  return lines.join('\n');
}

function addresses(url: string): string[] {
  return [
    `  HTTP API               ${url}/v1          described in ${url}/openapi.json`,
    `  OpenAI clients         ${url}/openai/v1   as base URL, with a key from above`,
    `  Anthropic clients      ${url}/anthropic   as base URL, with a key from above`,
  ];
}

function firstCall(at: { url: string; key: string; model: string }): string[] {
  const curl = (flags: string, stream: string) =>
    `  curl ${flags} ${at.url}/openai/v1/chat/completions -H 'Authorization: Bearer ${at.key}' -H 'Content-Type: application/json' -d '{"model":"${at.model}",${stream}"messages":[{"role":"user","content":"Hello"}]}'`;
  return [
    '',
    'A call to the built-in demonstration, and the same streamed; the headers of the first say what it cost and what remains:',
    '',
    curl("-si -w '\\n'", ''),
    '',
    curl('-sN', '"stream":true,'),
  ];
}
