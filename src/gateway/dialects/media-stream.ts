// Reads the streams of images, speech and transcriptions: each event names its type, the last one ends in `.completed` or
// `.done` and states the usage. Called by openai-endpoints.ts.

import type { UsageReading } from '../metering/usage.js';
import type { StreamStep } from './dialect.js';
import { errorMessage } from './error-text.js';
import { eventData, eventText } from './output-text.js';
import { ENDED, EventMeter, PASSED } from './stream-end.js';

/** The ends of the three: `image_generation.completed`, `image_edit.completed`, `speech.audio.done`, `transcript.text.done`. */
const LAST =
  /"type" *: *"(?:image_(?:generation|edit)\.completed|speech\.audio\.done|transcript\.text\.done)"/;
const ERROR = /"error"/;

export class MediaMeter extends EventMeter {
  readonly #usageOf: (event: unknown) => UsageReading | null;
  /** Images end one by one: so many of them must have come. */
  #lastsLeft: number;
  readonly #usages: UsageReading[] = [];

  constructor(usageOf: (event: unknown) => UsageReading | null, lasts: number) {
    super();
    this.#usageOf = usageOf;
    this.#lastsLeft = lasts;
  }

  /** Of the images that have come; each states its own. */
  usage(): UsageReading | null {
    return this.#usages.length === 0 ? null : this.#usages.reduce(sumOf);
  }

  step(event: Uint8Array): StreamStep {
    const text = eventText(event);
    if (!LAST.test(text)) {
      if (this.output.addEvent(text)) this.begun = true;
      const error = ERROR.test(text) ? errorMessage(eventData(event)) : null;
      return error === null ? PASSED : { shown: 'all', ended: true, error };
    }
    this.begun = true;
    const usage = this.#usageOf(eventData(event));
    if (usage !== null) {
      this.#usages.push(usage);
      this.end.usage();
    }
    this.#lastsLeft--;
    if (this.#lastsLeft > 0) return PASSED;
    this.end.ended();
    return ENDED;
  }
}

function sumOf(left: UsageReading, right: UsageReading): UsageReading {
  const quantities: Record<string, number> = { ...left.quantities };
  for (const [component, quantity] of Object.entries(right.quantities))
    quantities[component] = (quantities[component] ?? 0) + quantity;
  return {
    inputTokens: added(left.inputTokens, right.inputTokens),
    outputTokens: added(left.outputTokens, right.outputTokens),
    toolCalls: 0,
    quantities,
  };
}

function added<Figures extends Readonly<Record<string, number | null>>>(
  left: Figures,
  right: Figures,
): Figures {
  const entries = Object.entries(left).map(([name, figure]) => {
    const other = right[name];
    return [name, figure === null || other === null ? null : figure + other];
  });
  return Object.fromEntries(entries) as Figures;
}
