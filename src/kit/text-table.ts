// Columns of text without borders, for reports and the command line: numbers to the right, words to the left.

import Table from 'cli-table3';

const BORDERS = ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) => [
  side,
  `${side}-mid`,
  `${side}-left`,
  `${side}-right`,
]);
const NO_BORDERS = { ...Object.fromEntries(BORDERS.map((border) => [border, ''])), middle: '  ' };

export interface TextColumn {
  readonly title: string;
  /** Figures stand to the right, so that their digits line up. */
  readonly figure?: boolean;
}

/** A column of words by its title alone, or of figures as `{title, figure: true}`. */
export function textTable(
  columns: readonly (string | TextColumn)[],
  rows: readonly (readonly string[])[],
): string {
  const described = columns.map((column) => (typeof column === 'string' ? { title: column } : column));
  const table = new Table({
    head: described.map((column) => column.title),
    chars: NO_BORDERS,
    colAligns: described.map((column) => ('figure' in column && column.figure ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map(printable));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A column with its text of each row. */
export interface RowColumn<Row> extends TextColumn {
  readonly of: (row: Row) => string;
}

export function word<Row>(title: string, of: (row: Row) => string): RowColumn<Row> {
  return { title, of };
}

/** Thousands are separated; null leaves the place empty. */
export function figure<Row>(title: string, of: (row: Row) => string | number | null): RowColumn<Row> {
  return { title, figure: true, of: (row) => grouped(of(row) ?? '') };
}

export function rowTable<Row>(rows: readonly Row[], columns: readonly RowColumn<Row>[]): string {
  return textTable(
    columns,
    rows.map((row) => columns.map(({ of }) => of(row))),
  );
}

/** Figures with thousands separated, for people: 1234567 → "1,234,567". Digits after a point stay as they are. */
export function grouped(figure: string | number | bigint): string {
  const [whole, fraction] = String(figure).split('.');
  const separated = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return fraction === undefined ? separated : `${separated}.${fraction}`;
}

/** Control characters shown as spaces: a label from outside must not steer the terminal that it is printed on. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
