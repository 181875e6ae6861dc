// Reads usage from OpenAI's answers: of chat completions, responses and embeddings, at the places that the provider's profile
// names. Called by openai.ts and openai-stream.ts.

import type { UsageReading } from '../metering/usage.js';
import { isObject } from './json-scan.js';
import { larger, quantitiesOf } from './usage-figures.js';
import type { UsagePlaces } from './usage-places.js';
import { readingOf, type ToolCalls } from './usage-reading.js';

/** Usage of a chat completion or one of its chunks. */
export function chatUsage(answer: unknown, places: UsagePlaces): UsageReading | null {
  const stated = places.stated(answer);
  return stated === null ? null : readingOf(stated, places, null);
}

/** Usage of a response: its tokens, and the calls of billed tools among its output items. */
export function responseUsage(response: unknown, places: UsagePlaces): UsageReading | null {
  const stated = places.stated(response);
  if (stated === null || !isObject(response)) return null;
  return readingOf(stated, places, callsIn(Array.isArray(response.output) ? response.output : []));
}

/** Usage of embeddings, which have only input. */
export function embeddingsUsage(answer: unknown, places: UsagePlaces): UsageReading | null {
  const stated = places.stated(answer);
  if (stated === null) return null;
  const total = larger(stated.input, stated.total);
  const reading = {
    inputTokens: { total, noCache: total, cacheRead: null, cacheWrite: null },
    outputTokens: { total: 0, text: 0, reasoning: 0 },
    toolCalls: 0,
    quantities: quantitiesOf({ input: total }, {}),
  };
  return stated.cost === null ? reading : { ...reading, cost: stated.cost };
}

/** Actions that are not billed as searches ("Web search": only search actions incur a tool call cost). */
const FREE_ACTIONS: ReadonlySet<unknown> = new Set(['open_page', 'find_in_page', 'find']);

export function callsIn(items: readonly unknown[]): ToolCalls {
  let webSearch = 0;
  let fileSearch = 0;
  /** A code interpreter is billed by the container. A call without a container's id counts as one container. */
  const containers = new Set<unknown>();
  for (const item of items) {
    if (!isObject(item)) continue;
    if (item.type === 'web_search_call') {
      if (!isObject(item.action) || !FREE_ACTIONS.has(item.action.type)) webSearch++;
    } else if (item.type === 'file_search_call') fileSearch++;
    else if (item.type === 'code_interpreter_call') containers.add(item.container_id ?? item);
  }
  return { webSearch, fileSearch, codeInterpreter: containers.size };
}
