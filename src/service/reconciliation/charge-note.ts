// The notes in the journal that a reconciliation reads and writes: how the gateway came to a charge (calls/note.ts), and
// which report a posting is from. A note is anybody's text: what is not as expected says nothing.

import { parseAmount } from '../../core/amount.js';
import type { Labels } from '../../core/requests.js';
import { type ItemKind, modelItem, otherItem, type ReportedItem } from './items.js';

export interface ChargeNote {
  readonly estimated: boolean;
  /** How many parts of the cost were rounded up. */
  readonly parts: number;
  /** What each component cost, in steps of usd. */
  readonly tools: ReadonlyMap<string, bigint>;
}

const NOTHING: ChargeNote = { estimated: false, parts: 0, tools: new Map() };

export function chargeNote(note: unknown): ChargeNote {
  const read = parsed(note);
  if (read === null || !Array.isArray(read.cost)) return NOTHING;
  const tools = new Map<string, bigint>();
  for (const part of read.cost) {
    if (!Array.isArray(part) || typeof part[0] !== 'string' || typeof part[3] !== 'string') return NOTHING;
    const cost = stepsOf(part[3]);
    if (cost === null) return NOTHING;
    tools.set(part[0], cost);
  }
  return { estimated: read.estimated === true, parts: read.cost.length, tools };
}

/** The label that tells what a reconciliation booked from what was metered. */
export const POSTED_LABEL = { key: 'metering', value: 'reconciliation' } as const;

export interface Posted {
  readonly report: string;
  readonly day: string;
  readonly item: ReportedItem | null;
}

export function postingNote({ report, day, item }: Posted): string {
  return JSON.stringify({
    reconciliation: { report, day, item: item?.name ?? null, kind: item?.kind ?? null },
  });
}

/** What a reconciliation booked, or null where it is another's spend. */
export function postedNote(labels: Labels, note: unknown): Posted | null {
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
