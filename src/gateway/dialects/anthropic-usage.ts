// Reads usage from Anthropic's answers, at the places that the provider's profile names. A stream states usage several times;
// each report is cumulative. Called by anthropic.ts and anthropic-stream.ts.

import type { UsageReading } from '../metering/usage.js';
import { USAGE_FIGURES } from '../profiles/profile.js';
import { larger } from './usage-figures.js';
import type { StatedUsage, UsagePlaces } from './usage-places.js';
import { readingOf, type ToolCalls } from './usage-reading.js';

/** The usage of a whole message; null where it states none. */
export function messageUsage(answer: unknown, places: UsagePlaces): UsageReading | null {
  const stated = places.stated(answer);
  return stated === null ? null : messageReading(stated, places);
}

/** A server tool that the usage does not mention was not called. */
const NO_CALLS: ToolCalls = { webSearch: 0, fileSearch: 0, codeInterpreter: 0 };

export function messageReading(stated: StatedUsage, places: UsagePlaces): UsageReading {
  return readingOf(stated, places, NO_CALLS);
}

/**
 * Combines two cumulative reports of one stream: the larger of each figure counts. A later report that states the input
 * together with the cache replaces all input figures of the earlier one, since the earlier report may count cached tokens as
 * input. A later report whose input figures are all 0 replaces nothing.
 */
export function merged(earlier: StatedUsage, later: StatedUsage): StatedUsage {
  const whole: StatedUsage = { ...earlier };
  for (const field of USAGE_FIGURES) whole[field] = larger(earlier[field], later[field]);
  whole.cost = later.cost ?? earlier.cost;
  whole.modifiers = { ...earlier.modifiers, ...later.modifiers };
  const statesCache = later.cacheRead !== null || later.cacheWrite !== null;
  const inputSide = (later.input ?? 0) + (later.cacheRead ?? 0) + (later.cacheWrite ?? 0);
  if (later.input === null || !statesCache || inputSide === 0) return whole;
  whole.input = later.input;
  whole.cacheRead = later.cacheRead;
  whole.cacheWrite = later.cacheWrite;
  // Only the start states how long the cache is kept. Its figure holds for as much as is still stated as written.
  whole.cacheWriteHour = later.cacheWriteHour ?? lesser(earlier.cacheWriteHour, later.cacheWrite);
  whole.cacheWriteShort = later.cacheWriteShort;
  return whole;
}

function lesser(figure: number | null, most: number | null): number | null {
  return figure === null ? null : Math.min(figure, most ?? 0);
}
