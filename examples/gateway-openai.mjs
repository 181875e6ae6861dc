// The OpenAI client through Bursar: only the base URL and the key change, and every call is within its budgets.
// Run `npm start`, then: BURSAR_URL=http://127.0.0.1:8420 BURSAR_KEY=<key of the tenant demo> node examples/gateway-openai.mjs

import OpenAI from 'openai';

const openai = new OpenAI({
  baseURL: `${process.env.BURSAR_URL}/openai/v1`,
  apiKey: process.env.BURSAR_KEY,
  // Whom the calls are for: the budgets of this user count too.
  defaultHeaders: { 'Bursar-Label-user': 'u1' },
});
const messages = [{ role: 'user', content: 'Hello' }];

const { data, response } = await openai.chat.completions
  .create({ model: 'demo-small', messages, max_completion_tokens: 50 })
  .withResponse();
console.log(data.choices[0].message.content);
console.log(`cost ${response.headers.get('bursar-cost')} usd`);
console.log(`${response.headers.get('bursar-remaining-budget')} has the least left`);

let streamed = '';
for await (const chunk of await openai.chat.completions.create({
  model: 'demo-small',
  messages,
  stream: true,
})) {
  streamed += chunk.choices[0].delta.content ?? '';
}
console.log(streamed === data.choices[0].message.content ? 'the same, streamed' : streamed);

try {
  // A hundred answers could cost more than this user has in a day: refused before anything is sent, and not retried.
  const most = { n: 100, max_completion_tokens: 4_096 };
  await openai.chat.completions.create({ model: 'demo-large', messages, ...most });
} catch (error) {
  console.log(`${error.status} ${error.code}`);
}
