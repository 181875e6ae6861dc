// Normalises the stated figures of a usage: totals include the cache and the reasoning, and the quantities that are priced sum
// to the totals. Providers omit different parts from their totals. The total of input and output shows which, where an answer
// states it; else the profile says. No result is below what is stated. Called by both dialects.

import type { Component, UsageReading } from '../metering/usage.js';
import { larger, sum } from './usage-figures.js';
import type { StatedFigures, StatedUsage, UsagePlaces } from './usage-places.js';

/** Calls of billed tools that an answer has beside its usage. */
export interface ToolCalls {
  readonly webSearch: number;
  readonly fileSearch: number;
  readonly codeInterpreter: number;
}

/** Which parts the provider's totals include. */
type TotalsInclude = Pick<UsagePlaces, 'outputIncludesReasoning' | 'inputIncludesCache'>;

/** @param shown null where the answer does not show its calls */
export function readingOf(
  stated: StatedUsage,
  includes: TotalsInclude,
  shown: ToolCalls | null,
): UsageReading {
  const cacheWrite = cacheWriteOf(stated);
  const left = leftOut(stated, cacheWrite ?? 0);
  const input = inputOf(stated, { cacheWrite, left, includes });
  const output = outputOf(stated, { inputTotal: input.tokens.total, left, includes });
  const webSearch = larger(stated.webSearch, shown === null ? null : shown.webSearch);
  const fileSearch = larger(stated.fileSearch, shown === null ? null : shown.fileSearch);
  const codeInterpreter = larger(stated.codeInterpreter, shown === null ? null : shown.codeInterpreter);
  const quantities: Partial<Record<Component, number>> = {};
  // Input and output also where they are 0, parts only above 0. Written out, since every answer comes here.
  if (input.plain !== null) quantities.input = input.plain;
  if (output.plain !== null) quantities.output = output.plain;
  if (input.audio > 0) quantities.input_audio = input.audio;
  if (input.read > 0) quantities.cache_read = input.read;
  if (input.written > 0) quantities.cache_write = input.written;
  if (input.writtenHour > 0) quantities.cache_write_1h = input.writtenHour;
  if ((stated.reasoning ?? 0) > 0) quantities.reasoning = stated.reasoning as number;
  if (output.audio > 0) quantities.output_audio = output.audio;
  if (output.image > 0) quantities.output_image = output.image;
  if (webSearch !== null && webSearch > 0) quantities.web_search = webSearch;
  if (fileSearch !== null && fileSearch > 0) quantities.file_search = fileSearch;
  if (codeInterpreter !== null && codeInterpreter > 0) quantities.code_interpreter = codeInterpreter;
  const reading: { -readonly [Field in keyof UsageReading]: UsageReading[Field] } = {
    inputTokens: input.tokens,
    outputTokens: output.tokens,
    toolCalls: sum(sum(webSearch, fileSearch), sum(codeInterpreter, stated.freeTools)),
    quantities,
  };
  if (stated.total !== null && input.tokens.total === null && output.tokens.total === null)
    reading.allTokens = stated.total;
  if (stated.cost !== null) reading.cost = stated.cost;
  if (stated.modifiers !== null) reading.modifiers = stated.modifiers;
  return reading;
}

/** The stated cache writes as a whole, or the sum of their parts. */
function cacheWriteOf({ cacheWrite, cacheWriteHour: hour, cacheWriteShort: short }: StatedFigures) {
  return larger(cacheWrite, hour === null && short === null ? null : (hour ?? 0) + (short ?? 0));
}

interface OmittedParts {
  readonly cache: number;
  readonly reasoning: number;
}

/**
 * The parts by which the total of both exceeds input and output: the cache (reads, writes, or both), the reasoning, or both.
 * Null where no such parts make up the difference. The cache is tried first: it is cheaper, and larger.
 */
function leftOut(stated: StatedFigures, written: number): OmittedParts | null {
  const { input, output, total } = stated;
  if (input === null || output === null || total === null) return null;
  const rest = total - input - output;
  if (rest < 0) return null;
  if (rest === 0) return NOTHING_OMITTED;
  const read = stated.cacheRead ?? 0;
  const reasoning = stated.reasoning ?? 0;
  for (const cache of [read + written, read, written, 0]) {
    if (rest === cache) return { cache, reasoning: 0 };
    if (rest === cache + reasoning) return { cache, reasoning };
  }
  // An input that is smaller than the cache cannot include it.
  const isOutside = input < read + written && rest > read + written;
  return isOutside ? { cache: read + written, reasoning: 0 } : null;
}

const NOTHING_OMITTED: OmittedParts = { cache: 0, reasoning: 0 };

interface TotalsRules {
  readonly left: OmittedParts | null;
  readonly includes: TotalsInclude;
}

// No provider states how much of the audio was cached: all of it counts as not cached, which is dearer.
function inputOf(stated: StatedFigures, of: TotalsRules & { readonly cacheWrite: number | null }) {
  const { cacheRead, output, total: both } = stated;
  const { cacheWrite, left, includes } = of;
  const audio = stated.inputAudio ?? 0;
  const cached = (cacheRead ?? 0) + (cacheWrite ?? 0);
  const told = stated.input ?? (both !== null && output !== null ? Math.max(0, both - output) : null);
  const outside = left?.cache ?? (includes.inputIncludesCache ? 0 : cached);
  const total = told === null ? null : Math.max(told + outside, cached, audio);
  const notAudio = (total ?? cached + audio) - audio;
  const written = Math.min(cacheWrite ?? 0, notAudio);
  const writtenHour = Math.min(stated.cacheWriteHour ?? 0, written);
  const read = Math.min(cacheRead ?? 0, notAudio - written);
  return {
    tokens: { total, noCache: total === null ? null : total - cached, cacheRead, cacheWrite },
    plain: total === null ? null : notAudio - written - read,
    audio,
    read,
    written: written - writtenHour,
    writtenHour,
  };
}

// The part of a total beyond the known parts is output that was not shown: some providers count thoughts so.
function outputOf(stated: StatedFigures, of: TotalsRules & { readonly inputTotal: number | null }) {
  const { reasoning, total: both } = stated;
  const audio = stated.outputAudio ?? 0;
  const image = stated.outputImage ?? 0;
  const parts = (reasoning ?? 0) + audio + image;
  const rest = both === null || of.inputTotal === null ? null : Math.max(0, both - of.inputTotal);
  const told = stated.output ?? rest;
  const outside = of.left?.reasoning ?? (of.includes.outputIncludesReasoning ? 0 : (reasoning ?? 0));
  const whole = told === null ? null : told + (stated.output === null ? 0 : outside);
  const total = whole === null ? null : Math.max(parts > whole ? whole + parts : whole, rest ?? 0);
  const plain = total === null ? null : total - parts;
  return { tokens: { total, text: plain, reasoning }, plain, audio, image };
}
