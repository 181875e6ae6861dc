// Reads the parts of a multipart form (RFC 7578) strictly. A form that two parsers could read differently is refused: the
// provider might run another request than the authorised one. The bytes go out as they came. Called by front/ for the
// endpoints that take files.

import { Buffer, isUtf8 } from 'node:buffer';
import { RefusedError } from '../../kit/refusals.js';
import type { FieldEdits, ParsedBody, RequestFields } from './request-body.js';
import { isOtherSpelling } from './request-spelling.js';

/** OpenAI takes 16 images, a mask and a dozen fields. */
const PARTS_MAX = 64;
/** The headers of a part are two lines. */
const HEADER_BYTES_MAX = 1_024;
/** RFC 2046, 5.1.1: a boundary has 1 to 70 of these characters. */
const BOUNDARY = /^--([0-9A-Za-z'()+_,./:=?-]{1,70})$/;
const DISPOSITION =
  /^form-data; name="([A-Za-z0-9_[\]]{1,64})"(?:; filename="([^"\r\n\\]{0,255})")?(?:; filename\*=[^"\r\n;]{1,512})?$/;

const CRLF = '\r\n';

export interface FormPart {
  /** Without a trailing `[]`. */
  readonly name: string;
  /** Whether the name ends in `[]`: there may be several parts of the name. */
  readonly isListed: boolean;
  /** Null where the part is not a file. */
  readonly fileName: string | null;
  readonly content: Buffer;
}

/**
 * The parts of a form, in their order. Only files and values of a list may repeat their name.
 * @throws RefusedError `invalid_request` for what is no form, or can be read in two ways
 */
export function readForm(body: Uint8Array): FormPart[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const lineEnd = bytes.subarray(0, HEADER_BYTES_MAX).indexOf(CRLF);
  const boundary = lineEnd < 0 ? null : BOUNDARY.exec(bytes.toString('latin1', 0, lineEnd));
  if (boundary === null) throw refused('The body is no multipart form: it must begin with its boundary.');
  const delimiter = `${CRLF}--${boundary[1]}`;
  const parts: FormPart[] = [];
  const seen = new Set<string>();
  let at = lineEnd + CRLF.length;
  for (;;) {
    if (parts.length === PARTS_MAX) throw refused(`The form has more than ${PARTS_MAX} parts.`);
    const end = bytes.indexOf(delimiter, at);
    if (end < 0) throw refused('The form does not end with its boundary.');
    const part = readPart(bytes.subarray(at, end));
    // A field that is stated twice, or as a field and as a file, is read differently by different parsers.
    if (
      seen.has(part.name) &&
      !parts.every((before) => before.name !== part.name || areOfOneList(before, part))
    )
      throw refused(`The form states the field ${JSON.stringify(part.name)} twice.`, part.name);
    seen.add(part.name);
    parts.push(part);
    at = end + delimiter.length;
    const after = bytes.toString('latin1', at, at + 4);
    if (after.startsWith('--')) {
      if (after !== '--' && after !== `--${CRLF}`) throw refused('Something follows the end of the form.');
      if (bytes.length > at + after.length) throw refused('Something follows the end of the form.');
      return parts;
    }
    if (!after.startsWith(CRLF)) throw refused('A boundary of the form is not followed by a line break.');
    at += CRLF.length;
  }
}

// Several files of one field, or several values of a list: clients repeat the name, `name[]` for a list.
function areOfOneList(before: FormPart, part: FormPart): boolean {
  if (before.fileName !== null || part.fileName !== null)
    return before.fileName !== null && part.fileName !== null;
  return before.isListed && part.isListed && !TEXTS.has(part.name);
}

function readPart(bytes: Buffer): FormPart {
  const headEnd = bytes.subarray(0, HEADER_BYTES_MAX).indexOf(CRLF + CRLF);
  if (headEnd < 0)
    throw refused(`A part of the form has no headers, or more than ${HEADER_BYTES_MAX} bytes of them.`);
  let disposition: RegExpExecArray | null = null;
  for (const line of bytes.toString('utf8', 0, headEnd).split(CRLF)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'content-disposition' && disposition === null) disposition = DISPOSITION.exec(value);
    else if (name !== 'content-type' && name !== 'content-length')
      throw refused(
        `A part of the form has the header ${JSON.stringify(name.slice(0, 64))}, or repeats one.`,
      );
    if (disposition === null && name === 'content-disposition')
      throw refused(`A part of the form has a content-disposition that is not understood.`);
  }
  if (disposition === null) throw refused('A part of the form has no content-disposition.');
  const [, name, fileName = null] = disposition;
  const isListed = name.endsWith('[]');
  return {
    name: isListed ? name.slice(0, -2) : name,
    isListed,
    fileName,
    content: bytes.subarray(headEnd + 4),
  };
}

/** Fields that are texts, also where they look like a number or a flag. */
const TEXTS: ReadonlySet<string> = new Set(['model', 'prompt', 'user', 'language', 'instructions', 'input']);
const WHOLE = /^(?:0|[1-9]\d{0,8})$/;

/**
 * A form as one object: texts, whole numbers, `true` and `false` as such, and the files of a field as a list of parts;
 * values of a list that has several as a list.
 * @throws RefusedError as `readForm`, and for a field that is not UTF-8
 */
export function parseForm(body: Uint8Array): ParsedBody {
  const parts = readForm(body);
  const json: Record<string, unknown> = Object.create(null);
  for (const part of parts) {
    const before = json[part.name];
    const values = before === undefined ? [] : Array.isArray(before) ? before : [before];
    if (part.fileName !== null) json[part.name] = [...values, part];
    else json[part.name] = before === undefined ? fieldValue(part) : [...values, fieldValue(part)];
  }
  const hasOtherSpellings = parts.some(({ name }) => isOtherSpelling(name));
  return {
    json,
    hasOtherSpellings,
    fields: new FormFields(body, parts.find(({ name }) => name === 'model') ?? null),
  };
}

function fieldValue({ name, content }: FormPart): unknown {
  if (!isUtf8(content))
    throw refused(`The field ${JSON.stringify(name)} of the form is not valid UTF-8.`, name);
  const text = content.toString('utf8');
  if (TEXTS.has(name)) return text;
  if (WHOLE.test(text)) return Number(text);
  return text === 'true' || text === 'false' ? text === 'true' : text;
}

/** The bytes of a form. Only the name of the model can be replaced, or added as the first part. */
class FormFields implements RequestFields {
  readonly contentType: string;
  /** The boundary with its leading dashes. */
  readonly #boundary: string;

  constructor(
    readonly bytes: Uint8Array,
    private readonly model: FormPart | null,
  ) {
    const text = Buffer.from(
      bytes.buffer,
      bytes.byteOffset,
      Math.min(bytes.length, HEADER_BYTES_MAX),
    ).toString('latin1');
    // Taken from the body, so that header and body always agree.
    this.#boundary = text.slice(0, text.indexOf(CRLF));
    this.contentType = `multipart/form-data; boundary="${this.#boundary.slice('--'.length)}"`;
  }

  get(): null {
    return null;
  }

  with({ model: stated = null }: FieldEdits): Uint8Array {
    if (stated === null) return this.bytes;
    const name = JSON.parse(stated) as string;
    if (this.model === null) {
      const part = [this.#boundary, 'Content-Disposition: form-data; name="model"', '', name, ''].join(CRLF);
      return Buffer.concat([Buffer.from(part), this.bytes]);
    }
    const { content } = this.model;
    const start = content.byteOffset - this.bytes.byteOffset;
    const after = this.bytes.subarray(start + content.length);
    return Buffer.concat([this.bytes.subarray(0, start), Buffer.from(name), after]);
  }
}

function refused(message: string, field?: string): RefusedError {
  return new RefusedError('invalid_request', message, field === undefined ? {} : { field });
}
