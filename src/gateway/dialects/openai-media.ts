// OpenAI's endpoints that make or hear images and speech: what a request to them may cost, and what its answer used. Models
// of these endpoints are billed by tokens, or by what they make or hear (`billedBy`): the price says which. Field by field
// after the types of the `openai` package. Called by openai.ts.

import { Buffer } from 'node:buffer';
import type { Endpoint } from '../metering/endpoints.js';
import { NOTHING_BILLED, type RequestFacts } from '../metering/request-facts.js';
import type { UsageReading } from '../metering/usage.js';
import { isObject, type Json } from './json-scan.js';
import type { FormPart } from './multipart.js';
import { openAiUser } from './openai-fields.js';
import { invalid, notMeterable, readFlag, readModel, readWhole } from './request-fields.js';
import { figure, quantitiesOf } from './usage-figures.js';

/** Of `n` ("Create image"). */
const IMAGES_MAX = 10;
/** An image of the largest of the usual sizes, by quality ("Image generation": cost of 1024x1536 and 1536x1024). */
const IMAGE_TOKENS: ReadonlyMap<unknown, number> = new Map([
  ['low', 408],
  ['medium', 1_584],
]);
const IMAGE_TOKENS_MAX = 6_240;
/** Each image that is shown before it is finished ("Image generation", partial images). */
const PARTIAL_IMAGE_TOKENS = 100;
const PARTIAL_IMAGES_MAX = 3;
/** An image that is edited, with high fidelity: 6,144 tokens beside those of the plain image ("Image generation"). */
const IMAGE_INPUT_TOKENS_MAX = 8_192;

/** English is spoken at some 150 words a minute, of six letters each with the space behind. */
const BYTES_PER_SPOKEN_SECOND = 15;
/** gpt-4o-mini-tts: 0.015 USD a minute at 12 USD for a million tokens. */
const SPEECH_TOKENS_PER_SECOND = 21;
/** Speech at the lowest `speed` takes so many times as long. */
const SLOWEST_SPEED = 0.25;
/** Slow speakers, and pauses. */
const SPEECH_MARGIN = 1.5;

/** Speech is sent at 32 kbit/s and more; less is possible, and what it costs beyond is recorded. */
const BYTES_PER_HEARD_SECOND = 4_000;
/** gpt-4o-transcribe: 0.006 USD a minute at 6 USD for a million tokens. */
const HEARD_TOKENS_PER_SECOND = 17;
/** 200 words a minute are about five tokens a second; names of speakers and times of words are more. */
const WRITTEN_TOKENS_PER_SECOND = 10;
/** What a request without speech still may write. */
const WRITTEN_TOKENS_MIN = 100;

/** What every request of these endpoints has in common. */
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

/** `audio/speech`. The answer is sound, and states no usage unless it is a stream of events. */
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

/** Sound that is not compressed tells its length; of all other formats the bytes are taken for compressed speech. */
function secondsOf(sound: Buffer): number {
  return Math.ceil(sound.length / (waveBytesPerSecond(sound) ?? BYTES_PER_HEARD_SECOND));
}

/** The formats of WAV that are plain samples: PCM and floats. The extensible form names one of them behind its other fields. */
const WAVE_SAMPLES: ReadonlySet<number> = new Set([0x1, 0x3]);
const WAVE_EXTENSIBLE = 0xfffe;
/** Of recordings as people make them; beyond, a header is not believed. */
const WAVE_MAX = { channels: 8, rate: 192_000, bits: 64 } as const;

/**
 * Of a WAV file (RIFF, `fmt ` in front), by its channels, rate and bits, as decoders take it: the field for bytes a second is
 * read by none of them, so that a caller may write anything there. Null where it is no such file.
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

/** Usage of an answer with images; without one, the images count. */
export function imagesUsage(answer: unknown): UsageReading | null {
  if (!isObject(answer)) return null;
  const images = Array.isArray(answer.data)
    ? answer.data.length
    : typeof answer.b64_json === 'string'
      ? 1
      : 0;
  const usage = isObject(answer.usage) ? answer.usage : {};
  const input = figure(usage.input_tokens);
  const output = figure(usage.output_tokens);
  const seen = Math.min(figure(figuresIn(usage, 'input_tokens_details').image_tokens) ?? 0, input ?? 0);
  const outputDetails = figuresIn(usage, 'output_tokens_details');
  // Where the parts of the output are not stated, all of it is images.
  const made = output === null ? null : Math.min(output, figure(outputDetails.image_tokens) ?? output);
  return {
    inputTokens: { total: input, noCache: input, cacheRead: null, cacheWrite: null },
    outputTokens: {
      total: output,
      text: output === null || made === null ? null : output - made,
      reasoning: null,
    },
    toolCalls: 0,
    quantities: quantitiesOf(
      { input: input === null ? null : input - seen },
      {
        input_image: seen,
        output: output === null || made === null ? null : output - made,
        output_image: made,
        image: images,
      },
    ),
  };
}

/** Usage of a transcription: tokens, or seconds. */
export function transcriptionUsage(answer: unknown): UsageReading | null {
  if (!isObject(answer)) return null;
  const usage = isObject(answer.usage) ? answer.usage : {};
  const seconds = figure(usage.seconds) ?? figure(answer.duration);
  const input = figure(usage.input_tokens);
  const output = figure(usage.output_tokens);
  if (seconds === null && input === null) return null;
  const heard = Math.min(
    figure(figuresIn(usage, 'input_token_details').audio_tokens) ?? input ?? 0,
    input ?? 0,
  );
  return {
    inputTokens: { total: input, noCache: input, cacheRead: null, cacheWrite: null },
    outputTokens: { total: output, text: output, reasoning: null },
    toolCalls: 0,
    quantities: quantitiesOf(
      { input: input === null ? null : input - heard },
      { input_audio: heard, output, audio_second: seconds },
    ),
  };
}

/** Usage of a stream of speech. */
export function speechUsage(answer: unknown): UsageReading | null {
  const usage = isObject(answer) ? answer.usage : null;
  if (!isObject(usage)) return null;
  const input = figure(usage.input_tokens);
  const output = figure(usage.output_tokens);
  return {
    inputTokens: { total: input, noCache: input, cacheRead: null, cacheWrite: null },
    outputTokens: { total: output, text: 0, reasoning: null },
    toolCalls: 0,
    quantities: quantitiesOf({ input }, { output_audio: output }),
  };
}

/** A nested object of figures; an empty one where it is missing. */
function figuresIn(parent: Json, field: string): Json {
  const value = parent[field];
  return isObject(value) ? value : {};
}
