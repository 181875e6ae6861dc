// Tells whether an answer is a stream of events or one body. The first bytes decide, since some servers state a wrong content
// type; the content type decides only where the bytes leave it open. Called by attempt.ts.

import { COLON, isSpace, LIST_OPENS, OBJECT_OPENS } from '../dialects/json-scan.js';

export type AnswerShape = 'events' | 'body';

export const EVENT_STREAM = 'text/event-stream';

/** The beginnings of an event (WHATWG HTML, "Server-sent events"). No line of JSON begins so. */
const FIELDS = ['data', 'event', 'id', 'retry'].map((field) => Buffer.from(`${field}:`));
const LF = 0x0a;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** The shape of an answer that begins with these bytes; null when more are needed to tell. */
export function shapeOf(start: Buffer, contentType: string | undefined): AnswerShape | null {
  const isLabelled = contentType?.startsWith(EVENT_STREAM) === true;
  let at = start.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  while (isSpace(start[at])) at++;
  // Empty lines keep a stream alive that has no event yet.
  if (at === start.length) return isLabelled && start.includes(LF) ? 'events' : null;
  const first = start[at];
  if (first === OBJECT_OPENS || first === LIST_OPENS) return 'body';
  if (first === COLON) return 'events';
  for (const field of FIELDS) {
    const begins = start.subarray(at, at + field.length);
    if (begins.equals(field)) return 'events';
    if (begins.length < field.length && field.subarray(0, begins.length).equals(begins)) return null;
  }
  return isLabelled ? 'events' : 'body';
}
