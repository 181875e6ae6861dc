// Notices, their thresholds and webhooks as the wire has them, and between the wire and the service.

import { type Static, Type } from 'typebox';
import type { Caller } from '../kit/caller.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import {
  CLOSED,
  Id,
  InstantOut,
  LabelsOut,
  listOf,
  oneOf,
  orNull,
  PAGE,
  Whole,
  WindowOut,
} from '../kit/schema-parts.js';
import {
  DELIVERY_STATES,
  type Notice,
  OVERLAP_MAX_MS,
  PERCENTS_MAX,
  type Thresholds,
  URL_LENGTH_MAX,
  type Webhook,
} from './notice.js';
import { budgetIdFor } from './notice-body.js';
import type { NewWebhook } from './notices.js';

const Percent = Type.Integer({ minimum: 1, maximum: 100 });

export const ThresholdsRequest = Type.Object(
  {
    budgetId: Id,
    percents: Type.Array(Percent, {
      maxItems: PERCENTS_MAX,
      description: 'Shares of what is granted; none: no notices any more.',
    }),
  },
  CLOSED,
);
export type ThresholdsRequest = Static<typeof ThresholdsRequest>;
export const ThresholdsView = Type.Object({ budgetId: Id, percents: Type.Array(Percent) });
export type ThresholdsView = Static<typeof ThresholdsView>;
export const ThresholdsList = Type.Object({ items: Type.Array(ThresholdsView) });
export type ThresholdsList = Static<typeof ThresholdsList>;

export const WebhookRequest = Type.Object(
  { url: Type.String({ minLength: 1, maxLength: URL_LENGTH_MAX }) },
  CLOSED,
);
export type WebhookRequest = Static<typeof WebhookRequest>;
export const RotateWebhookRequest = Type.Object(
  {
    overlapMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: OVERLAP_MAX_MS,
        description: 'How long the secrets before sign too; a day unless stated, 0 ends them.',
      }),
    ),
  },
  CLOSED,
);
export type RotateWebhookRequest = Static<typeof RotateWebhookRequest>;
export const WebhookView = Type.Object({
  id: Id,
  url: Type.String(),
  createdAt: InstantOut,
  overlapUntil: orNull(InstantOut),
});
export type WebhookView = Static<typeof WebhookView>;
export const WebhookTested = Type.Object({
  delivered: Type.Boolean({ description: 'Whether it was taken: any 2xx within 15 s.' }),
  problem: orNull(Type.String()),
});
export type WebhookTested = Static<typeof WebhookTested>;
export const WebhookCreated = Type.Object({
  ...WebhookView.properties,
  secret: Type.String({ description: 'Signs every message; it is shown here and never again.' }),
});
export type WebhookCreated = Static<typeof WebhookCreated>;
export const WebhookList = Type.Object({ items: Type.Array(WebhookView) });
export type WebhookList = Static<typeof WebhookList>;

export const NoticeQuery = Type.Object(PAGE, CLOSED);
export type NoticeQuery = Static<typeof NoticeQuery>;
const DeliveryView = Type.Object({
  webhookId: Id,
  url: Type.String(),
  state: oneOf(DELIVERY_STATES, '`failed`: given up; it can be asked for again.'),
  failedAttempts: Whole,
  problem: orNull(Type.String()),
  nextAttemptAt: orNull(InstantOut),
  deliveredAt: orNull(InstantOut),
});
export const NoticeView = Type.Object({
  id: Id,
  tenant: orNull(Type.String({ description: 'Null: of the platform.' })),
  budgetId: Id,
  values: LabelsOut,
  percent: Percent,
  window: WindowOut,
  sequence: Whole,
  at: InstantOut,
  deliveries: Type.Array(DeliveryView),
});
export type NoticeView = Static<typeof NoticeView>;
export const NoticeList = listOf(NoticeView);
export type NoticeList = Static<typeof NoticeList>;

export function thresholdsOut({ tenant, budgetId, percents }: Thresholds): ThresholdsView {
  return { budgetId: budgetIdFor(tenant, budgetId), percents: [...percents] };
}

export function webhookOut({ id, url, createdAt, overlapUntil }: Webhook): WebhookView {
  return { id, url, createdAt: instantOut(createdAt), overlapUntil: instantOutOrNull(overlapUntil) };
}

export function webhookCreatedOut({ secret, ...webhook }: NewWebhook): WebhookCreated {
  return { ...webhookOut(webhook), secret };
}

/** The platform sees full ids. */
export function noticeOut(notice: Notice, { tenant: seenBy }: Caller): NoticeView {
  const { id, tenant, budgetId, values, percent, windowStart, windowEnd, sequence, at } = notice;
  return {
    ...{ id, tenant, percent, sequence },
    budgetId: budgetIdFor(seenBy, budgetId),
    values: { ...values },
    window: { start: instantOutOrNull(windowStart), end: instantOutOrNull(windowEnd) },
    at: instantOut(at),
    deliveries: notice.deliveries.map(({ nextAttemptAt, deliveredAt, ...delivery }) => ({
      ...delivery,
      nextAttemptAt: instantOutOrNull(nextAttemptAt),
      deliveredAt: instantOutOrNull(deliveredAt),
    })),
  };
}
