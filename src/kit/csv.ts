// Reads CSV text as it streams in, a chunk at a time: LF or CRLF, an optional byte order mark, fields in double
// quotes where needed. A quoted field may hold commas and doubled quotes, but no line end. Called by the readers of traces and
// of providers' reports.

import { InvalidInputError } from '../core/errors.js';

/** No row of a real file comes near this. A longer line means that the file is no CSV, and would fill the memory. */
const LINE_CHARS_MAX = 65_536;

export interface CsvRow {
  /** Counted from 1, the header included, as editors do. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** The rows of each chunk, blank lines left out. `name` is the file's, for errors. */
export async function* csvRows(
  chunks: AsyncIterable<string>,
  name: string,
): AsyncGenerator<readonly CsvRow[]> {
  let pending = '';
  let line = 0;
  for await (const chunk of chunks) {
    const parts = (pending + chunk).split('\n');
    pending = parts.pop() ?? '';
    if (pending.length > LINE_CHARS_MAX) throw lineTooLong(name, line + parts.length + 1);
    const rows: CsvRow[] = [];
    for (const text of parts) addRow({ rows, name, line: ++line, text });
    yield rows;
  }
  const last: CsvRow[] = [];
  addRow({ rows: last, name, line: line + 1, text: pending });
  yield last;
}

function addRow(at: { rows: CsvRow[]; name: string; line: number; text: string }): void {
  let text = at.text;
  if (text.length > LINE_CHARS_MAX) throw lineTooLong(at.name, at.line);
  if (at.line === 1 && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  if (text.endsWith('\r')) text = text.slice(0, -1);
  if (text.trim() === '') return;
  at.rows.push({ line: at.line, fields: text.includes('"') ? quotedFields(text, at) : text.split(',') });
}

function quotedFields(text: string, at: { name: string; line: number }): readonly string[] {
  const fields: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",]*)(,|$)/y;
  for (;;) {
    const match = field.exec(text);
    if (match === null) {
      throw new InvalidInputError(
        `${at.name} line ${at.line}`,
        'a double quote is not closed, or stands inside a field',
      );
    }
    const raw = match[1];
    fields.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (match[2] === '') return fields;
  }
}

function lineTooLong(name: string, line: number): InvalidInputError {
  return new InvalidInputError(
    `${name} line ${line}`,
    `longer than ${LINE_CHARS_MAX} characters; is this a CSV file?`,
  );
}
