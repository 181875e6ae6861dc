// Durations as a person writes them, in the configuration and on the command line: the one parser of them.

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A number with its unit, such as 500ms, 30s, 10m, 2h or 1d, in milliseconds; null for any other text. Only milliseconds
 * may have decimals, and only where `decimals` allows them, so that nothing is rounded here.
 */
export function parseDuration(text: string, { decimals = false } = {}): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,6}(?=ms))?)(ms|s|m|h|d)$/.exec(text);
  if (match === null || (!decimals && match[1].includes('.'))) return null;
  return Number(match[1]) * DURATION_UNITS_MS[match[2] as keyof typeof DURATION_UNITS_MS];
}

/** The largest unit that a duration is a whole number of: 120,000 ms is "2m". */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const unitMs = DURATION_UNITS_MS[unit];
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
