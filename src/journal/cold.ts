// The part of the codec for what is rare or has many optional fields: JSON in the record. An amount is a string that
// begins with U+001F, which no text that passed the edge does; a unit set is its mask. Reading gives back the same
// object, key order included, so that writing it again gives the same bytes.

import type { UnitTable } from '../core/units.js';

const AMOUNT_MARK = '\u001f';

export function coldText(value: unknown): string {
  return JSON.stringify(value, (key, part) => {
    if (typeof part === 'bigint') return AMOUNT_MARK + part.toString();
    return key === 'set' && part?.placeOf instanceof Int8Array ? part.mask : part;
  });
}

export function coldValue<T>(text: string, units: UnitTable): T {
  return JSON.parse(text, (key, part) => {
    if (key === 'set' && typeof part === 'number') return units.set(part);
    return typeof part === 'string' && part.startsWith(AMOUNT_MARK) ? BigInt(part.slice(1)) : part;
  });
}
