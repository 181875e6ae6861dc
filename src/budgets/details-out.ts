// The details of an event as the wire has them: amounts as decimals, instants in ISO 8601. Their fields are each
// command's own, so one walk serves all: an object of amounts by unit says its units, else what it is about does.

import { formatAmount } from '../core/amount.js';
import type { Scales } from '../kit/amounts.js';
import { instantOut } from '../kit/instants.js';

/** Fields that hold an instant, epoch ms. */
const INSTANTS = new Set(['start', 'end', 'until', 'occurredAt', 'expiresAt']);

/** `unit` is what a lone amount counts (a top-up's, a limit's); null: whole steps. */
export function detailsOut(
  details: Readonly<Record<string, unknown>>,
  unit: string | null,
  scales: Scales,
): Record<string, unknown> {
  return fieldsOut(details, unit, scales);
}

function fieldsOut(fields: object, unit: string | null, scales: Scales): Record<string, unknown> {
  const own = 'unit' in fields && typeof fields.unit === 'string' ? fields.unit : unit;
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  const byUnit = entries.length > 0 && entries.every(([, value]) => typeof value === 'bigint');
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      valueOut(name, value, byUnit && scales.get(name) !== undefined ? name : own, scales),
    ]),
  );
}

function valueOut(name: string, value: unknown, unit: string | null, scales: Scales): unknown {
  if (typeof value === 'bigint') return formatAmount(value, unit === null ? 0 : (scales.get(unit) ?? 0));
  if (typeof value === 'number' && INSTANTS.has(name)) return instantOut(value);
  if (Array.isArray(value)) return value.map((item) => valueOut('', item, unit, scales));
  if (typeof value === 'object' && value !== null) return fieldsOut(value, unit, scales);
  return value;
}
