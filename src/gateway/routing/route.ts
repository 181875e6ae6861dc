// Where a call may go: the candidates of its model, as rule P10 orders them. Made by routing-table.ts, recorded with the decision.

import type { VerdictLevel } from '../../core/outcomes.js';
import type { ProviderSettings } from './route-settings.js';

export interface RoutedCandidate {
  readonly provider: ProviderSettings;
  /** The provider's name for the model. */
  readonly model: string;
  readonly verdict: VerdictLevel;
  /** The most output that its route asks for where the caller states no limit; the gateway's setting where it is absent. */
  readonly outputTokensUnstated?: number | undefined;
}

/** Why each candidate stands where it does; goes into the decision's note. */
export interface Placement {
  readonly provider: string;
  readonly model: string;
  readonly verdict: VerdictLevel;
  /**
   * `dropped_throttled`: this model of the provider was told to wait. `dropped_not_open`: a budget of the provider is paused
   * or closed, which only an operator ends.
   */
  readonly placed: 'tried' | 'behind_near' | 'dropped_exhausted' | 'dropped_throttled' | 'dropped_not_open';
}

export interface Routing {
  /** In the order in which they are tried: within, then near; exhausted ones are not here. */
  readonly candidates: readonly RoutedCandidate[];
  readonly placements: readonly Placement[];
  /** When none is left: those that were dropped, for the ledger to refuse. */
  readonly dropped: readonly RoutedCandidate[];
  /** When none is left: the earliest instant at which a dropped one resets, epoch ms; null when none does by itself. */
  readonly resetsAt: number | null;
}

/** What an error of a provider is (rule P9). */
export type ErrorClass =
  /** The fault of this one request: its caller's error. */
  | { readonly class: 'request' }
  /** The provider takes none of its operator's calls until an instant; `stated`: it said which. */
  | { readonly class: 'account'; readonly until: number; readonly stated: boolean }
  /** The same of calls to one model. */
  | { readonly class: 'throttle'; readonly until: number; readonly stated: boolean }
  /** The provider does not take its operator's key, or has none. */
  | { readonly class: 'key' }
  | { readonly class: 'flake' }
  | { readonly class: 'unknown' };
