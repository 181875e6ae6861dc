// What conversations are made of: their tables, the ledger, the quotas, the clock, and a place to stop at between two
// steps, which tests of crashes use. Put together by conversations.ts.

import { createHash } from 'node:crypto';
import type { Clock, Ledger } from '../authority/api.js';
import type { ServiceStore } from '../kit/service-store.js';
import type { QuotaBudget } from './turn-budget.js';

export type TurnLedger = Pick<
  Ledger,
  'run' | 'authorize' | 'settle' | 'release' | 'reverse' | 'extend' | 'hold' | 'whenDurable'
>;

export interface TurnSettings {
  /** A running turn that shows no progress for so long is ended by the watchdog. 60,000 … 3,600,000; default 300,000. */
  readonly turnTimeoutMs: number;
  /** How often the watchdog looks. 60,000 … 3,600,000; default 60,000. */
  readonly watchdogIntervalMs: number;
}

/** The moments between two durable steps of a turn. */
export type TurnStep = 'turn_intended' | 'turn_held' | 'turn_ending' | 'turn_settled';

export interface ConversationParts {
  readonly store: ServiceStore;
  readonly ledger: TurnLedger;
  /** Null where this Bursar has no quotas. */
  readonly quotas: QuotaBudget | null;
  readonly clock: Clock;
  readonly settings: () => TurnSettings;
  /** Told of what went wrong where no caller can be. */
  readonly onFault: (what: string, error: unknown) => void;
  /** Told of every step that is done; what it throws stops the work there, as the end of the process would. */
  readonly atStep?: (step: TurnStep, turnId: string) => void;
}

/** Hex SHA-256 of a text: what the journal has of it. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
