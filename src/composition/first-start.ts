// What the first start prints for people: the keys, once, where the server is, a call that works, a call that is refused, and
// the command that explains the refusal. Every line works as it stands.

import type { FirstKeys } from '../access/access-keys.js';
import { DEMO_MODEL, DEMO_MODEL_LARGE } from './settings/demonstration.js';

export function firstStartText({ url, keys }: { url: string; keys: FirstKeys }): string {
  const { admin, demo } = keys;
  const once = demo === null ? 'This key is shown this once:' : 'These keys are shown this once:';
  const lines = [
    `Bursar is ready. ${once}`,
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

/** With a configuration of one's own there is no demonstration to call: the next step is a tenant's key. */
function firstTenant(url: string): string[] {
  return [
    'A key for the calls of a tenant, here acme, is made with the admin key in BURSAR_KEY:',
    '',
    `  npx bursar keys create --url ${url} --name Acme --scope spend --label tenant=acme`,
  ];
}

/** A hundred answers of 4,096 tokens may cost 4.10 usd; the demonstration gives a user 2 usd a day. */
const TOO_MUCH = { model: DEMO_MODEL_LARGE, n: 100, max_tokens: 4_096, user: 'ann' };

function firstCall(url: string, key: string): string[] {
  const curl = (request: object) =>
    `curl -si ${url}/openai/v1/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${JSON.stringify({ ...request, messages: [{ role: 'user', content: 'Hello' }] })}'`;
  return [
    'A call to the built-in demonstration. Its headers say what it cost and what remains:',
    '',
    `  ${curl({ model: DEMO_MODEL })}; echo`,
    '',
    'A call that is refused, since a hundred answers may cost more than ann has in a day:',
    '',
    `  ANSWER=$(${curl(TOO_MUCH)}); echo "$ANSWER"`,
    '',
    'Why, in figures that add up:',
    '',
    `  BURSAR_KEY=${key} npx bursar explain --url ${url} $(echo "$ANSWER" | grep -o 'dec-[0-9]*' | head -n 1)`,
  ];
}
