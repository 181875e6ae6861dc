// The Anthropic client through Bursar: only the base URL and the key change, and every call is within its budgets.
// Run `npm start`, then: BURSAR_URL=http://127.0.0.1:8420 BURSAR_KEY=<key of the tenant demo> node examples/gateway-anthropic.mjs

import Anthropic from '@anthropic-ai/sdk';

const anthropic = new Anthropic({
  baseURL: `${process.env.BURSAR_URL}/anthropic`,
  apiKey: process.env.BURSAR_KEY,
  defaultHeaders: { 'Bursar-Label-user': 'u1' },
});
const request = { model: 'demo-small', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] };

const { data, response } = await anthropic.messages.create(request).withResponse();
console.log(data.content[0].text);
console.log(`cost ${response.headers.get('bursar-cost')} usd`);

const streamed = await anthropic.messages.stream(request).finalMessage();
console.log(`streamed: ${streamed.usage.output_tokens} tokens, ${streamed.stop_reason}`);
