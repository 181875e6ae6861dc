// Who calls: what an access key stands for. A surface gets the caller from the key ring and hands it to everything it calls.

import type { Actor } from '../core/facts.js';
import type { Labels } from '../core/requests.js';

/**
 * admin: everything, of every tenant. tenant_admin: budgets, keys and all else of the key's own tenant.
 * spend: authorises, settles and calls the gateway. correct: changes what was charged. read: reads.
 */
export const SCOPES = ['admin', 'tenant_admin', 'spend', 'correct', 'read'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Caller {
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Labels that every call with the key carries. The caller may repeat them and never changes them. */
  readonly labels: Labels;
  /** Label names that the caller may add to a call. */
  readonly callerLabels: ReadonlySet<string>;
  /** The most that one command may state in USD, in steps; absent: the default of every key. */
  readonly amountMaxUsd?: bigint | undefined;
  /** The value of the label `tenant`; null for keys of the platform itself, which see every tenant. */
  readonly tenant: string | null;
}

/** Who asks, as the journal records it beside a command that is run for the caller. */
export function actorOf({ keyId }: Caller): Actor {
  return { key: keyId, address: null };
}
