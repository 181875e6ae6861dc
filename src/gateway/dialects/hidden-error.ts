// Finds errors that the status does not show: a whole answer of status 200 that is an error, or an error event of a stream.
// Proxies in front of providers send them. Also says which status the error should have had. Called for each whole answer, so
// that an answer without an error costs a few look-ups.

import { errorMessage } from './error-text.js';
import { isObject, type Json } from './json-scan.js';

export interface HiddenError {
  /** The status that the error itself states; 200 where it states none. */
  readonly status: number;
  readonly text: string;
}

/** Every answer of either dialect has one of these fields. */
const ANSWER_FIELDS = ['choices', 'output', 'content', 'data', 'input_tokens', 'candidates'] as const;
/** Where other servers than OpenAI put the message of an error. */
const MESSAGE_FIELDS = ['message', 'detail', 'error_msg', 'msg'] as const;
const STATUS_FIELDS = ['code', 'status', 'status_code', 'http_status', 'error_code'] as const;

/**
 * The error that an answer states, or null. It may come after output: a stored response that failed states an error and its
 * usage, and is an answer. The calling code decides which it is.
 */
export function hiddenError(answer: unknown): HiddenError | null {
  // Gemini answers a list with one item.
  const one = Array.isArray(answer) && answer.length === 1 ? (answer[0] as unknown) : answer;
  if (!isObject(one)) return null;
  if (isStated(one.error)) return { status: statusIn(one), text: errorMessage(one) ?? '' };
  if (one.type === 'error' || one.object === 'error') return { status: statusIn(one), text: words(one) };
  const inChoices = choicesError(one.choices);
  if (inChoices !== null) return inChoices;
  if (ANSWER_FIELDS.some((field) => one[field] !== undefined && one[field] !== null)) return null;
  const text = words(one);
  return text === '' ? null : { status: statusIn(one), text };
}

/** Whether the answer is a stored response with the status `failed`. Its caller gets it under the status that it came with. */
export function isFailedResponse(answer: unknown): answer is Json {
  return isObject(answer) && answer.object === 'response' && answer.status === 'failed';
}

/** The answer without the errors in its choices: no model generated their text. */
export function withoutErrors(answer: unknown): unknown {
  if (!isObject(answer) || !Array.isArray(answer.choices)) return answer;
  const choices = answer.choices.map((choice) => (isObject(choice) ? { ...choice, error: null } : choice));
  return { ...answer, choices };
}

/** The status that an error event of a stream states. */
export function hiddenStatus(event: Json | null): number {
  return event === null ? 200 : statusIn(isObject(event.response) ? event.response : event);
}

// OpenRouter states an error in the choice that it broke.
function choicesError(choices: unknown): HiddenError | null {
  if (!Array.isArray(choices) || choices.length === 0) return null;
  const [first] = choices as unknown[];
  if (!choices.every((choice) => isObject(choice) && isStated(choice.error))) return null;
  return { status: statusIn(first as Json), text: errorMessage(first) ?? '' };
}

// An empty text or object means that there is no error.
function isStated(error: unknown): boolean {
  if (typeof error === 'string') return error !== '';
  return isObject(error) && Object.keys(error).length > 0;
}

function statusIn(answer: Json): number {
  for (const at of [answer.error, answer]) {
    if (!isObject(at)) continue;
    for (const field of STATUS_FIELDS) {
      const status = Number(at[field]);
      if (Number.isInteger(status) && status >= 400 && status <= 599) return status;
    }
  }
  return 200;
}

function words(answer: Json): string {
  const said: unknown[] = [answer.type, answer.code, ...MESSAGE_FIELDS.map((field) => answer[field])];
  for (const list of [answer.errors, answer.base_resp]) {
    const first: unknown = Array.isArray(list) ? list[0] : list;
    if (isObject(first)) said.push(first.code, first.message, failedStatus(first));
  }
  const isMessage = said.slice(2).some((word) => typeof word === 'string' && word !== '');
  if (!isMessage) return '';
  return said.filter((word) => typeof word === 'string' && word !== '' && word !== 'error').join(': ');
}

// MiniMax states a status in each answer; 0 means success.
function failedStatus({ status_code: code, status_msg: message }: Json): unknown {
  return code === 0 ? undefined : message;
}
