// Checks that every part of the edge shares: each returns the value as the core takes it, or throws InvalidInputError.

import { AMOUNT_MAX } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import { assertText, ID_LENGTH_MAX, quoted } from '../core/labels.js';

/** The last instant that a JavaScript date has. */
export const INSTANT_MAX_MS = 8_640_000_000_000_000;

/** A cap or limit: steps from 0 to 2^63−1. */
export function stepsIn(value: unknown, field: string): bigint {
  if (typeof value !== 'bigint')
    throw new InvalidInputError(field, `expected a bigint number of steps, got ${quoted(value)}`);
  if (value < 0n || value > AMOUNT_MAX)
    throw new InvalidInputError(field, `${value} is not between 0 and ${AMOUNT_MAX}`);
  return value;
}

export function wholeIn(value: unknown, field: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw new InvalidInputError(field, `${quoted(value)} is not a whole number from ${least} to ${most}`);
  }
  return value;
}

/**
 * Room for the prices and the route of one call as JSON. Longer texts belong beside the ledger, under an id in the
 * note.
 */
export const NOTE_BYTES_MAX = 4_096;

/** A note is any text that is well-formed and has no NUL character. */
export function noteIn(note: unknown): string | null {
  if (note === undefined) return null;
  if (typeof note !== 'string') throw new InvalidInputError('note', `expected text, got ${quoted(note)}`);
  const problem = noteProblem(note);
  if (problem !== null) throw new InvalidInputError('note', problem);
  return note;
}

function noteProblem(note: string): string | null {
  const bytes = Buffer.byteLength(note);
  if (bytes > NOTE_BYTES_MAX) return `has ${bytes} bytes of UTF-8; at most ${NOTE_BYTES_MAX} are allowed`;
  if (!note.isWellFormed()) return 'is not well-formed Unicode';
  return note.includes('\0') ? 'contains the character NUL' : null;
}

export function commandIdIn(commandId: unknown): string | null {
  if (commandId === undefined) return null;
  assertText(commandId, 'commandId', ID_LENGTH_MAX);
  return commandId;
}

export function assertObject(value: unknown, field: string, expected = 'an object'): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new InvalidInputError(field, `expected ${expected}, got ${quoted(value)}`);
  }
}

export function assertList(value: unknown, field: string, most: number): void {
  if (!Array.isArray(value)) throw new InvalidInputError(field, `expected a list, got ${quoted(value)}`);
  if (value.length > most)
    throw new InvalidInputError(field, `has ${value.length} entries; at most ${most} are allowed`);
}

/** Rows that a listing gives unless told otherwise; a cursor reaches the rest. */
export const LISTED_DEFAULT = 1_000;

/** How many rows a listing gives: infinity means all. @throws InvalidInputError */
export function rowsOf({ max = LISTED_DEFAULT }: { readonly max?: number }): number {
  return max === Number.POSITIVE_INFINITY ? max : wholeIn(max, 'max', 0, Number.MAX_SAFE_INTEGER);
}
