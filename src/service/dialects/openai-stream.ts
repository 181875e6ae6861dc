// Reads the streams of OpenAI's dialect: chunks of chat completions and events of responses. Most events carry a delta and
// are only measured; those that may carry usage, an error or a billed call are parsed. Called by openai.ts.

import type { RequestFacts, StreamMeter, StreamStep, UsageReading } from './dialect.js';
import { errorMessage } from './error-text.js';
import { callsIn, chatUsage, responseUsage } from './openai-usage.js';
import { eventData, eventText, OutputTally } from './output-text.js';
import { isObject } from './request-body.js';
import { quantitiesOf } from './usage-figures.js';

const PASSED: StreamStep = { pass: true, ended: false, error: null };
const ENDED: StreamStep = { pass: true, ended: true, error: null };

/** The event that ends a stream of chunks; longer ones are chunks that speak of it. */
const DONE = /^data: ?\[DONE\]/m;
const DONE_CHARS_MAX = 64;

/** Usage that is stated, whatever the spaces, or an error. */
const CHUNK_WORTH_PARSING = /"usage" *: *\{|"error"/;

export class ChatMeter implements StreamMeter {
  readonly #usageAsked: boolean;
  readonly #output = new OutputTally();
  #usage: UsageReading | null = null;
  usageFinal = false;

  constructor(facts: Pick<RequestFacts, 'usageAsked'>) {
    this.#usageAsked = facts.usageAsked;
  }

  get outputTokensSoFar(): number {
    return this.#output.tokens;
  }

  usage(): UsageReading | null {
    return this.#usage;
  }

  step(event: Uint8Array): StreamStep {
    const text = eventText(event);
    if (text.length < DONE_CHARS_MAX && DONE.test(text)) {
      this.usageFinal = this.#usage !== null;
      return ENDED;
    }
    this.#output.addEvent(text);
    if (!CHUNK_WORTH_PARSING.test(text)) return PASSED;
    const chunk = eventData(event);
    if (chunk === null) return PASSED;
    const usage = chatUsage(chunk);
    // Some providers repeat a running usage in every chunk; the one without choices is the last.
    const alone = usage !== null && Array.isArray(chunk.choices) && chunk.choices.length === 0;
    this.#usage = usage ?? this.#usage;
    this.usageFinal ||= alone;
    const error = errorMessage(chunk);
    return { pass: this.#usageAsked || !alone || error !== null, ended: false, error };
  }
}

const LAST_EVENTS: ReadonlySet<unknown> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
]);
const WORTH_PARSING =
  /"response\.(?:completed|incomplete|failed|cancelled)"|"error"|"(?:web_search|file_search|code_interpreter)_call"/;

export class ResponseMeter implements StreamMeter {
  readonly #output = new OutputTally();
  /** Finished calls of tools: billed even if the stream dies before its usage comes. */
  readonly #calls: unknown[] = [];
  #usage: UsageReading | null = null;
  usageFinal = false;

  get outputTokensSoFar(): number {
    return this.#output.tokens;
  }

  usage(): UsageReading | null {
    return this.#usage ?? (this.#calls.length === 0 ? null : this.#callsAlone());
  }

  step(event: Uint8Array): StreamStep {
    const text = eventText(event);
    this.#output.addEvent(text);
    if (!WORTH_PARSING.test(text)) return PASSED;
    const data = eventData(event);
    if (data === null) return PASSED;
    if (data.type === 'response.output_item.done') this.#calls.push(data.item);
    if (data.type === 'error') return { pass: true, ended: true, error: errorMessage(data) ?? '' };
    if (!LAST_EVENTS.has(data.type)) return PASSED;
    this.#usage = responseUsage(data.response);
    this.usageFinal = this.#usage !== null;
    const failed = data.type === 'response.failed' && isObject(data.response);
    return { ...ENDED, error: failed ? (errorMessage(data.response) ?? '') : null };
  }

  #callsAlone(): UsageReading {
    const { webSearch, fileSearch, codeInterpreter } = callsIn(this.#calls);
    return {
      inputTokens: { total: null, noCache: null, cacheRead: null, cacheWrite: null },
      outputTokens: { total: null, text: null, reasoning: null },
      toolCalls: webSearch + fileSearch + codeInterpreter,
      quantities: quantitiesOf(
        {},
        { web_search: webSearch, file_search: fileSearch, code_interpreter: codeInterpreter },
      ),
    };
  }
}
