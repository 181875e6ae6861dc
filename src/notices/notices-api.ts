// Notices, thresholds and webhooks over HTTP: their schemas, their routes, and what they are on the wire.

import { type Static, Type } from 'typebox';
import type { Caller } from '../kit/caller.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { ADMINS, ID_PARAMS, READERS, routes } from '../kit/route.js';
import {
  CLOSED,
  Id,
  InstantOut,
  LabelsOut,
  listOf,
  Nothing,
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

export const NOTICE_ROUTES = routes({
  listNotices: {
    method: 'GET',
    path: '/v1/notices',
    tag: 'notices',
    summary: 'Notices, the newest first, and what became of each at every webhook',
    scopes: READERS,
    query: NoticeQuery,
    answers: { 200: NoticeList },
  },
  redeliverNotice: {
    method: 'POST',
    path: '/v1/notices/:id/redeliver',
    tag: 'notices',
    summary: 'Send a notice again, to every webhook there is now',
    scopes: ADMINS,
    params: ID_PARAMS,
    body: Nothing,
    answers: { 200: NoticeView },
  },
  listThresholds: {
    method: 'GET',
    path: '/v1/notices/thresholds',
    tag: 'notices',
    summary: 'Thresholds that the caller’s tenant, or the platform, has stated',
    scopes: READERS,
    answers: { 200: ThresholdsList },
  },
  putThresholds: {
    method: 'POST',
    path: '/v1/notices/thresholds',
    tag: 'notices',
    summary: 'State the thresholds of a budget, instead of those before',
    scopes: ADMINS,
    body: ThresholdsRequest,
    answers: { 200: ThresholdsView },
  },
  createWebhook: {
    method: 'POST',
    path: '/v1/webhooks',
    tag: 'notices',
    summary: 'A webhook that is sent all notices from now on; its secret is shown once',
    scopes: ADMINS,
    body: WebhookRequest,
    answers: { 201: WebhookCreated },
  },
  listWebhooks: {
    method: 'GET',
    path: '/v1/webhooks',
    tag: 'notices',
    summary: 'Webhooks of the caller’s tenant, or of the platform',
    scopes: ADMINS,
    answers: { 200: WebhookList },
  },
  rotateWebhook: {
    method: 'POST',
    path: '/v1/webhooks/:id/rotate',
    tag: 'notices',
    summary:
      'Give a webhook a new secret; messages are signed with those before too until the overlap is over',
    scopes: ADMINS,
    params: ID_PARAMS,
    body: RotateWebhookRequest,
    answers: { 200: WebhookCreated },
  },
  testWebhook: {
    method: 'POST',
    path: '/v1/webhooks/:id/test',
    tag: 'notices',
    summary: 'Send a webhook a test message now, signed like the others',
    scopes: ADMINS,
    params: ID_PARAMS,
    body: Nothing,
    answers: { 200: WebhookTested },
  },
  deleteWebhook: {
    method: 'DELETE',
    path: '/v1/webhooks/:id',
    tag: 'notices',
    summary: 'Delete a webhook, with what is on its way to it',
    scopes: ADMINS,
    params: ID_PARAMS,
    answers: { 200: Nothing },
  },
});
