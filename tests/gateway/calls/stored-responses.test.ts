// Stored responses: whose they are, as facts and a view. The HTTP side is tests/clients/openai-routes.test.ts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { STORED_RESPONSES_VIEW, StoredResponses } from '#bursar/gateway/calls/stored-responses.js';
import type { Caller } from '#bursar/kit/caller.js';
import { openViews, type Views } from '#bursar/views/views.js';

const DAY_MS = 86_400_000;
const caller = (tenant: string): Caller => ({
  keyId: `key-${tenant}`,
  scopes: new Set(['spend']),
  labels: { tenant },
  callerLabels: new Set(),
  tenant,
});
const ACME = caller('acme');
const OTHER = caller('other');

let folder: string;
let now: number;
let ledger: Ledger;
let views: Views;
let stored: StoredResponses;

async function open(): Promise<void> {
  const clock = { now: () => now };
  views = openViews(join(folder, 'views.db'), [STORED_RESPONSES_VIEW]);
  ledger = await openLedger({ path: join(folder, 'ledger.db'), clock, follower: views });
  stored = new StoredResponses({ views, ledger, clock });
}

async function close(): Promise<void> {
  await ledger.close();
  views.closeFile();
}

async function restart({ withViews }: { readonly withViews: boolean }): Promise<void> {
  await close();
  if (!withViews)
    for (const end of ['', '-wal', '-shm']) rmSync(join(folder, `views.db${end}`), { force: true });
  await open();
}

/** A response of acme's, as it rides with a settlement. */
async function made(id: string): Promise<void> {
  const facts = stored.stored({ id, provider: 'main', labels: { tenant: 'acme', user: 'ada' }, tokens: 15 });
  await ledger.run({ command: 'record_facts' }, { facts });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-stored-'));
  now = Date.parse('2027-03-01T12:00:00Z');
  await open();
});
afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true, force: true });
});

describe('stored responses', () => {
  test('a response is known to its caller at once, before its settlement is durable', () => {
    stored.stored({ id: 'resp_1', provider: 'main', labels: { tenant: 'acme' }, tokens: 15 });
    expect(stored.providerOf(ACME, 'resp_1')).toBe('main');
    expect(() => stored.providerOf(OTHER, 'resp_1')).toThrow('No stored response');
  });

  test.each([true, false])(
    'after a restart, with views.db %s → the same callers have the same responses',
    async (withViews) => {
      await made('resp_1');
      await made('resp_2');
      await stored.forget(ACME, 'resp_2');
      await restart({ withViews });
      expect(stored.tokensOf(ACME, 'resp_1')).toBe(15);
      expect(() => stored.tokensOf(OTHER, 'resp_1')).toThrow('No stored response');
      expect(() => stored.providerOf(ACME, 'resp_2')).toThrow('No stored response');
    },
  );

  test('the first call that states an id keeps it', async () => {
    await made('resp_1');
    expect(
      stored.stored({ id: 'resp_1', provider: 'spare', labels: { tenant: 'other' }, tokens: 1 }),
    ).toEqual([]);
    await restart({ withViews: true });
    expect(
      stored.stored({ id: 'resp_1', provider: 'spare', labels: { tenant: 'other' }, tokens: 1 }),
    ).toEqual([]);
    expect(stored.providerOf(ACME, 'resp_1')).toBe('main');
  });

  test('what the provider keeps no more leaves the view with the next response, and the journal says nothing of it', async () => {
    await made('resp_1');
    now += 32 * DAY_MS;
    await made('resp_2');
    await restart({ withViews: false });
    expect(stored.tokensOf(ACME, 'resp_1')).toBeNull();
    expect(stored.tokensOf(ACME, 'resp_2')).toBe(15);
    const kinds: string[] = [];
    for await (const { type } of ledger.events()) if (type !== 'ledger_opened') kinds.push(type);
    expect(kinds).toEqual(['facts_recorded', 'facts_recorded']);
  });
});
