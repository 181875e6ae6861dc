// Reads the streams of OpenAI's dialect: chunks of chat completions and events of responses. Most events carry a delta and are
// only measured. Events that may carry usage, a reason to finish, an error or a billed call are parsed. Called by openai.ts.

import type { RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import type { ProviderProfile } from '../profiles/profile.js';
import type { StreamStep } from './dialect.js';
import { errorMessage, namedError } from './error-text.js';
import { isObject, type Json } from './json-scan.js';
import { callsIn, chatUsage, responseUsage } from './openai-usage.js';
import { eventBuffer, eventData, eventText } from './output-text.js';
import { ENDED, EventMeter, isDone, PASSED } from './stream-end.js';
import { quantitiesOf } from './usage-figures.js';
import { ofChoices, type StatedUsage, type UsagePlaces, usagePlaces } from './usage-places.js';
import { readingOf } from './usage-reading.js';
import { withoutUsage } from './usage-removal.js';

const HIDDEN: StreamStep = { shown: 'nothing', ended: false, error: null };

/** The beginning of an event with a name. Chunks of chat completions have none. */
const NAMED = 'event';

/** Usage or an error; and a reason to finish. Two searches take less time than one. */
const USAGE_OR_ERROR = /"usage"\s*:\s*[{[]|"error"/;
const FINISHES = /"finish_reason"\s*:\s*"/;
/** Values by which some providers write that a choice goes on (others write null). */
const GOES_ON: ReadonlySet<unknown> = new Set(['', 'null']);

export class ChatMeter extends EventMeter {
  /** Whether Bursar asked for usage and the caller did not: it is then kept from the caller. */
  readonly #usageIsOurs: boolean;
  readonly #usageBesideChoicesIsOurs: boolean;
  /** Whether the request has several choices. Each event is then parsed for its choices; otherwise all belong to choice 0. */
  readonly #hasChoices: boolean;
  readonly #places: UsagePlaces;
  readonly #byChoice = new Map<unknown, StatedUsage>();
  #usage: UsageReading | null = null;

  constructor(
    { stream, usageAsked, choices }: Pick<RequestFacts, 'stream' | 'usageAsked' | 'choices'>,
    profile: ProviderProfile,
    /** The field of a choice that has its new output; legacy completions have `text`. */
    output: 'delta' | 'text' = 'delta',
  ) {
    super(output);
    const { request, usage } = profile;
    this.#places = usagePlaces(profile);
    this.#usageIsOurs = stream && !usageAsked && request.asksUsage;
    this.#usageBesideChoicesIsOurs = this.#usageIsOurs && usage.besideChoicesWhenAsked;
    this.#hasChoices = choices > 1;
  }

  usage(): UsageReading | null {
    return this.#usage;
  }

  step(event: Uint8Array): StreamStep {
    const text = eventText(event);
    if (isDone(text)) {
      this.begun = true;
      this.end.ended();
      return ENDED;
    }
    const named = text.startsWith(NAMED) ? namedError(text, eventData(event)) : null;
    if (named !== null) return { shown: 'all', ended: false, error: named };
    const hasOutput = this.output.addEvent(text);
    if (hasOutput) this.begun = true;
    const isRead = this.#hasChoices || USAGE_OR_ERROR.test(text) || FINISHES.test(text);
    const chunk = isRead ? eventData(event) : null;
    if (chunk === null) {
      if (hasOutput) this.end.output(0);
      return this.#withoutNull(event, text);
    }
    return this.#chunk(chunk, hasOutput, event, text);
  }

  #chunk(chunk: Json, hasOutput: boolean, event: Uint8Array, text: string): StreamStep {
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    for (const [place, choice] of choices.entries())
      if (isObject(choice)) this.#choice(choice, place, hasOutput);
    const usage = this.#usageIn(chunk, choices);
    if (usage !== null) {
      this.#usage = usage;
      this.end.usage();
    }
    const error = errorMessage(chunk);
    if (error !== null) return { shown: 'all', ended: false, error };
    if (!this.#usageIsOurs || !isObject(chunk.usage)) return this.#withoutNull(event, text);
    if (choices.length === 0) return HIDDEN;
    return this.#usageBesideChoicesIsOurs ? shownWithoutUsage(event, text) : PASSED;
  }

  // Where the last chunk of each choice states the usage of that choice, they are combined.
  #usageIn(chunk: Json, choices: readonly unknown[]): UsageReading | null {
    const [choice] = choices;
    const isOfChoice =
      this.#hasChoices && isObject(choice) && isObject(choice.usage) && !isObject(chunk.usage);
    const stated = isOfChoice ? this.#places.stated(chunk) : null;
    if (!isOfChoice || stated === null) return chatUsage(chunk, this.#places);
    this.#byChoice.set(choice.index, stated);
    const all = ofChoices([...this.#byChoice.values()]);
    return all === null ? null : readingOf(all, this.#places, null);
  }

  #choice(choice: Json, place: number, hasOutput: boolean): void {
    const stated = typeof choice.index === 'number' ? choice.index : place;
    const index = this.#hasChoices ? stated : 0;
    const { finish_reason: reason } = choice;
    if (hasOutput) this.end.output(index);
    else this.end.began(index);
    if (typeof reason !== 'string' || GOES_ON.has(reason)) return;
    this.begun = true;
    this.end.finished(index);
  }

  // Where usage is asked for, chunks without usage have `usage: null`.
  #withoutNull(event: Uint8Array, text: string): StreamStep {
    return this.#usageIsOurs ? shownWithoutUsage(event, text) : PASSED;
  }
}

function shownWithoutUsage(event: Uint8Array, text: string): StreamStep {
  const shown = withoutUsage(eventBuffer(event), text);
  return shown === null ? PASSED : { shown, ended: false, error: null };
}

const LAST_EVENTS: ReadonlySet<unknown> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
  'response.done',
]);
const WORTH_PARSING =
  /"response\.(?:created|completed|incomplete|failed|cancelled|done)"|"error"|"(?:web_search|file_search|code_interpreter)_call"/;
const NAMED_ERROR = 'event: error';
/** A call of any kind, also of a function: the model or a tool has begun to work. */
const CALL = /_call[".]/;

export class ResponseMeter extends EventMeter {
  /** Finished calls of tools. They are billed even where the stream breaks before its usage. */
  readonly #calls: unknown[] = [];
  #usage: UsageReading | null = null;
  answerId: string | undefined;

  constructor(private readonly places: UsagePlaces) {
    super();
  }

  usage(): UsageReading | null {
    return this.#usage ?? (this.#calls.length === 0 ? null : this.#callsAlone());
  }

  step(event: Uint8Array): StreamStep {
    const text = eventText(event);
    const hasOutput = this.output.addEvent(text);
    if (!this.begun) this.begun = hasOutput || CALL.test(text);
    if (isDone(text)) {
      this.begun = true;
      this.end.ended();
      return ENDED;
    }
    if (!WORTH_PARSING.test(text) && !text.startsWith(NAMED_ERROR)) return PASSED;
    const data = eventData(event);
    if (data === null) return PASSED;
    const { response } = data;
    if (isObject(response) && typeof response.id === 'string') this.answerId = response.id;
    if (data.type === 'response.output_item.done') this.#calls.push(data.item);
    // Compatible providers also send errors in the form of chat completions, which have no type.
    const isError = data.type === 'error' || data.type === undefined;
    const error = isError ? (errorMessage(data) ?? namedError(text, data)) : null;
    if (isError && (error !== null || data.type === 'error')) return { ...ENDED, error: error ?? '' };
    return LAST_EVENTS.has(data.type) ? this.#last(data) : PASSED;
  }

  #last({ type, response }: Json): StreamStep {
    const failed = type === 'response.failed' && isObject(response);
    this.#usage = responseUsage(response, this.places);
    if (this.#usage !== null) this.end.usage();
    if (!failed) this.begun = true;
    this.end.ended();
    return { ...ENDED, error: failed ? (errorMessage(response) ?? '') : null };
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
