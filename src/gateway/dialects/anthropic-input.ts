// Measures the input of an Anthropic request: system prompt, messages and their blocks. A block that is not text is counted by
// its kind, so that the bound of the input holds. Breakpoints of the prompt cache are noted. Called by anthropic.ts.

import { Buffer } from 'node:buffer';
import type { RequestFacts } from '../metering/request-facts.js';
import { inlineTool } from './anthropic-tools.js';
import type { ImageTokens, InputMeasure } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';

/** The largest image: 4,784 tokens at the high resolution of newer models, about 1,600 before ("Vision"). */
export const IMAGE_TOKENS: ImageTokens = { full: 5_000, low: 5_000 };

/** Blocks of text, and blocks with further blocks in `content`: their bytes bound their tokens. */
const TEXT_TYPES: ReadonlySet<unknown> = new Set([
  'text',
  'thinking',
  'redacted_thinking',
  'tool_use',
  'tool_result',
  'server_tool_use',
  'search_result',
  'web_search_tool_result',
  'web_search_result',
  'web_search_tool_result_error',
  'web_fetch_tool_result',
  'web_fetch_result',
  'web_fetch_tool_result_error',
]);

const REFERENCES: ReadonlySet<unknown> = new Set([
  'tool_reference',
  'mcp_tool_reference',
  'mcp_toolset_reference',
]);

export class AnthropicInput {
  readonly #measure: InputMeasure;
  readonly #tools: readonly unknown[];
  #toolBytes: ReadonlyMap<unknown, number> | null = null;
  cacheWrite: RequestFacts['cacheWrite'] = 'none';

  /** @param tools the tools of the request, which blocks refer to */
  constructor(measure: InputMeasure, tools: readonly unknown[]) {
    this.#measure = measure;
    this.#tools = tools;
  }

  /** A message, a tool or the request itself: anything that may carry a breakpoint. */
  breakpoint(of: unknown): void {
    if (!isObject(of) || !isObject(of.cache_control)) return;
    const long = of.cache_control.ttl !== undefined && of.cache_control.ttl !== '5m';
    if (long) this.cacheWrite = 'hour';
    else if (this.cacheWrite === 'none') this.cacheWrite = 'short';
  }

  /** Text, a block, or a list of blocks. */
  content(content: unknown): void {
    if (Array.isArray(content)) for (const block of content) this.#block(block);
    else this.#block(content);
  }

  #block(block: unknown): void {
    if (!isObject(block)) return;
    this.breakpoint(block);
    if (block.type === 'image') {
      this.#image(block.source);
    } else if (block.type === 'document') {
      this.#document(block.source);
    } else if (TEXT_TYPES.has(block.type)) {
      this.content(block.content);
    } else if (block.type === 'tool_reference') {
      this.#referred(block.tool_name);
    } else if (block.type === 'tool_addition') {
      this.#added(block.tool);
    } else {
      // A compaction lists tools that the removed messages defined.
      if (Array.isArray(block.tool_changes)) this.content(block.tool_changes);
      // Uploads, references to tools that are expanded, and blocks that are new.
      this.#measure.stored();
    }
  }

  // Where a tool search finds a deferred tool, its definition is added to the input ("Tool search tool"). It is in `tools` too.
  #referred(name: unknown): void {
    this.#toolBytes ??= bytesByName(this.#tools);
    const bytes = this.#toolBytes.get(name);
    if (bytes === undefined) this.#measure.stored();
    else this.#measure.overhead(bytes);
  }

  // A reference names a tool of `tools`. Any other form is taken for a definition.
  #added(tool: unknown): void {
    if (!isObject(tool) || !REFERENCES.has(tool.type)) inlineTool(tool, this.#measure);
  }

  #image(source: unknown): void {
    const data = dataOf(source);
    if (data === null || sourcesOf(source) > 1) this.#measure.named();
    this.#measure.image('full', data);
  }

  // The provider reads one of several sources of a document, which is not known: the larger counts.
  #document(source: unknown): void {
    if (!isObject(source) || sourcesOf(source) > 1) this.#measure.stored();
    if (!isObject(source) || source.type === 'text') return;
    if (source.type === 'content') return this.content(source.content);
    const data = dataOf(source);
    if (data === null) this.#measure.stored();
    else this.#measure.document(data);
  }
}

function bytesByName(tools: readonly unknown[]): ReadonlyMap<unknown, number> {
  const named = tools.filter(isObject);
  return new Map(named.map((tool) => [tool.name, Buffer.byteLength(JSON.stringify(tool))]));
}

const SOURCES = ['data', 'url', 'file_id', 'content'] as const;

function sourcesOf(source: unknown): number {
  return isObject(source)
    ? SOURCES.filter((name) => source[name] !== undefined && source[name] !== null).length
    : 0;
}

function dataOf(source: unknown): string | null {
  const { type, data }: Json = isObject(source) ? source : {};
  return type === 'base64' && typeof data === 'string' ? data : null;
}
