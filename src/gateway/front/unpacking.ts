// Unpacks the answer of a provider that compresses although `identity` was asked: gzip, deflate with and without its header,
// br, zstd where Node has it, and several on top of each other. Each byte goes on as soon as it can be read, so that no event
// waits for the next. What an answer unpacks to is bounded by what it has on the wire. Made by attempt.ts.

import { Transform } from 'node:stream';
import * as zlib from 'node:zlib';

/** An answer may unpack to so much whatever its size on the wire. */
const UNPACKED_BYTES_FREE = 4 * 1024 * 1024;
/** Beyond that to so many times its size. Streams of like events come to 40, JSON to 20; what is made to hurt comes to 1,000. */
const UNPACKED_RATIO_MAX = 128;
/** Encodings on top of each other: two are seen where a proxy compresses what its server did. */
const LAYERS_MAX = 3;

/** Names that say nothing of compression, which servers are known to send. */
const PLAIN: ReadonlySet<string> = new Set(['', 'identity', 'none', 'utf-8', 'binary']);

const GZIP_MAGIC = 0x1f;
const ZSTD_MAGIC = 0x28;

/** Who takes what was unpacked. `end` or `error` is told once, and nothing after it. */
interface UnpackedTo {
  data(chunk: Buffer): void;
  end(): void;
  error(error: Error): void;
  /** More can be taken after `write` said no. */
  drained(): void;
}

/** An answer is packed in a way that cannot be undone here, or unpacks to too much. */
class UnpackingError extends Error {
  override readonly name = 'UnpackingError';
}

/** @returns null where the answer is not packed. @throws UnpackingError where nothing here unpacks it */
export function unpackingOf(header: string | string[] | undefined, to: UnpackedTo): Unpacking | null {
  if (header === undefined) return null;
  const encodings = String(header)
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => !PLAIN.has(name));
  if (encodings.length === 0) return null;
  if (encodings.length > LAYERS_MAX) throw new UnpackingError(`more than ${LAYERS_MAX} encodings`);
  return new Unpacking(encodings.reverse().map(decoderOf), to);
}

/** What unpacks a stream that begins with these bytes; null: they are not packed. */
interface Decoder {
  /** Of the start, to tell. */
  readonly bytesNeeded: number;
  readonly choose: (start: Buffer) => Transform | null;
}

// Events wait for nothing; and an end that is cut off shows in what was unpacked, as a break of the connection does.
const FLUSHED = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH };
const { BROTLI_OPERATION_FLUSH } = zlib.constants;
const FLUSHED_BROTLI = { flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH };

// Proxies that unpack an answer and leave its header are known: where a format begins with a sign, that decides.
const GZIP: Decoder = {
  bytesNeeded: 1,
  choose: ([sign]) => (sign === GZIP_MAGIC ? zlib.createGunzip(FLUSHED) : null),
};
const DEFLATE: Decoder = {
  bytesNeeded: 2,
  choose: ([first = 0, second = 0]) => {
    const hasHeader = (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
    return hasHeader ? zlib.createInflate(FLUSHED) : zlib.createInflateRaw(FLUSHED);
  },
};
const BROTLI: Decoder = { bytesNeeded: 1, choose: () => zlib.createBrotliDecompress(FLUSHED_BROTLI) };

/** Since Node 22.15. */
const createZstdDecompress = (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress;

function decoderOf(encoding: string): Decoder {
  if (encoding === 'gzip' || encoding === 'x-gzip') return GZIP;
  if (encoding === 'deflate') return DEFLATE;
  if (encoding === 'br') return BROTLI;
  if (encoding === 'zstd' && createZstdDecompress !== undefined)
    return { bytesNeeded: 1, choose: ([sign]) => (sign === ZSTD_MAGIC ? createZstdDecompress() : null) };
  throw new UnpackingError(`the encoding ${encoding.slice(0, 40)} is not known here`);
}

export class Unpacking {
  readonly #first: Transform;
  readonly #last: Transform;
  readonly #layers: readonly Transform[];
  #packedBytes = 0;

  constructor(decoders: readonly Decoder[], to: UnpackedTo) {
    const allowed = () => Math.max(UNPACKED_BYTES_FREE, this.#packedBytes * UNPACKED_RATIO_MAX);
    this.#layers = decoders.map((decoder) => layer(decoder, allowed));
    const failed = (error: Error): void => {
      this.destroy();
      to.error(error);
    };
    for (const [at, one] of this.#layers.entries()) {
      one.on('error', failed);
      const next = this.#layers[at + 1];
      if (next !== undefined) one.pipe(next);
    }
    this.#first = this.#layers[0];
    this.#last = this.#layers[this.#layers.length - 1];
    this.#first.on('drain', () => to.drained());
    this.#last.on('data', (chunk: Buffer) => to.data(chunk));
    this.#last.on('end', () => to.end());
  }

  /** Bytes from the wire. False: no more until `drained`. */
  write(chunk: Buffer): boolean {
    this.#packedBytes += chunk.length;
    return this.#first.write(chunk);
  }

  /** No more bytes come. What came is still unpacked, and its end told. */
  end(): void {
    this.#first.end();
  }

  pause(): void {
    this.#last.pause();
  }

  resume(): void {
    this.#last.resume();
  }

  /** Nothing more is told. */
  destroy(): void {
    this.#last.removeAllListeners('data').removeAllListeners('end');
    for (const one of this.#layers) {
      one.removeAllListeners('error').on('error', () => undefined);
      one.destroy();
    }
  }
}

/** One encoding, whose decoder is chosen by the first bytes. A chunk is taken when all of it has been unpacked. */
function layer(by: Decoder, allowedBytes: () => number): Transform {
  let start: Buffer | null = Buffer.alloc(0);
  let decoder: Transform | null = null;
  let bytes = 0;
  let hasEnded = false;
  let taken: () => void = () => undefined;
  const begin = (into: Transform, first: Buffer): void => {
    start = null;
    decoder = by.choose(first);
    decoder?.on('error', (error) => into.destroy(new UnpackingError(error.message)));
    decoder?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > allowedBytes()) into.destroy(new UnpackingError('it unpacks to too much'));
      else into.push(chunk);
    });
    // Before the bytes do where something stands behind the packed stream: Node leaves that, and its write, alone.
    decoder?.on('end', () => {
      hasEnded = true;
      taken();
    });
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let packed = chunk;
      if (start !== null) {
        packed = start = Buffer.concat([start, chunk]);
        if (start.length < by.bytesNeeded) return done();
        begin(this, start);
      }
      if (decoder === null) return done(null, packed);
      taken = once(done);
      if (hasEnded) taken();
      else decoder.write(packed, taken);
    },
    flush(done) {
      const left = start;
      if (left !== null && left.length > 0) begin(this, left);
      if (decoder === null || hasEnded) return done();
      taken = once(done);
      decoder.end(left);
    },
    destroy(error, done) {
      decoder?.destroy();
      done(error);
    },
  });
}

function once(done: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    done();
  };
}
