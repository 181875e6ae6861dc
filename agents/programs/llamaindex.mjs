// LlamaIndex's OpenAI model: a streamed chat with one tool.
import { OpenAI } from '@llamaindex/openai';
import { done, key, model, origin, prompt } from './program.mjs';

const llm = new OpenAI({ model, apiKey: key, baseURL: `${origin}/openai/v1` });
const stream = await llm.chat({ messages: [{ role: 'user', content: prompt }], stream: true });
let text = '';
for await (const piece of stream) text += piece.delta;
done(text);
