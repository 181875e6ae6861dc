// The Claude agent SDK: one query that may read files.
import { query } from '@anthropic-ai/claude-agent-sdk';
import { done, model, prompt } from './program.mjs';

const options = { model, allowedTools: ['Read'], cwd: process.cwd(), settingSources: [] };
let result = null;
for await (const message of query({ prompt, options })) if (message.type === 'result') result = message;
if (result?.is_error !== false) throw new Error(result?.result ?? JSON.stringify(result));
done(result.result);
