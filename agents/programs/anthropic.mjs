// The `@anthropic-ai/sdk` package: messages whole and streamed, and the beta tool runner, which asks for a thread first.
import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { z } from 'zod';
import { done, key, model, origin, prompt } from './program.mjs';

const client = new Anthropic({ baseURL: `${origin}/anthropic`, apiKey: key });
const what = process.argv[2];
const request = { model, max_tokens: 1_024, messages: [{ role: 'user', content: prompt }] };
const textOf = (message) => message.content.find((block) => block.type === 'text')?.text;

if (what === 'whole') done(textOf(await client.messages.create(request)));
if (what === 'stream') {
  const thinking = { type: 'enabled', budget_tokens: 1_024 };
  done(textOf(await client.messages.stream({ ...request, max_tokens: 2_048, thinking }).finalMessage()));
}
if (what === 'runner') {
  const weather = betaZodTool({
    name: 'weather',
    description: 'Weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    run: ({ city }) => `Sunny in ${city}.`,
  });
  done(textOf(await client.beta.messages.toolRunner({ ...request, tools: [weather] })));
}
