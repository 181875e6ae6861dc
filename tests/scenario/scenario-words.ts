// The words of a scenario line: durations, instants, amounts and labels, read strictly. Used by scenario.ts alone.

import { AMOUNT_MAX, parseAmount } from '#bursar/index.js';

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The rest of a line, word by word. Whoever reads it must use all of it: what is left over is a typo. */
export class Words {
  #at = 0;
  readonly words: readonly string[];

  constructor(text: string) {
    this.words = text.trim() === '' ? [] : text.trim().split(/\s+/);
  }

  get isDone(): boolean {
    return this.#at >= this.words.length;
  }

  peek(): string {
    return this.words[this.#at] ?? '';
  }

  next(what: string): string {
    if (this.isDone) throw new Error(`${what} is missing at the end of the line`);
    this.#at += 1;
    return this.words[this.#at - 1] as string;
  }

  /** Takes the word when it is the next one. */
  take(word: string): boolean {
    if (this.peek() !== word || this.isDone) return false;
    this.#at += 1;
    return true;
  }

  /** The word after a key word, when the key word is next. */
  after(key: string): string | undefined {
    return this.take(key) ? this.next(`what follows "${key}"`) : undefined;
  }

  labels(): Record<string, string> {
    const labels: Record<string, string> = {};
    while (/^[^=]+=/.test(this.peek())) {
      const word = this.next('a label');
      const cut = word.indexOf('=');
      labels[word.slice(0, cut)] = word.slice(cut + 1);
    }
    return labels;
  }

  /** Unit and amount in turn, as long as the next word is a unit. */
  amounts(scales: ReadonlyMap<string, number>): Record<string, bigint> {
    const amounts: Record<string, bigint> = {};
    for (let scale = scales.get(this.peek()); scale !== undefined; scale = scales.get(this.peek())) {
      const unit = this.next('a unit');
      amounts[unit] = stepsOf(this.next(`the amount of ${unit}`), scale);
    }
    return amounts;
  }

  end(): void {
    if (!this.isDone) throw new Error(`"${this.peek()}" is not understood here`);
  }
}

/** `40`, `0.25`, `100k`, `3M`, `-1`, and `max`, `max-1`: 2^63−1 steps and one less. */
export function stepsOf(text: string, scale: number): bigint {
  const highest = /^max(?:-(\d+))?$/.exec(text);
  if (highest !== null) return AMOUNT_MAX - BigInt(highest[1] ?? 0);
  const match = /^(-?)(\d+(?:\.\d+)?)([kM]?)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no amount`);
  const factor = match[3] === 'M' ? 1_000_000n : match[3] === 'k' ? 1_000n : 1n;
  const steps = parseAmount(match[2] as string, scale) * factor;
  return match[1] === '-' ? -steps : steps;
}

/** `11s`, `1h30m`, `250ms`. */
export function durationOf(text: string): number {
  if (!/^(?:\d+(?:ms|[smhd]))+$/.test(text)) throw new Error(`"${text}" is no duration such as 11s or 1h30m`);
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhd])/g))
    total += Number(count) * (DURATION_MS[unit as string] as number);
  return total;
}

/** An ISO instant, or `-2h`, `+1d` from now. */
export function instantOf(text: string, now: number): number {
  if (text.startsWith('-')) return now - durationOf(text.slice(1));
  if (text.startsWith('+')) return now + durationOf(text.slice(1));
  const instant = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\dT.*Z$/.test(text) || Number.isNaN(instant))
    throw new Error(`"${text}" is no instant such as 2026-01-15T10:00:00Z or -2h`);
  return instant;
}
