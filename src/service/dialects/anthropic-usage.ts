// Usage in Anthropic's answers, normalised. Anthropic's input tokens exclude cached ones, its output includes thinking.
// A stream states the same figures in parts, cumulative. Called by anthropic.ts and anthropic-stream.ts.

import type { UsageReading } from './dialect.js';
import { isObject, type Json } from './request-body.js';
import { figure, figuresIn, larger, quantitiesOf } from './usage-figures.js';

/** The figures of a usage object as they stand; null where it does not state one. */
export interface AnthropicFigures {
  readonly input: number | null;
  readonly cacheRead: number | null;
  readonly cacheWrite: number | null;
  /** Of `cacheWrite`, what is kept for an hour. */
  readonly cacheWriteHour: number | null;
  readonly output: number | null;
  readonly thinking: number | null;
  readonly searches: number | null;
  readonly fetches: number | null;
}

export const NOTHING_STATED: AnthropicFigures = {
  input: null,
  cacheRead: null,
  cacheWrite: null,
  cacheWriteHour: null,
  output: null,
  thinking: null,
  searches: null,
  fetches: null,
};

/** The usage of a whole message; null where it states none. */
export function messageUsage(answer: unknown): UsageReading | null {
  const figures = isObject(answer) ? figuresOf(answer.usage) : null;
  return figures === null ? null : readingOf(figures);
}

export function figuresOf(usage: unknown): AnthropicFigures | null {
  if (!isObject(usage)) return null;
  const created = figuresIn(usage, 'cache_creation');
  const hour = figure(created.ephemeral_1h_input_tokens);
  const short = figure(created.ephemeral_5m_input_tokens);
  const broken = hour === null && short === null ? null : (hour ?? 0) + (short ?? 0);
  const tools: Json = figuresIn(usage, 'server_tool_use');
  return {
    input: figure(usage.input_tokens),
    cacheRead: figure(usage.cache_read_input_tokens),
    cacheWrite: larger(figure(usage.cache_creation_input_tokens), broken),
    cacheWriteHour: hour,
    output: figure(usage.output_tokens),
    thinking: figure(figuresIn(usage, 'output_tokens_details').thinking_tokens),
    searches: figure(tools.web_search_requests),
    fetches: figure(tools.web_fetch_requests),
  };
}

/** Two statements of one stream: both are cumulative, so that the larger of each figure stands. */
export function merged(left: AnthropicFigures, right: AnthropicFigures): AnthropicFigures {
  return {
    input: larger(left.input, right.input),
    cacheRead: larger(left.cacheRead, right.cacheRead),
    cacheWrite: larger(left.cacheWrite, right.cacheWrite),
    cacheWriteHour: larger(left.cacheWriteHour, right.cacheWriteHour),
    output: larger(left.output, right.output),
    thinking: larger(left.thinking, right.thinking),
    searches: larger(left.searches, right.searches),
    fetches: larger(left.fetches, right.fetches),
  };
}

/** Server tools that the usage does not mention were not called. */
export function readingOf(stated: AnthropicFigures): UsageReading {
  const { input, cacheRead, cacheWrite, thinking, searches, fetches } = stated;
  const cached = (cacheRead ?? 0) + (cacheWrite ?? 0);
  const output = stated.output === null ? null : Math.max(stated.output, thinking ?? 0);
  const text = output === null ? null : output - (thinking ?? 0);
  const hour = Math.min(stated.cacheWriteHour ?? 0, cacheWrite ?? 0);
  return {
    inputTokens: { total: input === null ? null : input + cached, noCache: input, cacheRead, cacheWrite },
    outputTokens: { total: output, text, reasoning: thinking },
    toolCalls: (searches ?? 0) + (fetches ?? 0),
    quantities: quantitiesOf(
      { input, output: text },
      {
        cache_read: cacheRead,
        cache_write: (cacheWrite ?? 0) - hour,
        cache_write_1h: hour,
        reasoning: thinking,
        web_search: searches,
      },
    ),
  };
}
