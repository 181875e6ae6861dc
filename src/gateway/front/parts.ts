// What the gateway is made of, as the composition root puts it together (serve.ts).

import type { VisibleLine } from '../../access/visible.js';
import type { Clock, LedgerReads } from '../../authority/api.js';
import type { BudgetLine } from '../../core/outcomes.js';
import type { Labels } from '../../core/requests.js';
import type { Caller } from '../../kit/caller.js';
import type { CallRecorder } from '../calls/call-record.js';
import type { CallsParts } from '../calls/calls.js';
import type { GatewaySettings } from '../calls/calls-settings.js';
import type { QuotaBudgets } from '../calls/denial.js';
import type { StoredResponses } from '../calls/stored-responses.js';
import type { PriceCatalogue } from '../prices/price-book.js';
import type { SignatureSettings } from '../routing/error-settings.js';
import type { ErrorClass } from '../routing/route.js';
import type { ProviderSettings } from '../routing/route-settings.js';
import type { RoutingTable } from '../routing/routing-table.js';
import type { ThrottledProviders } from '../routing/throttled.js';

/** What goals say of a call. */
export interface CallGoals {
  /** That the goal which the labels name, if any, is the caller's. @throws RefusedError not_found */
  assertUsable(caller: Caller, labels: Labels): void;
  /** Headers that tell how the goal stands after a hold or a settlement; none for a call without a goal. */
  headers(lines: readonly BudgetLine[]): Readonly<Record<string, string>>;
}

export interface GatewayParts {
  readonly ledger: CallsParts['ledger'] & Pick<LedgerReads, 'units' | 'budget'>;
  readonly keyRing: { authenticate(key: string | undefined): Caller | null };
  readonly tenancy: { lines(caller: Caller, lines: readonly BudgetLine[]): readonly VisibleLine[] };
  readonly clock: Clock;
  /** Whose the responses are that providers keep. */
  readonly storedResponses: StoredResponses;
  /** Keeps calls as turns of chats, where their callers ask for it. */
  readonly recorder: CallRecorder;
  readonly goals: CallGoals;
  readonly quotas: QuotaBudgets;
  readonly settings: () => GatewaySettings;
  readonly providers: () => readonly ProviderSettings[];
  readonly signatures: () => SignatureSettings;
  readonly prices: () => PriceCatalogue;
  /** Told how each call was decided, and how long that took. */
  readonly onDecision: (outcome: 'authorized' | 'denied', ms: number) => void;
  readonly routing: () => RoutingTable;
  readonly throttled: Pick<
    ThrottledProviders,
    'throttle' | 'throttlePair' | 'until' | 'pairUntil' | 'worked'
  >;
  /** Told of each attempt that failed; absent where nobody counts them. */
  readonly onProviderError?: (provider: string, what: ErrorClass['class']) => void;
  /** The value of an environment variable that holds a provider's key. */
  readonly secrets: (name: string) => string | undefined;
  /** Where providers without a base URL are: the built-in demonstration. */
  readonly demoOrigin: string;
  readonly logger: {
    warn(about: object, message: string): void;
    error(about: object, message: string): void;
  };
  /** Whether new calls are refused because the server stops. */
  readonly isDraining: () => boolean;
}
