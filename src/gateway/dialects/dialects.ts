// All dialects by name. A new dialect implements dialect.ts and is added here.

import type { DialectName } from '../metering/endpoints.js';
import { anthropic } from './anthropic.js';
import type { Dialect } from './dialect.js';
import { openai } from './openai.js';

export const dialects: Readonly<Record<DialectName, Dialect>> = { openai, anthropic };
