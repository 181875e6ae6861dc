// The dialects that the gateway speaks, by name. A new one implements dialect.ts and is added here.

import type { DialectName } from '../metering/endpoints.js';
import { anthropic } from './anthropic.js';
import type { Dialect } from './dialect.js';
import { openai } from './openai.js';

export const dialects: Readonly<Record<DialectName, Dialect>> = { openai, anthropic };
