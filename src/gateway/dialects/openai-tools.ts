// Reads the tools of an OpenAI request. Tools that the caller runs pass. Tools that the provider runs and bills are bounded. All
// others are refused, since the request does not bound their cost or the answer does not state it. Called by
// openai-requests.ts.

import { RefusedError } from '../../kit/refusals.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { InputMeasure } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';
import { notMeterable, readList, readWhole } from './request-fields.js';

/** Tokens of the prompt around declared functions, with the parallel-call wrapper. The declarations are in the body. */
const TOOLS_TOKENS_MAX = 512;
/** Tokens of the prompt of a tool that OpenAI declares (shell, patches, computer): below 1,000 in its published clients. */
const PROVIDER_TOOL_TOKENS_MAX = 2_000;
/** OpenAI does not state the largest number that it accepts; this is far above what one answer needs. */
const TOOL_CALLS_MAX = 1_000;

/** Tools that the caller declares and runs. */
const DECLARED: ReadonlySet<string> = new Set(['function', 'custom']);
/** Tools that the caller runs and whose prompt OpenAI writes. */
const RUN_BY_CALLER: ReadonlySet<string> = new Set([
  'apply_patch',
  'local_shell',
  'computer',
  'computer_use',
  'computer_use_preview',
]);
const WEB_SEARCH = /^web_search(_preview)?(_\d{4}_\d{2}_\d{2})?$/;

type ToolFacts = Pick<RequestFacts, 'billedTools' | 'inputReads'>;

/** Chat completions: functions and custom tools; a search model answers after one search. */
export function chatTools(body: Json, measure: InputMeasure): ToolFacts {
  const tools = readList(body, 'tools');
  for (const tool of tools) {
    const type = toolType(tool);
    if (!DECLARED.has(type)) throw unknownTool(type);
  }
  if (tools.length > 0 || readList(body, 'functions').length > 0) {
    measure.overhead(TOOLS_TOKENS_MAX);
    measure.estimateTools();
  }
  if (body.web_search_options === undefined || body.web_search_options === null)
    return { billedTools: {}, inputReads: 1 };
  measure.estimateWebSearch();
  measure.searched();
  return { billedTools: { web_search: 1 }, inputReads: 2 };
}

/** Responses: the request's tools, and those that items of the input add. */
export function responsesTools(body: Json, measure: InputMeasure): ToolFacts {
  const callsMax = readWhole(body, 'max_tool_calls', { min: 1, max: TOOL_CALLS_MAX });
  const reader = new ToolReader(measure, callsMax);
  const tools = readList(body, 'tools');
  reader.read(tools);
  if (Array.isArray(body.input)) {
    for (const item of body.input) if (isObject(item) && Array.isArray(item.tools)) reader.read(item.tools);
  }
  return reader.facts();
}

class ToolReader {
  readonly #measure: InputMeasure;
  readonly #callsMax: number | null;
  readonly #billed: Partial<Record<'web_search' | 'code_interpreter' | 'file_search', number | null>> = {};
  #any = false;
  #runByProvider = false;

  constructor(measure: InputMeasure, callsMax: number | null) {
    this.#measure = measure;
    this.#callsMax = callsMax;
  }

  read(tools: readonly unknown[]): void {
    for (const tool of tools) this.#tool(toolType(tool), tool as Json);
  }

  facts(): ToolFacts {
    if (this.#any) {
      this.#measure.overhead(TOOLS_TOKENS_MAX);
      this.#measure.estimateTools();
    }
    if (!this.#runByProvider) return { billedTools: {}, inputReads: 1 };
    // What the tools find is input too, and after each call the whole input is read once more.
    this.#measure.searched();
    return { billedTools: this.#billed, inputReads: this.#callsMax === null ? null : this.#callsMax + 1 };
  }

  #tool(type: string, tool: Json): void {
    this.#any = true;
    if (DECLARED.has(type)) return;
    if (RUN_BY_CALLER.has(type)) return this.#measure.overhead(PROVIDER_TOOL_TOKENS_MAX);
    if (type === 'namespace') return this.read(readList(tool, 'tools'));
    if (type === 'tool_search' && tool.execution === 'client') {
      return this.#measure.overhead(PROVIDER_TOOL_TOKENS_MAX);
    }
    if (type === 'shell' && (!isObject(tool.environment) || tool.environment.type === 'local')) {
      return this.#measure.overhead(PROVIDER_TOOL_TOKENS_MAX);
    }
    this.#providerRuns(type, tool);
  }

  #providerRuns(type: string, tool: Json): void {
    if (WEB_SEARCH.test(type)) {
      this.#billed.web_search = this.#callsMax;
      this.#measure.estimateWebSearch();
    } else if (type === 'file_search') {
      this.#billed.file_search = this.#callsMax;
    } else if (type === 'code_interpreter') {
      requireSmallContainer(tool);
      // The interpreter is billed by the container, and a request has one container.
      this.#billed.code_interpreter = 1;
      this.#measure.estimateCodeInterpreter();
    } else if (type !== 'tool_search') {
      throw unknownTool(type);
    }
    this.#runByProvider = true;
  }
}

// The price data has only the price of the smallest container, which is the default.
function requireSmallContainer(tool: Json): void {
  const memory = isObject(tool.container) ? (tool.container.memory_limit ?? '1g') : '1g';
  if (memory === '1g') return;
  throw new RefusedError(
    'price_unknown',
    'tools: the price of a code interpreter is known for memory_limit 1g only.',
    { field: 'tools' },
  );
}

function toolType(tool: unknown): string {
  return isObject(tool) && typeof tool.type === 'string' ? tool.type.slice(0, 64) : 'without a type';
}

function unknownTool(type: string): RefusedError {
  return notMeterable(
    'tools',
    `the request bounds no cost of a tool ${JSON.stringify(type)}, or the answer does not state it`,
  );
}
