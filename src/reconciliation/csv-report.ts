// A CSV file as a usage report: one with Bursar's own columns, OpenAI's cost export, or the cost export of Anthropic's
// console. Columns are found by their names, in any order; others are left alone. docs/reconciliation.md states them.
//
// The providers' columns, from files that they export: OpenAI `start_time,…,start_time_iso,end_time_iso,amount_value,
// amount_currency,…,line_item,…`, where days without cost have no amount; Anthropic `usage_date_utc,model,workspace,api_key,
// usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed`, models by their names for
// people ("Claude Sonnet 4.5").

import { InvalidInputError } from '../core/errors.js';
import { type CsvRow, csvRows } from '../kit/csv.js';
import { parseInstant } from '../kit/instants.js';
import { type DayRange, startOfDay } from './days.js';
import { modelItem, otherItem, type ReportedItem } from './items.js';
import { attosOf } from './money-text.js';
import { lineItemOf } from './openai-report.js';
import { ReportBuilder, type UsageReport } from './usage-report.js';

interface Line {
  readonly day: string;
  readonly usd: string;
  readonly currency: string;
  readonly item: ReportedItem | null;
  readonly tier: string | null;
  readonly requests?: string;
  readonly tokens?: string;
}

interface Format {
  /** Columns that a file of this format has. */
  readonly needs: readonly string[];
  readonly read: (field: (name: string) => string) => Line;
}

const OWN: Format = {
  needs: ['day', 'usd'],
  read: (field) => ({
    day: field('day'),
    usd: field('usd'),
    currency: field('currency'),
    item: ownItem(field('model'), field('item')),
    tier: field('tier') || null,
    requests: field('requests'),
    tokens: field('tokens'),
  }),
};

const OPENAI: Format = {
  needs: ['start_time_iso', 'amount_value', 'line_item'],
  read: (field) => ({
    day: field('start_time_iso'),
    usd: field('amount_value') || '0',
    currency: field('amount_currency'),
    ...lineItemOf(field('line_item')),
  }),
};

const ANTHROPIC: Format = {
  needs: ['usage_date_utc', 'model', 'cost_usd'],
  read: (field) => ({
    day: field('usage_date_utc'),
    usd: field('cost_usd'),
    currency: '',
    item: ownItem(field('model'), field('cost_type') || field('usage_type')),
    tier: /batch|priority/i.exec(field('usage_type'))?.[0].toLowerCase() ?? null,
  }),
};

const FORMATS = [OWN, OPENAI, ANTHROPIC];

/** @throws InvalidInputError naming the line, or the columns that are missing */
export async function csvReport(
  chunks: AsyncIterable<string>,
  name: string,
  range: DayRange,
): Promise<UsageReport> {
  const report = new ReportBuilder(name);
  let columns: Columns | null = null;
  let otherDays = 0;
  for await (const rows of csvRows(chunks, name)) {
    for (const row of rows) {
      if (columns === null) columns = columnsOf(row, name);
      else if (!addLine(report, columns, row, range)) otherDays += 1;
    }
  }
  if (columns === null) throw new InvalidInputError(name, 'is empty; the first line names the columns');
  if (otherDays > 0) report.note(`${otherDays} lines are of days outside ${range.from} to ${range.to}`);
  return report.build();
}

interface Columns {
  readonly format: Format;
  readonly placeOf: ReadonlyMap<string, number>;
  readonly file: string;
}

function columnsOf({ fields }: CsvRow, file: string): Columns {
  const placeOf = new Map(fields.map((title, place) => [title.trim().toLowerCase(), place]));
  const format = FORMATS.find(({ needs }) => needs.every((column) => placeOf.has(column)));
  if (format !== undefined) return { format, placeOf, file };
  const known = FORMATS.map(({ needs }) => needs.join(', ')).join('; or ');
  throw new InvalidInputError(`${file} line 1`, `needs the columns ${known}`);
}

/** Whether the line is of the range. @throws InvalidInputError naming the line and the column */
function addLine(
  report: ReportBuilder,
  { format, placeOf, file }: Columns,
  row: CsvRow,
  range: DayRange,
): boolean {
  const at = `${file} line ${row.line}`;
  const line = format.read((name) => row.fields[placeOf.get(name) ?? -1]?.trim() ?? '');
  const day = dayIn(line.day, at);
  if (startOfDay(day) < range.startAt || startOfDay(day) >= range.endAt) return false;
  if (line.currency !== '' && line.currency.toLowerCase() !== 'usd')
    throw new InvalidInputError(at, `is in ${JSON.stringify(line.currency)}; only usd is compared`);
  const attos = attosOf(line.usd);
  if (attos === null)
    throw new InvalidInputError(at, `the amount ${JSON.stringify(line.usd.slice(0, 40))} is no decimal`);
  report.addMoney(day, line.item, attos, line.tier);
  if (line.item === null) return true;
  report.addUse(day, line.item, {
    requests: countIn(line.requests, 'requests', at),
    tokens: countIn(line.tokens, 'tokens', at),
  });
  return true;
}

function ownItem(model: string, other: string): ReportedItem | null {
  if (model !== '') return modelItem(model);
  return other === '' ? null : otherItem(other);
}

/** A date, or an instant with or without its zone, which is then UTC. */
function dayIn(text: string, at: string): string {
  const day = text.slice(0, 10);
  if (/^\d{4}-\d\d-\d\d(?:$|[T ])/.test(text) && parseInstant(day) !== null) return day;
  throw new InvalidInputError(at, `${JSON.stringify(text.slice(0, 40))} is no day such as 2026-11-30`);
}

function countIn(text: string | undefined, column: string, at: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidInputError(at, `${column}: ${JSON.stringify(text.slice(0, 40))} is no whole number`);
}
