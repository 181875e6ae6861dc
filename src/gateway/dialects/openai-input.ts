// Measures the input of an OpenAI request: messages of chat completions, items of responses, and their parts. A part that is not
// text is counted by its kind, so that the bound of the input holds. Called by openai-requests.ts and openai.ts.

import { compatible } from '../profiles/compatible.js';
import type { ProviderProfile } from '../profiles/profile.js';
import { traitsOf } from '../profiles/profiles.js';
import type { ImageTokens, InputMeasure } from './input-bound.js';
import { type DataUrl, dataUrl } from './input-bound.js';
import { isObject, type Json } from './json-scan.js';
import { notMeterable } from './request-fields.js';

/**
 * The most tokens of an image, for models whose traits state no other figure: 10,000 patches of 32 pixels at detail `original`
 * (OpenAI, "Images and vision"), 16,384 tokens for vision models on compatible servers (their `max_pixels`).
 */
const IMAGE_TOKENS_MAX = 16_384;
/** The most tokens at detail `low`, which has one size for each model. */
const IMAGE_TOKENS_MAX_LOW = 2_833;

/** Parts and items of text alone: their bytes bound their tokens, also for encrypted reasoning. */
const TEXT_TYPES: ReadonlySet<string> = new Set([
  'text',
  'refusal',
  'input_text',
  'output_text',
  'summary_text',
  'reasoning_text',
  'thinking',
  'function_call',
  'custom_tool_call',
  'computer_call',
  'local_shell_call',
  'local_shell_call_output',
  'shell_call',
  'shell_call_output',
  'apply_patch_call',
  'apply_patch_call_output',
  'mcp_list_tools',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'tool_search_call',
  'tool_search_output',
  'additional_tools',
  'compaction',
]);

/** The most tokens of an image with a model, by the provider's name for it. */
export function imageTokensOf(
  model: string,
  profile: Pick<ProviderProfile, 'models'> = compatible,
): ImageTokens {
  return { full: traitsOf(profile, model).imageTokensMax ?? IMAGE_TOKENS_MAX, low: IMAGE_TOKENS_MAX_LOW };
}

/** Walks one input. */
export class OpenAiInput {
  readonly #measure: InputMeasure;

  constructor(measure: InputMeasure) {
    this.#measure = measure;
  }

  messages(messages: readonly unknown[]): void {
    for (const message of messages) {
      if (!isObject(message)) continue;
      this.#content(message.content);
      // Audio of an earlier answer is named by its id; only the provider has it.
      if (isObject(message.audio)) this.#measure.stored();
    }
  }

  /** The items of a response's input. */
  items(items: readonly unknown[]): void {
    for (const item of items) {
      if (!isObject(item)) continue;
      if (item.type === undefined || item.type === 'message') this.#content(item.content);
      else this.#item(item);
    }
  }

  #item(item: Json): void {
    switch (item.type) {
      case 'function_call_output':
      case 'custom_tool_call_output':
        this.#content(item.output);
        return;
      case 'computer_call_output':
        this.#image(isObject(item.output) ? item.output : {});
        return;
      case 'image_generation_call':
        // Without a picture of its own the item means the picture that the provider stored under the id.
        this.#measure.image('full', typeof item.result === 'string' ? item.result : null);
        return;
      case 'reasoning':
        // Without its encrypted text the item means the text that the provider stored under the id.
        if (typeof item.encrypted_content !== 'string') this.#measure.stored();
        this.#content(item.content);
        return;
      case 'compaction_trigger':
        throw notMeterable(
          'input',
          'an item compaction_trigger makes the provider generate text without a limit',
        );
      default:
        this.#part(item);
    }
  }

  #content(content: unknown): void {
    if (Array.isArray(content)) for (const part of content) this.#part(part);
    else if (isObject(content)) this.#part(content);
  }

  #part(part: unknown): void {
    if (!isObject(part)) return;
    const { type } = part;
    if (typeof type === 'string' && TEXT_TYPES.has(type)) return;
    if (type === 'image_url' || type === 'input_image' || type === 'computer_screenshot') this.#image(part);
    else if (type === 'input_audio') this.#audio(part);
    else if (type === 'file' || type === 'input_file') this.#file(part);
    else this.#measure.stored();
  }

  // Chat: `image_url: {url, detail}`; responses: `image_url: "…", detail`, or the id of a file. Where a part names its image
  // twice, providers differ in which one they read: the larger counts.
  #image(part: Json): void {
    const named = isObject(part.image_url) ? part.image_url : { url: part.image_url };
    const inline = typeof named.url === 'string' ? dataUrl(named.url) : null;
    const details = [named.detail, part.detail].filter((detail) => detail !== undefined && detail !== null);
    const isLow = details.length > 0 && details.every((detail) => detail === 'low');
    const isElsewhere = hasAny(part, FILE_NAMES) || hasAny(named, FILE_NAMES);
    if (inline === null || isElsewhere) this.#measure.named();
    // Compatible providers also take documents and videos in these fields.
    if (inline?.mediaType.startsWith('image/') === false) {
      if (isElsewhere) this.#measure.stored();
      this.#document(inline);
    } else this.#measure.image(isLow ? 'low' : 'full', inline?.data ?? null);
  }

  #audio(part: Json): void {
    const audio = isObject(part.input_audio) ? part.input_audio : {};
    if (typeof audio.data === 'string') this.#measure.audio(audio.data);
    if (typeof audio.data !== 'string' || hasAny(audio, OTHER_SOURCES) || hasAny(part, OTHER_SOURCES))
      this.#measure.stored();
  }

  // Chat: `file: {file_data | file_id}`; responses: `file_data`, `file_id` or `file_url`.
  #file(part: Json): void {
    const file = isObject(part.file) ? part.file : part;
    const inline = typeof file.file_data === 'string' ? file.file_data : null;
    if (inline === null || hasAny(file, OTHER_SOURCES) || hasAny(part, OTHER_SOURCES)) this.#measure.stored();
    if (inline !== null) this.#document(dataUrl(inline) ?? { mediaType: '', data: inline });
  }

  // The base64 of plain text bounds it. Any other format may be compressed.
  #document({ mediaType, data }: DataUrl): void {
    if (!mediaType.startsWith('text/')) this.#measure.document(data);
  }
}

/** Fields that name a file outside the part. */
const OTHER_SOURCES = ['file_id', 'file_url', 'url', 'id'] as const;
const FILE_NAMES = ['file_id', 'file_data', 'file_url', 'data'] as const;

function hasAny(of: Json, names: readonly string[]): boolean {
  return names.some((name) => of[name] !== undefined && of[name] !== null);
}
