// Notices, thresholds and webhooks: one method for each route. Put together by client.ts.

import type {
  NoticeList,
  NoticeQuery,
  NoticeView,
  RotateWebhookRequest,
  ThresholdsList,
  ThresholdsView,
  WebhookCreated,
  WebhookList,
  WebhookRequest,
  WebhookTested,
  WebhookView,
} from '../notices/notices-api.js';
import { List } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

export class Notices extends List<NoticeQuery, NoticeView, NoticeList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/notices');
    this.#transport = transport;
  }

  /** Sends a notice again, to every webhook there is now. */
  redeliver(noticeId: string, options?: CallOptions): Promise<NoticeView> {
    const to = path`/v1/notices/${noticeId}/redeliver`;
    return this.#transport.command({ method: 'POST', path: to, body: {}, options });
  }

  async thresholds(options?: CallOptions): Promise<readonly ThresholdsView[]> {
    return (await this.#transport.read<ThresholdsList>('/v1/notices/thresholds', options)).items;
  }

  /** Shares of what is granted, 1 to 100 percent, instead of those before; none: no notices any more. */
  putThresholds(
    budgetId: string,
    percents: readonly number[],
    options?: CallOptions,
  ): Promise<ThresholdsView> {
    const body = { budgetId, percents };
    return this.#transport.command({ method: 'POST', path: '/v1/notices/thresholds', body, options });
  }
}

export class Webhooks {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The secret is in this one answer and nowhere else, so the call is never sent twice. */
  create(request: WebhookRequest, options?: CallOptions): Promise<WebhookCreated> {
    return this.#transport.json({
      method: 'POST',
      path: '/v1/webhooks',
      body: request,
      repeat: 'once',
      options,
    });
  }

  /** A new secret, shown once; those before sign too for `overlapMs`, a day unless stated. Never sent twice. */
  rotate(
    webhookId: string,
    request: RotateWebhookRequest = {},
    options?: CallOptions,
  ): Promise<WebhookCreated> {
    const to = path`/v1/webhooks/${webhookId}/rotate`;
    return this.#transport.json({ method: 'POST', path: to, body: request, repeat: 'once', options });
  }

  /** Sends a message that says nothing, signed like the others, once and now. */
  test(webhookId: string, options?: CallOptions): Promise<WebhookTested> {
    const to = path`/v1/webhooks/${webhookId}/test`;
    return this.#transport.json({ method: 'POST', path: to, body: {}, repeat: 'once', options });
  }

  async list(options?: CallOptions): Promise<readonly WebhookView[]> {
    return (await this.#transport.read<WebhookList>('/v1/webhooks', options)).items;
  }

  /** With what is on its way to it. */
  async delete(webhookId: string, options?: CallOptions): Promise<void> {
    const to = path`/v1/webhooks/${webhookId}`;
    await this.#transport.json({ method: 'DELETE', path: to, repeat: 'once', options });
  }
}
