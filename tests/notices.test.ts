// Notices: thresholds found in the journal, once for each window, and sent as signed webhooks: at least once, in order,
// with back-off, and never lost by a restart; over real sockets to a receiver that fails, delays and restarts.

import { describe, expect, test } from 'vitest';
import { SECRETS_MAX } from '#bursar/notices/notice.js';
import { journalRead } from '#bursar/notices/notices-facts.js';
import { ATTEMPTS_MAX, waitAfter } from '#bursar/notices/sender.js';
import { isPublicAddress, webhookUrlProblem } from '#bursar/notices/webhook-address.js';
import { publicLookup } from '#bursar/notices/webhook-connections.js';
import { ACME, OTHER, PLATFORM, refused } from './files-setup.js';
import { Post, Receiver } from './notices-setup.js';
import { callerOf } from './tenancy-setup.js';

const DAY_MS = 86_400_000;

/** A webhook of the platform's to a receiver. */
async function receiving(post: Post, caller = PLATFORM): Promise<Receiver> {
  const receiver = await Receiver.start();
  receiver.secret = (await post.notices.createWebhook(caller, receiver.url)).secret;
  return receiver;
}

describe('thresholds', () => {
  test('thresholds: 50, 80 and 100 % make one notice each, for each account and window', async () => {
    const post = await Post.open();
    await post.notices.putThresholds(PLATFORM, 'each', [100, 50, 80, 50]);
    await post.spend('ann', 499n);
    await post.read();
    expect(post.found(PLATFORM)).toEqual([]);
    await post.spend('ann', 1n);
    await post.spend('ann', 1n);
    await post.spend('ben', 850n);
    await post.spend('ann', 600n);
    await post.spend('ann', 600n);
    await post.read();
    expect(post.found(PLATFORM)).toEqual([
      'each ann 50',
      'each ben 50',
      'each ben 80',
      'each ann 80',
      'each ann 100',
    ]);
    post.clock.at += DAY_MS;
    await post.spend('ann', 500n);
    await post.read();
    expect(post.found(PLATFORM).slice(5)).toEqual(['each ann 50']);
  });

  test('thresholds: every way to spend reaches them, holding does not', async () => {
    const post = await Post.open();
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.hold('held', 900n);
    const settled = await post.hold('settled', 600n);
    await post.ledger.settle({ holdId: settled, amounts: { tokens: 600n } });
    const corrected = await post.hold('corrected', 100n);
    await post.ledger.settle({ holdId: corrected, amounts: { tokens: 100n } });
    await post.ledger.correct({ holdId: corrected, amounts: { tokens: 500n }, reason: 'late bill' });
    await post.hold('expired', 700n, { ttlMs: 1_000, onExpiry: 'charge' });
    post.clock.at += 2_000;
    await post.spend('other', 1n);
    await post.read();
    expect(post.found(PLATFORM).sort()).toEqual(
      ['corrected', 'expired', 'settled'].map((user) => `each ${user} 50`),
    );
  });

  test('thresholds: passed before they are stated → told at once, once, with the figures of now', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    for (const user of Array.from({ length: 300 }, (_, index) => `user-${index}`))
      await post.spend(user, user === 'user-299' ? 600n : 499n);
    await post.spend('cid', 700n, 'other');
    await post.hold('holding', 900n);
    await post.notices.putThresholds(ACME, 'each', [50]);
    await post.sent();
    expect(post.found(PLATFORM)).toEqual(['each user-299 50']);
    await post.notices.putThresholds(PLATFORM, 'each', [50, 70, 80]);
    await post.sent();
    expect(post.found(PLATFORM).slice(1)).toEqual([...['each user-299 50', 'each cid 50', 'each cid 70']]);
    expect(receiver.received[0].event.data).toMatchObject({
      ...{ percent: 50, spent: '600', granted: '1000', values: { tenant: 'acme', user: 'user-299' } },
    });
    const { sequence, eventId } = receiver.received[0].event.data;
    expect([sequence < post.ledger.head().sequence, eventId]).toEqual([true, `evt-${sequence}`]);
    // What happens next, a restart, and stating them again tell nothing twice.
    await post.spend('user-299', 1n);
    await post.restart();
    await post.notices.putThresholds(PLATFORM, 'each', [50, 70]);
    await post.sent();
    expect(post.found(PLATFORM)).toHaveLength(4);
    expect(receiver.received).toHaveLength(3);
  });

  test('thresholds: passed by a limit that is lowered, of an account or of the budget → told at once, once', async () => {
    const post = await Post.open();
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.notices.putThresholds(PLATFORM, 'all', [50]);
    for (const user of ['ann', 'ben', 'own']) await post.spend(user, 100n);
    const values = (user: string) => ({ tenant: 'acme', user });
    const limit = (user: string, steps: bigint) =>
      post.ledger.setBalanceLimit({ budgetId: 'each', values: values(user), limit: steps });
    await limit('ann', 200n);
    await limit('nobody', 1n);
    await limit('own', 5_000n);
    await post.read();
    expect(post.found(PLATFORM)).toEqual(['each ann 50']);
    const each = { id: 'each', match: { tenant: '*', user: '*' }, unit: 'tokens', window: 'day' } as const;
    const all = { id: 'all', match: {}, unit: 'tokens', window: 'lifetime' } as const;
    const lowered = [
      { ...each, limit: 150n },
      { ...all, limit: 600n },
    ];
    await post.ledger.putDefinitions({ budgets: lowered });
    await post.ledger.putDefinitions({ budgets: [{ ...all, limit: 500n }] });
    await post.read();
    expect(post.found(PLATFORM).slice(1)).toEqual(['each ben 50', 'all  50']);
    // Lowered while nobody read: found after the start.
    await post.notices.close();
    await limit('own', 10n);
    await post.restart();
    await post.read();
    expect(post.found(PLATFORM).slice(3)).toEqual(['each own 50']);
    await limit('own', 5n);
    await post.spend('own', 1n);
    await post.read();
    expect(post.found(PLATFORM)).toHaveLength(4);
  });

  test('thresholds: a crash while accounts are looked at → looked at again after the start, nothing twice', async () => {
    const post = await Post.open();
    const users = Array.from({ length: 700 }, (_, index) => `user-${index}`);
    await Promise.all(users.map((user) => post.spend(user, 800n)));
    await post.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    // Some are written, and the looking is cut.
    while (post.found(PLATFORM).length === 0) await new Promise((resolve) => setImmediate(resolve));
    await post.notices.finder.stop();
    expect(post.found(PLATFORM).length).toBeLessThan(1_000);
    await post.restart();
    await post.read();
    const found = post.views.prepare<[], { account: string }>('SELECT account FROM notices').all();
    expect([found.length, new Set(found.map(({ account }) => account)).size]).toEqual([1_400, 700]);
  });

  test('thresholds: stated again and again, by both sides, while accounts are spent and limits lowered → each once', async () => {
    const post = await Post.open();
    const users = Array.from({ length: 12 }, (_, index) => `user-${index}`);
    const percents = [10, 20, 30, 40, 50];
    await Promise.all(
      users.flatMap((user, index) => [
        ...percents.map(() => post.spend(user, 100n)),
        post.notices.putThresholds(PLATFORM, 'each', percents.slice(index % 4)),
        post.notices.putThresholds(ACME, 'each', percents.slice(index % 3)),
        post.notices.putThresholds(PLATFORM, 'all', [1 + index]),
        post.ledger.setBalanceLimit({
          budgetId: 'each',
          values: { tenant: 'acme', user },
          limit: index % 2 === 0 ? 500n : 1_000n,
        }),
      ]),
    );
    await post.notices.putThresholds(PLATFORM, 'each', percents);
    await post.notices.putThresholds(ACME, 'each', percents);
    await post.read();
    const rows = post.views
      .prepare<[], { tenant: string; account: string; percent: number }>(
        "SELECT tenant, account, percent FROM notices WHERE budget_id = 'each'",
      )
      .all();
    const names = rows.map(({ tenant, account, percent }) => `${tenant} ${account} ${percent}`);
    expect([names.length, new Set(names).size]).toEqual([12 * 5 * 2, 12 * 5 * 2]);
    expect(post.faults).toEqual([]);
  });

  test('thresholds: what is without a limit, or was granted nothing, reaches none', async () => {
    const post = await Post.open();
    const match = { tenant: 'acme' };
    await post.ledger.putDefinitions({
      budgets: [
        { id: 'metered', match, unit: 'tokens', limit: null, window: 'day' },
        { id: 'nothing', match, unit: 'tokens', limit: 0n, window: 'day' },
      ],
    });
    for (const id of ['metered', 'nothing', 'all']) await post.notices.putThresholds(PLATFORM, id, [1]);
    await post.spend('ann', 100n);
    await post.read();
    expect(post.found(PLATFORM)).toEqual(['all  1']);
  });

  test('thresholds: of a tenant are on its own figures and told to it alone; those of the platform to the platform', async () => {
    const post = await Post.open();
    const [ofAcme, ofPlatform] = [await receiving(post, ACME), await receiving(post)];
    await post.notices.putThresholds(ACME, 'each', [50]);
    await post.notices.putThresholds(PLATFORM, 'all', [8]);
    expect(await refused(() => post.notices.putThresholds(ACME, 'all', [50]))).toContain('forbidden');
    expect(await refused(() => post.notices.putThresholds(ACME, 'none', [50]))).toContain('not_found');
    expect(await refused(() => post.notices.putThresholds(ACME, 'tenant/acme/none', [50]))).toContain(
      'not_found',
    );
    await post.spend('cid', 700n, 'other');
    await post.spend('ann', 600n);
    await post.sent();
    expect(post.found(ACME)).toEqual(['each ann 50']);
    expect(post.found(OTHER)).toEqual([]);
    expect(post.found(PLATFORM)).toEqual(['each ann 50', 'all  8']);
    expect(ofAcme.received.map(({ event }) => event.data.values)).toEqual([{ tenant: 'acme', user: 'ann' }]);
    expect(ofPlatform.received.map(({ event }) => event.data.budgetId)).toEqual(['all']);
    const [{ id }] = post.notices.list(ACME, { before: null, max: 10 }).notices;
    expect(await refused(() => post.notices.redeliver(OTHER, id))).toContain('not_found');
    const [webhook] = post.notices.listWebhooks(ACME);
    expect(await refused(() => post.notices.removeWebhook(OTHER, webhook.id))).toContain('not_found');
    expect(Object.keys(webhook).sort()).toEqual(['createdAt', 'id', 'overlapUntil', 'tenant', 'url']);
    expect(await refused(() => post.notices.rotateWebhook(OTHER, webhook.id))).toContain('not_found');
    expect(post.notices.listWebhooks(OTHER)).toEqual([]);
    expect(post.notices.listThresholds(ACME).map(({ budgetId }) => budgetId)).toEqual(['each']);
  });

  test('thresholds: stated again they replace those before, without percents there are none, and bounds are named', async () => {
    const post = await Post.open();
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.notices.putThresholds(PLATFORM, 'each', [70]);
    await post.spend('ann', 600n);
    await post.read();
    await post.notices.putThresholds(PLATFORM, 'each', []);
    await post.spend('ann', 600n);
    expect(post.found(PLATFORM)).toEqual([]);
    await post.notices.putThresholds(PLATFORM, 'all', [10]);
    await post.notices.putThresholds(PLATFORM, 'each', [75]);
    await post.spend('ben', 700n);
    await post.read();
    expect(post.found(PLATFORM)).toEqual(['all  10', 'each ann 75']);
    for (const percents of [[0], [101], [1.5], Array.from({ length: 11 }, (_, index) => index + 1)])
      expect(await refused(() => post.notices.putThresholds(PLATFORM, 'each', percents))).toContain(
        'percents',
      );
  });
});

describe('webhooks', () => {
  test('webhook: a CloudEvent with the figures, signed as the reference implementation checks it', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    await post.notices.putThresholds(PLATFORM, 'each', [80]);
    await post.spend('ann', 850n);
    await post.sent();
    const [{ id, event, contentType, timestampMs }] = receiver.received;
    expect(contentType).toContain('application/cloudevents+json');
    expect(Math.abs(timestampMs - post.clock.at)).toBeLessThan(1_000);
    expect(event).toMatchObject({ specversion: '1.0', id, type: 'bursar.budget.threshold_reached' });
    expect(event.data).toMatchObject({
      percent: 80,
      budgetId: 'each',
      values: { tenant: 'acme', user: 'ann' },
      unit: 'tokens',
      ...{ granted: '1000', spent: '850', held: '0', remaining: '150' },
    });
    expect(Date.parse(event.data.window.end) - Date.parse(event.data.window.start)).toBe(DAY_MS);
    const [{ deliveries }] = post.notices.list(PLATFORM, { before: null, max: 1 }).notices;
    expect(deliveries).toMatchObject([{ state: 'delivered', failedAttempts: 0, deliveredAt: post.clock.at }]);
  });

  test('webhook: one that fails is tried again with back-off, and what is behind it waits, in order', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    receiver.answers.push(500, 'hang up', 302);
    await post.notices.putThresholds(PLATFORM, 'each', [50, 80, 100]);
    await post.spend('ann', 1_000n);
    await post.sent();
    expect(receiver.percents).toEqual([50]);
    const first = () => post.notices.list(PLATFORM, { before: null, max: 3 }).notices[2].deliveries[0];
    expect(first()).toMatchObject({ state: 'pending', failedAttempts: 1, problem: 'answered 500' });
    const waits: number[] = [];
    for (const problem of ['', 'answered 302', null]) {
      const due = first().nextAttemptAt as number;
      waits.push(due - post.clock.at);
      post.clock.at = due - 1;
      await post.sent();
      expect(receiver.percents).toHaveLength(waits.length);
      post.clock.at = due;
      await post.sent();
      if (problem !== null) expect(first().problem).toContain(problem);
    }
    expect(receiver.percents).toEqual([50, 50, 50, 50, 80, 100]);
    expect(new Set(receiver.received.slice(0, 4).map(({ id, body }) => id + body)).size).toBe(1);
    // 5 s, 20 s, 80 s, each up to a fifth more or less.
    for (const [index, fullMs] of [5_000, 20_000, 80_000].entries())
      expect(Math.abs(waits[index] - fullMs)).toBeLessThanOrEqual(fullMs / 5);
    expect(first()).toMatchObject({ state: 'delivered', failedAttempts: 3, nextAttemptAt: null });
  });

  test('webhook: a receiver that says when to come again is not asked before, by up to twelve hours', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.spend('ann', 500n);
    const waitOf = async (status: number, retryAfter: string): Promise<number> => {
      const { notices } = post.notices.list(PLATFORM, { before: null, max: 1 });
      post.clock.at = notices[0]?.deliveries[0].nextAttemptAt ?? post.clock.at;
      receiver.answers.push({ status, retryAfter });
      await post.sent();
      const [{ deliveries }] = post.notices.list(PLATFORM, { before: null, max: 1 }).notices;
      return (deliveries[0].nextAttemptAt ?? 0) - post.clock.at;
    };
    const isOwn = (waitMs: number, fullMs: number) => Math.abs(waitMs - fullMs) <= fullMs / 5;
    expect(await waitOf(429, '3600')).toBe(3_600_000);
    const date = new Date(Math.ceil(post.clock.at / 1_000) * 1_000 + 5 * 3_600_000);
    expect(Math.abs((await waitOf(503, date.toUTCString())) - 4 * 3_600_000)).toBeLessThan(2_000);
    expect(await waitOf(503, '999999')).toBe(12 * 3_600_000);
    // Too little, nonsense, or where it means nothing: as always.
    expect(isOwn(await waitOf(429, '1'), 320_000)).toBe(true);
    expect(isOwn(await waitOf(429, '-5'), 1_280_000)).toBe(true);
    expect(isOwn(await waitOf(500, '40000'), 5_120_000)).toBe(true);
    expect(receiver.received).toHaveLength(6);
  });

  test('webhook: a receiver that is away gets everything once it is back, in order, each at least once', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    await post.notices.putThresholds(PLATFORM, 'each', [50, 100]);
    await post.spend('ann', 500n);
    await post.sent();
    await receiver.stop();
    for (const user of ['ben', 'cid', 'dan']) await post.spend(user, 1_000n);
    await post.sent();
    expect(receiver.received).toHaveLength(1);
    await post.restart();
    // The first attempt of the new start fails too.
    await post.notices.sender.idle();
    post.clock.at += 10_000;
    await receiver.start();
    await post.sent();
    expect(receiver.received.map(({ event }) => `${event.data.values.user} ${event.data.percent}`)).toEqual([
      ...['ann 50', 'ben 50', 'ben 100', 'cid 50', 'cid 100', 'dan 50', 'dan 100'],
    ]);
  });

  test('webhook: a slow receiver keeps none of the others waiting', async () => {
    const post = await Post.open();
    const [slow, quick] = [await receiving(post), await receiving(post)];
    slow.answers.push({ delay: 500, status: 204 });
    await post.notices.putThresholds(PLATFORM, 'each', [10, 20, 30]);
    await post.spend('ann', 300n);
    await post.read();
    while (quick.received.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(slow.received).toHaveLength(1);
    await post.notices.sender.idle();
    expect([slow.percents, quick.percents]).toEqual([
      [10, 20, 30],
      [10, 20, 30],
    ]);
  });

  test('webhook: given up after twelve attempts, it is listed so, lets the next one through, and can be asked for again', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    receiver.answers.push(...Array<number>(ATTEMPTS_MAX).fill(503));
    await post.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    await post.spend('ann', 800n);
    const startedAt = post.clock.at;
    await post.sent();
    for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt += 1) {
      post.clock.at += 15 * 3_600_000;
      post.notices.sender.look();
      await post.notices.sender.idle();
    }
    const [second, first] = post.notices.list(PLATFORM, { before: null, max: 2 }).notices;
    expect(first.deliveries).toMatchObject([{ state: 'failed', failedAttempts: 12, nextAttemptAt: null }]);
    expect(second.deliveries).toMatchObject([{ state: 'delivered' }]);
    expect(receiver.percents).toEqual([...Array(12).fill(50), 80]);
    await post.notices.redeliver(PLATFORM, first.id);
    await post.notices.sender.idle();
    expect(receiver.received.at(-1)).toMatchObject({ id: first.id, body: receiver.received[0].body });
    const waits = Array.from({ length: ATTEMPTS_MAX - 1 }, (_, index) => waitAfter(index + 1, 0) ?? 0);
    expect(waits.reduce((sum, wait) => sum + wait) / DAY_MS).toBeGreaterThan(1.8);
    expect(Math.max(...waits)).toBeLessThanOrEqual(12 * 3_600_000 * 1.2);
    expect(post.clock.at).toBeGreaterThan(startedAt);
  });

  test('webhook: while the overlap of a rotation lasts, both secrets sign; afterwards the new one alone', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    const [{ id }] = post.notices.listWebhooks(PLATFORM);
    await post.notices.putThresholds(PLATFORM, 'each', [10, 20, 30, 40, 50]);
    const old = receiver.secret;
    const { secret, overlapUntil } = await post.notices.rotateWebhook(PLATFORM, id, 60_000);
    expect([secret !== old, overlapUntil]).toEqual([true, post.clock.at + 60_000]);
    // The reference takes a message that either has signed; a receiver that has not been told yet goes on.
    await post.spend('ann', 100n);
    await post.sent();
    receiver.secret = secret;
    await post.restart();
    await post.spend('ann', 100n);
    await post.sent();
    expect(receiver.signatures.map((text) => text.split(' ').length)).toEqual([2, 2]);
    post.clock.at += 60_000;
    await post.spend('ann', 100n);
    await post.sent();
    expect(receiver.signatures[2]).toMatch(/^v1,[^ ]+$/);
    expect(post.notices.listWebhooks(PLATFORM)[0].overlapUntil).toBe(null);
    // An answer that was lost: rotated again, the one that the receiver has signs still.
    await post.notices.rotateWebhook(PLATFORM, id);
    const last = await post.notices.rotateWebhook(PLATFORM, id);
    await post.spend('ann', 100n);
    await post.sent();
    expect(receiver.signatures[3].split(' ')).toHaveLength(3);
    // Others have learnt it: nothing before signs any more.
    receiver.secret = (await post.notices.rotateWebhook(PLATFORM, id, 0)).secret;
    expect(receiver.secret).not.toBe(last.secret);
    await post.spend('ann', 100n);
    await post.sent();
    expect(receiver.signatures[4].split(' ')).toHaveLength(1);
    expect([receiver.percents, post.faults]).toEqual([[10, 20, 30, 40, 50], []]);
    for (let more = 1; more < SECRETS_MAX; more += 1) await post.notices.rotateWebhook(PLATFORM, id);
    expect(await refused(() => post.notices.rotateWebhook(PLATFORM, id))).toContain(`${SECRETS_MAX} secrets`);
    expect(await refused(() => post.notices.rotateWebhook(PLATFORM, id, -1))).toContain('overlapMs: -1');
  });

  test('webhook: rotated while a message is on its way → what follows is signed with what is good then', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    receiver.answers.push({ delay: 300, status: 204 });
    await post.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    await post.spend('ann', 800n);
    await post.read();
    while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const [{ id }] = post.notices.listWebhooks(PLATFORM);
    receiver.secret = (await post.notices.rotateWebhook(PLATFORM, id, 0)).secret;
    await post.notices.sender.idle();
    expect(receiver.percents).toEqual([50, 80]);
  });

  test('webhook: one that is deleted takes along what was on its way to it; one that is new gets what comes then', async () => {
    const post = await Post.open();
    const old = await receiving(post);
    await old.stop();
    await post.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    await post.spend('ann', 500n);
    await post.sent();
    await post.notices.removeWebhook(PLATFORM, post.notices.listWebhooks(PLATFORM)[0].id);
    const next = await receiving(post);
    await post.spend('ann', 300n);
    await post.sent();
    expect(next.percents).toEqual([80]);
    expect(
      post.notices
        .list(PLATFORM, { before: null, max: 9 })
        .notices.map(({ deliveries }) => deliveries.length),
    ).toEqual([1, 0]);
  });
});

describe('restart', () => {
  test('restart: again and again while budgets are spent → every notice is found once, and comes at least once, in order', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    await post.notices.putThresholds(PLATFORM, 'each', [50, 100]);
    const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
    for (const [index, user] of users.entries()) {
      if (index % 5 === 0) receiver.answers.push({ delay: 15, status: 204 });
      if (index % 7 === 0) receiver.answers.push('hang up');
      await post.spend(user, 500n);
      if (index % 4 === 3) await post.restart();
      await post.spend(user, 600n);
      post.clock.at += 10_000;
    }
    for (let round = 0; round < 10; round += 1) {
      await post.sent();
      post.clock.at += 600_000;
    }
    const wanted = users.flatMap((user) => [`each ${user} 50`, `each ${user} 100`]);
    expect(post.found(PLATFORM)).toEqual(wanted);
    const { notices } = post.notices.list(PLATFORM, { before: null, max: 1_000 });
    expect(receiver.ids).toEqual(notices.map(({ id }) => id).reverse());
    expect(post.faults).toEqual([]);
  });

  test('restart: what was spent while nobody read is found afterwards; read again from the beginning, nothing is found twice', async () => {
    const post = await Post.open();
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.notices.close();
    await post.spend('ann', 500n);
    await post.restart();
    await post.read();
    expect(post.found(PLATFORM)).toEqual(['each ann 50']);
    await post.notices.close();
    await post.ledger.run({ command: 'record_facts' }, { facts: [journalRead(0)] });
    await post.restart();
    await post.read();
    expect(post.found(PLATFORM)).toEqual(['each ann 50']);
  });

  test('restart: an attempt that is cut by it counts for nothing, and is made again', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    receiver.answers.push({ delay: 5_000, status: 204 });
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.spend('ann', 500n);
    while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await post.restart();
    await post.sent();
    const [{ deliveries }] = post.notices.list(PLATFORM, { before: null, max: 1 }).notices;
    expect([receiver.received.length, deliveries]).toMatchObject([
      2,
      [{ state: 'delivered', failedAttempts: 0 }],
    ]);
  });

  test('retention: notices are kept for 90 days after their window, and those on their way for longer', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.notices.putThresholds(PLATFORM, 'all', [1]);
    await post.spend('ann', 500n);
    await post.sent();
    await receiver.stop();
    await post.spend('ben', 500n);
    await post.sent();
    post.clock.at += 92 * DAY_MS;
    await post.spend('cid', 500n);
    await post.read();
    expect(post.found(PLATFORM)).toEqual(['all  1', 'each ben 50', 'each cid 50']);
  });
});

describe('addresses', () => {
  test.each([
    ['https://example.com/hook', null],
    ['https://example.com:8443/hook?key=1', null],
    ['https://93.184.215.14/', null],
    ['https://[2606:4700::1111]/', null],
    ['http://example.com/', 'not https'],
    ['https://127.0.0.1/', 'private'],
    ['https://2130706433/', 'private'],
    ['https://0x7f.1/', 'private'],
    ['https://10.1.2.3/', 'private'],
    ['https://169.254.169.254/latest/meta-data', 'private'],
    ['https://192.168.0.1/', 'private'],
    ['https://[::1]/', 'private'],
    ['https://[::ffff:127.0.0.1]/', 'private'],
    ['https://[fd00::1]/', 'private'],
    ['https://[64:ff9b::7f00:1]/', 'private'],
    ['https://localhost/', 'private'],
    ['https://metadata.google.internal/', 'private'],
    ['https://user:pass@example.com/', 'credentials'],
    ['https://example.com/#x', 'fragment'],
    ['ftp://example.com/', 'ftp:'],
    ['example.com', 'no URL'],
    ['https://exa\nmple.com/', 'no URL'],
    [`https://example.com/${'x'.repeat(2_100)}`, 'characters'],
  ])('address: %s → %s', (url, problem) => {
    expect(webhookUrlProblem(url, 'public') ?? 'none').toContain(problem ?? 'none');
  });

  test('address: names are checked by what they lead to when a connection is made', async () => {
    const found = await new Promise((resolve) =>
      publicLookup('localhost', {}, (error) => resolve(error?.message)),
    );
    expect(found).toBe('the name leads to a private address');
    expect(isPublicAddress('8.8.8.8')).toBe(true);
    expect(isPublicAddress('not an address')).toBe(false);
  });

  test('address: when private ones are no longer allowed, a webhook that has one is not called any more', async () => {
    const post = await Post.open();
    const receiver = await receiving(post);
    post.settings = { reach: 'public' };
    await post.notices.putThresholds(PLATFORM, 'each', [50]);
    await post.spend('ann', 500n);
    await post.sent();
    expect(receiver.received).toEqual([]);
    const [{ deliveries }] = post.notices.list(PLATFORM, { before: null, max: 1 }).notices;
    expect(deliveries[0].problem).toBe('the URL is not https');
    expect(
      await refused(() => post.notices.createWebhook(callerOf('acme', 'tenant_admin'), receiver.url)),
    ).toBe('invalid_request: url: is not https');
  });
});
