// The library's public face: what `import … from 'bursar'` gives.

export type {
  BalanceFilter,
  BudgetFilter,
  Clock,
  EventFilter,
  Follower,
  GroupStep,
  HoldFilter,
  Ledger,
  LedgerReads,
  Progress,
  SubmitOptions,
} from './authority/api.js';
export { type OpenOptions, openLedger, openReader, SYSTEM_CLOCK } from './authority/open.js';
export type { Replica } from './authority/replica.js';
export { runBacktest, TraceClock } from './backtest/backtest.js';
export { EXAMPLE_COSTS } from './backtest/backtest-costs.js';
export { planApply, renderPlan } from './budgets/budget-diff.js';
export { parseBudgetFile } from './budgets/budget-file.js';
export * from './budgets/providers.js';
export {
  AMOUNT_MAX,
  AmountFormatError,
  type Amounts,
  BUILT_IN_UNITS,
  formatAmount,
  parseAmount,
  type Unit,
  usd,
} from './core/amount.js';
export * from './core/errors.js';
export type { Actor, Fact, Rider } from './core/facts.js';
export type * from './core/outcomes.js';
export { METERING_PROFILE, VERDICTS } from './core/outcomes.js';
export { REJECTIONS, type RejectionCode } from './core/rejections.js';
export type * from './core/requests.js';
export {
  EMPTY_HEAD,
  type FactBatch,
  type FactRecord,
  factBatches,
  isOnChain,
} from './journal/fact-records.js';
export { BudgetFileError } from './kit/located-values.js';
export {
  type History,
  type HistoryBalance,
  type HistoryBalanceFilter,
  type HistoryHoldFilter,
  type HistoryOptions,
  openHistory,
} from './views/history.js';
