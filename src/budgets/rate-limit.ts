// The RateLimit fields of an answer (IETF draft-ietf-httpapi-ratelimit-headers): budgets that count, in whole steps of
// their units, since structured fields have integers only. Called by every surface that answers decisions.

import { type FullLine, hasFigures, type VisibleLine } from '../access/visible.js';
import type { Scales } from '../kit/amounts.js';

/** The largest integer of a structured field (RFC 9651, 3.3.1): more is shown as this. */
const FIELD_INTEGER_MAX = 999_999_999_999_999n;
/** Budgets named in an answer: header space is small. */
const BUDGETS_MAX = 8;

export interface AtScale {
  readonly scales: Scales;
  /** Epoch ms. */
  readonly now: number;
}

/** `"budget";q=…;w=…;bursar-unit="usd";bursar-scale=8` and `"budget";r=…;t=…`; nothing where nothing limits. */
export function rateLimitHeaders(lines: readonly VisibleLine[], at: AtScale): Record<string, string> {
  let policy = '';
  let limit = '';
  let count = 0;
  for (const line of lines) {
    if (!hasFigures(line) || line.granted === null || count === BUDGETS_MAX) continue;
    const separator = count === 0 ? '' : ', ';
    const name = quoted(line.budgetId);
    policy += `${separator}${name};q=${fieldInteger(line.granted)}${windowOf(line)}${unitOf(line, at.scales)}`;
    limit += `${separator}${name};r=${fieldInteger(line.remaining ?? 0n)}${resetOf(line, at.now)}`;
    count += 1;
  }
  return count === 0 ? {} : { 'ratelimit-policy': policy, ratelimit: limit };
}

function windowOf({ window: { start, end } }: FullLine): string {
  return start === null || end === null ? '' : `;w=${Math.round((end - start) / 1_000)}`;
}

function resetOf({ resetsAt }: FullLine, now: number): string {
  return resetsAt === null ? '' : `;t=${Math.max(0, Math.ceil((resetsAt - now) / 1_000))}`;
}

function unitOf({ unit }: FullLine, scales: Scales): string {
  const scale = scales.get(unit) ?? 0;
  return `;bursar-unit=${quoted(unit)}${scale === 0 ? '' : `;bursar-scale=${scale}`}`;
}

function fieldInteger(steps: bigint): bigint {
  if (steps < 0n) return 0n;
  return steps > FIELD_INTEGER_MAX ? FIELD_INTEGER_MAX : steps;
}

const PLAIN = /^[\w./:@+-]*$/;

// A string of a structured field is printable ASCII; what is not is percent-encoded, and so is the percent sign.
function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return `"${text.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent).replace(/["\\]/g, '\\$&')}"`;
}
