// Notices, thresholds and webhooks over HTTP.

import type { FastifyInstance } from 'fastify';
import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import { NOTICE_ROUTES } from '../notices/notices-routes.js';
import { noticeOut, thresholdsOut, webhookCreatedOut, webhookOut } from '../notices/notices-schema.js';
import type { Api } from './api.js';
import { serve } from './serve.js';

export function noticeRoutes(app: FastifyInstance, { notices }: Api): void {
  serve(app, 'listNotices', NOTICE_ROUTES.listNotices, ({ caller, query }) => {
    const before = readSequenceCursor(query) || null;
    const page = notices.list(caller, { before, max: limitOf(query) });
    const items = page.notices.map((notice) => noticeOut(notice, caller));
    return { items, nextCursor: page.next === null ? null : cursorOf(page.next) };
  });
  serve(app, 'redeliverNotice', NOTICE_ROUTES.redeliverNotice, ({ caller, params }) =>
    noticeOut(notices.redeliver(caller, params.id), caller),
  );
  serve(app, 'listThresholds', NOTICE_ROUTES.listThresholds, ({ caller }) => ({
    items: notices.listThresholds(caller).map(thresholdsOut),
  }));
  serve(app, 'putThresholds', NOTICE_ROUTES.putThresholds, async ({ caller, body }) =>
    thresholdsOut(await notices.putThresholds(caller, body.budgetId, body.percents)),
  );
  serve(app, 'createWebhook', NOTICE_ROUTES.createWebhook, ({ caller, body }, reply) => {
    reply.code(201);
    return webhookCreatedOut(notices.createWebhook(caller, body.url));
  });
  serve(app, 'listWebhooks', NOTICE_ROUTES.listWebhooks, ({ caller }) => ({
    items: notices.listWebhooks(caller).map(webhookOut),
  }));
  serve(app, 'rotateWebhook', NOTICE_ROUTES.rotateWebhook, ({ caller, params, body }) =>
    webhookCreatedOut(notices.rotateWebhook(caller, params.id, body.overlapMs)),
  );
  serve(app, 'testWebhook', NOTICE_ROUTES.testWebhook, async ({ caller, params }) => {
    const problem = await notices.testWebhook(caller, params.id);
    return { delivered: problem === null, problem };
  });
  serve(app, 'deleteWebhook', NOTICE_ROUTES.deleteWebhook, ({ caller, params }) => {
    notices.removeWebhook(caller, params.id);
    return {};
  });
}
