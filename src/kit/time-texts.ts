// Durations and instants as a person writes them in the configuration. Reads text alone; the clock is the caller's.
// Called by file-value.ts, the price section, and routing/reset-times.ts for instants in a provider's message.

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A whole number with its unit, such as 500ms, 30s, 10m, 2h or 1d, in milliseconds; null when it is none. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return match === null
    ? null
    : Number(match[1]) * DURATION_UNITS_MS[match[2] as keyof typeof DURATION_UNITS_MS];
}

/** The largest unit that a duration is a whole number of: 120,000 ms is "2m". */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const unitMs = DURATION_UNITS_MS[unit];
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}

/** An ISO 8601 date (its midnight in UTC) or an instant with its zone, as epoch ms; null when it is none. */
export function parseInstant(text: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d))?$/.exec(text);
  if (match === null) return null;
  const [, date, time = '00:00', zone = 'Z'] = match;
  const instantMs = Date.parse(`${date}T${time}${zone}`);
  // The engine takes 30 February for 2 March; a date that was moved is no date.
  const midnightMs = Date.parse(`${date}T00:00Z`);
  if (Number.isNaN(instantMs) || Number.isNaN(midnightMs)) return null;
  return new Date(midnightMs).toISOString().startsWith(date) ? instantMs : null;
}
