// What `--json` prints: the library's values with amounts as decimal strings in their unit's natural scale and instants in
// ISO 8601. One walk serves every answer: an object's `unit` (or its line's) says what its amounts count.

import { formatAmount, type Unit } from '../core/amount.js';

/** Fields that hold an instant, epoch ms. */
export const INSTANTS = new Set([
  'at',
  'start',
  'end',
  'until',
  'openedAt',
  'expiresAt',
  'endedAt',
  'resetsAt',
  'occurredAt',
  'forcedExhaustedUntil',
  'createdAt',
  'revokedAt',
  'overlapUntil',
  'lastUsedAt',
]);

export type Scales = ReadonlyMap<string, number>;

export function scalesOf(units: readonly Unit[]): Scales {
  return new Map(units.map((unit) => [unit.name, unit.scale]));
}

export function jsonText(value: unknown, scales: Scales): string {
  return JSON.stringify(jsonValue(value, scales), null, 2);
}

/** One line, for streams. */
export function jsonLine(value: unknown, scales: Scales): string {
  return JSON.stringify(jsonValue(value, scales));
}

export function jsonValue(value: unknown, scales: Scales): unknown {
  return walk({ value, key: '', unit: null, scales });
}

interface At {
  readonly value: unknown;
  readonly key: string;
  /** What amounts count here; null where nothing has said so. */
  readonly unit: string | null;
  readonly scales: Scales;
}

function walk(at: At): unknown {
  const { value, key, unit, scales } = at;
  if (typeof value === 'bigint') {
    // Where nothing has said what is counted, what is left is whole steps.
    return formatAmount(value, unit === null ? 0 : (scales.get(unit) ?? 0));
  }
  if (typeof value === 'number') return INSTANTS.has(key) ? new Date(value).toISOString() : value;
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map((item) => walk({ ...at, value: item }));
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  // `{usd: 5n, calls: 1n}`: amounts by unit.
  const byUnit = fields.every(([, field]) => typeof field === 'bigint');
  const own = unitOf(value) ?? unit;
  return Object.fromEntries(
    fields.map(([name, field]) => [
      name,
      walk({ value: field, key: name, unit: byUnit && scales.has(name) ? name : own, scales }),
    ]),
  );
}

// An explanation's line keeps its unit one level down; a journal event about one budget has it in its first line.
export function unitOf(value: object): string | null {
  if ('unit' in value && typeof value.unit === 'string') return value.unit;
  if ('line' in value && value.line !== null && typeof value.line === 'object') return unitOf(value.line);
  if ('lines' in value && Array.isArray(value.lines) && value.lines.length > 0) return unitOf(value.lines[0]);
  return null;
}
