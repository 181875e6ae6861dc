// What the tests with real client libraries share: a server process, aimock as its provider in both dialects, and a raw
// provider that does what aimock cannot. Prices are round, so that every charge can be worked out by hand.

import { LLMock } from '@copilotkit/aimock';
import { Provider } from '../gateway/gateway-fixture.js';
import { ServerProcess } from '../setup/server-process.js';

/** Keys that the providers are configured with: they must reach the provider, and nobody else. */
export const SECRETS = { MOCK_KEY: 'sk-mock-0123456789', RAW_KEY: 'sk-raw-0123456789' };

export interface World {
  readonly server: ServerProcess;
  readonly mock: LLMock;
  readonly raw: Provider;
  end(): Promise<void>;
}

/**
 * Models `mock…` go to aimock, `raw…` to the raw provider, in both dialects and with little patience; `patient…` to the
 * raw provider with much. `more` is YAML of further sections.
 */
export async function startWorld(more = ''): Promise<World> {
  const mock = await LLMock.create({ port: 0, journalMaxEntries: 0 });
  const raw = await Provider.start();
  const server = await ServerProcess.start(
    `${configFor({ mock: mock.url, raw: raw.url })}\n${more}`,
    SECRETS,
  );
  return {
    server,
    mock,
    raw,
    async end() {
      await server.remove();
      await mock.stop();
      await raw.close();
    },
  };
}

/** usd for a million tokens: input 1, read from a cache 0.10, written to it 1.25, output 10. */
function configFor(urls: { readonly mock: string; readonly raw: string }): string {
  const price = 'input: "1", cacheRead: "0.10", cacheWrite: "1.25", output: "10"';
  const size = 'contextWindow: 100000, outputTokensMax: 8000';
  return `
providers:
  mock: { dialect: openai, baseUrl: "${urls.mock}", keyFrom: MOCK_KEY, idleTimeout: 500ms, models: [{ models: ["*"], thinking: never }] }
  raw: { dialect: openai, baseUrl: "${urls.raw}", keyFrom: RAW_KEY, idleTimeout: 500ms, models: [{ models: ["*"], thinking: never }] }
  mock-claude: { dialect: anthropic, baseUrl: "${urls.mock}", keyFrom: MOCK_KEY, pricedAs: mock, models: [{ models: ["*"], thinking: never }] }
  throttled: { dialect: openai, baseUrl: "${urls.raw}", dayLimit: "100", pricedAs: raw }
  uncapped: { dialect: openai, baseUrl: "${urls.raw}", pricedAs: raw }
  patient: { dialect: openai, baseUrl: "${urls.raw}", pricedAs: raw, models: [{ models: ["*"], thinking: never }] }
  raw-claude: { dialect: anthropic, baseUrl: "${urls.raw}", keyFrom: RAW_KEY, pricedAs: raw, models: [{ models: ["*"], thinking: never }] }
routes:
  - { model: mock-small, candidates: [{ provider: mock }, { provider: mock-claude }] }
  - { model: mock-unpriced, candidates: [{ provider: mock, model: unpriced }] }
  - { model: throttled, candidates: [{ provider: throttled, model: raw }] }
  - { model: fallback, candidates: [{ provider: uncapped, model: raw }, { provider: mock, model: mock-small }] }
  - { model: patient*, candidates: [{ provider: patient, model: raw }] }
  - { model: mock*, candidates: [{ provider: mock }, { provider: mock-claude }] }
  - { model: raw*, candidates: [{ provider: raw }, { provider: raw-claude }] }
prices:
  - { provider: mock, model: "mock*", ${price}, ${size} }
  - { provider: raw, model: "raw*", ${price}, ${size} }
`;
}

/** A `fetch` for client libraries that counts what they send. */
export function countingFetch(): { readonly fetch: typeof fetch; readonly statuses: number[] } {
  const statuses: number[] = [];
  return {
    statuses,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      statuses.push(response.status);
      return response;
    },
  };
}

/** What a call with that usage costs at the prices above, as the ledger writes it. */
export function cost(tokens: {
  readonly input?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly output?: number;
}): string {
  const { input = 0, cacheRead = 0, cacheWrite = 0, output = 0 } = tokens;
  const steps = input * 100 + cacheRead * 10 + cacheWrite * 125 + output * 1_000;
  return String(steps / 1e8).includes('e')
    ? (steps / 1e8).toFixed(8).replace(/0+$/, '')
    : String(steps / 1e8);
}

/** What a promise was rejected with. @throws when it was not */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`was not rejected: ${JSON.stringify(value)}`);
}
