// Budget lines as a batch records them: each names a balance spelt out in the same batch, and has the figures after the
// command. Figures stay in the batch's bytes until somebody asks for them.

import type { Window } from '../core/budgets.js';
import { SEPARATOR } from '../core/labels.js';
import type { LineIdentity } from '../core/line-figures.js';
import type { Figures } from '../core/lines.js';
import type { UnitTable } from '../core/units.js';
import { BEGINNING_MS, NEVER_MS } from '../core/window.js';
import type { ByteReader } from './bytes.js';
import { NO_SLOT } from './format.js';

/** A balance as spelt out in a batch. */
export interface RecordedBalance extends LineIdentity {
  /** Its slot, or -1 when it does not exist. */
  readonly slot: number;
  readonly valuesText: string;
  readonly start: number;
  readonly end: number;
  readonly unitIndex: number;
  /** For recovery: the live window that it was found to be in, and at which generation of the state's balances. */
  bound: { readonly window: Window; readonly generation: number } | null;
}

interface RecordedBudget {
  readonly id: string;
  readonly version: number;
  readonly unit: number;
  readonly warnAtPercent: number;
  readonly wildcards: readonly string[];
}

export class RecordedLines {
  count = 0;
  readonly balances: RecordedBalance[] = [];
  readonly flags: number[] = [];
  readonly #figuresAt: number[] = [];
  #input: ByteReader | null = null;

  add(input: ByteReader, balance: RecordedBalance, flags: number, figuresAt: number): void {
    this.#input = input;
    this.balances[this.count] = balance;
    this.flags[this.count] = flags;
    this.#figuresAt[this.count] = figuresAt;
    this.count += 1;
  }

  figures(line: number): Figures {
    const input = this.#input as ByteReader;
    const at = this.#figuresAt[line];
    return { granted: input.i64At(at), held: input.i64At(at + 8), spent: input.i64At(at + 16) };
  }
}

/** A candidate that did not fit, as recorded. */
export interface RecordedSkip {
  readonly candidate: number;
  readonly reason: string;
  readonly lines: RecordedLines;
}

export type LineReader = (lines: RecordedLines) => void;

/** A reader of lines that remembers the balances spelt out so far in one batch. */
export function readLineReader(input: ByteReader, units: UnitTable): LineReader {
  const balances: RecordedBalance[] = [];
  const budgets: RecordedBudget[] = [];

  const readBudget = (): RecordedBudget => {
    const number = input.count();
    if (number < budgets.length) return budgets[number];
    if (number > budgets.length) throw new RangeError(`budget ${number} was not spelt out`);
    const budget = {
      id: input.text(),
      version: input.count(),
      unit: input.u8(),
      warnAtPercent: input.u8(),
      wildcards: Array.from({ length: input.count() }, () => input.text()),
    };
    budgets.push(budget);
    return budget;
  };

  const readBalance = (): RecordedBalance => {
    const number = input.count();
    if (number < balances.length) return balances[number];
    if (number > balances.length) throw new RangeError(`balance ${number} was not spelt out`);
    const slot = input.u32();
    const budget = readBudget();
    const valuesText = input.text();
    const start = input.f64();
    const end = input.f64();
    const limit = input.u8() === 0 ? null : input.i64();
    const balance: RecordedBalance = {
      bound: null,
      slot: slot === NO_SLOT ? -1 : slot,
      budgetId: budget.id,
      budgetVersion: budget.version,
      values: valuesFrom(budget.wildcards, valuesText),
      valuesText,
      unit: units.units[budget.unit]?.name ?? '',
      unitIndex: budget.unit,
      window: { start: start === BEGINNING_MS ? null : start, end: end === NEVER_MS ? null : end },
      start,
      end,
      limit,
      warnAtPercent: budget.warnAtPercent,
    };
    balances.push(balance);
    return balance;
  };

  return (lines) => {
    lines.count = 0;
    for (let left = input.count(); left > 0; left -= 1) {
      const balance = readBalance();
      const flags = input.u16();
      lines.add(input, balance, flags, input.at);
      input.at += 24;
    }
  };
}

function valuesFrom(wildcards: readonly string[], text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  if (wildcards.length === 0) return labels;
  const parts = text.split(SEPARATOR);
  for (let index = 0; index < wildcards.length; index += 1) labels[wildcards[index]] = parts[index];
  return labels;
}
