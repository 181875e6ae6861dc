// A trace of LLM requests: when each came, how many tokens it read and wrote, and whose it was. Reads CSV files, checks
// every field, merges files by time, and has labels that the files lack spread by trace-spread.ts. Called by the CLI.

import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { InvalidInputError } from '../core/errors.js';
import { textProblem } from '../core/labels.js';
import { type CsvRow, csvRows } from '../kit/csv.js';
import {
  type RawRequest,
  type SpreadNote,
  type SpreadOptions,
  spreadLabels,
  type TraceRequest,
} from './trace-spread.js';

/** As many as fit comfortably into the default heap of Node (about 150 bytes each). */
export const TRACE_REQUESTS_MAX = 5_000_000;

/** More tokens than any context window has; also the bound of rule Q4, so that prices cannot overflow. */
export const TRACE_TOKENS_MAX = 10_000_000;

/** Names become label values (at most 256); this leaves room for the `-u123` of a spread user. */
const NAME_CHARS_MAX = 200;

export interface TraceSource {
  /** File name without folder and `.csv`; the requests' label `source`. */
  readonly name: string;
  readonly requests: number;
  /** Made by trace-generated.ts and not measured anywhere. */
  readonly generated: boolean;
  /** False: the rows were out of order and have been sorted by time. */
  readonly wasSorted: boolean;
}

export interface Trace {
  /** By time; equal times in the order of sources and rows. Never empty. */
  readonly requests: readonly TraceRequest[];
  readonly sources: readonly TraceSource[];
  readonly spread: SpreadNote | null;
}

export interface RawTrace {
  readonly source: TraceSource;
  readonly requests: readonly RawRequest[];
}

const COLUMNS = {
  timestamp: ['timestamp', 'time', 'arrival'],
  input: ['contexttokens', 'context_tokens', 'input_tokens', 'inputtokens'],
  output: ['generatedtokens', 'generated_tokens', 'output_tokens', 'outputtokens'],
  tenant: ['tenant', 'tenant_id'],
  user: ['user', 'user_id'],
  model: ['model'],
} as const;

type Column = keyof typeof COLUMNS;

/** Where each column stands in a row, and what the file calls it; −1 = not there. */
type Layout = Readonly<Record<Column, { readonly index: number; readonly title: string }>>;

/**
 * Reads CSV files and merges them into one trace.
 * @throws InvalidInputError naming file, line, field and value.
 */
export async function readTrace(paths: readonly string[], spread: SpreadOptions): Promise<Trace> {
  const raw: RawTrace[] = [];
  for (const path of paths) {
    raw.push(
      await readTraceText(
        createReadStream(path, { encoding: 'utf8', highWaterMark: 262_144 }),
        basename(path),
      ),
    );
  }
  return mergeTraces(raw, spread);
}

/** Merges sources by time and gives every request its labels. */
export function mergeTraces(raw: readonly RawTrace[], spread: SpreadOptions): Trace {
  const all = raw.length === 1 ? raw[0].requests : raw.flatMap((trace) => trace.requests);
  if (all.length === 0) throw new InvalidInputError('trace', 'has no requests');
  if (all.length > TRACE_REQUESTS_MAX) throw tooMany('trace');
  // Array.prototype.sort is stable: equal times stay in the order of sources and rows.
  const merged = raw.length === 1 ? all : [...all].sort((a, b) => a.at - b.at);
  return { ...spreadLabels(merged, spread), sources: raw.map((trace) => trace.source) };
}

/** Reads one file's text; `fileName` names it in errors, and without its ending it is the source's name. */
export async function readTraceText(chunks: AsyncIterable<string>, fileName: string): Promise<RawTrace> {
  const name = fileName.replace(/(?<=.)\.csv$/i, '');
  const problem = textProblem(name, NAME_CHARS_MAX);
  if (problem !== null)
    throw new InvalidInputError('trace', `the file name ${JSON.stringify(name)} ${problem}`);
  const requests: RawRequest[] = [];
  let layout: Layout | undefined;
  let wasSorted = true;
  for await (const rows of csvRows(chunks, fileName)) {
    for (const row of rows) {
      if (layout === undefined) {
        layout = layoutOf(row, fileName);
        continue;
      }
      const request = requestOf({ row, layout, fileName, name });
      if (requests.length > 0 && request.at < requests[requests.length - 1].at) wasSorted = false;
      if (requests.length === TRACE_REQUESTS_MAX) throw tooMany(`${fileName} line ${row.line}`);
      requests.push(request);
    }
  }
  if (layout === undefined) throw new InvalidInputError(fileName, 'is empty; a header line is needed');
  if (!wasSorted) requests.sort((a, b) => a.at - b.at);
  return { requests, source: { name, requests: requests.length, generated: false, wasSorted } };
}

function layoutOf(header: CsvRow, fileName: string): Layout {
  const titles = header.fields.map((field) => field.trim());
  const lower = titles.map((title) => title.toLowerCase());
  const find = (column: Column) => {
    const index = lower.findIndex((title) => (COLUMNS[column] as readonly string[]).includes(title));
    return { index, title: index < 0 ? COLUMNS[column][0] : titles[index] };
  };
  const layout: Layout = {
    timestamp: find('timestamp'),
    input: find('input'),
    output: find('output'),
    tenant: find('tenant'),
    user: find('user'),
    model: find('model'),
  };
  for (const column of ['timestamp', 'input', 'output'] as const) {
    if (layout[column].index >= 0) continue;
    throw new InvalidInputError(
      `${fileName} line ${header.line}`,
      `no column ${COLUMNS[column].map((title) => `"${title}"`).join(' or ')}; the header has ${JSON.stringify(titles.join(','))}`,
    );
  }
  return layout;
}

interface RowAt {
  readonly row: CsvRow;
  readonly layout: Layout;
  readonly fileName: string;
  readonly name: string;
}

function requestOf(at: RowAt): RawRequest {
  return {
    at: timestampOf(at),
    inputTokens: tokensOf(at, 'input'),
    outputTokens: tokensOf(at, 'output'),
    tenant: nameOf(at, 'tenant'),
    user: nameOf(at, 'user'),
    model: nameOf(at, 'model'),
    source: at.name,
  };
}

const TIMESTAMP =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):(\d\d))?$/;

function timestampOf(at: RowAt): number {
  const text = fieldOf(at, 'timestamp');
  const match = TIMESTAMP.exec(text);
  if (match === null)
    throw fault(at, 'timestamp', 'is not a time such as "2023-11-16 18:17:03.979" (UTC) or ISO 8601');
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const millisecond = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const written = Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
  // Date.UTC rolls 30 February over to March: what it read must be what was written.
  const read = new Date(written);
  if (
    read.getUTCDate() !== day ||
    read.getUTCMonth() !== month - 1 ||
    hour > 23 ||
    minute > 59 ||
    second > 59
  ) {
    throw fault(at, 'timestamp', 'is not a time of the calendar');
  }
  if (match[9] === undefined) return written;
  const offsetMs = (Number(match[10]) * 60 + Number(match[11])) * 60_000;
  return match[9] === '+' ? written - offsetMs : written + offsetMs;
}

function tokensOf(at: RowAt, column: 'input' | 'output'): number {
  const text = fieldOf(at, column);
  const tokens = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (tokens <= TRACE_TOKENS_MAX) return tokens;
  throw fault(at, column, `is not a whole number from 0 to ${TRACE_TOKENS_MAX}`);
}

function nameOf(at: RowAt, column: 'tenant' | 'user' | 'model'): string | null {
  if (at.layout[column].index < 0) return null;
  const text = fieldOf(at, column);
  if (text === '') return null;
  const problem = textProblem(text, NAME_CHARS_MAX);
  if (problem !== null) throw fault(at, column, problem);
  return text;
}

function fieldOf(at: RowAt, column: Column): string {
  return (at.row.fields[at.layout[column].index] ?? '').trim();
}

function fault(at: RowAt, column: Column, problem: string): InvalidInputError {
  const value = fieldOf(at, column);
  const shown = JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  return new InvalidInputError(
    `${at.fileName} line ${at.row.line}, ${at.layout[column].title}`,
    `${shown} ${problem}`,
  );
}

function tooMany(field: string): InvalidInputError {
  return new InvalidInputError(field, `more than ${TRACE_REQUESTS_MAX} requests; split the trace`);
}
