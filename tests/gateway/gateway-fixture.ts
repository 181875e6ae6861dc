// A whole gateway for tests: a real ledger and key file in a folder of their own, a real HTTP server on a free port, and a
// provider that is a real HTTP server too and does what each test tells it. Time is the test's where it asks for that.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import type { KeyRing } from '#bursar/access/key-ring.js';
import { Tenancy } from '#bursar/access/tenancy.js';
import { Chats } from '#bursar/chats/chats.js';
import { CloseStack } from '#bursar/composition/close-stack.js';
import { openDataFolder } from '#bursar/composition/data-folder.js';
import type { Settings } from '#bursar/composition/settings/settings-file.js';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import type { LedgerEvent } from '#bursar/core/outcomes.js';
import { StoredResponses } from '#bursar/gateway/calls/stored-responses.js';
import { buildGateway } from '#bursar/gateway/front/gateway.js';
import { openPriceBook } from '#bursar/gateway/prices/price-book.js';
import type { ProviderProfile } from '#bursar/gateway/profiles/profile.js';
import { RoutingTable } from '#bursar/gateway/routing/routing-table.js';
import { ThrottledProviders } from '#bursar/gateway/routing/throttled.js';
import { goalHeaders } from '#bursar/goals/goal-headers.js';
import { Goals } from '#bursar/goals/goals.js';
import type { Ledger } from '#bursar/index.js';
import { QUOTA_BUDGETS } from '#bursar/quotas/buckets.js';
import type { Json } from '../setup/json.js';

export interface ProviderCall {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly body: Record<string, Json>;
  /** Resolves when the gateway closed the connection before the answer ended. */
  readonly aborted: Promise<void>;
}

export type Answer = (call: ProviderCall, response: ServerResponse) => void | Promise<void>;

/** A provider that answers as it is told, and remembers what it was asked. */
export class Provider {
  readonly calls: ProviderCall[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  answer: Answer = (_call, response) => void response.writeHead(500).end();

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<Provider> {
    const provider = new Provider();
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const aborted = new Promise<void>((resolve) => {
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      });
    });
    const call = { path: request.url ?? '', headers: request.headers, text, body: jsonIn(text), aborted };
    this.calls.push(call);
    await this.answer(call, response);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What a request's body says as JSON; nothing where it is none, or a form. */
function jsonIn(text: string): Record<string, Json> {
  return text.startsWith('{') ? JSON.parse(text) : {};
}

export const PRICES = `
prices:
  - { provider: main, model: small, input: "1", cacheRead: "0.1", output: "10", contextWindow: 100000, outputTokensMax: 8000 }
  - { provider: spare, model: large, input: "2", output: "20", contextWindow: 100000, outputTokensMax: 8000 }
  - { provider: claude, model: claude, input: "3", cacheRead: "0.3", output: "15", contextWindow: 100000, outputTokensMax: 8000 }
`;

export interface Gateway {
  readonly url: string;
  readonly provider: Provider;
  readonly ledger: Ledger;
  /** Of the tenant `acme`, user `ada`; its caller may add `goal` and `team`. */
  readonly key: string;
  readonly server: ReturnType<typeof buildGateway>;
  readonly goals: Goals;
  readonly keyRing: KeyRing;
  /** Provider and class of each attempt that failed. */
  readonly errors: (readonly [string, string])[];
  readonly logged: { readonly about: object; readonly message: string }[];
  makeKey(
    labels: Record<string, string>,
    scopes?: readonly ('spend' | 'read')[],
    callerLabels?: readonly string[],
  ): Promise<string>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  drain(): void;
  /** Waits until every call has ended and is settled. */
  settled(): Promise<void>;
  events(type?: LedgerEvent['type']): Promise<LedgerEvent[]>;
  close(): Promise<void>;
}

export interface GatewayOptions {
  readonly budgets: string;
  /** YAML of the section `gateway`, `errors` or more; `PROVIDER` stands for the provider's URL. */
  readonly more?: string;
  /** YAML of entries of `providers` and `routes` beside the usual ones. */
  readonly providers?: string;
  readonly routes?: string;
  readonly prices?: string;
  readonly clock?: { now(): number };
  readonly secrets?: Record<string, string>;
  /** What every provider's models do. They never think unless stated: what came is then all that is billed. */
  readonly models?: ProviderProfile['models'];
}

export const THINKS_NEVER: ProviderProfile['models'] = [
  { models: ['*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
];

const PROVIDERS = `
  main: { dialect: openai, baseUrl: "PROVIDER", keyFrom: MAIN_KEY }
  spare: { dialect: openai, baseUrl: "PROVIDER/spare" }
  claude: { dialect: anthropic, baseUrl: "PROVIDER", keyFrom: CLAUDE_KEY }
`;

const ROUTES = `
  - { model: small, candidates: [{ provider: main }] }
  - { model: both, candidates: [{ provider: main, model: small }, { provider: spare, model: large }] }
  - { model: unpriced, candidates: [{ provider: main }] }
  - { model: claude, candidates: [{ provider: claude }] }
`;

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-gateway-'));
  const provider = await Provider.start();
  const clock = options.clock ?? { now: () => Date.now() };
  const text = `budgets:\n${options.budgets}\nproviders:${PROVIDERS}${options.providers ?? ''}\nroutes:${options.routes ?? ''}${ROUTES}\n${PRICES}${options.prices ?? ''}\n${options.more ?? ''}`;
  const settings = withModels(
    parseSettings(text.replaceAll('PROVIDER', provider.url), 'test'),
    options.models ?? THINKS_NEVER,
  );
  const opened = new CloseStack();
  const data = await openDataFolder(folder, { clock, logger: QUIET, opened });
  const { ledger, views, vault, keyRing, keys } = data;
  const defined = await ledger.putDefinitions({ ...settings.definitions });
  if (defined.outcome === 'rejected') throw new Error(defined.message);
  const admin = keyRing.authenticate((await keys.firstKeys({ demo: false }))?.admin.secret);
  if (admin === null) throw new Error('no admin key');
  const makeKey: Gateway['makeKey'] = async (labels, scopes = ['spend'], callerLabels = ['goal', 'team']) =>
    (await keys.create(admin, { name: 'test', scopes, labels, callerLabels })).secret;
  const chats = new Chats({
    ...{ ledger, views, vault, clock },
    quotas: null,
    settings: () => settings.chats,
    onFault: (what, error) => void logged.push({ about: { error }, message: what }),
  });
  const goals = new Goals({
    views,
    vault,
    ledger,
    clock,
    settings: () => settings.goals,
    onFault: (what, error) => void logged.push({ about: { error }, message: what }),
  });
  const throttled = new ThrottledProviders(ledger);
  const prices = openPriceBook(settings.prices);
  const routing = new RoutingTable(settings, ledger, throttled);
  const errors: (readonly [string, string])[] = [];
  const logged: { about: object; message: string }[] = [];
  const log = (about: object, message: string) => void logged.push({ about, message });
  let draining = false;
  const server = buildGateway({
    ledger,
    keyRing,
    tenancy: new Tenancy(ledger),
    goals: { assertUsable: (...asked) => goals.assertUsable(...asked), headers: goalHeaders },
    quotas: QUOTA_BUDGETS,
    recorder: chats.recorder,
    storedResponses: new StoredResponses({ views, ledger, clock }),
    clock,
    settings: () => settings.gateway,
    providers: () => settings.providers,
    signatures: () => settings.signatures,
    prices: () => prices,
    onDecision: () => undefined,
    onProviderError: (name, what) => void errors.push([name, what]),
    routing: () => routing,
    throttled,
    secrets: (name) =>
      ({ MAIN_KEY: 'sk-main-secret', CLAUDE_KEY: 'sk-claude-secret', ...options.secrets })[name],
    demoOrigin: provider.url,
    logger: { warn: log, error: log },
    isDraining: () => draining,
  });
  const app = Fastify({ logger: false, forceCloseConnections: true });
  await app.register(server.plugin);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const key = await makeKey({ tenant: 'acme', user: 'ada' });
  return {
    url,
    provider,
    ledger,
    key,
    server,
    goals,
    keyRing,
    errors,
    logged,
    makeKey,
    drain: () => {
      draining = true;
    },
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async settled() {
      while (server.openCalls > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async events(type) {
      const found: LedgerEvent[] = [];
      for await (const event of ledger.events(type === undefined ? {} : { type })) found.push(event);
      return found;
    },
    async close() {
      await server.endAll();
      await app.close();
      await server.close();
      await provider.close();
      await opened.close(QUIET);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function withModels(settings: Settings, models: ProviderProfile['models']): Settings {
  const providers = settings.providers.map((one) => ({ ...one, profile: { ...one.profile, models } }));
  return { ...settings, providers };
}

/** An answer in one piece. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return (_call, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** A stream of events: objects become `data:` lines, texts go as they are. Ends cleanly unless told otherwise. */
export function events(
  list: readonly unknown[],
  how: { readonly end?: 'clean' | 'broken' | 'open' } = {},
): Answer {
  return async (_call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of list) {
      response.write(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (how.end === 'open') return;
    if (how.end === 'broken') setTimeout(() => response.destroy(), 20);
    else response.end();
  };
}

export function chatAnswer(usage?: object): object {
  return {
    id: 'c1',
    object: 'chat.completion',
    model: 'small',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there.' }, finish_reason: 'stop' }],
    ...(usage === undefined ? {} : { usage }),
  };
}

export function chatChunk(content: string, more: object = {}): object {
  return {
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'small',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
    ...more,
  };
}

export const DONE = 'data: [DONE]\n\n';
