// What a notice is: that a balance has reached a stated share of what it was granted, once for each window. And where
// notices go: to webhooks, each a URL with a secret. Used by notices.ts and the wire.

import type { Labels } from '../core/requests.js';
import { oneOf, setting, type ValuesOf } from '../kit/file-value.js';

/** Shares of one budget: more than these are a chart, not notices. */
export const PERCENTS_MAX = 10;
/** Budgets with thresholds, of one tenant or of the platform: the most budgets that a tenant may own. */
export const THRESHOLDS_MAX = 1_000;
/** Webhooks of one tenant, or of the platform: each is sent every notice. */
export const WEBHOOKS_MAX = 20;
/** Of one webhook, all good at once: each signs every message. Whoever rotates again within an overlap adds one. */
export const SECRETS_MAX = 5;
/** For receivers to be told of a new secret, as for keys. */
export const OVERLAP_DEFAULT_MS = 24 * 3_600_000;
export const OVERLAP_MAX_MS = 30 * 24 * 3_600_000;
/** As browsers and proxies take them everywhere. */
export const URL_LENGTH_MAX = 2_048;

/** public: https, at addresses of the public internet alone. any: http and private addresses too. */
export const REACHES = ['public', 'any'] as const;
export type Reach = (typeof REACHES)[number];

/** The section `notices` of the configuration. */
export const NOTICE_SETTINGS = {
  /** Where webhooks may go: unless stated, a tenant must not reach what only the server can reach. */
  reach: setting(oneOf(REACHES), 'public'),
};
export type NoticeSettings = ValuesOf<typeof NOTICE_SETTINGS>;

/** On a budget; of the tenant that stated them, null: of the platform. Notices go to the same one's webhooks. */
export interface Thresholds {
  readonly tenant: string | null;
  /** The ledger's id. */
  readonly budgetId: string;
  /** 1 to 100, ascending. */
  readonly percents: readonly number[];
}

export interface Webhook {
  readonly id: string;
  readonly tenant: string | null;
  readonly url: string;
  readonly createdAt: number;
  /** Until when a secret before the last rotation signs too; null: none does. */
  readonly overlapUntil: number | null;
}

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** A notice on its way to one webhook. */
export interface Delivery {
  readonly webhookId: string;
  readonly url: string;
  readonly state: DeliveryState;
  /** Those that failed, since it was last asked for. */
  readonly failedAttempts: number;
  /** Of the last attempt that failed. */
  readonly problem: string | null;
  /** Null unless pending. */
  readonly nextAttemptAt: number | null;
  readonly deliveredAt: number | null;
}

/** What was found, with the figures after the command that reached the threshold. Amounts in steps of `unit`. */
export interface Crossing {
  readonly tenant: string | null;
  readonly budgetId: string;
  readonly values: Labels;
  readonly percent: number;
  readonly unit: string;
  readonly windowStart: number | null;
  readonly windowEnd: number | null;
  readonly granted: bigint;
  readonly spent: bigint;
  readonly held: bigint;
  /** Of the journal's event that reached it; where it was found in an account's figures, of the last one before them. */
  readonly sequence: number;
  readonly eventId: string;
  readonly at: number;
}

/** A notice as it is listed. */
export interface Notice
  extends Pick<
    Crossing,
    'tenant' | 'budgetId' | 'values' | 'percent' | 'windowStart' | 'windowEnd' | 'sequence' | 'at'
  > {
  readonly id: string;
  readonly deliveries: readonly Delivery[];
}
