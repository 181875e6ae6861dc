// Usage in Anthropic's answers, where the provider's profile says that it stands. A stream states it in parts, which are
// cumulative. Called by anthropic.ts and anthropic-stream.ts.

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

/** Server tools that the usage does not mention were not called. */
const NO_CALLS: ToolCalls = { webSearch: 0, fileSearch: 0, codeInterpreter: 0 };

export function messageReading(stated: StatedUsage, places: UsagePlaces): UsageReading {
  return readingOf(stated, places, NO_CALLS);
}

/**
 * Two reports of one stream, which are cumulative: the larger of each figure stands. But a later report that states the input
 * together with the cache takes the place of the earlier input side as a whole: the first one may count as input what
 * the cache then had, and their figures are right only together. A report of nothing is none.
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
  // How long the cache is kept is stated at the start alone: it goes on for what is still stated as written.
  whole.cacheWriteHour = later.cacheWriteHour ?? lesser(earlier.cacheWriteHour, later.cacheWrite);
  whole.cacheWriteShort = later.cacheWriteShort;
  return whole;
}

function lesser(figure: number | null, most: number | null): number | null {
  return figure === null ? null : Math.min(figure, most ?? 0);
}
