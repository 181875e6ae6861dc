// How much was held at each moment, beside what those same calls finally cost: peaks and time-weighted means. All sums
// are whole steps (and step-milliseconds), so that the report is the same on every machine. Used by backtest-tally.ts.

/** Held and final cost of the calls under way, of one unit, in all or of one budget. */
export class Exposure {
  #held = 0n;
  #finalCost = 0n;
  #heldStepMs = 0n;
  #finalCostStepMs = 0n;
  #lastAt: number;
  #peakHeld = 0n;
  #finalCostAtPeak = 0n;
  #peakAt: number;

  constructor(readonly startAt: number) {
    this.#lastAt = startAt;
    this.#peakAt = startAt;
  }

  /** A call starts (`direction` 1) or ends (−1) at an instant not before the last one. */
  move(change: { at: number; held: bigint; finalCost: bigint; direction: 1n | -1n }): void {
    this.#passTo(change.at);
    this.#held += change.direction * change.held;
    this.#finalCost += change.direction * change.finalCost;
    if (this.#held > this.#peakHeld) {
      this.#peakHeld = this.#held;
      this.#finalCostAtPeak = this.#finalCost;
      this.#peakAt = change.at;
    }
  }

  /** The figures from the start to this instant; means are rounded down to a step. */
  figuresAt(at: number): ExposureFigures {
    this.#passTo(at);
    const spanMs = BigInt(Math.max(1, at - this.startAt));
    return {
      peakHeld: this.#peakHeld,
      finalCostAtPeak: this.#finalCostAtPeak,
      peakAt: this.#peakAt,
      meanHeld: this.#heldStepMs / spanMs,
      meanFinalCost: this.#finalCostStepMs / spanMs,
    };
  }

  #passTo(at: number): void {
    const passedMs = BigInt(at - this.#lastAt);
    this.#heldStepMs += this.#held * passedMs;
    this.#finalCostStepMs += this.#finalCost * passedMs;
    this.#lastAt = at;
  }
}

export interface ExposureFigures {
  readonly peakHeld: bigint;
  /** What the calls that were under way at the peak finally cost. */
  readonly finalCostAtPeak: bigint;
  readonly peakAt: number;
  readonly meanHeld: bigint;
  readonly meanFinalCost: bigint;
}
