// The `openai` package: chat completions and responses, whole and streamed, with the loop of `runTools`.
import OpenAI from 'openai';
import { done, key, model, origin, prompt } from './program.mjs';

const client = new OpenAI({ baseURL: `${origin}/openai/v1`, apiKey: key });
const what = process.argv[2];

if (what === 'chat') {
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: 'user', content: prompt }],
    tools: [
      {
        type: 'function',
        function: {
          name: 'weather',
          description: 'Weather of a city.',
          parameters: { type: 'object', properties: { city: { type: 'string' } } },
          parse: JSON.parse,
          function: ({ city }) => `Sunny in ${city}.`,
        },
      },
    ],
    stream: true,
  });
  done(await runner.finalContent());
}
if (what === 'chat-whole') {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: prompt }],
  });
  done(answer.choices[0].message.content);
}
if (what === 'responses') {
  const stream = client.responses.stream({ model, input: prompt, reasoning: { effort: 'low' } });
  done((await stream.finalResponse()).output_text);
}
if (what === 'responses-whole') done((await client.responses.create({ model, input: prompt })).output_text);
