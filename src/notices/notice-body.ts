// A notice as it is sent: a CloudEvents 1.0 event in its JSON format, made once, so that every attempt sends the same bytes.
// Its id is made of what it is about: the same finding has the same id, also after the views were rebuilt.

import { createHash } from 'node:crypto';
import { tenantPrefix } from '../access/tenant-ids.js';
import { labelText } from '../core/labels.js';
import { amountOut, type Scales } from '../kit/amounts.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import type { Crossing } from './notice.js';

export const NOTICE_TYPE = 'bursar.budget.threshold_reached';
/** Of a message that says nothing but that messages arrive. */
const TEST_TYPE = 'bursar.webhook.test';
export const CLOUD_EVENT = 'application/cloudevents+json; charset=utf-8';

/** Of 128 bits. */
export function noticeId(crossing: Crossing): string {
  const { tenant, budgetId, values, windowStart, percent, eventId } = crossing;
  const about = JSON.stringify([tenant, budgetId, labelText(values), windowStart, percent, eventId]);
  return `ntc_${createHash('sha256').update(about).digest('base64url').slice(0, 22)}`;
}

/** A budget's id as those see it to whom a notice goes. */
export function budgetIdFor(tenant: string | null, budgetId: string): string {
  const prefix = tenant === null ? '' : tenantPrefix(tenant);
  return budgetId.startsWith(prefix) ? budgetId.slice(prefix.length) : budgetId;
}

/** Like a notice's, about the webhook that it goes to. `at`: epoch ms. */
export function testBody(id: string, webhookId: string, at: number): string {
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: `/v1/webhooks/${webhookId}`,
    type: TEST_TYPE,
    time: instantOut(at),
    datacontenttype: 'application/json',
    data: { webhookId },
  });
}

export function noticeBody(id: string, crossing: Crossing, scales: Scales): string {
  const { tenant, values, percent, unit, granted, spent, held, sequence, eventId, at } = crossing;
  const budgetId = budgetIdFor(tenant, crossing.budgetId);
  const amount = (steps: bigint) => amountOut(steps, unit, scales);
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: `/v1/budgets/${encodeURIComponent(budgetId)}`,
    type: NOTICE_TYPE,
    time: instantOut(at),
    datacontenttype: 'application/json',
    data: {
      percent,
      budgetId,
      values,
      unit,
      window: {
        start: instantOutOrNull(crossing.windowStart),
        end: instantOutOrNull(crossing.windowEnd),
      },
      granted: amount(granted),
      spent: amount(spent),
      held: amount(held),
      remaining: amount(granted - spent - held),
      sequence,
      eventId,
    },
  });
}
