// The options that state a backtest's assumptions: prices, output limit, latency, and how missing labels are spread.

import type { Command } from 'commander';
import type { CostModel, TokenPrice } from '../backtest/backtest-costs.js';
import { TRACE_TOKENS_MAX } from '../backtest/trace.js';
import { SPREAD_USERS_MAX } from '../backtest/trace-spread.js';
import { AmountFormatError, parseAmount } from '../core/amount.js';
import { durationOption, UsageError, wholeOption } from './options.js';

export interface BacktestModelOptions {
  readonly tenants: number;
  readonly users: number;
  readonly seed: number;
  readonly maxOutput: number;
  readonly price?: Readonly<Record<string, TokenPrice>>;
  readonly latencyBase?: number;
  readonly latencyPerToken?: number;
}

const SEED_MAX = 0xffff_ffff;

/** The highest price taken, USD for a million tokens: far above any, and no sum can overflow below it. */
const PRICE_MAX_STEPS = parseAmount('100000', 8);

export function addModelOptions(command: Command): Command {
  return command
    .option(
      '--tenants <n>',
      'tenants to spread over, where the trace has none',
      wholeOption('--tenants', { min: 1, max: SPREAD_USERS_MAX }),
      8,
    )
    .option(
      '--users <n>',
      'users in all to spread over, where the trace has none',
      wholeOption('--users', { min: 1, max: SPREAD_USERS_MAX }),
      120,
    )
    .option(
      '--seed <n>',
      'of the spread and of a generated trace',
      wholeOption('--seed', { min: 0, max: SEED_MAX }),
      1,
    )
    .option(
      '--max-output <tokens>',
      'output limit that each request states',
      wholeOption('--max-output', { min: 0, max: TRACE_TOKENS_MAX }),
      1_000,
    )
    .option(
      '--price <model=in/out>',
      'USD for a million tokens, * for any other model; repeatable (default large=2.5/10, small=0.15/0.6)',
      priceOption,
    )
    .option(
      '--latency-base <duration>',
      'how long a call takes at least (default 300ms)',
      durationOption('--latency-base', { decimals: true }),
    )
    .option(
      '--latency-per-token <duration>',
      'and for each token written (default 20ms)',
      durationOption('--latency-per-token', { decimals: true }),
    );
}

export function costsOf(options: BacktestModelOptions, defaults: CostModel): CostModel {
  const baseMs = options.latencyBase ?? defaults.latency.baseMs;
  if (baseMs < 1)
    throw new UsageError('--latency-base', `${baseMs}ms is below 1ms: a call ends after it came`);
  return {
    prices: options.price ?? defaults.prices,
    maxOutputTokens: options.maxOutput,
    latency: { baseMs, perTokenMs: options.latencyPerToken ?? defaults.latency.perTokenMs },
  };
}

function priceOption(
  text: string,
  before: Readonly<Record<string, TokenPrice>> | undefined,
): Readonly<Record<string, TokenPrice>> {
  const match = /^(.+)=([^/=]+)\/([^/=]+)$/.exec(text);
  if (match === null)
    throw new UsageError('--price', `${JSON.stringify(text)} is not MODEL=IN/OUT, such as large=2.5/10`);
  const [, model, input, output] = match;
  if (before !== undefined && Object.hasOwn(before, model)) {
    throw new UsageError('--price', `${JSON.stringify(model)} is given twice`);
  }
  return { ...before, [model]: { inputPerMillion: stepsOf(input), outputPerMillion: stepsOf(output) } };
}

function stepsOf(text: string): bigint {
  try {
    const steps = parseAmount(text, 8);
    if (steps <= PRICE_MAX_STEPS) return steps;
    throw new UsageError('--price', `${JSON.stringify(text)} is above 100000 USD for a million tokens`);
  } catch (error) {
    if (error instanceof AmountFormatError) throw new UsageError('--price', error.message);
    throw error;
  }
}
