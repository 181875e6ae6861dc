// What a start says to people: where the server is, and at the first one its keys, once, and a call that works at once.

import type { FirstKeys } from '../access/key-ring.js';
import { DEMO_MODEL } from './settings/demonstration.js';

export function firstStartText({ url, keys }: { url: string; keys: FirstKeys }): string {
  const { admin, demo } = keys;
  const shown = demo === null ? 'This key is shown this once:' : 'These keys are shown this once:';
  const lines = [
    `Bursar is ready. ${shown}`,
    '',
    `  admin key              ${admin.secret}`,
    ...(demo === null ? [] : [`  key of the tenant demo ${demo.secret}`]),
    '',
    ...addresses(url),
    '',
    ...(demo === null ? firstTenant(url) : firstCall(url, demo.secret)),
    '',
  ];
  return lines.join('\n');
}

function addresses(url: string): string[] {
  return [
    `  HTTP API               ${url}/v1          described in ${url}/openapi.json`,
    `  OpenAI clients         ${url}/openai/v1   as base URL, with the key of a tenant`,
    `  Anthropic clients      ${url}/anthropic   as base URL, with the key of a tenant`,
  ];
}

/** Where the configuration is the user's own, the tenants are too. */
function firstTenant(url: string): string[] {
  return [
    'A key for the calls of a tenant, here acme, is made with the admin key in BURSAR_KEY:',
    '',
    `  npx bursar keys create --url ${url} --name Acme --scope spend --label tenant=acme`,
  ];
}

function firstCall(url: string, key: string): string[] {
  const curl = (flags: string, stream: string) =>
    `  curl ${flags} ${url}/openai/v1/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"model":"${DEMO_MODEL}",${stream}"messages":[{"role":"user","content":"Hello"}]}'`;
  return [
    'A call to the built-in demonstration, and the same streamed; the headers of the first say what it cost and what remains:',
    '',
    curl("-si -w '\\n'", ''),
    '',
    curl('-sN', '"stream":true,'),
  ];
}
