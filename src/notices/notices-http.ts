// Notices, thresholds and webhooks over HTTP.

import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import type { Notices } from './notices.js';
import { NOTICE_ROUTES, noticeOut, thresholdsOut, webhookCreatedOut, webhookOut } from './notices-api.js';

export function noticeRoutes(host: RouteHost, { notices }: { readonly notices: Notices }): void {
  host.serve('listNotices', NOTICE_ROUTES.listNotices, ({ caller, query }) => {
    const before = readSequenceCursor(query) || null;
    const page = notices.list(caller, { before, max: limitOf(query) });
    const items = page.notices.map((notice) => noticeOut(notice, caller));
    return { items, nextCursor: page.next === null ? null : cursorOf(page.next) };
  });
  host.serve('redeliverNotice', NOTICE_ROUTES.redeliverNotice, async ({ caller, params }) =>
    noticeOut(await notices.redeliver(caller, params.id), caller),
  );
  host.serve('listThresholds', NOTICE_ROUTES.listThresholds, ({ caller }) => ({
    items: notices.listThresholds(caller).map(thresholdsOut),
  }));
  host.serve('putThresholds', NOTICE_ROUTES.putThresholds, async ({ caller, body }) =>
    thresholdsOut(await notices.putThresholds(caller, body.budgetId, body.percents)),
  );
  host.serve('createWebhook', NOTICE_ROUTES.createWebhook, async ({ caller, body }, reply) => {
    const webhook = await notices.createWebhook(caller, body.url);
    reply.code(201);
    return webhookCreatedOut(webhook);
  });
  host.serve('listWebhooks', NOTICE_ROUTES.listWebhooks, ({ caller }) => ({
    items: notices.listWebhooks(caller).map(webhookOut),
  }));
  host.serve('rotateWebhook', NOTICE_ROUTES.rotateWebhook, async ({ caller, params, body }) =>
    webhookCreatedOut(await notices.rotateWebhook(caller, params.id, body.overlapMs)),
  );
  host.serve('testWebhook', NOTICE_ROUTES.testWebhook, async ({ caller, params }) => {
    const problem = await notices.testWebhook(caller, params.id);
    return { delivered: problem === null, problem };
  });
  host.serve('deleteWebhook', NOTICE_ROUTES.deleteWebhook, async ({ caller, params }) => {
    await notices.removeWebhook(caller, params.id);
    return {};
  });
}
