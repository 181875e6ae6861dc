// Whether an answer is a stream of events or one body: by its first bytes, which servers get right where they mislabel the
// content type, and by that only where the bytes do not tell. Called by attempt.ts.

/** How an answer comes. */
export type AnswerShape = 'events' | 'body';

export const EVENT_STREAM = 'text/event-stream';

/** What an event begins with (WHATWG HTML, "Server-sent events"). A line of JSON begins with none of them. */
const FIELDS = ['data', 'event', 'id', 'retry'].map((field) => Buffer.from(`${field}:`));
const COLON = 0x3a;
const LF = 0x0a;
const OBJECT_OPENS = 0x7b;
const LIST_OPENS = 0x5b;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
/** Space, tab, LF, CR. */
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, LF, 0x0d]);

/** The shape of an answer that begins with these bytes; null when more are needed to tell. */
export function shapeOf(start: Buffer, contentType: string | undefined): AnswerShape | null {
  const isLabelled = contentType?.startsWith(EVENT_STREAM) === true;
  let at = start.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  while (SPACES.has(start[at])) at++;
  // Empty lines keep a stream alive that has nothing to say yet.
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
