// The message of a provider's error, for its classification (rule P9): from the JSON of either dialect, else the text.

import { Buffer } from 'node:buffer';
import { isObject } from './json-scan.js';

/** Of a message: the signatures stand at its start, and matching time stays small. */
const ERROR_CHARS_MAX = 4_096;
/** Of an error's body: more is not parsed. */
const ERROR_BODY_BYTES_MAX = 64 * 1_024;

/** The message of an error answer. Codes and types stand before it, since signatures may name them. */
export function errorText(status: number, body: Uint8Array): string {
  const cut = body.subarray(0, ERROR_BODY_BYTES_MAX);
  const text = Buffer.from(cut.buffer, cut.byteOffset, cut.length).toString('utf8');
  let stated: string | null = null;
  try {
    stated = errorMessage(JSON.parse(text));
  } catch {
    // Not JSON: the text itself says what it says.
  }
  return clipped(stated ?? (text.trim() === '' ? `status ${status}` : text));
}

/** The message in a parsed answer or event; null where it states no error. */
export function errorMessage(answer: unknown): string | null {
  const one = Array.isArray(answer) ? answer[0] : answer;
  if (!isObject(one)) return null;
  const { error } = one;
  if (typeof error === 'string') return clipped(error);
  // An error event of the Responses API has its message beside its type, one of vLLM beside the object's name.
  const told = isObject(error) ? error : one.type === 'error' || one.object === 'error' ? one : null;
  if (told === null) return null;
  const words = [told.type, told.code, told.message].filter(
    (word) => typeof word === 'string' && word !== 'error',
  );
  return words.length === 0 ? clipped(JSON.stringify(told)) : clipped(words.join(': '));
}

/** An event that its name makes an error, whatever its data has (llama.cpp, vLLM behind a proxy). Null: it is not named so. */
export function namedError(event: string, data: unknown): string | null {
  if (!NAMED_ERROR.test(event)) return null;
  return errorMessage(data) ?? clipped(data === null ? event.trim() : JSON.stringify(data));
}

const NAMED_ERROR = /^event: ?error[\r\n]/;

function clipped(text: string): string {
  return text.slice(0, ERROR_CHARS_MAX).toWellFormed();
}
