// OpenAI's endpoints for images, speech and transcriptions: what a request to them may cost, and what its answer or stream
// used. Their models are billed by tokens, or by images, characters and seconds (`billedBy`): the price says which. Read field
// by field after the types of the `openai` package. Called by openai.ts.

import { Buffer } from 'node:buffer';
import type { Endpoint } from '../metering/endpoints.js';
import { NOTHING_BILLED, type RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import type { StreamStep } from './dialect.js';
import { errorMessage } from './error-text.js';
import { isObject, type Json } from './json-scan.js';
import type { FormPart } from './multipart.js';
import { openAiUser } from './openai-fields.js';
import { eventData, eventText } from './output-text.js';
import { invalid, notMeterable, readFlag, readModel, readWhole } from './request-fields.js';
import { ENDED, EventMeter, PASSED } from './stream-end.js';
import { figure, quantitiesOf } from './usage-figures.js';

/** The largest `n` ("Create image"). */
const IMAGES_MAX = 10;
/** Output tokens of an image by quality, at the largest usual size ("Image generation": cost of 1024x1536 and 1536x1024). */
const IMAGE_TOKENS: ReadonlyMap<unknown, number> = new Map([
  ['low', 408],
  ['medium', 1_584],
]);
const IMAGE_TOKENS_MAX = 6_240;
/** Output tokens of each image that is shown before it is finished ("Image generation", partial images). */
const PARTIAL_IMAGE_TOKENS = 100;
const PARTIAL_IMAGES_MAX = 3;
/** Input tokens of an edited image: high fidelity adds 6,144 to those of the plain image ("Image generation"). */
const IMAGE_INPUT_TOKENS_MAX = 8_192;

/** English has about 150 spoken words a minute, of six characters each with the space. */
const BYTES_PER_SPOKEN_SECOND = 15;
/** From gpt-4o-mini-tts: 0.015 USD a minute at 12 USD for a million tokens. */
const SPEECH_TOKENS_PER_SECOND = 21;
/** The lowest `speed` that is taken. */
const SLOWEST_SPEED = 0.25;
/** Room for slow speakers and pauses. */
const SPEECH_MARGIN = 1.5;

/** Recordings have 32 kbit/s or more. One with less may cost more than is held; its full cost is recorded. */
const BYTES_PER_HEARD_SECOND = 4_000;
/** From gpt-4o-transcribe: 0.006 USD a minute at 6 USD for a million tokens. */
const HEARD_TOKENS_PER_SECOND = 17;
/** 200 words a minute are about five tokens a second. Names of speakers and times of words come on top. */
const WRITTEN_TOKENS_PER_SECOND = 10;
/** Output tokens that are held even for a recording without speech. */
const WRITTEN_TOKENS_MIN = 100;

/** The facts that every request of these endpoints has in common. */
function factsOf(endpoint: Endpoint, body: Json, of: Partial<RequestFacts>): RequestFacts {
  const input = of.inputTokensMax ?? 0;
  return {
    ...NOTHING_BILLED,
    endpoint,
    model: readModel(body),
    stream: readFlag(body, 'stream'),
    inputTokensMax: input,
    inputTokensHeld: input,
    inputTokensEstimate: input,
    user: openAiUser(body),
    ...of,
  };
}

/** `images/generations`, `images/edits`, `images/variations`. */
export function imageFacts(endpoint: Endpoint, body: Json): RequestFacts {
  const count = readWhole(body, 'n', { min: 1, max: IMAGES_MAX }) ?? 1;
  const partial = readWhole(body, 'partial_images', { min: 0, max: PARTIAL_IMAGES_MAX }) ?? 0;
  const images = filesIn(body, 'image').length + filesIn(body, 'mask').length;
  const imageTokens = images * IMAGE_INPUT_TOKENS_MAX;
  const text = typeof body.prompt === 'string' ? Buffer.byteLength(body.prompt) : 0;
  return factsOf(endpoint, body, {
    inputTokensMax: text + imageTokens,
    inputImageTokensMax: imageTokens,
    outputTokensStated: (IMAGE_TOKENS.get(body.quality) ?? IMAGE_TOKENS_MAX) + partial * PARTIAL_IMAGE_TOKENS,
    choices: count,
    outputImage: true,
    billedBy: { component: 'image', most: count },
  });
}

/** `audio/speech`. The answer is sound; it states usage only as a stream of events. */
export function speechFacts(body: Json): RequestFacts {
  const { input, instructions, speed = 1 } = body;
  if (typeof input !== 'string') throw invalid('input', input, 'a text');
  if (typeof speed !== 'number' || !(speed >= SLOWEST_SPEED))
    throw invalid('speed', speed, `a number from ${SLOWEST_SPEED} on`);
  const spoken = Buffer.byteLength(input);
  const seconds = Math.ceil((spoken / BYTES_PER_SPOKEN_SECOND) * Math.max(1, 1 / speed) * SPEECH_MARGIN) + 1;
  return factsOf('speech', body, {
    stream: body.stream_format === 'sse',
    inputTokensMax: spoken + (typeof instructions === 'string' ? Buffer.byteLength(instructions) : 0),
    outputTokensStated: seconds * SPEECH_TOKENS_PER_SECOND,
    outputAudio: true,
    billedBy: { component: 'character', most: [...input].length },
  });
}

/** `audio/transcriptions` and `audio/translations`. */
export function transcriptionFacts(endpoint: Endpoint, body: Json): RequestFacts {
  const files = filesIn(body, 'file');
  if (files.length !== 1) throw invalid('file', files.length, 'one file');
  if (body.known_speaker_references !== undefined)
    throw notMeterable('known_speaker_references', 'the length of these recordings is not known');
  const seconds = secondsOf(files[0].content);
  const heard = seconds * HEARD_TOKENS_PER_SECOND;
  const text = typeof body.prompt === 'string' ? Buffer.byteLength(body.prompt) : 0;
  return factsOf(endpoint, body, {
    inputTokensMax: heard + text,
    inputAudioTokensMax: heard,
    outputTokensStated: seconds * WRITTEN_TOKENS_PER_SECOND + WRITTEN_TOKENS_MIN,
    billedBy: { component: 'audio_second', most: seconds },
  });
}

/** Uncompressed sound states its length. The bytes of every other format are taken for compressed speech. */
function secondsOf(sound: Buffer): number {
  return Math.ceil(sound.length / (waveBytesPerSecond(sound) ?? BYTES_PER_HEARD_SECOND));
}

/** WAV formats with plain samples: PCM and floats. The extensible form names one of them after its other fields. */
const WAVE_SAMPLES: ReadonlySet<number> = new Set([0x1, 0x3]);
const WAVE_EXTENSIBLE = 0xfffe;
/** The most that recordings have in practice. A header that states more is not believed. */
const WAVE_MAX = { channels: 8, rate: 192_000, bits: 64 } as const;

/**
 * The bytes a second of a WAV file (RIFF, `fmt ` first), from its channels, rate and bits, as decoders take it. Decoders do
 * not read the field for bytes a second, so that a caller could write anything there. Null for any other file.
 */
function waveBytesPerSecond(sound: Buffer): number | null {
  const isWave =
    sound.length > 46 &&
    sound.toString('latin1', 0, 4) === 'RIFF' &&
    sound.toString('latin1', 8, 16) === 'WAVEfmt ';
  if (!isWave) return null;
  const stated = sound.readUInt16LE(20);
  if (!WAVE_SAMPLES.has(stated === WAVE_EXTENSIBLE ? sound.readUInt16LE(44) : stated)) return null;
  const [channels, rate, bits] = [sound.readUInt16LE(22), sound.readUInt32LE(24), sound.readUInt16LE(34)];
  if (channels > WAVE_MAX.channels || rate > WAVE_MAX.rate || bits > WAVE_MAX.bits) return null;
  const bitsPerSecond = channels * rate * bits;
  return bitsPerSecond < 8 ? null : bitsPerSecond / 8;
}

function filesIn(body: Json, name: string): readonly FormPart[] {
  const value = body[name];
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(name, typeof value, 'a file');
  return value as readonly FormPart[];
}

/** Usage of an answer with images: tokens, and how many images there are. */
export function imagesUsage(answer: unknown): UsageReading | null {
  if (!isObject(answer)) return null;
  const single = typeof answer.b64_json === 'string' ? 1 : 0;
  const image = Array.isArray(answer.data) ? answer.data.length : single;
  const { usage, input, output } = tokensIn(answer);
  const seen = Math.min(figure(objectIn(usage, 'input_tokens_details').image_tokens) ?? 0, input ?? 0);
  const { image_tokens: images } = objectIn(usage, 'output_tokens_details');
  // Where the parts of the output are not stated, all of it is images.
  const made = output === null ? null : Math.min(output, figure(images) ?? output);
  const text = output === null || made === null ? null : output - made;
  return {
    ...tokenTotals(input, output, text),
    quantities: quantitiesOf(
      { input: input === null ? null : input - seen },
      { input_image: seen, output: text, output_image: made, image },
    ),
  };
}

/** Usage of a transcription: tokens, or seconds. */
export function transcriptionUsage(answer: unknown): UsageReading | null {
  if (!isObject(answer)) return null;
  const { usage, input, output } = tokensIn(answer);
  const seconds = figure(usage.seconds) ?? figure(answer.duration);
  if (seconds === null && input === null) return null;
  const stated = figure(objectIn(usage, 'input_token_details').audio_tokens);
  const heard = Math.min(stated ?? input ?? 0, input ?? 0);
  return {
    ...tokenTotals(input, output, output),
    quantities: quantitiesOf(
      { input: input === null ? null : input - heard },
      { input_audio: heard, output, audio_second: seconds },
    ),
  };
}

/** Usage of a stream of speech. */
export function speechUsage(answer: unknown): UsageReading | null {
  if (!isObject(answer) || !isObject(answer.usage)) return null;
  const { input, output } = tokensIn(answer);
  return {
    ...tokenTotals(input, output, 0),
    quantities: quantitiesOf({ input }, { output_audio: output }),
  };
}

function tokensIn(answer: Json) {
  const usage = objectIn(answer, 'usage');
  return { usage, input: figure(usage.input_tokens), output: figure(usage.output_tokens) };
}

function tokenTotals(input: number | null, output: number | null, text: number | null) {
  return {
    inputTokens: { total: input, noCache: input, cacheRead: null, cacheWrite: null },
    outputTokens: { total: output, text, reasoning: null },
    toolCalls: 0,
  };
}

/** A nested object; an empty one where it is missing. */
function objectIn(parent: Json, field: string): Json {
  const value = parent[field];
  return isObject(value) ? value : {};
}

/** The last events: `image_generation.completed`, `image_edit.completed`, `speech.audio.done`, `transcript.text.done`. */
const LAST =
  /"type" *: *"(?:image_(?:generation|edit)\.completed|speech\.audio\.done|transcript\.text\.done)"/;
const ERROR = /"error"/;

/** Reads a stream of images, speech or a transcription. Its last event states the usage. */
export class MediaMeter extends EventMeter {
  readonly #usageOf: (event: unknown) => UsageReading | null;
  /** Each image has a last event of its own: so many of them must still come. */
  #lastsLeft: number;
  readonly #usages: UsageReading[] = [];

  constructor(usageOf: (event: unknown) => UsageReading | null, lasts: number) {
    super();
    this.#usageOf = usageOf;
    this.#lastsLeft = lasts;
  }

  /** The usage of all images that have come; each states its own. */
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
