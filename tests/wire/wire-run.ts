// Runs a wire table: each row once through a real server and a real provider, and the bytes of each stream again through the
// meter, cut at every byte and at random, which must change neither what the caller sees nor what is charged.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StreamMeter } from '#bursar/gateway/dialects/dialect.js';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { parseBody } from '#bursar/gateway/dialects/request-body.js';
import { EventSplitter } from '#bursar/gateway/dialects/sse-split.js';
import type { ProviderProfile } from '#bursar/gateway/profiles/profile.js';
import { profileNamed } from '#bursar/gateway/profiles/profiles.js';
import { type Answer, type Gateway, startGateway } from '../gateway/gateway-fixture.js';
import { PAUSE, type Row, type Sent } from './wire-row.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const PRICE =
  'input: "1", cacheRead: "0.1", cacheWrite: "1.25", cacheWrite1h: "2", output: "10", contextWindow: 1000000, outputTokensMax: 64000';

/** Of one stream in two pieces: each reads all of it. Byte by byte, every place is a cut. */
const CUTS_MAX = 1_500;
const A_WEEK_MS = 7 * 24 * 3_600_000;

const ENDPOINTS = {
  chat: { path: '/openai/v1/chat/completions', endpoint: 'chat_completions' },
  responses: { path: '/openai/v1/responses', endpoint: 'responses' },
  messages: { path: '/anthropic/v1/messages', endpoint: 'messages' },
} as const;

export interface WireOptions {
  /** YAML of further fields of the provider in the configuration. */
  readonly settings?: string;
}

/** One table, against a provider of the profile. */
export function wireSuite(profile: string, rows: readonly Row[], { settings = '' }: WireOptions = {}): void {
  const known = profileNamed(profile) as ProviderProfile;
  describe(`wire: ${profile}`, () => {
    let gateway: Gateway;
    let now = Date.now();
    beforeAll(async () => {
      // Models whose thinking comes as text, so that all that a stream is charged for can be told from its bytes.
      const models = 'models: [{ models: ["*"], thinking: never }]';
      gateway = await startGateway({
        budgets: BUDGETS,
        clock: { now: () => now },
        providers: `  wire: { profile: ${profile}, baseUrl: "PROVIDER", keyFrom: MAIN_KEY, ${models}${settings === '' ? '' : `, ${settings}`} }\n`,
        routes: '\n  - { model: wire, candidates: [{ provider: wire }] }',
        prices: `  - { provider: wire, model: wire, ${PRICE} }\n`,
      });
    });
    afterAll(() => gateway.close());

    test.each(rows.map((one) => [one.title, one] as const))('%s', async (_, one) => {
      // A provider that one row throttles is back in the next.
      now += A_WEEK_MS;
      gateway.provider.answer = answering(one.sends);
      const response = await gateway.post(ENDPOINTS[one.endpoint].path, requestOf(one));
      const { bytes, isWhole } = await readAll(response);
      await gateway.settled();
      const hold = gateway.ledger.holds().at(-1);
      const seen = one.sees.body instanceof Buffer ? bytes.toString() : JSON.parse(bytes.toString());
      if (one.sees.body instanceof Buffer) expect(seen).toBe(one.sees.body.toString());
      else expect(seen).toMatchObject(one.sees.body);
      expect([response.status, isWhole]).toEqual([one.sees.status, one.sees.isWhole]);
      expect(Number(hold?.charged?.usd)).toBe(chargedSteps(one));
    });

    const streams = rows.filter(({ sends }) => isPlainStream(sends));
    test.each(streams.map((one) => [one.title, one] as const))(
      '%s, cut at every byte → the same',
      (_, one) => {
        const bytes = bytesOf(one.sends);
        const whole = metered(one, known, [bytes]);
        const stride = Math.ceil(bytes.length / CUTS_MAX);
        for (let at = 1; at < bytes.length; at += stride)
          expect(
            metered(one, known, [bytes.subarray(0, at), bytes.subarray(at)]),
            `cut at byte ${at}`,
          ).toEqual(whole);
        expect(
          metered(
            one,
            known,
            cutEvery(bytes, () => 1),
          ),
          'byte by byte',
        ).toEqual(whole);
        for (const seed of [1, 2, 3]) {
          const sizes = sequence(seed);
          expect(
            metered(
              one,
              known,
              cutEvery(bytes, () => 1 + (sizes() % 40)),
            ),
            `cut at random, seed ${seed}`,
          ).toEqual(whole);
        }
      },
    );
  });
}

function requestOf({ endpoint, asks, sends }: Row): Record<string, unknown> {
  const stream = 'stream' in asks ? {} : { stream: isPlainStream(sends) };
  const said = endpoint === 'responses' ? { input: 'hi' } : { messages: [{ role: 'user', content: 'hi' }] };
  const limit = endpoint === 'responses' ? { max_output_tokens: 8_000 } : { max_tokens: 8_000 };
  return { model: 'wire', ...stream, ...said, ...limit, ...asks };
}

function chargedSteps(one: Row): number {
  if (typeof one.charged === 'number') return one.charged;
  return factsOf(one).inputTokensEstimate * 100 + one.charged.outputTokens * 1_000;
}

function factsOf(one: Row) {
  const body = parseBody(Buffer.from(JSON.stringify(requestOf(one))));
  const { endpoint } = ENDPOINTS[one.endpoint];
  return dialects[endpoint === 'messages' ? 'anthropic' : 'openai'].readRequest(endpoint, body).facts;
}

function isPlainStream({ status, headers }: Sent): boolean {
  return (
    status === 200 && headers['content-type'] === 'text/event-stream' && !('content-encoding' in headers)
  );
}

function answering({ status, headers, pieces, end }: Sent): Answer {
  return async (_call, response) => {
    response.writeHead(status, headers);
    for (const piece of pieces) {
      if (piece === PAUSE) await quiet();
      else response.write(piece);
    }
    if (end === 'clean') response.end();
    else if (end === 'broken') setTimeout(() => response.destroy(), 10);
  };
}

/** Until what was written has gone through the gateway: both sides are in this process. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function readAll(response: Response): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk);
    return { bytes: Buffer.concat(chunks), isWhole: true };
  } catch {
    return { bytes: Buffer.concat(chunks), isWhole: false };
  }
}

function bytesOf({ pieces }: Sent): Buffer {
  return Buffer.concat(
    pieces.filter((piece) => piece !== PAUSE).map((piece) => Buffer.from(piece as string)),
  );
}

function cutEvery(bytes: Buffer, size: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + size();
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** Pseudo-random figures (a linear congruence), the same for one seed. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state >> 8;
  };
}

/** What the meter makes of a stream in these chunks. */
function metered(one: Row, profile: ProviderProfile, chunks: readonly Buffer[]) {
  const facts = factsOf(one);
  const { endpoint } = facts;
  const meter: StreamMeter = dialects[endpoint === 'messages' ? 'anthropic' : 'openai'].streamMeter(
    endpoint,
    facts,
    profile,
  );
  const splitter = new EventSplitter();
  let shown = '';
  const told: unknown[] = [];
  const step = (event: Buffer): boolean => {
    const meant = meter.step(event);
    if (meant.shown !== 'nothing')
      shown += Buffer.from(meant.shown === 'all' ? event : meant.shown).toString('latin1');
    if (meant.error !== null) told.push(meant.error);
    return meant.ended;
  };
  const read = (): void => {
    for (const chunk of chunks) {
      splitter.push(chunk);
      for (let event = splitter.next(); event !== null; event = splitter.next()) if (step(event)) return;
    }
    const rest = splitter.rest();
    if (rest !== null) step(Buffer.concat([rest, Buffer.from('\n\n')]));
  };
  read();
  const { usageFinal, isWhole, outputTokensSoFar } = meter;
  return { shown, told, usage: meter.usage(), usageFinal, isWhole, outputTokensSoFar };
}
