// Growth of columns: typed arrays that double when full, so that a row costs its bytes and no object.

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array | BigInt64Array;

/** Rows that a new table has room for. */
export const ROWS_MIN = 64;

/** The same column with room for `rows` rows. */
export function grown<T extends Column>(column: T, rows: number): T {
  const wider = new (column.constructor as new (length: number) => T)(rows);
  wider.set(column as never);
  return wider;
}
