// Reads the tools of an Anthropic request. Tools that the caller runs pass. Searches and fetches are bounded by `max_uses`,
// which is added where it is missing. All other tools are refused, since the answer does not state what they cost. Called by
// anthropic.ts.

import { Buffer } from 'node:buffer';
import type { RequestFacts } from '../metering/request-facts.js';
import type { InputMeasure } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';
import { BodyFields, changeElements } from './request-body.js';
import { notMeterable, readList, readWhole } from './request-fields.js';

/** Tokens of the prompt for tool use: at most 530 ("Tool use", Claude 3 Opus), with room for newer models. */
const TOOLS_TOKENS_MAX = 1_024;
/** Tokens of a tool that Anthropic declares and the caller runs: computer 735, text editor 700, bash 245. */
const PROVIDER_TOOL_TOKENS_MAX = 2_000;
/** The most rounds of server tools in one request ("Server tools", `pause_turn`). */
const SERVER_ROUNDS_MAX = 10;
/** The largest `max_uses`; the rounds of a request end long before. */
const USES_MAX = 1_000;

const RUN_BY_CALLER = /^(bash|text_editor|computer|memory)_\d{8}$/;
/** Sets of tools whose prompts have no published size: only the context window bounds them. */
const TOOLSETS = /^(browser|computer)_toolset_\d{8}$/;
const SEARCHES = /^web_search_\d{8}$/;
/** A fetch costs only the tokens of what it finds. */
const FETCHES = /^web_fetch_\d{8}$/;
const TOOL_SEARCHES = /^tool_search_tool_(bm25|regex)(_\d{8})?$/;

export function anthropicTools(
  body: Json,
  measure: InputMeasure,
): Pick<RequestFacts, 'billedTools' | 'inputReads'> {
  const tools = readList(body, 'tools');
  if (tools.length > 0) {
    measure.overhead(TOOLS_TOKENS_MAX);
    measure.estimateTools();
  }
  let searches: number | null | undefined;
  let rounds = 0;
  for (const tool of tools) {
    const type = typeOf(tool);
    if (type === 'custom') continue;
    if (RUN_BY_CALLER.test(type)) measure.overhead(PROVIDER_TOOL_TOKENS_MAX);
    else if (TOOLSETS.test(type)) measure.stored();
    else {
      const uses = serverUses(type, tool as Json);
      rounds += uses ?? SERVER_ROUNDS_MAX;
      measure.searched();
      if (!SEARCHES.test(type)) continue;
      searches = uses === null || searches === null ? null : (searches ?? 0) + uses;
      measure.estimateWebSearch();
    }
  }
  return {
    billedTools: searches === undefined ? {} : { web_search: searches },
    // The uses, one reading for the answer, and one for a use that is refused with max_uses_exceeded.
    inputReads: rounds === 0 ? 1 : Math.min(rounds + 2, SERVER_ROUNDS_MAX),
  };
}

/** `tools` with a limit on each server tool that has none; null where there is nothing to add. */
export function boundedTools(tools: Uint8Array, usesMax: number): string | null {
  const read: unknown = JSON.parse(Buffer.from(tools).toString('utf8'));
  if (!Array.isArray(read) || !read.some(isUnbounded)) return null;
  const changed = changeElements(tools, (element, index) =>
    isUnbounded(read[index]) ? BodyFields.of(element).with({ max_uses: String(usesMax) }) : element,
  );
  return Buffer.from(changed).toString('utf8');
}

function isUnbounded(tool: unknown): boolean {
  const type = typeOf(tool);
  if (!SEARCHES.test(type) && !FETCHES.test(type)) return false;
  const { max_uses: uses } = tool as Json;
  return uses === undefined || uses === null;
}

/** The most uses of a tool that Anthropic runs; null where the request does not bound them. */
function serverUses(type: string, tool: Json): number | null {
  if (TOOL_SEARCHES.test(type)) return null;
  if (!SEARCHES.test(type) && !FETCHES.test(type)) {
    throw notMeterable('tools', `the answer does not state what a tool ${JSON.stringify(type)} costs`);
  }
  // Newer versions may by default be called from code that Anthropic runs, any number of times.
  const callers = tool.allowed_callers ?? (/_2025\d{4}$/.test(type) ? ['direct'] : null);
  if (!Array.isArray(callers) || callers.some((caller) => caller !== 'direct')) {
    throw notMeterable('tools', `${type} is metered with "allowed_callers":["direct"] only`);
  }
  return readWhole(tool, 'max_uses', { min: 1, max: USES_MAX });
}

/** Checks a tool that a message defines: it passes where the caller runs it, since other tools are bounded only in `tools`. */
export function inlineTool(added: unknown, measure: InputMeasure): void {
  const type = typeOf(isObject(added) ? added.definition : added);
  if (type !== 'custom' && !RUN_BY_CALLER.test(type))
    throw notMeterable('messages', `a tool ${JSON.stringify(type)} is metered in "tools" only`);
  measure.overhead(TOOLS_TOKENS_MAX + PROVIDER_TOOL_TOKENS_MAX);
}

function typeOf(tool: unknown): string {
  if (!isObject(tool)) return 'that is no object';
  if (tool.type === undefined || tool.type === null) return 'custom';
  return typeof tool.type === 'string' ? tool.type.slice(0, 64) : 'without a type';
}
