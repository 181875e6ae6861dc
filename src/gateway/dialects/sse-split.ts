// Splits a byte stream into whole server-sent events, wherever its chunks begin and end (WHATWG HTML, "Server-sent events": a
// line ends in LF, CR LF or CR; an empty line ends an event). An event within one chunk is a view of the chunk. Every byte is
// looked at once, however many chunks an event takes. Each stream has its own splitter.

import { Buffer } from 'node:buffer';

/** The largest event. The last event of the Responses API repeats the whole answer with its images. */
export const EVENT_BYTES_MAX = 16 * 1_024 * 1_024;

const LF = 0x0a;
const CR = 0x0d;

export class EventSplitter {
  #chunk: Buffer = Buffer.alloc(0);
  /** Where the current event begins in the chunk, and up to where the chunk has been read. */
  #start = 0;
  #at = 0;
  #hasCr = false;
  /** The bytes of the current event from earlier chunks. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Whether the current line has no byte yet. */
  #lineEmpty = true;
  #afterCr = false;
  /** Whether the event has ended in a CR: a LF that follows belongs to it. */
  #ended = false;

  /** Takes a chunk. Call `next` until it returns null before the next chunk. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#start = 0;
    this.#at = 0;
    this.#hasCr = this.#afterCr || chunk.includes(CR);
  }

  /**
   * The next whole event with its empty line; null when the remaining bytes are no whole event. All events and the rest,
   * joined, are the stream.
   * @throws RangeError when an event has more bytes than the limit
   */
  next(): Buffer | null {
    const end = this.#hasCr ? this.#endByBytes() : this.#endByLines();
    if (end === -1) {
      this.#keep();
      return null;
    }
    const event = this.#view(end);
    this.#start = end;
    if (this.#pieces.length === 0) return event;
    const whole = Buffer.concat([...this.#pieces, event]);
    this.#pieces = [];
    this.#pieceBytes = 0;
    return whole;
  }

  /** The bytes after the last whole event, once the stream has ended; null when there are none. */
  rest(): Buffer | null {
    return this.#pieces.length === 0 ? null : Buffer.concat(this.#pieces);
  }

  // Nearly all chunks have no CR: they are read from LF to LF.
  #endByLines(): number {
    for (;;) {
      const lineEnd = this.#chunk.indexOf(LF, this.#at);
      if (lineEnd === -1) {
        if (this.#at < this.#chunk.length) this.#lineEmpty = false;
        this.#at = this.#chunk.length;
        return -1;
      }
      const empty = this.#lineEmpty && lineEnd === this.#at;
      this.#lineEmpty = true;
      this.#at = lineEnd + 1;
      if (empty) return this.#at;
    }
  }

  #endByBytes(): number {
    while (this.#at < this.#chunk.length) {
      const byte = this.#chunk[this.#at];
      const closesCr = this.#afterCr && byte === LF;
      if (closesCr) this.#at++;
      this.#afterCr = false;
      if (this.#ended) {
        this.#ended = false;
        return this.#at;
      }
      if (closesCr) continue;
      this.#at++;
      if (byte !== LF && byte !== CR) {
        this.#lineEmpty = false;
        continue;
      }
      const empty = this.#lineEmpty;
      this.#lineEmpty = true;
      this.#afterCr = byte === CR;
      if (empty && byte === LF) return this.#at;
      this.#ended = empty;
    }
    return -1;
  }

  // Most chunks are one event.
  #view(end: number): Buffer {
    const isWhole = this.#start === 0 && end === this.#chunk.length;
    return isWhole ? this.#chunk : this.#chunk.subarray(this.#start, end);
  }

  #keep(): void {
    if (this.#start === this.#chunk.length) return;
    const piece = this.#view(this.#chunk.length);
    this.#start = this.#chunk.length;
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes > EVENT_BYTES_MAX)
      throw new RangeError(`an event has more than ${EVENT_BYTES_MAX} bytes`);
    this.#pieces.push(piece);
  }
}
