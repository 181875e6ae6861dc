// Recorded calls of the gateway when the process dies between any two of their steps: after the restart, and once the hold's
// time is up, neither money nor a turn is left open, and what was decided is what is charged (rules T2, Q9). The files are
// real, and are opened again as after a crash.

import { afterEach, describe, expect, test } from 'vitest';
import { Transcript } from '#bursar/chats/transcript.js';
import type { TurnStep } from '#bursar/chats/turn-parts.js';
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
import { ANN, Crash } from './files-setup.js';
import { PRICES, THINKS_NEVER, withModels } from './gateway-fixture.js';
import { Talk } from './turns-setup.js';

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

let talk: Talk;
const faults: string[] = [];
afterEach(() => faults.splice(0));

/** A call of ann's that is recorded in a chat, as the gateway begins one. */
async function begin(chat: string): Promise<Call> {
  const { clock, ledger } = talk;
  const routing = new RoutingTable(SETTINGS, ledger, new ThrottledProviders(ledger));
  const calls = new Calls({
    ledger,
    clock: { now: () => clock.at },
    settings: () => SETTINGS.gateway,
    prices: () => PRICE_BOOK,
    routing: () => routing,
    onFault: (what) => void faults.push(what),
  });
  const { labels } = ANN;
  const body = parseBody(BODY);
  const transcript = new Transcript(ENDPOINT, body.json);
  const record = talk.conversations.recorder.record({ caller: ANN, labels, chat, transcript });
  const reading = dialects.openai.readRequest(ENDPOINT, body);
  const asked = { caller: ANN, labels, dialect: 'openai', reading, record } as const;
  const call = await calls.begin(asked);
  if ('refusal' in call) throw new Error(`refused: ${call.refusal}`);
  return call;
}

/** What the process does goes on to its end here; the step that was stopped at, and all that rests on it, is not done. */
async function dies(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
}

const SILENT = { usage: null, usageFinal: false, outputTokensSoFar: 0 } as const;
const USED = { choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } };
const usage = dialects.openai.readUsage(ENDPOINT, USED, compatible);

const ENDS: readonly { ended: EndOfCall; state: string; usd: number; calls: bigint }[] = [
  {
    ended: { end: 'completed', usage, usageFinal: true, outputTokensSoFar: 0 },
    state: 'completed completed',
    usd: 6_000,
    calls: 1n,
  },
  { ended: { ...SILENT, end: 'refused_by_provider' }, state: 'failed failed_before', usd: 0, calls: 1n },
  { ended: { ...SILENT, end: 'failed_before' }, state: 'failed failed_before', usd: 0, calls: 0n },
];

const charged = () => {
  const [balance] = talk.ledger.balances({ budgetId: 'day', values: { user: 'ann' } });
  const [counted] = talk.ledger.balances({ budgetId: 'calls' });
  return { held: balance.held, spent: Number(balance.spent), calls: counted.spent + counted.held };
};

async function opened(): Promise<string> {
  talk = await Talk.open();
  await talk.ledger.putBudget({
    id: 'calls',
    match: { tenant: 'acme' },
    unit: 'calls',
    limit: 100n,
    window: 'day',
  });
  return talk.chat();
}

/** Nothing is open any more: no hold, and no turn that keeps the chat's next one away. */
async function assertAllEnded(chat: string): Promise<void> {
  expect(talk.ledger.holds({ status: 'open' })).toEqual([]);
  expect(talk.turns.running(ANN, chat)).toBeNull();
  expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 0, ended: 0 });
  const next = await begin(chat);
  await next.end(ENDS[0].ended)?.settled;
  expect(talk.states(chat).at(-1)).toBe('completed completed');
  expect((await talk.ledger.verify()).ok).toBe(true);
}

/** As the keeper does when a hold's time is up. */
async function timePasses(): Promise<void> {
  talk.clock.at += TTL_MS + 1;
  while (talk.ledger.holds({ status: 'open' }).length > 0) await new Promise((on) => setTimeout(on, 5));
}

describe('recorded call: the process dies', () => {
  test('before the ledger holds → the turn never was, nothing is charged', async () => {
    const chat = await opened();
    talk.stopAt = 'turn_intended';
    await dies(begin(chat));
    expect(await talk.restart()).toEqual({ forgotten: 1, resumed: 0, ended: 0 });
    expect(talk.states(chat)).toEqual([]);
    expect(talk.texts(chat)).toEqual([]);
    expect(talk.ledger.holds()).toEqual([]);
    await assertAllEnded(chat);
  });

  test.each([
    ['once the ledger holds', 'turn_held'],
    ['while it runs', null],
  ] as const)('%s → its turn is orphaned, its hold charges the estimate', async (_when, step) => {
    const chat = await opened();
    talk.stopAt = step;
    await dies(begin(chat));
    expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 0, ended: 1 });
    expect(talk.states(chat)).toEqual(['failed orphaned']);
    const [authorized] = (await talk.events()).filter(({ type }) => type === 'hold_authorized');
    const { charge } = authorized.details.onExpiry as { charge: { usd: bigint } };
    await timePasses();
    expect(charged()).toEqual({ held: 0n, spent: Number(charge.usd), calls: 1n });
    await assertAllEnded(chat);
  });

  const moments = ENDS.flatMap((how) =>
    (['turn_ending', 'turn_settled'] as const).flatMap((step) =>
      [false, true].map((isLate) => ({ ...how, what: how.ended.end, step: step as TurnStep, isLate })),
    ),
  );
  test.each(moments)(
    'at $step of one that $what, its hold expired by the restart $isLate → charged as it was decided',
    async ({ ended, state, usd, calls, step, isLate }) => {
      const chat = await opened();
      const call = await begin(chat);
      talk.stopAt = step;
      await call.end(ended)?.settled;
      if (isLate) await timePasses();
      await talk.restart();
      expect(talk.states(chat)).toEqual([state]);
      expect(charged()).toEqual({ held: 0n, spent: usd, calls });
      await assertAllEnded(chat);
    },
  );

  test('in the step to the next candidate, before it is written down → one estimate is charged, no turn is left', async () => {
    const chat = await opened();
    const call = await begin(chat);
    talk.stopAt = 'turn_held';
    await dies(call.tryNext({ mayBeBilled: false }));
    expect(await talk.restart()).toEqual({ forgotten: 0, resumed: 0, ended: 1 });
    expect(talk.states(chat)).toEqual(['failed orphaned']);
    const [first, next] = (await talk.events()).filter(({ type }) => type === 'hold_authorized');
    // Both attempts have the turn's key (rule T7).
    const [key, again] = [first, next].map(({ details }) => JSON.parse(String(details.note)).turn);
    expect(again).toEqual(key);
    expect(key.turn).toBe(talk.turns.last(ANN, chat)?.id);
    const { charge } = next.details.onExpiry as { charge: { usd: bigint } };
    await timePasses();
    expect(charged()).toEqual({ held: 0n, spent: Number(charge.usd), calls: 1n });
    await assertAllEnded(chat);
  });
});
