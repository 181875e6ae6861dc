// Notices as their users have them: over HTTP, by the client and on the command line, with a real receiver.

import { expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { House } from './http-setup.js';
import { Receiver } from './notices-setup.js';
import { runInProcess } from './server-in-process.js';

test('notices over HTTP: thresholds, a webhook, a notice that comes over a restart, and sending it again', async () => {
  const house = await House.open();
  const key = house.keys.acme;
  const receiver = await Receiver.start();
  const created = await house.post('/v1/webhooks', { url: receiver.url }, { key });
  expect([created.status, created.body.secret]).toEqual([
    201,
    expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
  ]);
  receiver.secret = created.body.secret;
  const listed = await house.get('/v1/webhooks', key);
  expect(listed.body.items).toEqual([
    { id: created.body.id, url: receiver.url, createdAt: expect.any(String) },
  ]);
  expect(house.log.join('')).not.toContain(receiver.secret);
  const stated = await house.post(
    '/v1/notices/thresholds',
    { budgetId: 'each', percents: [80, 50] },
    { key },
  );
  expect(stated.body).toEqual({ budgetId: 'each', percents: [50, 80] });
  await receiver.stop();
  await house.post('/v1/spend', { amounts: { usd: '60' } }, { key });
  const listOf = async (reader: string) => (await house.get('/v1/notices', reader)).body.items;
  while ((await listOf(key))[0]?.deliveries[0].failedAttempts !== 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await listOf(key))[0]).toMatchObject({
    ...{ tenant: 'acme', budgetId: 'each', percent: 50, values: { tenant: 'acme' } },
    deliveries: [{ state: 'pending', webhookId: created.body.id, nextAttemptAt: expect.any(String) }],
  });
  await house.restart();
  await receiver.start();
  house.clock.at += 60_000;
  while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const [{ id }] = await listOf(key);
  expect(receiver.received[0]).toMatchObject({
    id,
    event: { data: { spent: '60', granted: '100', unit: 'usd' } },
  });
  const again = await house.post(`/v1/notices/${id}/redeliver`, {}, { key });
  expect(again.body.deliveries[0].state).toBe('pending');
  while (receiver.received.length === 1) await new Promise((resolve) => setTimeout(resolve, 20));
  // Another tenant has none of it.
  expect(await listOf(house.keys.other)).toEqual([]);
  expect(
    (await house.ask('DELETE', `/v1/webhooks/${created.body.id}`, { key: house.keys.other })).status,
  ).toBe(404);
  expect((await house.post(`/v1/notices/${id}/redeliver`, {}, { key: house.keys.other })).status).toBe(404);
  expect((await house.ask('DELETE', `/v1/webhooks/${created.body.id}`, { key })).status).toBe(200);
  const spender = house.key({ labels: { tenant: 'acme' } });
  expect((await house.post('/v1/webhooks', { url: receiver.url }, { key: spender })).status).toBe(403);
});

test('notices by the client and on the command line: stated, listed, sent again and deleted', async () => {
  const house = await House.open();
  const key = house.keys.acme;
  const client = new BursarClient({ baseUrl: house.url, apiKey: key, maxRetries: 0 });
  const cli = async (line: string) => (await runInProcess(line, { url: house.url, key })).stdout;
  expect(await cli('notices thresholds each 50 80')).toMatch(/each.*50, 80/);
  expect(await client.notices.thresholds()).toEqual([{ budgetId: 'each', percents: [50, 80] }]);
  const receiver = await Receiver.start();
  const { id, secret } = JSON.parse(await cli(`webhooks create ${receiver.url} --json`));
  receiver.secret = secret;
  await client.spend({ amounts: { usd: '90' } });
  while (receiver.received.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(receiver.percents).toEqual([50, 80]);
  while ((await cli('notices')).includes('pending')) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await cli('notices')).toMatch(/80 %.*delivered[\s\S]*50 %.*delivered/);
  expect(await cli(`notices redeliver ${receiver.ids[0]}`)).toContain('50 %');
  expect(await cli('webhooks')).toContain(receiver.url);
  expect(await cli(`webhooks delete ${id}`)).toContain('deleted');
  expect(await client.webhooks.list()).toEqual([]);
  expect(await cli('notices thresholds each')).toContain('no thresholds');
});
