// Notices: thresholds found in the journal, once for each window, and sent as signed webhooks: at least once, in order,
// with back-off, and never lost by a restart; over real sockets to a receiver that fails, delays and restarts.

import { describe, expect, test } from 'vitest';
import { SECRETS_MAX } from '#bursar/notices/notice.js';
import { journalRead } from '#bursar/notices/notices-facts.js';
import { ATTEMPTS_MAX, waitAfter } from '#bursar/notices/sender.js';
import { isPublicAddress, webhookUrlProblem } from '#bursar/notices/webhook-address.js';
import { publicLookup } from '#bursar/notices/webhook-connections.js';
import { callerOf } from '../access/tenancy-setup.js';
import { ACME, OTHER, PLATFORM, refused } from '../setup/files-setup.js';
import { NoticesStage, Receiver } from './notices-setup.js';

const DAY_MS = 86_400_000;

/** A webhook of the platform's to a receiver. */
async function receiving(stage: NoticesStage, caller = PLATFORM): Promise<Receiver> {
  const receiver = await Receiver.start();
  receiver.secret = (await stage.notices.createWebhook(caller, receiver.url)).secret;
  return receiver;
}

describe('thresholds', () => {
  test('thresholds: 50, 80 and 100 % make one notice each, for each account and window', async () => {
    const stage = await NoticesStage.open();
    await stage.notices.putThresholds(PLATFORM, 'each', [100, 50, 80, 50]);
    await stage.spend('ann', 499n);
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual([]);
    await stage.spend('ann', 1n);
    await stage.spend('ann', 1n);
    await stage.spend('ben', 850n);
    await stage.spend('ann', 600n);
    await stage.spend('ann', 600n);
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual([
      'each ann 50',
      'each ben 50',
      'each ben 80',
      'each ann 80',
      'each ann 100',
    ]);
    stage.clock.at += DAY_MS;
    await stage.spend('ann', 500n);
    await stage.read();
    expect(stage.found(PLATFORM).slice(5)).toEqual(['each ann 50']);
  });

  test('thresholds: every way to spend reaches them, holding does not', async () => {
    const stage = await NoticesStage.open();
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.hold('held', 900n);
    const settled = await stage.hold('settled', 600n);
    await stage.ledger.settle({ holdId: settled, amounts: { tokens: 600n } });
    const corrected = await stage.hold('corrected', 100n);
    await stage.ledger.settle({ holdId: corrected, amounts: { tokens: 100n } });
    await stage.ledger.correct({ holdId: corrected, amounts: { tokens: 500n }, reason: 'late bill' });
    await stage.hold('expired', 700n, { ttlMs: 1_000, onExpiry: 'charge' });
    stage.clock.at += 2_000;
    await stage.spend('other', 1n);
    await stage.read();
    expect(stage.found(PLATFORM).sort()).toEqual(
      ['corrected', 'expired', 'settled'].map((user) => `each ${user} 50`),
    );
  });

  test('thresholds: passed before they are stated → told at once, once, with the figures of now', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    for (const user of Array.from({ length: 300 }, (_, index) => `user-${index}`))
      await stage.spend(user, user === 'user-299' ? 600n : 499n);
    await stage.spend('cid', 700n, 'other');
    await stage.hold('holding', 900n);
    await stage.notices.putThresholds(ACME, 'each', [50]);
    await stage.sent();
    expect(stage.found(PLATFORM)).toEqual(['each user-299 50']);
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 70, 80]);
    await stage.sent();
    expect(stage.found(PLATFORM).slice(1)).toEqual([...['each user-299 50', 'each cid 50', 'each cid 70']]);
    expect(receiver.received[0].event.data).toMatchObject({
      ...{ percent: 50, spent: '600', granted: '1000', values: { tenant: 'acme', user: 'user-299' } },
    });
    const { sequence, eventId } = receiver.received[0].event.data;
    expect([sequence < stage.ledger.head().sequence, eventId]).toEqual([true, `evt-${sequence}`]);
    // What happens next, a restart, and stating them again tell nothing twice.
    await stage.spend('user-299', 1n);
    await stage.restart();
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 70]);
    await stage.sent();
    expect(stage.found(PLATFORM)).toHaveLength(4);
    expect(receiver.received).toHaveLength(3);
  });

  test('thresholds: passed by a limit that is lowered, of an account or of the budget → told at once, once', async () => {
    const stage = await NoticesStage.open();
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.notices.putThresholds(PLATFORM, 'all', [50]);
    for (const user of ['ann', 'ben', 'own']) await stage.spend(user, 100n);
    const values = (user: string) => ({ tenant: 'acme', user });
    const limit = (user: string, steps: bigint) =>
      stage.ledger.setBalanceLimit({ budgetId: 'each', values: values(user), limit: steps });
    await limit('ann', 200n);
    await limit('nobody', 1n);
    await limit('own', 5_000n);
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual(['each ann 50']);
    const each = { id: 'each', match: { tenant: '*', user: '*' }, unit: 'tokens', window: 'day' } as const;
    const all = { id: 'all', match: {}, unit: 'tokens', window: 'lifetime' } as const;
    const lowered = [
      { ...each, limit: 150n },
      { ...all, limit: 600n },
    ];
    await stage.ledger.putDefinitions({ budgets: lowered });
    await stage.ledger.putDefinitions({ budgets: [{ ...all, limit: 500n }] });
    await stage.read();
    expect(stage.found(PLATFORM).slice(1)).toEqual(['each ben 50', 'all  50']);
    // Lowered while nobody read: found after the start.
    await stage.notices.close();
    await limit('own', 10n);
    await stage.restart();
    await stage.read();
    expect(stage.found(PLATFORM).slice(3)).toEqual(['each own 50']);
    await limit('own', 5n);
    await stage.spend('own', 1n);
    await stage.read();
    expect(stage.found(PLATFORM)).toHaveLength(4);
  });

  test('thresholds: a crash while accounts are looked at → looked at again after the start, nothing twice', async () => {
    const stage = await NoticesStage.open();
    const users = Array.from({ length: 700 }, (_, index) => `user-${index}`);
    await Promise.all(users.map((user) => stage.spend(user, 800n)));
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    // Some are written, and the looking is cut.
    while (stage.found(PLATFORM).length === 0) await new Promise((resolve) => setImmediate(resolve));
    await stage.notices.finder.stop();
    expect(stage.found(PLATFORM).length).toBeLessThan(1_000);
    await stage.restart();
    await stage.read();
    const found = stage.views.prepare<[], { account: string }>('SELECT account FROM notices').all();
    expect([found.length, new Set(found.map(({ account }) => account)).size]).toEqual([1_400, 700]);
  });

  test('thresholds: stated again and again, by both sides, while accounts are spent and limits lowered → each once', async () => {
    const stage = await NoticesStage.open();
    const users = Array.from({ length: 12 }, (_, index) => `user-${index}`);
    const percents = [10, 20, 30, 40, 50];
    await Promise.all(
      users.flatMap((user, index) => [
        ...percents.map(() => stage.spend(user, 100n)),
        stage.notices.putThresholds(PLATFORM, 'each', percents.slice(index % 4)),
        stage.notices.putThresholds(ACME, 'each', percents.slice(index % 3)),
        stage.notices.putThresholds(PLATFORM, 'all', [1 + index]),
        stage.ledger.setBalanceLimit({
          budgetId: 'each',
          values: { tenant: 'acme', user },
          limit: index % 2 === 0 ? 500n : 1_000n,
        }),
      ]),
    );
    await stage.notices.putThresholds(PLATFORM, 'each', percents);
    await stage.notices.putThresholds(ACME, 'each', percents);
    await stage.read();
    const rows = stage.views
      .prepare<[], { tenant: string; account: string; percent: number }>(
        "SELECT tenant, account, percent FROM notices WHERE budget_id = 'each'",
      )
      .all();
    const names = rows.map(({ tenant, account, percent }) => `${tenant} ${account} ${percent}`);
    expect([names.length, new Set(names).size]).toEqual([12 * 5 * 2, 12 * 5 * 2]);
    expect(stage.faults).toEqual([]);
  });

  test('thresholds: what is without a limit, or was granted nothing, reaches none', async () => {
    const stage = await NoticesStage.open();
    const match = { tenant: 'acme' };
    await stage.ledger.putDefinitions({
      budgets: [
        { id: 'metered', match, unit: 'tokens', limit: null, window: 'day' },
        { id: 'nothing', match, unit: 'tokens', limit: 0n, window: 'day' },
      ],
    });
    for (const id of ['metered', 'nothing', 'all']) await stage.notices.putThresholds(PLATFORM, id, [1]);
    await stage.spend('ann', 100n);
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual(['all  1']);
  });

  test('thresholds: of a tenant are on its own figures and told to it alone; those of the platform to the platform', async () => {
    const stage = await NoticesStage.open();
    const [ofAcme, ofPlatform] = [await receiving(stage, ACME), await receiving(stage)];
    await stage.notices.putThresholds(ACME, 'each', [50]);
    await stage.notices.putThresholds(PLATFORM, 'all', [8]);
    expect(await refused(() => stage.notices.putThresholds(ACME, 'all', [50]))).toContain('forbidden');
    expect(await refused(() => stage.notices.putThresholds(ACME, 'none', [50]))).toContain('not_found');
    expect(await refused(() => stage.notices.putThresholds(ACME, 'tenant/acme/none', [50]))).toContain(
      'not_found',
    );
    await stage.spend('cid', 700n, 'other');
    await stage.spend('ann', 600n);
    await stage.sent();
    expect(stage.found(ACME)).toEqual(['each ann 50']);
    expect(stage.found(OTHER)).toEqual([]);
    expect(stage.found(PLATFORM)).toEqual(['each ann 50', 'all  8']);
    expect(ofAcme.received.map(({ event }) => event.data.values)).toEqual([{ tenant: 'acme', user: 'ann' }]);
    expect(ofPlatform.received.map(({ event }) => event.data.budgetId)).toEqual(['all']);
    const [{ id }] = stage.notices.list(ACME, { before: null, max: 10 }).notices;
    expect(await refused(() => stage.notices.redeliver(OTHER, id))).toContain('not_found');
    const [webhook] = stage.notices.listWebhooks(ACME);
    expect(await refused(() => stage.notices.removeWebhook(OTHER, webhook.id))).toContain('not_found');
    expect(Object.keys(webhook).sort()).toEqual(['createdAt', 'id', 'overlapUntil', 'tenant', 'url']);
    expect(await refused(() => stage.notices.rotateWebhook(OTHER, webhook.id))).toContain('not_found');
    expect(stage.notices.listWebhooks(OTHER)).toEqual([]);
    expect(stage.notices.listThresholds(ACME).map(({ budgetId }) => budgetId)).toEqual(['each']);
  });

  test('thresholds: stated again they replace those before, without percents there are none, and bounds are named', async () => {
    const stage = await NoticesStage.open();
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.notices.putThresholds(PLATFORM, 'each', [70]);
    await stage.spend('ann', 600n);
    await stage.read();
    await stage.notices.putThresholds(PLATFORM, 'each', []);
    await stage.spend('ann', 600n);
    expect(stage.found(PLATFORM)).toEqual([]);
    await stage.notices.putThresholds(PLATFORM, 'all', [10]);
    await stage.notices.putThresholds(PLATFORM, 'each', [75]);
    await stage.spend('ben', 700n);
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual(['all  10', 'each ann 75']);
    for (const percents of [[0], [101], [1.5], Array.from({ length: 11 }, (_, index) => index + 1)])
      expect(await refused(() => stage.notices.putThresholds(PLATFORM, 'each', percents))).toContain(
        'percents',
      );
  });
});

describe('webhooks', () => {
  test('webhook: a CloudEvent with the figures, signed as the reference implementation checks it', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    await stage.notices.putThresholds(PLATFORM, 'each', [80]);
    await stage.spend('ann', 850n);
    await stage.sent();
    const [{ id, event, contentType, timestampMs }] = receiver.received;
    expect(contentType).toContain('application/cloudevents+json');
    expect(Math.abs(timestampMs - stage.clock.at)).toBeLessThan(1_000);
    expect(event).toMatchObject({ specversion: '1.0', id, type: 'bursar.budget.threshold_reached' });
    expect(event.data).toMatchObject({
      percent: 80,
      budgetId: 'each',
      values: { tenant: 'acme', user: 'ann' },
      unit: 'tokens',
      ...{ granted: '1000', spent: '850', held: '0', remaining: '150' },
    });
    expect(Date.parse(event.data.window.end) - Date.parse(event.data.window.start)).toBe(DAY_MS);
    const [{ deliveries }] = stage.notices.list(PLATFORM, { before: null, max: 1 }).notices;
    expect(deliveries).toMatchObject([
      { state: 'delivered', failedAttempts: 0, deliveredAt: stage.clock.at },
    ]);
  });

  test('webhook: one that fails is tried again with back-off, and what is behind it waits, in order', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    receiver.answers.push(500, 'hang up', 302);
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 80, 100]);
    await stage.spend('ann', 1_000n);
    await stage.sent();
    expect(receiver.percents).toEqual([50]);
    const first = () => stage.notices.list(PLATFORM, { before: null, max: 3 }).notices[2].deliveries[0];
    expect(first()).toMatchObject({ state: 'pending', failedAttempts: 1, problem: 'answered 500' });
    const waits: number[] = [];
    for (const problem of ['', 'answered 302', null]) {
      const due = first().nextAttemptAt as number;
      waits.push(due - stage.clock.at);
      stage.clock.at = due - 1;
      await stage.sent();
      expect(receiver.percents).toHaveLength(waits.length);
      stage.clock.at = due;
      await stage.sent();
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
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.spend('ann', 500n);
    const waitOf = async (status: number, retryAfter: string): Promise<number> => {
      const { notices } = stage.notices.list(PLATFORM, { before: null, max: 1 });
      stage.clock.at = notices[0]?.deliveries[0].nextAttemptAt ?? stage.clock.at;
      receiver.answers.push({ status, retryAfter });
      await stage.sent();
      const [{ deliveries }] = stage.notices.list(PLATFORM, { before: null, max: 1 }).notices;
      return (deliveries[0].nextAttemptAt ?? 0) - stage.clock.at;
    };
    const isOwn = (waitMs: number, fullMs: number) => Math.abs(waitMs - fullMs) <= fullMs / 5;
    expect(await waitOf(429, '3600')).toBe(3_600_000);
    const date = new Date(Math.ceil(stage.clock.at / 1_000) * 1_000 + 5 * 3_600_000);
    expect(Math.abs((await waitOf(503, date.toUTCString())) - 4 * 3_600_000)).toBeLessThan(2_000);
    expect(await waitOf(503, '999999')).toBe(12 * 3_600_000);
    // Too little, nonsense, or where it means nothing: as always.
    expect(isOwn(await waitOf(429, '1'), 320_000)).toBe(true);
    expect(isOwn(await waitOf(429, '-5'), 1_280_000)).toBe(true);
    expect(isOwn(await waitOf(500, '40000'), 5_120_000)).toBe(true);
    expect(receiver.received).toHaveLength(6);
  });

  test('webhook: a receiver that is away gets everything once it is back, in order, each at least once', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 100]);
    await stage.spend('ann', 500n);
    await stage.sent();
    await receiver.stop();
    for (const user of ['ben', 'cid', 'dan']) await stage.spend(user, 1_000n);
    await stage.sent();
    expect(receiver.received).toHaveLength(1);
    await stage.restart();
    // The first attempt of the new start fails too.
    await stage.notices.sender.idle();
    stage.clock.at += 10_000;
    await receiver.start();
    await stage.sent();
    expect(receiver.received.map(({ event }) => `${event.data.values.user} ${event.data.percent}`)).toEqual([
      ...['ann 50', 'ben 50', 'ben 100', 'cid 50', 'cid 100', 'dan 50', 'dan 100'],
    ]);
  });

  test('webhook: a slow receiver keeps none of the others waiting', async () => {
    const stage = await NoticesStage.open();
    const [slow, quick] = [await receiving(stage), await receiving(stage)];
    slow.answers.push({ delay: 500, status: 204 });
    await stage.notices.putThresholds(PLATFORM, 'each', [10, 20, 30]);
    await stage.spend('ann', 300n);
    await stage.read();
    while (quick.received.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(slow.received).toHaveLength(1);
    await stage.notices.sender.idle();
    expect([slow.percents, quick.percents]).toEqual([
      [10, 20, 30],
      [10, 20, 30],
    ]);
  });

  test('webhook: given up after twelve attempts, it is listed so, lets the next one through, and can be asked for again', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    receiver.answers.push(...Array<number>(ATTEMPTS_MAX).fill(503));
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    await stage.spend('ann', 800n);
    const startedAt = stage.clock.at;
    await stage.sent();
    for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt += 1) {
      stage.clock.at += 15 * 3_600_000;
      stage.notices.sender.look();
      await stage.notices.sender.idle();
    }
    const [second, first] = stage.notices.list(PLATFORM, { before: null, max: 2 }).notices;
    expect(first.deliveries).toMatchObject([{ state: 'failed', failedAttempts: 12, nextAttemptAt: null }]);
    expect(second.deliveries).toMatchObject([{ state: 'delivered' }]);
    expect(receiver.percents).toEqual([...Array(12).fill(50), 80]);
    await stage.notices.redeliver(PLATFORM, first.id);
    await stage.notices.sender.idle();
    expect(receiver.received.at(-1)).toMatchObject({ id: first.id, body: receiver.received[0].body });
    const waits = Array.from({ length: ATTEMPTS_MAX - 1 }, (_, index) => waitAfter(index + 1, 0) ?? 0);
    expect(waits.reduce((sum, wait) => sum + wait) / DAY_MS).toBeGreaterThan(1.8);
    expect(Math.max(...waits)).toBeLessThanOrEqual(12 * 3_600_000 * 1.2);
    expect(stage.clock.at).toBeGreaterThan(startedAt);
  });

  test('webhook: while the overlap of a rotation lasts, both secrets sign; afterwards the new one alone', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    const [{ id }] = stage.notices.listWebhooks(PLATFORM);
    await stage.notices.putThresholds(PLATFORM, 'each', [10, 20, 30, 40, 50]);
    const old = receiver.secret;
    const { secret, overlapUntil } = await stage.notices.rotateWebhook(PLATFORM, id, 60_000);
    expect([secret !== old, overlapUntil]).toEqual([true, stage.clock.at + 60_000]);
    // The reference takes a message that either has signed; a receiver that has not been told yet goes on.
    await stage.spend('ann', 100n);
    await stage.sent();
    receiver.secret = secret;
    await stage.restart();
    await stage.spend('ann', 100n);
    await stage.sent();
    expect(receiver.signatures.map((text) => text.split(' ').length)).toEqual([2, 2]);
    stage.clock.at += 60_000;
    await stage.spend('ann', 100n);
    await stage.sent();
    expect(receiver.signatures[2]).toMatch(/^v1,[^ ]+$/);
    expect(stage.notices.listWebhooks(PLATFORM)[0].overlapUntil).toBe(null);
    // An answer that was lost: rotated again, the one that the receiver has signs still.
    await stage.notices.rotateWebhook(PLATFORM, id);
    const last = await stage.notices.rotateWebhook(PLATFORM, id);
    await stage.spend('ann', 100n);
    await stage.sent();
    expect(receiver.signatures[3].split(' ')).toHaveLength(3);
    // Others have learnt it: nothing before signs any more.
    receiver.secret = (await stage.notices.rotateWebhook(PLATFORM, id, 0)).secret;
    expect(receiver.secret).not.toBe(last.secret);
    await stage.spend('ann', 100n);
    await stage.sent();
    expect(receiver.signatures[4].split(' ')).toHaveLength(1);
    expect([receiver.percents, stage.faults]).toEqual([[10, 20, 30, 40, 50], []]);
    for (let more = 1; more < SECRETS_MAX; more += 1) await stage.notices.rotateWebhook(PLATFORM, id);
    expect(await refused(() => stage.notices.rotateWebhook(PLATFORM, id))).toContain(
      `${SECRETS_MAX} secrets`,
    );
    expect(await refused(() => stage.notices.rotateWebhook(PLATFORM, id, -1))).toContain('overlapMs: -1');
  });

  test('webhook: rotated while a message is on its way → what follows is signed with what is good then', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    receiver.answers.push({ delay: 300, status: 204 });
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    await stage.spend('ann', 800n);
    await stage.read();
    while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const [{ id }] = stage.notices.listWebhooks(PLATFORM);
    receiver.secret = (await stage.notices.rotateWebhook(PLATFORM, id, 0)).secret;
    await stage.notices.sender.idle();
    expect(receiver.percents).toEqual([50, 80]);
  });

  test('webhook: one that is deleted takes along what was on its way to it; one that is new gets what comes then', async () => {
    const stage = await NoticesStage.open();
    const old = await receiving(stage);
    await old.stop();
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 80]);
    await stage.spend('ann', 500n);
    await stage.sent();
    await stage.notices.removeWebhook(PLATFORM, stage.notices.listWebhooks(PLATFORM)[0].id);
    const next = await receiving(stage);
    await stage.spend('ann', 300n);
    await stage.sent();
    expect(next.percents).toEqual([80]);
    expect(
      stage.notices
        .list(PLATFORM, { before: null, max: 9 })
        .notices.map(({ deliveries }) => deliveries.length),
    ).toEqual([1, 0]);
  });
});

describe('restart', () => {
  test('restart: again and again while budgets are spent → every notice is found once, and comes at least once, in order', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    await stage.notices.putThresholds(PLATFORM, 'each', [50, 100]);
    const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
    for (const [index, user] of users.entries()) {
      if (index % 5 === 0) receiver.answers.push({ delay: 15, status: 204 });
      if (index % 7 === 0) receiver.answers.push('hang up');
      await stage.spend(user, 500n);
      if (index % 4 === 3) await stage.restart();
      await stage.spend(user, 600n);
      stage.clock.at += 10_000;
    }
    for (let round = 0; round < 10; round += 1) {
      await stage.sent();
      stage.clock.at += 600_000;
    }
    const wanted = users.flatMap((user) => [`each ${user} 50`, `each ${user} 100`]);
    expect(stage.found(PLATFORM)).toEqual(wanted);
    const { notices } = stage.notices.list(PLATFORM, { before: null, max: 1_000 });
    expect(receiver.ids).toEqual(notices.map(({ id }) => id).reverse());
    expect(stage.faults).toEqual([]);
  });

  test('restart: what was spent while nobody read is found afterwards; read again from the beginning, nothing is found twice', async () => {
    const stage = await NoticesStage.open();
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.notices.close();
    await stage.spend('ann', 500n);
    await stage.restart();
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual(['each ann 50']);
    await stage.notices.close();
    await stage.ledger.run({ command: 'record_facts' }, { facts: [journalRead(0)] });
    await stage.restart();
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual(['each ann 50']);
  });

  test('restart: an attempt that is cut by it counts for nothing, and is made again', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    receiver.answers.push({ delay: 5_000, status: 204 });
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.spend('ann', 500n);
    while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await stage.restart();
    await stage.sent();
    const [{ deliveries }] = stage.notices.list(PLATFORM, { before: null, max: 1 }).notices;
    expect([receiver.received.length, deliveries]).toMatchObject([
      2,
      [{ state: 'delivered', failedAttempts: 0 }],
    ]);
  });

  test('retention: notices are kept for 90 days after their window, and those on their way for longer', async () => {
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.notices.putThresholds(PLATFORM, 'all', [1]);
    await stage.spend('ann', 500n);
    await stage.sent();
    await receiver.stop();
    await stage.spend('ben', 500n);
    await stage.sent();
    stage.clock.at += 92 * DAY_MS;
    await stage.spend('cid', 500n);
    await stage.read();
    expect(stage.found(PLATFORM)).toEqual(['all  1', 'each ben 50', 'each cid 50']);
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
    const stage = await NoticesStage.open();
    const receiver = await receiving(stage);
    stage.settings = { reach: 'public' };
    await stage.notices.putThresholds(PLATFORM, 'each', [50]);
    await stage.spend('ann', 500n);
    await stage.sent();
    expect(receiver.received).toEqual([]);
    const [{ deliveries }] = stage.notices.list(PLATFORM, { before: null, max: 1 }).notices;
    expect(deliveries[0].problem).toBe('the URL is not https');
    expect(
      await refused(() => stage.notices.createWebhook(callerOf('acme', 'tenant_admin'), receiver.url)),
    ).toBe('invalid_request: url: is not https');
  });
});
