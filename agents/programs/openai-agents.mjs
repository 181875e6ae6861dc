// The `@openai/agents` package: an agent with one function tool, on responses and on chat completions.
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from '@openai/agents';
import { z } from 'zod';
import { done, key, model, origin, prompt } from './program.mjs';

setTracingDisabled(true);
const modelProvider = new OpenAIProvider({
  apiKey: key,
  baseURL: `${origin}/openai/v1`,
  useResponses: process.argv[2] === 'responses',
});
const weather = tool({
  name: 'weather',
  description: 'Weather of a city.',
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `Sunny in ${city}.`,
});
const agent = new Agent({ name: 'test', instructions: 'Answer shortly.', model, tools: [weather] });
const result = await new Runner({ modelProvider }).run(agent, prompt);
done(result.finalOutput);
