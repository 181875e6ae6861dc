// The AI SDK: `streamText` and `generateText` with one tool, on its OpenAI (responses and chat) and Anthropic providers.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { done, key, model, origin, prompt } from './program.mjs';

const openai = createOpenAI({ baseURL: `${origin}/openai/v1`, apiKey: key });
const anthropic = createAnthropic({ baseURL: `${origin}/anthropic/v1`, apiKey: key });
const what = process.argv[2];
const llm = {
  responses: () => openai(model),
  'responses-unstored': () => openai(model),
  chat: () => openai.chat(model),
  anthropic: () => anthropic(model),
}[what]();
const weather = tool({
  description: 'Weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `Sunny in ${city}.`,
});
const providerOptions = what === 'responses-unstored' ? { openai: { store: false } } : {};
const request = { model: llm, prompt, tools: { weather }, stopWhen: stepCountIs(4), providerOptions };

if (what === 'chat') done((await generateText(request)).text);
else {
  // What went wrong is told to `onError`; the text alone then says that there was none.
  let failure = null;
  const onError = ({ error }) => {
    failure = error;
  };
  const text = await streamText({ ...request, onError }).text.catch((error) => {
    throw failure ?? error;
  });
  done(text);
}
