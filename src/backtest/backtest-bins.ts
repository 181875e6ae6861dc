// Divides the span of a trace into at most 20 equal, round pieces of time, for the histogram of refusals.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Widths that people read at a glance. */
const WIDTHS_MS = [
  SECOND,
  5 * SECOND,
  15 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  7 * DAY,
  30 * DAY,
];

/** As many lines as a terminal shows beside the rest of the report. */
const BINS_MAX = 20;

export interface TimeBin {
  readonly start: number;
  readonly end: number;
  requests: number;
  refused: number;
}

export class TimeBins {
  readonly bins: readonly TimeBin[];
  readonly #widthMs: number;
  readonly #start: number;

  constructor(firstAt: number, lastAt: number) {
    const fits = (width: number) => Math.floor(lastAt / width) - Math.floor(firstAt / width) < BINS_MAX;
    this.#widthMs = WIDTHS_MS.find(fits) ?? Math.ceil((lastAt - firstAt + 1) / (BINS_MAX - 1) / DAY) * DAY;
    this.#start = Math.floor(firstAt / this.#widthMs) * this.#widthMs;
    const bins: TimeBin[] = [];
    for (let start = this.#start; start <= lastAt; start += this.#widthMs) {
      bins.push({ start, end: start + this.#widthMs, requests: 0, refused: 0 });
    }
    this.bins = bins;
  }

  binOf(at: number): TimeBin {
    return this.bins[Math.floor((at - this.#start) / this.#widthMs)];
  }
}
