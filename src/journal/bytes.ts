// Bytes written and read in place: little-endian numbers, variable-length counts, UTF-8 text with its length. The
// primitives of the journal's format (docs/journal-format.md); they allocate nothing but the text that is read.

const BYTES_MIN = 4096;
/** Longest text written by the one-byte-a-character path. */
const SHORT_TEXT_MAX = 127;

const CELL = new BigInt64Array(1);
/** Low word first: the platforms that Node runs on are little-endian, and so is the format. */
const CELL_WORDS = new Uint32Array(CELL.buffer);

export class ByteWriter {
  bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  #view = new DataView(this.bytes.buffer);
  length = 0;

  /** Starts over in a buffer of its own, so that the one before can be given away. */
  restart(capacity: number): void {
    this.bytes = Buffer.allocUnsafeSlow(Math.max(capacity, BYTES_MIN));
    this.#view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  /** Makes room for so many bytes more. */
  reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const wider = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + bytes));
    this.bytes.copy(wider, 0, 0, this.length);
    this.bytes = wider;
    this.#view = new DataView(wider.buffer);
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length] = value;
    this.length += 1;
  }

  u16(value: number): void {
    this.reserve(2);
    this.#view.setUint16(this.length, value, true);
    this.length += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** Overwrites four bytes written before. */
  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  f64(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  i64(value: bigint): void {
    this.reserve(8);
    CELL[0] = value;
    this.#cell();
  }

  /** Writes one cell of each of three columns, without making bigint objects of them. */
  i64FromEach(first: BigInt64Array, second: BigInt64Array, third: BigInt64Array, index: number): void {
    this.reserve(24);
    CELL[0] = first[index];
    this.#cell();
    CELL[0] = second[index];
    this.#cell();
    CELL[0] = third[index];
    this.#cell();
  }

  // Written through a typed array, where V8 keeps 64 bits as a machine word. DataView's own setter would make a
  // bigint object.
  #cell(): void {
    const at = this.length;
    this.#view.setUint32(at, CELL_WORDS[0], true);
    this.#view.setUint32(at + 4, CELL_WORDS[1], true);
    this.length = at + 8;
  }

  /** A whole number from 0 to 2^53−1 in seven-bit groups, lowest first. */
  count(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.length] = (rest % 128) | 128;
      this.length += 1;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.length] = rest;
    this.length += 1;
  }

  text(value: string): void {
    if (value.length <= SHORT_TEXT_MAX && this.#shortAscii(value)) return;
    const bytes = Buffer.byteLength(value);
    this.count(bytes);
    this.reserve(bytes);
    this.bytes.write(value, this.length);
    this.length += bytes;
  }

  #shortAscii(value: string): boolean {
    this.reserve(value.length + 1);
    const { bytes } = this;
    let at = this.length + 1;
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 127) return false;
      bytes[at] = code;
      at += 1;
    }
    bytes[this.length] = value.length;
    this.length = at;
    return true;
  }
}

/** What Node's own `toString('utf8')` calls; called directly because texts are many and short. */
interface SlicedBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

/** Reading past the end, or a malformed number, throws RangeError: the reader of a batch names the position. */
export class ByteReader {
  readonly bytes: SlicedBuffer;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) as SlicedBuffer;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new RangeError('the bytes end too early');
    this.at += 1;
    return value;
  }

  u16(): number {
    const value = this.#view.getUint16(this.at, true);
    this.at += 2;
    return value;
  }

  u32(): number {
    const value = this.#view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  f64(): number {
    const value = this.#view.getFloat64(this.at, true);
    this.at += 8;
    return value;
  }

  i64(): bigint {
    const { at } = this;
    CELL_WORDS[0] = this.#view.getUint32(at, true);
    CELL_WORDS[1] = this.#view.getUint32(at + 4, true);
    this.at = at + 8;
    return CELL[0];
  }

  i64At(at: number): bigint {
    return this.#view.getBigInt64(at, true);
  }

  count(): number {
    let value = 0;
    let unit = 1;
    for (let group = 0; group < 8; group += 1) {
      const byte = this.u8();
      value += (byte & 127) * unit;
      if (byte < 128) return value;
      unit *= 128;
    }
    throw new RangeError('a count has more than eight groups');
  }

  text(): string {
    const length = this.count();
    if (this.at + length > this.bytes.length) throw new RangeError('a text runs past the end');
    const { bytes, at } = this;
    this.at = at + length;
    // Nearly all texts are ASCII, and those are read the fastest as Latin-1.
    for (let index = at; index < this.at; index += 1) {
      if (bytes[index] > 127) return bytes.utf8Slice(at, this.at);
    }
    return bytes.latin1Slice(at, this.at);
  }
}
