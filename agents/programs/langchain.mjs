// LangChain's agent with one tool, on its OpenAI and its Anthropic model.
import { ChatAnthropic } from '@langchain/anthropic';
import { ChatOpenAI } from '@langchain/openai';
import { createAgent, tool } from 'langchain';
import { z } from 'zod';
import { done, key, model, origin, prompt } from './program.mjs';

const llm =
  process.argv[2] === 'openai'
    ? new ChatOpenAI({ model, apiKey: key, configuration: { baseURL: `${origin}/openai/v1` } })
    : new ChatAnthropic({ model, apiKey: key, anthropicApiUrl: `${origin}/anthropic` });
const weather = tool(({ city }) => `Sunny in ${city}.`, {
  name: 'weather',
  description: 'Weather of a city.',
  schema: z.object({ city: z.string() }),
});
const agent = createAgent({ model: llm, tools: [weather] });
const { messages } = await agent.invoke({ messages: [{ role: 'user', content: prompt }] });
done(messages.at(-1).text);
