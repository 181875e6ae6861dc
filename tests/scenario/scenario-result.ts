// What a step of a scenario came to, as words: flags that are true and named values; and the comparison of them with the
// words after the arrow. Used by scenario.ts alone.

import type { Amounts, BalanceView, BudgetLine, CommandOutcome, HoldView } from '#bursar/index.js';
import { formatAmount } from '#bursar/index.js';
import { Words } from './scenario-words.js';

const BAD = ['denied', 'rejected', 'invalid', 'unknown', 'none'];

export class Result {
  readonly flags = new Set<string>();
  readonly values = new Map<string, string>();

  constructor(readonly scales: ReadonlyMap<string, number>) {}

  flag(...flags: readonly string[]): this {
    for (const flag of flags) this.flags.add(flag);
    return this;
  }

  value(key: string, value: string | number | bigint | null | undefined): this {
    if (value !== undefined) this.values.set(key, String(value));
    return this;
  }

  amount(key: string, steps: bigint | null, unit: string): this {
    return this.value(key, steps === null ? 'none' : formatAmount(steps, this.scales.get(unit) ?? 0));
  }

  amounts(key: string, amounts: Amounts): this {
    for (const [unit, steps] of Object.entries(amounts)) this.amount(`${key}.${unit}`, steps, unit);
    return this;
  }

  /** The figures of a line, under its budget's id; and without it when it is the only one. */
  lines(lines: readonly BudgetLine[]): this {
    for (const line of lines) {
      for (const prefix of lines.length === 1 ? ['', `${line.budgetId}.`] : [`${line.budgetId}.`]) {
        this.figures(prefix, line);
        this.amount(`${prefix}requested`, line.requested, line.unit);
        this.value(`${prefix}violations`, line.violations.join(',') || 'none');
        this.value(`${prefix}version`, line.budgetVersion);
      }
    }
    return this.value('lines', lines.length);
  }

  figures(prefix: string, of: BudgetLine | BalanceView): void {
    this.amount(`${prefix}granted`, of.granted, of.unit);
    this.amount(`${prefix}held`, of.held, of.unit);
    this.amount(`${prefix}spent`, of.spent, of.unit);
    this.amount(`${prefix}remaining`, of.remaining, of.unit);
    this.amount(`${prefix}limit`, of.limit, of.unit);
    this.value(`${prefix}verdict`, of.verdict);
  }

  balance(view: BalanceView): this {
    this.figures('', view);
    if (view.forcedExhausted) this.flag('forced');
    if (view.current) this.flag('current');
    return this.flag(view.status).value('openHolds', view.openHolds);
  }

  hold(view: HoldView, now: number): this {
    this.amounts('held', view.held).amounts('authorized', view.authorized);
    this.amounts('charged', view.charged ?? {});
    this.value('expiresIn', view.expiresAt - now).value('ending', view.ending);
    if (view.late) this.flag('late');
    return this.flag(view.status);
  }

  outcome(outcome: CommandOutcome): this {
    this.flag(outcome.outcome, outcome.guarantee);
    if (outcome.replayed) this.flag('replayed');
    this.value('position', outcome.position).value('term', outcome.term);
    if (outcome.outcome === 'rejected') return this.flag(outcome.code);
    this.lines(outcome.lines);
    if (outcome.outcome === 'done') return this.flag(outcome.event);
    this.value('verdict', outcome.verdict);
    if (outcome.outcome === 'settled') {
      if (outcome.late) this.flag('late');
      this.value('capped', outcome.capped.join(',') || 'none');
      this.value('paused', outcome.paused.join(',') || 'none');
      return this.amounts('charged', outcome.charged).amounts('returned', outcome.returned);
    }
    this.value('skipped', outcome.skipped.map((skip) => skip.reason).join(',') || 'none');
    if (outcome.outcome === 'authorized')
      return this.value('candidate', outcome.candidate).value('status', outcome.holdStatus);
    this.value('retry', outcome.retryAfterMs ?? 'none').value('unmet', outcome.unmet.join(',') || 'none');
    return this.flag(outcome.reason);
  }

  /** What differs from the words after the arrow, or null. A refusal that they do not name differs as well. */
  difference(expected: string | undefined): string | null {
    const words = new Words(expected ?? '');
    const named = new Set<string>();
    while (!words.isDone) {
      const word = words.next('a word');
      if (word === 'not') {
        const absent = words.next('what follows "not"');
        if (this.flags.has(absent)) return `it is ${absent}`;
      } else if (this.flags.has(word)) {
        named.add(word);
      } else {
        const difference = this.#valueDiffers(word, words);
        if (difference !== null) return difference;
      }
    }
    const unnamed = BAD.find((word) => this.flags.has(word) && !named.has(word));
    return unnamed === undefined ? null : `it is ${unnamed}`;
  }

  #valueDiffers(word: string, words: Words): string | null {
    let key = word;
    if (!this.values.has(key) && [...this.values.keys()].some((known) => known.startsWith(`${key}.`)))
      key = `${key}.${words.next(`the unit of ${key}`)}`;
    const got = this.values.get(key);
    if (got === undefined) return `"${key}" is neither so nor a figure here`;
    const wanted = words.next(`the figure of ${key}`);
    return got === wanted ? null : `${key} is ${got}, not ${wanted}`;
  }

  toString(): string {
    const values = [...this.values].map(([key, value]) => `${key.replaceAll(' ', '_')} ${value}`);
    return [...this.flags, ...values].join(', ');
  }
}
