// The notes that a gateway call leaves in the journal: by which prices it was held and charged, and why it went where it
// went (field problems 34). JSON with costs as cost-note.ts has them; never a text of the caller's or a secret.

import type { Endpoint } from '../dialects/dialect.js';
import { costNote } from '../prices/cost-note.js';
import type { Placement } from '../routing/route.js';
import type { PricedCandidate } from './candidates.js';
import type { Charge } from './charge.js';

/** The ledger's own bound of a note, in bytes of UTF-8. */
const NOTE_BYTES_MAX = 4_096;

export interface AuthorizationFacts {
  readonly pricesVersion: string;
  readonly endpoint: Endpoint;
  readonly placements: readonly Placement[];
  readonly candidates: readonly PricedCandidate[];
  /** Which attempt of the call it is, from 1. */
  readonly attempt: number;
}

/** `{prices, endpoint, attempt, route, candidates: [{provider, model, cost: rows of costNote}]}`; cut where it is too long. */
export function authorizationNote(facts: AuthorizationFacts): string {
  const { pricesVersion: prices, endpoint, attempt, placements: route } = facts;
  const candidates = facts.candidates.map(({ provider, model, worst }) => ({
    provider: provider.name,
    model,
    cost: costNote(worst.cost),
  }));
  const whole = JSON.stringify({ prices, endpoint, attempt, route, candidates });
  if (fits(whole)) return whole;
  const names = candidates.map(({ provider, model }) => ({ provider, model }));
  const short = JSON.stringify({ prices, endpoint, attempt, candidates: names, cut: true });
  return fits(short) ? short : JSON.stringify({ prices, endpoint, attempt, cut: true });
}

/** `{prices, cost: rows of costNote, estimated, end}` */
export function settlementNote(pricesVersion: string, { cost, estimated, end }: Charge): string {
  return JSON.stringify({ prices: pricesVersion, cost: costNote(cost), estimated, end });
}

// A character is at most three bytes, so that most notes need no counting.
function fits(text: string): boolean {
  return text.length * 3 <= NOTE_BYTES_MAX || Buffer.byteLength(text) <= NOTE_BYTES_MAX;
}
