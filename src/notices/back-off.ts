// When a notice that did not arrive is sent again: four times as long each time, from seconds to half a day, for some two and a
// half days. Called by the sender.

import { randomInt } from 'node:crypto';

const FIRST_MS = 5_000;
const FACTOR = 4;
const LONGEST_MS = 12 * 3_600_000;
/** A receiver that was down over a weekend's night and morning still gets all; then it takes somebody to ask again. */
export const ATTEMPTS_MAX = 12;
/** So that what failed together does not come back together: up to a fifth more or less. */
const JITTER_PERCENT = 20;

/**
 * After so many failed attempts; null: it is given up. Not sooner than the receiver has asked for, by up to half a day: one
 * that asks for little is not asked so often that twelve attempts are soon over.
 */
export function waitAfter(failedAttempts: number, askedMs: number): number | null {
  if (failedAttempts >= ATTEMPTS_MAX) return null;
  const fullMs = Math.min(FIRST_MS * FACTOR ** (failedAttempts - 1), LONGEST_MS);
  const ownMs = Math.round((fullMs * (100 + randomInt(-JITTER_PERCENT, JITTER_PERCENT + 1))) / 100);
  return Math.max(ownMs, Math.min(askedMs, LONGEST_MS));
}
