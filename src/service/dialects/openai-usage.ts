// Usage in OpenAI's answers, normalised. OpenAI's input totals include cached tokens and its output totals include
// reasoning; where the parts of a total are more than the total (compatible providers leave reasoning out of it), the
// total is raised to them. Called by openai.ts and openai-stream.ts.

import type { UsageReading } from './dialect.js';
import { isObject, type Json } from './request-body.js';
import { figure, figuresIn, larger, quantitiesOf } from './usage-figures.js';

interface Stated {
  readonly input: number | null;
  readonly output: number | null;
  readonly all: number | null;
  readonly inputDetails: Json;
  readonly outputDetails: Json;
}

/** Usage of a chat completion or one of its chunks. It never says how often a search model searched. */
export function chatUsage(answer: unknown): UsageReading | null {
  const usage = isObject(answer) ? answer.usage : null;
  if (!isObject(usage)) return null;
  return reading(
    {
      input: figure(usage.prompt_tokens),
      output: figure(usage.completion_tokens),
      all: figure(usage.total_tokens),
      inputDetails: figuresIn(usage, 'prompt_tokens_details'),
      outputDetails: figuresIn(usage, 'completion_tokens_details'),
    },
    null,
  );
}

/** Usage of a response: its tokens, and the calls of billed tools among its output items. */
export function responseUsage(response: unknown): UsageReading | null {
  if (!isObject(response) || !isObject(response.usage)) return null;
  const { usage } = response;
  return reading(
    {
      input: figure(usage.input_tokens),
      output: figure(usage.output_tokens),
      all: figure(usage.total_tokens),
      inputDetails: figuresIn(usage, 'input_tokens_details'),
      outputDetails: figuresIn(usage, 'output_tokens_details'),
    },
    callsIn(Array.isArray(response.output) ? response.output : []),
  );
}

/** Embeddings have input alone. */
export function embeddingsUsage(answer: unknown): UsageReading | null {
  const usage = isObject(answer) ? answer.usage : null;
  if (!isObject(usage)) return null;
  const total = larger(figure(usage.prompt_tokens), figure(usage.total_tokens));
  return {
    inputTokens: { total, noCache: total, cacheRead: null, cacheWrite: null },
    outputTokens: { total: 0, text: 0, reasoning: 0 },
    toolCalls: 0,
    quantities: quantitiesOf({ input: total }, {}),
  };
}

/** Calls of tools that OpenAI bills, among output items. */
export interface ToolCalls {
  readonly webSearch: number;
  readonly fileSearch: number;
  readonly codeInterpreter: number;
}

/** Opening a page and searching in one are no searches ("Web search": search actions incur a tool call cost). */
const FREE_ACTIONS: ReadonlySet<unknown> = new Set(['open_page', 'find_in_page', 'find']);

export function callsIn(items: readonly unknown[]): ToolCalls {
  let webSearch = 0;
  let fileSearch = 0;
  /** A code interpreter is billed by the container; calls without an id count one each. */
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

function reading(stated: Stated, calls: ToolCalls | null): UsageReading {
  const input = inputOf(stated);
  const output = outputOf(stated);
  return {
    inputTokens: input.tokens,
    outputTokens: output.tokens,
    toolCalls: calls === null ? null : calls.webSearch + calls.fileSearch + calls.codeInterpreter,
    quantities: quantitiesOf(
      { input: input.plain, output: output.plain },
      {
        input_audio: input.audio,
        cache_read: input.read,
        cache_write: input.written,
        reasoning: output.tokens.reasoning,
        output_audio: output.audio,
        web_search: calls === null ? null : calls.webSearch,
        file_search: calls === null ? null : calls.fileSearch,
        code_interpreter: calls === null ? null : calls.codeInterpreter,
      },
    ),
  };
}

// Which of the audio was cached is not stated: all of it is taken as not cached, the dearer way.
function inputOf({ input, inputDetails }: Stated) {
  const cacheRead = figure(inputDetails.cached_tokens);
  const cacheWrite = figure(inputDetails.cache_write_tokens);
  const audio = figure(inputDetails.audio_tokens) ?? 0;
  const cached = (cacheRead ?? 0) + (cacheWrite ?? 0);
  const total = input === null ? null : Math.max(input, cached, audio);
  const notAudio = (total ?? cached + audio) - audio;
  const written = Math.min(cacheWrite ?? 0, notAudio);
  const read = Math.min(cacheRead ?? 0, notAudio - written);
  return {
    tokens: { total, noCache: total === null ? null : total - cached, cacheRead, cacheWrite },
    plain: total === null ? null : notAudio - written - read,
    audio,
    read,
    written,
  };
}

// Compatible providers may leave reasoning out of the output: it shows in the total of both, or in parts that are more
// than the whole.
function outputOf({ input, output, all, outputDetails }: Stated) {
  const reasoning = figure(outputDetails.reasoning_tokens);
  const audio = figure(outputDetails.audio_tokens) ?? 0;
  const parts = (reasoning ?? 0) + audio;
  const rest = all === null || input === null ? null : Math.max(0, all - input);
  const total = output === null ? null : Math.max(parts > output ? output + parts : output, rest ?? 0);
  const plain = total === null ? null : total - parts;
  return {
    tokens: { total, text: plain, reasoning },
    plain,
    audio,
  };
}
