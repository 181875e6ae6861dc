// The text of an access key, `bur_<id>_<secret>`, where requests state it, and how a secret is kept and compared. Only the
// SHA-256 of a secret is ever stored: it has 256 random bits, which nobody guesses, so a slow hash as for passwords would
// add nothing.

import { hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { RefusedError } from '../kit/refusals.js';

const BEGINNING = 'bur_';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 95 random bits: ids are not secret, and two never meet. */
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

/** A fresh secret: the key's whole text, to be shown once, and what is kept of it. */
export function newSecret(id: string): { readonly text: string; readonly digest: Buffer } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { text: `${BEGINNING}${id}_${secret}`, digest: digestOf(secret) };
}

/** `x-api-key` is Anthropic's clients', `api-key` that of Azure's. */
const KEY_HEADERS = ['authorization', 'x-api-key', 'api-key'] as const;
type KeyHeaders = Readonly<
  Partial<Record<(typeof KEY_HEADERS)[number], string | readonly string[] | undefined>>
>;

/**
 * The key in `Authorization: Bearer`, in `x-api-key` or in `api-key`; undefined when there is none.
 * @throws RefusedError invalid_api_key when two of them hold different ones: whose request it is must not depend on which of
 *   them is read
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

/** Why a text is not taken as a key. Its shape is no secret; which keys there are is. */
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

/** Parts of a text that has the length and the marks of a key; anything else is null, whatever its size. */
export function partsOf(text: string): { readonly id: string; readonly secret: string } | null {
  if (text.length !== KEY_LENGTH || !text.startsWith(BEGINNING) || text[ID_END] !== '_') return null;
  return { id: text.slice(BEGINNING.length, ID_END), secret: text.slice(ID_END + 1) };
}

/** Of the text, not of the bytes behind it: base64url has several spellings for some bytes, and one was given out. */
export function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Stands in for the digest of a key that does not exist, so that an unknown id costs what a known one does. */
export const NO_DIGEST = Buffer.alloc(32);

export function isSameDigest(left: Buffer, right: Buffer): boolean {
  return timingSafeEqual(left, right);
}

/** In a time that depends on their lengths alone. */
export function isSameText(left: string, right: string | null): boolean {
  if (right === null || left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index += 1)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index);
  return difference === 0;
}
