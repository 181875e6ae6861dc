// Reads the message of a provider's error for its classification (rule P9): from the JSON of either dialect, else the text.

import { Buffer } from 'node:buffer';
import { isObject } from './json-scan.js';

/** How much of a message is kept: signatures are near its start, and matching time stays small. */
const ERROR_CHARS_MAX = 4_096;
/** How much of an error's body is parsed. */
const ERROR_BODY_BYTES_MAX = 64 * 1_024;

/** The message of an error answer. Its code and type precede it, since signatures may name them. */
export function errorText(status: number, body: Uint8Array): string {
  const cut = body.subarray(0, ERROR_BODY_BYTES_MAX);
  const text = Buffer.from(cut.buffer, cut.byteOffset, cut.length).toString('utf8');
  let stated: string | null = null;
  try {
    stated = errorMessage(JSON.parse(text));
  } catch {
    // Not JSON: the text is the message.
  }
  return clipped(stated ?? (text.trim() === '' ? `status ${status}` : text));
}

/** The message in a parsed answer or event; null where it states no error. */
export function errorMessage(answer: unknown): string | null {
  const one = Array.isArray(answer) ? answer[0] : answer;
  if (!isObject(one)) return null;
  const { error } = one;
  if (typeof error === 'string') return clipped(error);
  // Error events of the Responses API have the message beside `type`, those of vLLM beside `object`.
  const told = isObject(error) ? error : one.type === 'error' || one.object === 'error' ? one : null;
  if (told === null) return null;
  const words = [told.type, told.code, told.message].filter(
    (word) => typeof word === 'string' && word !== 'error',
  );
  return words.length === 0 ? clipped(JSON.stringify(told)) : clipped(words.join(': '));
}

/** The message of an event that is named `error`, whatever its data has (llama.cpp, vLLM behind a proxy); else null. */
export function namedError(event: string, data: unknown): string | null {
  if (!NAMED_ERROR.test(event)) return null;
  return errorMessage(data) ?? clipped(data === null ? event.trim() : JSON.stringify(data));
}

const NAMED_ERROR = /^event: ?error[\r\n]/;

function clipped(text: string): string {
  return text.slice(0, ERROR_CHARS_MAX).toWellFormed();
}
