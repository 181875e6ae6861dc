// One OpenTelemetry span for each call to a provider, with the attributes of the conventions for generative AI, seen
// through a real SDK; and none of what callers say or of what is secret in them.

import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chatAnswer, type Gateway, json, startGateway } from '../gateway-fixture.js';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);

let gateway: Gateway;
beforeEach(async () => {
  exporter.reset();
  gateway = await startGateway({
    budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }',
  });
});
afterEach(() => gateway.close());

test('a call that is tried twice → a span for each attempt, the failed one first', async () => {
  gateway.provider.answer = (call, response) =>
    call.path.startsWith('/spare/')
      ? json(chatAnswer({ prompt_tokens: 10, completion_tokens: 5 }))(call, response)
      : json({ error: { message: 'overloaded by hush-hush' } }, 529)(call, response);
  const body = { model: 'both', max_tokens: 100, messages: [{ role: 'user', content: 'hush-hush' }] };
  await (await gateway.post('/openai/v1/chat/completions', body)).text();
  const [failed, answered] = exporter.getFinishedSpans();
  expect(failed.name).toBe('chat small');
  expect(failed.attributes).toMatchObject({
    'gen_ai.provider.name': 'main',
    'http.response.status_code': 529,
    'error.type': 'flake',
  });
  expect(answered.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'spare',
    'gen_ai.request.model': 'large',
    'gen_ai.request.max_tokens': 100,
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 5,
    'bursar.call.end': 'completed',
  });
  expect(exporter.getFinishedSpans()).toHaveLength(2);
  expect(JSON.stringify([failed.attributes, answered.attributes])).not.toContain('hush');
});
