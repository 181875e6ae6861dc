// Recorded calls of the gateway when the process is killed between any two of their durable steps: the turn follows from the
// journal and the ledger alone. A call that the ledger holds and nobody ended is an orphan; once its hold's time is up,
// neither money nor a turn is left open (rules T2, Q9).

import { afterEach, describe, expect, test } from 'vitest';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import type { Call } from '#bursar/gateway/calls/call.js';
import { Calls } from '#bursar/gateway/calls/calls.js';
import type { EndOfCall } from '#bursar/gateway/calls/charge.js';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { parseBody } from '#bursar/gateway/dialects/request-body.js';
import { openPriceBook } from '#bursar/gateway/prices/price-book.js';
import { compatible } from '#bursar/gateway/profiles/compatible.js';
import { RoutingTable } from '#bursar/gateway/routing/routing-table.js';
import { ThrottledProviders } from '#bursar/gateway/routing/throttled.js';
import { PRICES, THINKS_NEVER, withModels } from '../gateway/gateway-fixture.js';
import { ANN, Crash, killedBeforeEachStep } from '../setup/files-setup.js';
import { ChatsStage } from './turns-setup.js';

const SETTINGS = withModels(
  parseSettings(
    `providers:
  main: { dialect: openai, baseUrl: "https://main.example" }
  spare: { dialect: openai, baseUrl: "https://spare.example" }
  claude: { dialect: anthropic, baseUrl: "https://claude.example" }
routes:
  - { model: both, candidates: [{ provider: main, model: small }, { provider: spare, model: large }] }
${PRICES}`,
    'test',
  ),
  THINKS_NEVER,
);
const PRICE_BOOK = openPriceBook(SETTINGS.prices);
const TTL_MS = SETTINGS.gateway.holdTtlMs;
const BODY = Buffer.from(JSON.stringify({ model: 'both', messages: [{ role: 'user', content: 'hi' }] }));
const ENDPOINT = 'chat_completions';

const faults: string[] = [];
afterEach(() => faults.splice(0));

/** A call of ann's that is recorded in a chat, as the gateway begins one. */
async function begin(stage: ChatsStage): Promise<Call> {
  const { clock, ownLedger: ledger } = stage;
  const routing = new RoutingTable(SETTINGS, ledger, new ThrottledProviders(ledger));
  const calls = new Calls({
    ledger,
    clock: { now: () => clock.at },
    settings: () => SETTINGS.gateway,
    prices: () => PRICE_BOOK,
    routing: () => routing,
    onFault: (what, error) => void faults.push(`${what}: ${(error as Error).message}`),
  });
  const { labels } = ANN;
  const body = parseBody(BODY);
  const headers = { 'bursar-chat': await chatOf(stage) };
  const record = stage.chats.recorder.recordOf({
    caller: ANN,
    labels,
    headers,
    endpoint: ENDPOINT,
    json: body.json,
  });
  const reading = dialects.openai.readRequest(ENDPOINT, body);
  const call = await calls.begin({ caller: ANN, labels, dialect: 'openai', reading, record });
  if ('refusal' in call) throw new Error(`refused: ${call.refusal}`);
  return call;
}

async function chatOf(stage: ChatsStage): Promise<string> {
  const [{ chat }] = await stage.read(ANN);
  return chat.id;
}

/** Ends a call; where the process is killed meanwhile, the call itself only logs it. */
async function ends(call: Call, ended: EndOfCall): Promise<void> {
  await call.end(ended)?.settled;
  if (faults.length > 0) throw new Crash(faults.splice(0).join());
}

const SILENT = { usage: null, usageFinal: false, outputTokensSoFar: 0 } as const;
const USED = { choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } };
const usage = dialects.openai.readUsage(ENDPOINT, USED, compatible);

const ENDS: readonly { ended: EndOfCall; state: string; usd: number; calls: bigint; steps: number }[] = [
  {
    ended: { end: 'completed', usage, usageFinal: true, outputTokensSoFar: 0 },
    state: 'completed completed',
    usd: 6_000,
    calls: 1n,
    steps: 1,
  },
  {
    ended: { ...SILENT, end: 'refused_by_provider' },
    state: 'failed failed_before',
    usd: 0,
    calls: 1n,
    steps: 1,
  },
  { ended: { ...SILENT, end: 'failed_before' }, state: 'failed failed_before', usd: 0, calls: 0n, steps: 1 },
];

function charged(stage: ChatsStage) {
  const [balance] = stage.ledger.balances({ budgetId: 'day', values: { user: 'ann' } });
  const [counted] = stage.ledger.balances({ budgetId: 'calls' });
  return { held: balance?.held ?? 0n, spent: Number(balance?.spent ?? 0n), calls: counted?.spent ?? 0n };
}

async function ready(): Promise<ChatsStage> {
  const stage = await ChatsStage.open();
  await stage.ledger.putBudget({
    id: 'calls',
    match: { tenant: 'acme' },
    unit: 'calls',
    limit: 100n,
    window: 'day',
  });
  await stage.chat();
  return stage;
}

/** The estimate that the last hold charges when its time is up. */
async function estimate(stage: ChatsStage): Promise<number> {
  const authorized = (await stage.events()).filter(({ type }) => type === 'hold_authorized');
  const { charge } = authorized[authorized.length - 1].details.onExpiry as { charge: { usd: bigint } };
  return Number(charge.usd);
}

/** As the keeper does when a hold's time is up. */
async function timePasses(stage: ChatsStage): Promise<void> {
  stage.clock.at += TTL_MS + 1;
  while (stage.ledger.holds({ status: 'open' }).length > 0) await new Promise((on) => setTimeout(on, 5));
}

/** Nothing is open any more, and the chat takes its next call. */
async function assertAllEnded(stage: ChatsStage): Promise<void> {
  const chat = await chatOf(stage);
  expect(stage.turns.running(ANN, chat)).toBeNull();
  await timePasses(stage);
  await stage.assertWhole();
  await ends(await begin(stage), ENDS[0].ended);
  expect(stage.states(chat).at(-1)).toBe('completed completed');
  await stage.assertWhole();
}

async function assertOrphaned(stage: ChatsStage): Promise<void> {
  expect(stage.states(await chatOf(stage))).toEqual(['failed orphaned']);
  await timePasses(stage);
  expect(charged(stage)).toEqual({ held: 0n, spent: await estimate(stage), calls: 1n });
}

describe('recorded call: the process is killed', () => {
  test('before a step of its beginning → the turn never was; afterwards → it is orphaned, and its hold charges the estimate', async () => {
    const count = await killedBeforeEachStep({
      ready,
      act: begin,
      check: async (stage, isDone) => {
        const chat = await chatOf(stage);
        if (isDone) await assertOrphaned(stage);
        else expect([stage.states(chat), stage.ledger.holds()]).toEqual([[], []]);
        await assertAllEnded(stage);
      },
    });
    expect(count).toBe(2);
  });

  test.each(ENDS)(
    'before a step of its end as $ended.end → orphaned, at its estimate; afterwards → as it ended',
    async ({ ended, state, usd, calls, steps }) => {
      let count = 0;
      await killedBeforeEachStep({
        ready,
        act: async (stage) => {
          const call = await begin(stage);
          count += 1;
          await ends(call, ended);
        },
        check: async (stage, isDone) => {
          const chat = await chatOf(stage);
          if (isDone) {
            expect(stage.states(chat)).toEqual([state]);
            expect(charged(stage)).toEqual({ held: 0n, spent: usd, calls });
          } else if (stage.states(chat).length > 0) await assertOrphaned(stage);
          await assertAllEnded(stage);
        },
      });
      // Killed twice before each step of the end, and not at all twice.
      expect(count).toBe(2 * (steps + 1));
    },
  );

  test('before or after the step to the next candidate → orphaned, and one estimate is charged', async () => {
    await killedBeforeEachStep({
      ready,
      act: async (stage) => {
        const call = await begin(stage);
        expect(await call.tryNext({ mayBeBilled: false })).toBe(true);
      },
      check: async (stage, isDone) => {
        const chat = await chatOf(stage);
        if (isDone) {
          const held = (await stage.events()).filter(({ type }) => type === 'hold_authorized');
          // Both attempts have the turn's key (rule T7).
          const keys = held.map(({ details }) => JSON.parse(String(details.note)).turn);
          expect(keys[1]).toEqual(keys[0]);
          const last = stage.turns.last(ANN, chat);
          expect([keys[0].turn, held[1].holdId]).toEqual([last?.id, last?.holdId]);
        }
        if (stage.states(chat).length > 0) await assertOrphaned(stage);
        await assertAllEnded(stage);
      },
    });
  });

  test('nobody: the next candidate is denied → the turn has ended without a charge', async () => {
    const stage = await ready();
    const call = await begin(stage);
    await stage.ledger.putBudget({
      id: 'spare',
      match: { provider: 'spare' },
      unit: 'calls',
      limit: 0n,
      window: 'day',
    });
    expect(await call.tryNext({ mayBeBilled: false })).toMatchObject({ refusal: 'denied' });
    expect(stage.states(await chatOf(stage))).toEqual(['failed failed_before']);
    expect(charged(stage)).toEqual({ held: 0n, spent: 0, calls: 0n });
    await assertAllEnded(stage);
  });

  test('while the watchdog looks → a call that lives is left alone, however silent', async () => {
    const stage = await ready();
    const call = await begin(stage);
    stage.clock.at += 3_600_000;
    expect(await stage.chats.watchdog.sweep(stage.clock.at)).toBe(0);
    await ends(call, ENDS[0].ended);
    expect(stage.states(await chatOf(stage))).toEqual(['completed completed']);
  });
});
