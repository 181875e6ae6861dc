// Mastra's agent with one tool, on a model of an OpenAI-compatible address.
import { Agent } from '@mastra/core/agent';
import { createTool } from '@mastra/core/tools';
import { z } from 'zod';
import { done, key, model, origin, prompt } from './program.mjs';

const weather = createTool({
  id: 'weather',
  description: 'Weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async () => ({ weather: 'Sunny.' }),
});
const agent = new Agent({
  id: 'test',
  name: 'test',
  instructions: 'Answer shortly.',
  model: { id: `bursar/${model}`, url: `${origin}/openai/v1`, apiKey: key },
  tools: { weather },
});
const result = await agent.generate(prompt);
done(result.text);
