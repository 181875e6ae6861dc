// Notices, thresholds and webhooks: one method for each route. Put together by client.ts.

import type { Answer, Body } from './calls.js';
import { List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

export class Notices extends List<'listNotices'> {
  constructor(transport: Transport) {
    super(transport, 'listNotices');
  }

  /**
   * Sends a notice again, to every webhook that there is now.
   * @example await client.notices.redeliver(notice.id);
   */
  redeliver(noticeId: string, options?: CallOptions): Promise<Answer<'redeliverNotice'>> {
    return this.transport.call('redeliverNotice', { params: { id: noticeId } }, options);
  }

  /**
   * The thresholds of every budget that has some.
   * @example for (const { budgetId, percents } of await client.notices.thresholds()) console.log(budgetId, percents);
   */
  async thresholds(options?: CallOptions): Promise<Answer<'listThresholds'>['items']> {
    return (await this.transport.call('listThresholds', {}, options)).items;
  }

  /**
   * Shares of what is granted, 1 to 100 percent, instead of those before; none: no notices any more.
   * @example await client.notices.putThresholds('tenant-month', [50, 80, 100]);
   */
  putThresholds(
    budgetId: string,
    percents: readonly number[],
    options?: CallOptions,
  ): Promise<Answer<'putThresholds'>> {
    const body = { budgetId, percents: [...percents] };
    return this.transport.call('putThresholds', { body }, options);
  }
}

export class Webhooks {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * The secret is in this one answer and nowhere else, so the call is never sent twice.
   * @example const { id, secret } = await client.webhooks.create({ url: 'https://example.com/bursar' });
   */
  create(request: Body<'createWebhook'>, options?: CallOptions): Promise<Answer<'createWebhook'>> {
    return this.#transport.call('createWebhook', { body: request }, options);
  }

  /**
   * A new secret, shown once; those before sign too for `overlapMs`, a day unless stated. Never sent twice.
   * @example const { secret } = await client.webhooks.rotate(id, { overlapMs: 3_600_000 });
   */
  rotate(
    webhookId: string,
    request: Body<'rotateWebhook'> = {},
    options?: CallOptions,
  ): Promise<Answer<'rotateWebhook'>> {
    return this.#transport.call('rotateWebhook', { params: { id: webhookId }, body: request }, options);
  }

  /**
   * Sends a test message, signed like the others, once and now.
   * @example const { delivered, problem } = await client.webhooks.test(id);
   */
  test(webhookId: string, options?: CallOptions): Promise<Answer<'testWebhook'>> {
    return this.#transport.call('testWebhook', { params: { id: webhookId } }, options);
  }

  /**
   * All webhooks.
   * @example for (const { url } of await client.webhooks.list()) console.log(url);
   */
  async list(options?: CallOptions): Promise<Answer<'listWebhooks'>['items']> {
    return (await this.#transport.call('listWebhooks', {}, options)).items;
  }

  /**
   * Deletes a webhook, with what is on its way to it.
   * @example await client.webhooks.delete(id);
   */
  async delete(webhookId: string, options?: CallOptions): Promise<void> {
    await this.#transport.call('deleteWebhook', { params: { id: webhookId } }, options);
  }
}
