// The notes in the journal that a reconciliation reads and writes: how the gateway came to a charge (calls/note.ts), and
// which report a posting is from. Any caller can write a note, so a note of another form is taken for an empty one.

import { formatAmount, parseAmount } from '../core/amount.js';
import type { Labels } from '../core/requests.js';
import { type ItemKind, modelItem, otherItem, type ReportedItem } from './items.js';

export interface ChargeNote {
  readonly estimated: boolean;
  /** The answer stated a tier, a place or a speed without a known price. */
  readonly isUnpriced: boolean;
  /** What each component cost, in steps of usd: each was rounded up by itself. */
  readonly costs: ReadonlyMap<string, bigint>;
  /** Set where the spend was recorded for an attempt that failed and was followed by one at another provider. */
  readonly model: string | null;
}

const NOTHING: ChargeNote = { estimated: false, isUnpriced: false, costs: new Map(), model: null };

export function chargeNote(note: unknown): ChargeNote {
  const read = parsed(note);
  if (read === null || !Array.isArray(read.cost)) return NOTHING;
  const costs = new Map<string, bigint>();
  for (const part of read.cost) {
    if (!Array.isArray(part) || typeof part[0] !== 'string' || typeof part[3] !== 'string') return NOTHING;
    const cost = stepsOf(part[3]);
    if (cost === null) return NOTHING;
    costs.set(part[0], cost);
  }
  const model = typeof read.model === 'string' ? read.model : null;
  const isUnpriced = Array.isArray(read.unpriced) && read.unpriced.length > 0;
  return { estimated: read.estimated === true, isUnpriced, costs, model };
}

/** The label of spend that a reconciliation booked; metered spend does not have it. */
export const POSTED_LABEL = { key: 'metering', value: 'reconciliation' } as const;

export interface PostingNote {
  readonly report: string;
  readonly day: string;
  readonly item: ReportedItem | null;
}

/** `loweredUsd`: what is taken off a hold, in steps of usd. */
export function postingNote({ report, day, item }: PostingNote, loweredUsd?: bigint): string {
  const of = { report, day, item: item?.name ?? null, kind: item?.kind ?? null };
  return JSON.stringify({
    reconciliation: loweredUsd === undefined ? of : { ...of, lowered: formatAmount(loweredUsd, 8) },
  });
}

/** What a reconciliation took off the part of a charge that is for a tool; null for every other note. */
export function loweredTool(note: unknown): { readonly tool: string; readonly usd: bigint } | null {
  const of = parsed(note)?.reconciliation as Record<string, unknown> | undefined;
  if (of?.kind !== 'tool' || typeof of.item !== 'string' || typeof of.lowered !== 'string') return null;
  const usd = stepsOf(of.lowered);
  return usd === null ? null : { tool: otherItem(of.item).item, usd };
}

/** What a reconciliation booked; null for all other spend. */
export function postedNote(labels: Labels, note: unknown): PostingNote | null {
  if (labels[POSTED_LABEL.key] !== POSTED_LABEL.value) return null;
  const read = parsed(note)?.reconciliation as Record<string, unknown> | undefined;
  if (typeof read?.report !== 'string' || typeof read.day !== 'string') return null;
  if (!/^\d{4}-\d\d-\d\d$/.test(read.day)) return null;
  return { report: read.report, day: read.day, item: itemOf(read.item, read.kind) };
}

function itemOf(name: unknown, kind: unknown): ReportedItem | null {
  if (typeof name !== 'string') return null;
  return (kind as ItemKind) === 'model' ? modelItem(name) : otherItem(name);
}

function parsed(note: unknown): Record<string, unknown> | null {
  if (typeof note !== 'string' || !note.startsWith('{')) return null;
  try {
    return JSON.parse(note) as Record<string, unknown>;
  } catch {
    return null;
  }
}

function stepsOf(text: string): bigint | null {
  try {
    return parseAmount(text, 8);
  } catch {
    return null;
  }
}
