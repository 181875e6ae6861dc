// Notices as their users have them: over HTTP, by the client and on the command line, with a real receiver.

import { expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { HttpStage } from '../http/http-setup.js';
import { runInProcess } from '../setup/server-in-process.js';
import { Receiver } from './notices-setup.js';

test('notices over HTTP: thresholds, a webhook, a notice that comes over a restart, and sending it again', async () => {
  const stage = await HttpStage.open();
  const key = stage.keys.acme;
  const receiver = await Receiver.start();
  const created = await stage.post('/v1/webhooks', { url: receiver.url }, { key });
  expect([created.status, created.body.secret]).toEqual([
    201,
    expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
  ]);
  receiver.secret = created.body.secret;
  const listed = await stage.get('/v1/webhooks', key);
  expect(listed.body.items).toEqual([
    { id: created.body.id, url: receiver.url, createdAt: expect.any(String), overlapUntil: null },
  ]);
  expect(stage.log.join('')).not.toContain(receiver.secret);
  const stated = await stage.post(
    '/v1/notices/thresholds',
    { budgetId: 'each', percents: [80, 50] },
    { key },
  );
  expect(stated.body).toEqual({ budgetId: 'each', percents: [50, 80] });
  await receiver.stop();
  await stage.post('/v1/spend', { amounts: { usd: '60' } }, { key });
  const listOf = async (reader: string) => (await stage.get('/v1/notices', reader)).body.items;
  while ((await listOf(key))[0]?.deliveries[0].failedAttempts !== 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await listOf(key))[0]).toMatchObject({
    ...{ tenant: 'acme', budgetId: 'each', percent: 50, values: { tenant: 'acme' } },
    deliveries: [{ state: 'pending', webhookId: created.body.id, nextAttemptAt: expect.any(String) }],
  });
  await receiver.start();
  await stage.restart();
  while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const [{ id }] = await listOf(key);
  expect(receiver.received[0]).toMatchObject({
    id,
    event: { data: { spent: '60', granted: '100', unit: 'usd' } },
  });
  const again = await stage.post(`/v1/notices/${id}/redeliver`, {}, { key });
  expect(again.body.deliveries[0].state).toBe('pending');
  while (receiver.received.length === 1) await new Promise((resolve) => setTimeout(resolve, 20));
  // Another tenant has none of it.
  expect(await listOf(stage.keys.other)).toEqual([]);
  expect(
    (await stage.ask('DELETE', `/v1/webhooks/${created.body.id}`, { key: stage.keys.other })).status,
  ).toBe(404);
  expect((await stage.post(`/v1/notices/${id}/redeliver`, {}, { key: stage.keys.other })).status).toBe(404);
  expect((await stage.ask('DELETE', `/v1/webhooks/${created.body.id}`, { key })).status).toBe(200);
  const spender = await stage.key({ labels: { tenant: 'acme' } });
  expect((await stage.post('/v1/webhooks', { url: receiver.url }, { key: spender })).status).toBe(403);
});

test('webhooks over HTTP: a test message, and a rotation with an overlap; another tenant has neither', async () => {
  const stage = await HttpStage.open();
  const key = stage.keys.acme;
  const receiver = await Receiver.start();
  const { body: created } = await stage.post('/v1/webhooks', { url: receiver.url }, { key });
  receiver.secret = created.secret;
  const tested = await stage.post(`/v1/webhooks/${created.id}/test`, {}, { key });
  expect([tested.status, tested.body]).toEqual([200, { delivered: true, problem: null }]);
  expect(receiver.received[0].event).toMatchObject({
    ...{ id: receiver.received[0].id, specversion: '1.0', type: 'bursar.webhook.test' },
    data: { webhookId: created.id },
  });
  receiver.answers.push(410, { delay: 300, status: 204 });
  const refused = await stage.post(`/v1/webhooks/${created.id}/test`, {}, { key });
  expect(refused.body).toEqual({ delivered: false, problem: 'answered 410' });
  const both = await Promise.all(
    [1, 2].map(() => stage.post(`/v1/webhooks/${created.id}/test`, {}, { key })),
  );
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
  // Nothing of it is a notice.
  expect((await stage.get('/v1/notices', key)).body.items).toEqual([]);
  const rotated = await stage.post(`/v1/webhooks/${created.id}/rotate`, { overlapMs: 60_000 }, { key });
  expect(rotated.body).toMatchObject({ id: created.id, url: receiver.url, overlapUntil: expect.any(String) });
  expect([rotated.status, rotated.body.secret === created.secret]).toEqual([200, false]);
  for (const secret of [created.secret, rotated.body.secret]) {
    receiver.secret = secret;
    expect((await stage.post(`/v1/webhooks/${created.id}/test`, {}, { key })).body.delivered).toBe(true);
  }
  stage.clock.at += 60_000;
  await stage.post(`/v1/webhooks/${created.id}/test`, {}, { key });
  expect(receiver.signatures.map((text) => text.split(' ').length)).toEqual([1, 1, 1, 2, 2, 1]);
  for (const overlapMs of [-1, 2_592_000_001, 0.5, '1'])
    expect((await stage.post(`/v1/webhooks/${created.id}/rotate`, { overlapMs }, { key })).status).toBe(400);
  for (const what of ['test', 'rotate'])
    expect(
      (await stage.post(`/v1/webhooks/${created.id}/${what}`, {}, { key: stage.keys.other })).status,
    ).toBe(404);
});

test('notices by the client and on the command line: stated, listed, sent again and deleted', async () => {
  const stage = await HttpStage.open();
  const key = stage.keys.acme;
  const client = new BursarClient({ baseUrl: stage.url, apiKey: key, maxRetries: 0 });
  const cli = async (line: string) => (await runInProcess(line, { url: stage.url, key })).stdout;
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
  expect(await cli(`webhooks test ${id}`)).toContain('delivered');
  const rotated = await cli(`webhooks rotate ${id} --overlap 1h --json`);
  receiver.secret = JSON.parse(rotated).secret;
  expect(await client.webhooks.test(id)).toEqual({ delivered: true, problem: null });
  receiver.secret = (await client.webhooks.rotate(id, { overlapMs: 0 })).secret;
  receiver.answers.push(500);
  expect(await cli(`webhooks test ${id}`)).toContain('not delivered: answered 500');
  expect(await cli(`webhooks delete ${id}`)).toContain('deleted');
  expect(await client.webhooks.list()).toEqual([]);
  expect(await cli('notices thresholds each')).toContain('no thresholds');
});
