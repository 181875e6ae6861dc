// JSON bodies: UTF-8 only, no key twice, and beside what was parsed the numbers that were not written plainly. A small body
// is read at once; a large one in turns of the event loop, each element of its lists parsed by itself.

import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { Breather } from '../kit/breather.js';
import { RefusedError } from '../kit/refusals.js';
import { JsonScan, type ListPlace, notJson } from './json-scan.js';
import { BODY_BYTES_MAX } from './limits.js';

/** Read within a millisecond. */
const AT_ONCE_BYTES_MAX = 128 * 1024;
/** Scanned between two looks at the clock: about a millisecond. */
const STEP_BYTES = 256 * 1024;

interface Read {
  readonly value: unknown;
  readonly unplain: ReadonlySet<number>;
}

/** Takes application/json and nothing else in this scope. */
export function takeJsonOnly(app: FastifyInstance): void {
  app.decorateRequest('unplainNumbers', null as never);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = withoutMark(body as Buffer);
    // As if there were none: whether one is needed is the schema's to say.
    if (bytes.length === 0) {
      done(null, undefined);
      return;
    }
    const take = ({ value, unplain }: Read) => {
      request.unplainNumbers = unplain;
      done(null, value);
    };
    if (bytes.length > AT_ONCE_BYTES_MAX) {
      readInTurns(bytes, request.routeOptions.config.wholeBytesMax ?? BODY_BYTES_MAX).then(take, done);
      return;
    }
    try {
      take(readAtOnce(bytes));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** Some editors put a byte-order mark before a text; it says nothing. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** @throws RefusedError invalid_request */
function readAtOnce(bytes: Buffer): Read {
  assertUtf8(bytes);
  const scan = new JsonScan(bytes);
  scan.step(bytes.length);
  return { value: parsed(bytes.toString()), unplain: scan.unplain };
}

/** @throws RefusedError invalid_request, too_large */
async function readInTurns(bytes: Buffer, wholeBytesMax: number): Promise<Read> {
  assertUtf8(bytes);
  const scan = new JsonScan(bytes);
  const breather = new Breather();
  while (!scan.step(STEP_BYTES)) await breather.breathe();
  const value = parsed(withoutLists(bytes, scan.lists, wholeBytesMax)) as Record<string, unknown[]>;
  for (const { name, elements } of scan.lists) {
    const list = value[name];
    for (let place = 0; place < elements.length; place += 2) {
      await breather.breathe();
      const field = `${name}[${place / 2}]`;
      assertBounded(elements[place + 1] - elements[place], BODY_BYTES_MAX, { field });
      list.push(parsed(bytes.toString('utf8', elements[place], elements[place + 1])));
    }
  }
  return { value, unplain: scan.unplain };
}

/** The body with its lists empty. */
function withoutLists(bytes: Buffer, lists: readonly ListPlace[], bytesMax: number): string {
  let bytesLeft = bytes.length;
  for (const { start, end } of lists) bytesLeft -= end - start;
  assertBounded(bytesLeft, bytesMax, { field: 'body', beside: ' beside its lists' });
  let text = '';
  let at = 0;
  for (const { start, end } of lists) {
    text += bytes.toString('utf8', at, start);
    at = end;
  }
  return text + bytes.toString('utf8', at);
}

// What is parsed in one go: as much as a request without a list may have in all.
function assertBounded(
  bytes: number,
  bytesMax: number,
  { field, beside = '' }: { field: string; beside?: string },
): void {
  if (bytes > bytesMax)
    throw new RefusedError(
      'too_large',
      `${field}: has ${bytes} bytes${beside}; at most ${bytesMax} are allowed`,
      { field },
    );
}

function assertUtf8(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new RefusedError('invalid_request', 'body: is not UTF-8', { field: 'body' });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notJson();
  }
}
