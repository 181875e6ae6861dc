// What commands ask of a ledger, wherever it is. One in a file answers at once, one behind a server later: commands
// await both, and so are one code path.

import type { Ledger } from '../authority/api.js';

/** Some methods of a ledger, each of which may answer by a promise. */
type Answering<Names extends keyof Ledger> = {
  readonly [Name in Names]: Ledger[Name] extends (...request: infer Request) => infer Answer
    ? (...request: Request) => Answer | Promise<Awaited<Answer>>
    : never;
};

export type CliReads = Answering<
  'check' | 'balances' | 'holds' | 'budgets' | 'units' | 'aliases' | 'explain' | 'verify'
> &
  Pick<Ledger, 'events'> & {
    /** Learns what was defined since, where that is not known by itself. */
    refresh(): void;
  };

export type CliLedger = Answering<
  | 'budgets'
  | 'units'
  | 'aliases'
  | 'putDefinitions'
  | 'topUp'
  | 'setBudgetStatus'
  | 'exhaust'
  | 'setBalanceLimit'
  | 'authorize'
  | 'extend'
  | 'release'
  | 'reverse'
  | 'settle'
  | 'correct'
  | 'record'
  | 'credit'
  | 'certify'
>;
