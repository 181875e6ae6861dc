// The text of an access key, `bur_<id>_<secret>`: how it is made, where a request has it, and how a secret is compared. Only
// the SHA-256 of a secret is stored. A slow hash as for passwords would add nothing, since nobody guesses 256 random bits.

import { hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { RefusedError } from '../kit/refusals.js';

const BEGINNING = 'bur_';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 95 random bits, so that two keys never get the same id. Ids are not secret. */
const ID_LENGTH = 16;
const SECRET_BYTES = 32;
/** Base64url of the bytes, without padding. */
const SECRET_LENGTH = Math.ceil((SECRET_BYTES * 4) / 3);
const ID_END = BEGINNING.length + ID_LENGTH;
const KEY_LENGTH = ID_END + 1 + SECRET_LENGTH;

export function newKeyId(): string {
  let id = '';
  for (let index = 0; index < ID_LENGTH; index += 1) id += BASE62[randomInt(BASE62.length)];
  return id;
}

/** A new secret: the whole text of the key, which is shown once, and the digest, which is kept. */
export function newSecret(id: string): { readonly text: string; readonly digest: Buffer } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { text: `${BEGINNING}${id}_${secret}`, digest: digestOf(secret) };
}

/** Anthropic's clients send `x-api-key`, Azure's send `api-key`. */
const KEY_HEADERS = ['authorization', 'x-api-key', 'api-key'] as const;
type KeyHeaders = Readonly<
  Partial<Record<(typeof KEY_HEADERS)[number], string | readonly string[] | undefined>>
>;

/**
 * The key in `Authorization: Bearer`, in `x-api-key` or in `api-key`; undefined when there is none.
 * @throws RefusedError invalid_api_key when two of them hold different keys: which header is read must not decide who calls
 */
export function keyTextIn(headers: KeyHeaders): string | undefined {
  let found: { readonly header: string; readonly text: string } | null = null;
  for (const header of KEY_HEADERS) {
    const text = keyIn(header, headers[header]);
    if (text === undefined) continue;
    if (found !== null && found.text !== text) throw twoKeys(found.header, header);
    found ??= { header, text };
  }
  return found?.text;
}

function keyIn(header: string, value: string | readonly string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined;
  return header === 'authorization' ? /^bearer +(\S+) *$/i.exec(value)?.[1] : value;
}

function twoKeys(one: string, other: string): RefusedError {
  return new RefusedError(
    'invalid_api_key',
    `The headers ${one} and ${other} hold two different keys; send one of them, or the same key in both.`,
  );
}

/** Why a text is refused as a key. The message tells what is wrong with its shape, and never which keys exist. */
export function keyRefused(text: string | undefined): RefusedError {
  return new RefusedError('invalid_api_key', keyProblem(text));
}

function keyProblem(text: string | undefined): string {
  if (text === undefined)
    return 'There is no key in this request; send one of Bursar in Authorization: Bearer, in x-api-key or in api-key.';
  if (partsOf(text) === null)
    return "This is not a key of Bursar, which begins with bur_; a provider's own key is not taken here.";
  return 'This key is unknown, revoked or expired.';
}

/** The parts of a text in the form of a key; null for anything else, however long it is. */
export function partsOf(text: string): { readonly id: string; readonly secret: string } | null {
  if (text.length !== KEY_LENGTH || !text.startsWith(BEGINNING) || text[ID_END] !== '_') return null;
  return { id: text.slice(BEGINNING.length, ID_END), secret: text.slice(ID_END + 1) };
}

/** The digest of the text, not of the bytes behind it: base64url can spell some bytes in several ways, and one was given out. */
export function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Is compared with for an id that does not exist, so that an unknown id costs what a known one costs. */
export const NO_DIGEST = Buffer.alloc(32);

export function isSameDigest(left: Buffer, right: Buffer): boolean {
  return timingSafeEqual(left, right);
}

/** Compares in a time that depends on the lengths alone. */
export function isSameText(left: string, right: string | null): boolean {
  if (right === null || left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index += 1)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index);
  return difference === 0;
}
