// What a line of a bill is for, under one name on both sides: a model without its date, or a tool. Providers bill by dated
// snapshots ("gpt-5-2025-08-07") or by names for people ("Claude Sonnet 4.5"), and callers name aliases. Used by both sides.

import { withoutVariant } from '../gateway/prices/model-match.js';

/** `other`: money that is for neither a model nor a tool that calls run, such as storage. */
export type ItemKind = 'model' | 'tool' | 'other';

export interface ReportedItem {
  /** The name that both sides are joined by. */
  readonly item: string;
  readonly kind: ItemKind;
  /** As the provider writes it. */
  readonly name: string;
}

/** A row of the ledger, of a report and of their comparison: one UTC day and one item. */
export interface DayItem {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  /** Null where the report does not tell what the money was for. */
  readonly item: string | null;
  readonly kind: ItemKind;
  /** As its own side writes it. */
  readonly name: string;
}

export function dayItem(day: string, item: ReportedItem | null): DayItem {
  return { day, item: item?.item ?? null, kind: item?.kind ?? 'other', name: item?.name ?? '' };
}

/** Joins the ledger's rows with the report's. */
export function rowKey({ day, item }: Pick<DayItem, 'day' | 'item'>): string {
  return `${day} ${item ?? ''}`;
}

/** Longer texts of a bill are cut, so that a report cannot fill the memory. */
const NAME_LENGTH_MAX = 128;

/** Tools that calls run and that are billed apart, as the price book names them, and the words that bills have for them. */
const TOOLS: readonly (readonly [item: string, words: RegExp])[] = [
  ['web_search', /web[ _-]?search/i],
  ['file_search', /file[ _-]?search/i],
  ['code_interpreter', /code[ _-]?(?:interpreter|execution)/i],
];

/** Leaves out what does not tell models apart: `gpt-4.1-2025-04-14` → `gpt-4-1`, `Claude Sonnet 4.5` → `claude-sonnet-4-5`. */
export function modelItem(name: string): ReportedItem {
  const kept = cut(name);
  const lower = kept.toLowerCase().replaceAll(/\s+/g, '-');
  // A fine-tuned model is called `ft:BASE:ORGANISATION:…` and billed as `ft-BASE`.
  const plain = withoutVariant(lower.replace(/^ft:([^:]*).*$/, 'ft-$1'));
  return { item: plain.replaceAll('.', '-'), kind: 'model', name: kept };
}

/** A tool that is billed apart, or what is neither a model nor a tool. */
export function otherItem(name: string): ReportedItem {
  const kept = cut(name);
  const tool = TOOLS.find(([, words]) => words.test(kept));
  if (tool !== undefined) return { item: tool[0], kind: 'tool', name: kept };
  return { item: kept.toLowerCase(), kind: 'other', name: kept };
}

/** A component of a price that is billed apart from its model. */
export function isToolComponent(component: string): boolean {
  return TOOLS.some(([item]) => item === component);
}

// Labels take no control characters, and a report's texts end up in a label, a log or a terminal.
function cut(name: string): string {
  return name
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
    .trim()
    .normalize('NFC')
    .slice(0, NAME_LENGTH_MAX)
    .trim();
}
