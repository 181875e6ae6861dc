// The server killed with SIGKILL under streaming load, again and again on the same data, and drained with SIGTERM: every
// call ends once, those that were answered with exactly the provider's figures, those that the crash orphaned with their
// estimate when their hold expires (rule Q9), and the books add up. BURSAR_CRASH_SEED repeats a run's moments.

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cost, startWorld, type World } from '../clients/setup.js';
import type { Json } from '../setup/json.js';
import { type Hold, type Tenant, until } from '../setup/server-process.js';
import { type Counted, CountingProvider, caller, streamTurn, type Turn } from './streams.js';

const SEED = Number(process.env.BURSAR_CRASH_SEED ?? Date.now() % 1_000_000);
const ROUNDS = 4;
const CALLERS = 24;
/** The server lives so long at most, at random, once callers have finished two turns on average. */
const LIFE_MS_MAX = 500;

let world: World;
beforeAll(async () => {
  // The shortest time that a hold may live, so that orphans expire while the test waits.
  world = await startWorld('gateway: { holdTtl: 10s }');
});
afterAll(() => world.end());

let seed = SEED;
function random(below: number): number {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
}

test('crash: the server is killed under streaming load → each call is charged once, to the provider’s figures or its estimate', async () => {
  const { server, raw } = world;
  console.log(`crash-server: ${ROUNDS} rounds, BURSAR_CRASH_SEED=${SEED}`);
  const provider = new CountingProvider({ chunksMin: 1, chunksMax: 20, chunkMs: 10 }, SEED);
  raw.answer = provider.answer;
  const tenant = await server.tenant({ usd: '100', calls: '100000' }, { callerLabels: ['turn'] });
  const callers: Turn[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = Array.from({ length: CALLERS }, (_, number) => `r${round}c${number}`);
    const load = Promise.all(names.map((name) => caller(server, tenant.key, name)));
    const goal = provider.finished + 2 * CALLERS;
    await until(() => provider.finished >= goal);
    await pause(random(LIFE_MS_MAX));
    await server.kill();
    callers.push(...(await load));
    await server.restart();
  }
  const holds = await holdsByTurn(tenant);
  assertEachEnded({ callers, holds, provider, estimates: await estimatesByHold() });
  await assertBooksBalance(tenant, [...holds.values()]);
});

interface Ends {
  readonly callers: readonly (readonly Turn[])[];
  readonly holds: ReadonlyMap<string, Hold>;
  readonly provider: CountingProvider;
  readonly estimates: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

function assertEachEnded({ callers, holds, provider, estimates }: Ends): void {
  expect(provider.repeated).toEqual([]);
  const surelySettled = new Set<string>();
  for (const turns of callers) {
    // The journal is in order: where a caller's next call was authorised, the one before it is settled in it.
    for (const { turn, whole } of turns.slice(0, -2)) if (whole) surelySettled.add(turn);
    const last = turns.at(-1);
    if (last !== undefined && last.status === 200 && turns.length > 1)
      surelySettled.add(turns[turns.length - 2].turn);
  }
  // What never had a hold never reached the provider.
  for (const turn of provider.turns.keys()) expect(holds.has(turn), turn).toBe(true);
  let orphans = 0;
  for (const [turn, hold] of holds) {
    const counted = provider.turns.get(turn) ?? null;
    if (hold.status === 'settled' && hold.ending === 'completed') {
      expect(counted, turn).not.toBeNull();
      expect(hold.charged, turn).toEqual(chargeFor(counted as Counted));
      continue;
    }
    orphans += 1;
    expect(surelySettled.has(turn), `${turn} was answered and is ${hold.status}`).toBe(false);
    expect(hold.status, turn).toBe('expired');
    expect(hold.charged, turn).toEqual({ calls: '1', ...estimates.get(hold.holdId) });
    // Its input, and the floor of output that nobody gets for free.
    expect(Number(hold.charged?.usd), turn).toBeGreaterThan(Number(cost({ output: 50 })));
    expect(Number(hold.charged?.usd), turn).toBeLessThan(Number(hold.authorized.usd));
  }
  console.log(`crash-server: ${holds.size} calls, ${surelySettled.size} surely settled, ${orphans} orphaned`);
  expect(surelySettled.size).toBeGreaterThan(CALLERS);
  expect(orphans).toBeGreaterThan(0);
}

test('crash: the server is killed while it records calls → no turn is left running, and each is charged once', async () => {
  const { server, raw } = world;
  const provider = new CountingProvider({ chunksMin: 1, chunksMax: 10, chunkMs: 5 }, SEED);
  raw.answer = provider.answer;
  const labels = { user: 'ann', record: 'chats' };
  const tenant = await server.tenant({ usd: '100', calls: '100000' }, { labels, callerLabels: ['turn'] });
  const turnsOf = async () => {
    const chats = await pages(tenant.key, '/v1/chats');
    return (await Promise.all(chats.map(({ id }) => pages(tenant.key, `/v1/chats/${id}/turns`)))).flat();
  };
  for (let round = 0; round < ROUNDS / 2; round += 1) {
    const names = Array.from({ length: CALLERS }, (_, number) => `recorded-r${round}c${number}`);
    const load = Promise.all(names.map((name) => caller(server, tenant.key, name)));
    const goal = provider.finished + 2 * CALLERS;
    await until(() => provider.finished >= goal);
    await pause(random(LIFE_MS_MAX));
    await server.kill();
    await load;
    await server.restart();
    // At once: what the crash cut was finished before anybody was served.
    expect((await turnsOf()).filter(({ state }) => state === 'running')).toEqual([]);
  }
  const turns = await turnsOf();
  const ended = [...(await holdsByTurn(tenant)).values()];
  // The admin sees the full ids, the tenant its own.
  const holds = new Map(ended.map((hold) => [hold.holdId.slice(hold.holdId.indexOf('call/')), hold]));
  const kinds = new Set(turns.map(({ state, end }) => `${state} ${end}`));
  expect([...kinds].filter((kind) => !['completed completed', 'failed orphaned'].includes(kind))).toEqual([]);
  expect(turns.filter(({ state }) => state === 'completed').length).toBeGreaterThan(CALLERS);
  for (const { state, holdId, charged } of turns) {
    const hold = holds.get(holdId);
    expect(hold?.status, holdId).toBe(state === 'completed' ? 'settled' : 'expired');
    if (state === 'completed') expect(charged, holdId).toEqual(hold?.charged);
    holds.delete(holdId);
  }
  // Every hold was a turn's: what nobody recorded would be charged beside the books of the chats.
  expect([...holds.keys()]).toEqual([]);
  await assertBooksBalance(tenant, ended);
});

/** Every item of a list of the key's own. */
async function pages(key: string, path: string): Promise<Json[]> {
  const items: Json[] = [];
  let cursor = '';
  do {
    const { status, body } = await world.server.api('GET', `${path}?limit=100${cursor}`, undefined, key);
    expect(status, path).toBe(200);
    items.push(...body.items);
    cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`;
  } while (cursor !== '');
  return items;
}

test('drain: SIGTERM under streaming load → open streams end whole and settled, new calls are told to come back', async () => {
  const { server, raw } = world;
  const provider = new CountingProvider({ chunksMin: 12, chunksMax: 15, chunkMs: 100 }, SEED);
  raw.answer = provider.answer;
  const tenant = await server.tenant({ usd: '100', calls: '100000' }, { callerLabels: ['turn'] });
  const names = Array.from({ length: CALLERS }, (_, number) => `drained-${number}`);
  const open = names.map((name) => streamTurn(server, tenant.key, name));
  await until(() => provider.turns.size === CALLERS);
  const stopped = server.stop();
  await pause(200);
  expect((await streamTurn(server, tenant.key, 'late')).status).toBe(503);
  expect((await Promise.all(open)).filter(({ whole }) => whole)).toHaveLength(CALLERS);
  expect(await stopped).toBe(0);
  await server.restart();
  const holds = await holdsByTurn(tenant);
  expect([...holds.keys()].sort()).toEqual([...names].sort());
  for (const [turn, hold] of holds)
    expect(hold.charged, turn).toEqual(chargeFor(provider.turns.get(turn) as Counted));
  await assertBooksBalance(tenant, [...holds.values()]);
});

function chargeFor({ input, output }: Counted): Record<string, string> {
  return { usd: cost({ input, output }), tokens: String(input + output), calls: '1' };
}

/** The tenant's holds once all have ended, by turn; a turn with two would be charged twice. */
async function holdsByTurn(tenant: Tenant): Promise<Map<string, Hold>> {
  const holds = new Map<string, Hold>();
  for (const hold of await tenant.ended()) {
    expect(holds.has(hold.labels.turn), hold.labels.turn).toBe(false);
    holds.set(hold.labels.turn, hold);
  }
  return holds;
}

/** What each hold is charged when it expires, as it was authorised. */
async function estimatesByHold(): Promise<Map<string, Readonly<Record<string, string>>>> {
  const events = await world.server.list('/v1/events?type=hold_authorized');
  return new Map(events.map(({ holdId, details }) => [holdId, details.onExpiry.charge]));
}

async function assertBooksBalance(tenant: Tenant, holds: readonly Hold[]): Promise<void> {
  const steps = holds.reduce((sum, { charged }) => sum + Math.round(Number(charged?.usd ?? 0) * 1e8), 0);
  const { spent, held } = await tenant.figures();
  expect(Math.round(Number(spent) * 1e8)).toBe(steps);
  expect(held).toBe('0');
  expect(await tenant.figures('calls')).toMatchObject({ spent: String(holds.length), held: '0' });
  await world.server.verify();
}
