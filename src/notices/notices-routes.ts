// The routes of notices, their thresholds, and the webhooks that they are sent as.

import { Type } from 'typebox';
import { ADMINS, ID_PARAMS, READERS, routes } from '../kit/route.js';
import { CLOSED } from '../kit/schema-parts.js';
import {
  NoticeList,
  NoticeQuery,
  NoticeView,
  RotateWebhookRequest,
  ThresholdsList,
  ThresholdsRequest,
  ThresholdsView,
  WebhookCreated,
  WebhookList,
  WebhookRequest,
  WebhookTested,
} from './notices-schema.js';

const Nothing = Type.Object({}, CLOSED);

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
