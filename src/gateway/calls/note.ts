// The notes that a gateway call leaves in the journal: the authorisation's says by which prices it was held and why it goes
// where it goes, the settlement's how the charge came about. JSON, written by hand since every call has two notes; never a
// text of the caller's or a secret.

import type { Endpoint } from '../metering/endpoints.js';
import { costNote } from '../prices/cost.js';
import type { Placement } from '../routing/route.js';
import type { PricedCandidate } from './candidates.js';
import type { CallCharge } from './charge.js';
import { holdPartsNote } from './hold-parts.js';

/** The ledger's own bound of a note, in bytes of UTF-8. */
const NOTE_BYTES_MAX = 4_096;

interface AuthorizationFacts {
  readonly pricesVersion: string;
  readonly endpoint: Endpoint;
  readonly placements: readonly Placement[];
  readonly candidates: readonly PricedCandidate[];
  /** Which attempt of the call it is, from 1. */
  readonly attempt: number;
}

/**
 * `{prices, endpoint, attempt, route, candidates: [{provider, model, cost: rows of costNote, parts: rows of holdPartsNote,
 * expected}]}`; cut where it is too long.
 */
export function authorizationNote(facts: AuthorizationFacts): string {
  const { pricesVersion, endpoint, attempt, candidates } = facts;
  const head = `{"prices":${quoted(pricesVersion)},"endpoint":"${endpoint}","attempt":${attempt}`;
  const route = facts.placements.map(placementText).join();
  const whole = `${head},"route":[${route}],"candidates":[${candidates.map(pricedText).join()}]}`;
  if (fits(whole)) return whole;
  const short = `${head},"candidates":[${candidates.map((one) => `{${namesText(one)}}`).join()}],"cut":true}`;
  return fits(short) ? short : `${head},"cut":true}`;
}

/**
 * `{cost: rows of costNote, estimated, end}`, and `unpriced` where the answer states what nobody can price. The version of the
 * prices stands in the note of the authorisation.
 */
export function settlementNote({ cost, estimated, end, unpriced }: CallCharge): string {
  const missing = unpriced.length === 0 ? '' : `,"unpriced":${JSON.stringify(unpriced)}`;
  return `{"cost":${costNote(cost)},"estimated":${estimated},"end":"${end}"${missing}}`;
}

/**
 * `{cost, estimated, end, attempt, model, hold}`: of an attempt that another candidate followed. The model stands here alone,
 * since budgets match the labels, and only the provider's are charged; `hold` is the one that was given back.
 */
export function lostAttemptNote(
  { attempt, model, holdId }: { readonly attempt: number; readonly model: string; readonly holdId: string },
  charge: CallCharge,
): string {
  const about = `"attempt":${attempt},"model":${quoted(model)},"hold":${quoted(holdId)}`;
  return `${settlementNote(charge).slice(0, -1)},${about}}`;
}

/** The command with further fields in its note, as the record of a call adds them; without them where they do not fit. */
export function withNote<C extends { readonly note?: string | undefined }>(
  command: C,
  fields: Readonly<Record<string, unknown>>,
): C {
  if (Object.keys(fields).length === 0) return command;
  const note = JSON.stringify({ ...JSON.parse(command.note ?? '{}'), ...fields });
  return fits(note) ? { ...command, note } : command;
}

function placementText({ provider, model, verdict, placed }: Placement): string {
  const names = `"provider":${quoted(provider)},"model":${quoted(model)}`;
  return `{${names},"verdict":"${verdict}","placed":"${placed}"}`;
}

function pricedText(candidate: PricedCandidate): string {
  // Where the hold is what is expected, and not the most that the call can cost.
  const expected = candidate.worst.isExpected ? ',"expected":true' : '';
  return `{${namesText(candidate)},"cost":${costNote(candidate.worst.cost)},"parts":${holdPartsNote(candidate)}${expected}}`;
}

function namesText({ provider, model }: PricedCandidate): string {
  return `"provider":${quoted(provider.name)},"model":${quoted(model)}`;
}

// Names alone may contain what JSON escapes; the rest are words of Bursar's own.
function quoted(text: string): string {
  return JSON.stringify(text);
}

// A character is at most three bytes, so that most notes need no counting.
function fits(text: string): boolean {
  return text.length * 3 <= NOTE_BYTES_MAX || Buffer.byteLength(text) <= NOTE_BYTES_MAX;
}
