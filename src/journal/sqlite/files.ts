// SQLite files as files: recognised by their header before SQLite opens them, private to their owner, deleted with their
// companions, and the classes of SQLite's errors. Used by every room that keeps a SQLite file.

import { chmodSync, closeSync, existsSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { InvalidInputError } from '../../core/errors.js';

/** The files name tenants and users: only their owner reads them. */
const FILE_MODE = 0o600;

/** SQLite's header: its first bytes, and where it keeps the two numbers that a program may choose. */
const HEADER_BYTES = 100;
const HEADER_MAGIC = 'SQLite format 3\0';
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

/** The page, the file or its name is damaged or lost below SQLite; another writer or a full disk never causes these. */
const DAMAGE = /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ|IOERR_CORRUPTFS|FORMAT|MISMATCH)/;

const BUSY = /^SQLITE_(BUSY|LOCKED)/;

export function isDamage(error: unknown): boolean {
  return error instanceof Database.SqliteError && DAMAGE.test(error.code);
}

/** Another connection holds the lock that a statement needs. Nothing was changed. */
export function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && BUSY.test(error.code);
}

/** What a path holds: nothing, an empty file, a SQLite file with its two numbers, or something else. */
export type FileKind =
  | { readonly kind: 'absent' | 'empty' | 'other' }
  | { readonly kind: 'sqlite'; readonly applicationId: number; readonly userVersion: number };

/** @throws InvalidInputError when the path is no file */
export function fileKind(path: string): FileKind {
  if (!existsSync(path)) return { kind: 'absent' };
  if (!statSync(path).isFile()) throw new InvalidInputError('path', `${path} is not a file: move it away`);
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    const bytes = readSync(file, header, 0, HEADER_BYTES, 0);
    if (bytes === 0) return { kind: 'empty' };
    if (bytes < HEADER_BYTES || header.toString('latin1', 0, HEADER_MAGIC.length) !== HEADER_MAGIC)
      return { kind: 'other' };
  } finally {
    closeSync(file);
  }
  return {
    kind: 'sqlite',
    applicationId: header.readUInt32BE(APPLICATION_ID_AT),
    userVersion: header.readUInt32BE(USER_VERSION_AT),
  };
}

/**
 * Makes an empty file that only its owner reads, or takes the rights of others away from the file that is there. Called
 * before SQLite opens the file, so that others can read it at no moment; SQLite gives its companions the same mode.
 * @throws InvalidInputError
 */
export function makePrivate(path: string): void {
  try {
    if (!existsSync(path)) closeSync(openSync(path, 'a', FILE_MODE));
    if ((statSync(path).mode & 0o777 & ~FILE_MODE) !== 0) chmodSync(path, FILE_MODE);
  } catch (error) {
    throw new InvalidInputError('path', `${path} cannot be made private: ${(error as Error).message}`);
  }
}

/** Deletes a database with its companions: SQLite would play a log that is left behind back into the next file. */
export function deleteDatabase(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(path + suffix, { force: true });
}
