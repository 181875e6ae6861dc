// What the parts of the gateway share: settings in force, the clock, the connections, and what a failure means. Made once,
// by gateway.ts; exchanges see it through this interface alone.

import type { VisibleLine } from '../../access/visible.js';
import type { Clock } from '../../authority/api.js';
import type { AtScale } from '../../budgets/rate-limit.js';
import type { Fact } from '../../core/facts.js';
import type { BudgetLine } from '../../core/outcomes.js';
import type { Caller } from '../../kit/caller.js';
import type { OnRoster } from '../../kit/roster.js';
import type { Call } from '../calls/call.js';
import type { GatewaySettings } from '../calls/calls-settings.js';
import type { PricedCandidate, ProviderModel } from '../calls/candidates.js';
import type { CallCharge } from '../calls/charge.js';
import type { ErrorClass } from '../routing/route.js';
import type { ProviderError } from '../routing/signatures.js';
import type { CallGoals } from './parts.js';
import type { CallsReadOn } from './read-on.js';
import type { EndedByBursar, Upstreams } from './upstreams.js';

/** An exchange as the gateway sees it: one of many that are open. */
export interface OpenExchange extends OnRoster {
  /** Ends it at once; its call is settled. */
  stop(why: EndedByBursar): void;
  /** Called by each sweep. */
  checkStalled(now: number): void;
  bug(error: unknown): void;
}

export interface GatewayContext {
  readonly clock: Clock;
  readonly upstreams: Upstreams;
  readonly callsReadOn: CallsReadOn;
  readonly goals: Pick<CallGoals, 'headers'>;
  settings(): GatewaySettings;
  /** What an error is (rule P9); who throttles is left alone until it resets, an unknown error is logged once. */
  classify(tried: ProviderModel, error: ProviderError): ErrorClass;
  /** A call to it succeeded. */
  worked(tried: ProviderModel): void;
  /** Lines as their caller may see them. */
  linesFor(caller: Caller, lines: readonly BudgetLine[]): readonly VisibleLine[];
  scale(): AtScale;
  /** A fault of the gateway's own, for its operator. */
  bug(error: unknown, requestId: string): void;
  /** What a call is charged, for what its operator should know of it. */
  charged(candidate: PricedCandidate, charge: CallCharge): void;
  /** The provider keeps the answer of a call under this id: the facts that ride with the call's end. */
  stored(call: Call, answerId: string, tokens: number | null): readonly Fact[];
  opened(exchange: OpenExchange): void;
  /** Its call has ended, and that is durable. */
  closed(exchange: OpenExchange): void;
}
