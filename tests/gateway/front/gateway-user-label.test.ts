// The user that a request names in its dialect's own field, as the label that budgets count by: where the setting and the
// key allow it, and never past what the key fixes.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LedgerEvent } from '#bursar/core/outcomes.js';
import type { Labels } from '#bursar/core/requests.js';
import { chatAnswer, type Gateway, json, startGateway } from '../gateway-fixture.js';

const BUDGETS = `
  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }
  - { id: user-day, match: { tenant: acme, user: "*" }, unit: usd, limit: "10", window: day }
`;
const CHAT = { model: 'small', messages: [{ role: 'user', content: 'hi' }] };
const RESPONSE = { model: 'small', input: 'hi' };
const EMBEDDING = { model: 'small', input: 'hi' };
const MESSAGE = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const COMPLETIONS = '/openai/v1/chat/completions';

let gateway: Gateway;
let free: string;
beforeAll(async () => {
  const more = 'gateway: { require: [tenant, user], userLabel: user }';
  gateway = await startGateway({ budgets: BUDGETS, more });
  gateway.provider.answer = json(chatAnswer({ prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }));
  free = await gateway.makeKey({ tenant: 'acme' }, ['spend'], ['user']);
});
afterAll(() => gateway.close());

const userOf = (hold: LedgerEvent | undefined) => (hold?.details.labels as Labels | undefined)?.user;

/** The status, and the label `user` of the hold that the call made. */
async function call(path: string, body: object, headers: Record<string, string> = {}, key = free) {
  const response = await gateway.post(path, body, { authorization: `Bearer ${key}`, ...headers });
  const answer = await response.text();
  const [hold] = (await gateway.events('hold_authorized')).slice(-1);
  return { status: response.status, answer, user: response.ok ? userOf(hold) : undefined };
}

describe('gateway: the user that a request names', () => {
  test.each<[string, string, object, string]>([
    ['chat, user', COMPLETIONS, { ...CHAT, user: 'u1' }, 'u1'],
    ['chat, safety_identifier', COMPLETIONS, { ...CHAT, safety_identifier: 'u2' }, 'u2'],
    [
      'both: safety_identifier is the newer name',
      COMPLETIONS,
      { ...CHAT, user: 'cache-7', safety_identifier: 'u3' },
      'u3',
    ],
    ['responses', '/openai/v1/responses', { ...RESPONSE, user: 'u4' }, 'u4'],
    ['embeddings', '/openai/v1/embeddings', { ...EMBEDDING, user: 'u5' }, 'u5'],
    ['legacy completions', '/openai/v1/completions', { model: 'small', prompt: 'hi', user: 'u55' }, 'u55'],
    ['messages', '/anthropic/v1/messages', { ...MESSAGE, metadata: { user_id: 'u6' } }, 'u6'],
    ['beyond ASCII', COMPLETIONS, { ...CHAT, user: 'Jürgen Groß' }, 'Jürgen Groß'],
  ])('%s → the label user, and the field goes out as it came', async (_what, path, body, user) => {
    expect(await call(path, body)).toMatchObject({ status: 200, user });
    expect(gateway.provider.calls.at(-1)?.body).toMatchObject(body);
  });

  test('a header beside it → the header counts', async () => {
    const answer = await call(COMPLETIONS, { ...CHAT, user: 'cache-7' }, { 'bursar-label-user': 'u7' });
    expect(answer).toMatchObject({ status: 200, user: 'u7' });
  });

  test('a key that fixes the label → the key’s counts, and the field is no misuse', async () => {
    const fixed = await gateway.makeKey({ tenant: 'acme', user: 'ada' });
    expect(await call(COMPLETIONS, { ...CHAT, user: 'bob' }, {}, fixed)).toMatchObject({
      status: 200,
      user: 'ada',
    });
  });

  test.each<[string, object]>([
    ['no field', {}],
    ['null', { user: null }],
    ['an empty text', { user: '' }],
    ['a number', { user: 7 }],
    ['a JSON object as text, as Claude Code sends it', { user: '{"device_id":"d","session_id":"s"}' }],
  ])('%s → nobody is named, and the required label refuses the call', async (_what, fields) => {
    const { status, answer } = await call(COMPLETIONS, { ...CHAT, ...fields });
    expect([status, JSON.parse(answer).error.code]).toEqual([402, 'no_budget']);
  });

  test('a key that does not let its caller state the label → the field means nothing', async () => {
    const shut = await gateway.makeKey({ tenant: 'acme' });
    const { status, answer } = await call(COMPLETIONS, { ...CHAT, user: 'u8' }, {}, shut);
    expect([status, JSON.parse(answer).error.code]).toEqual([402, 'no_budget']);
  });

  test.each([
    ['too long', 'x'.repeat(257), 'has 257 characters; at most 256 are allowed'],
    ['invisible', 'u1\u200b', 'contains a control or invisible character'],
  ])('a value that is %s → 400 naming it, and nothing goes out', async (_what, user, problem) => {
    const before = gateway.provider.calls.length;
    const { status, answer } = await call(COMPLETIONS, { ...CHAT, user });
    expect([status, JSON.parse(answer).error.code]).toEqual([400, 'invalid_request']);
    expect(JSON.parse(answer).error.message).toContain(problem);
    expect(gateway.provider.calls).toHaveLength(before);
  });

  test('without the setting → the field is no label', async () => {
    const plain = await startGateway({ budgets: BUDGETS });
    plain.provider.answer = json(chatAnswer({ prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }));
    const key = await plain.makeKey({ tenant: 'acme' }, ['spend'], ['user']);
    const response = await plain.post(
      COMPLETIONS,
      { ...CHAT, user: 'u9' },
      { authorization: `Bearer ${key}` },
    );
    const [hold] = await plain.events('hold_authorized');
    await plain.close();
    expect([response.status, userOf(hold)]).toEqual([200, undefined]);
  });
});
