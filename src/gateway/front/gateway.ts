// The gateway: OpenAI's dialect below /openai, Anthropic's below /anthropic. Every call is authorised before it goes out and
// settled when it ends; what is not metered is refused, never passed through. Composed in one place; docs/gateway.md.

import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
} from 'fastify';
import { keyRefused, keyTextIn } from '../../access/key-text.js';
import { requireScope } from '../../access/scopes.js';
import type { VisibleLine } from '../../access/visible.js';
import type { Clock } from '../../authority/api.js';
import type { AtScale } from '../../budgets/rate-limit.js';
import type { Fact } from '../../core/facts.js';
import type { BudgetLine } from '../../core/outcomes.js';
import type { Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import { Roster } from '../../kit/roster.js';
import { UnitScales } from '../../kit/unit-scales.js';
import type { Call } from '../calls/call.js';
import { Calls } from '../calls/calls.js';
import type { GatewaySettings } from '../calls/calls-settings.js';
import type { PricedCandidate } from '../calls/candidates.js';
import type { CallCharge } from '../calls/charge.js';
import { isLedgerFault } from '../calls/refusals.js';
import { DIALECTS, type DialectName } from '../metering/endpoints.js';
import type { ErrorClass } from '../routing/route.js';
import { ChargeOddities } from './charge-oddities.js';
import type { GatewayContext, OpenExchange } from './context.js';
import { bugAnswer, send, thrownAnswer } from './gateway-answers.js';
import { MeteredCalls } from './metered-calls.js';
import { modelByName, modelList } from './model-lists.js';
import type { CallGoals, GatewayParts } from './parts.js';
import { ProviderErrors } from './provider-errors.js';
import { CallsReadOn } from './read-on.js';
import type { GatewayAnswer } from './refusal-answers.js';
import { azurePaths, GATEWAY_ROUTES, type GatewayRoute, isAzure } from './routes.js';
import { StoredResponseCalls } from './stored-response-calls.js';
import { EndedByBursar, Upstreams } from './upstreams.js';
import { dialectOf, isWebSocket, refuseWebSocket, webSocketRefused, wrongPath } from './wrong-paths.js';

/** How often slow callers and ageing holds are looked for, all of them in one go. */
const SWEEP_MS = 1_000;

export interface Gateway {
  /** Routes below /openai and /anthropic. */
  readonly plugin: FastifyPluginAsync;
  /**
   * Answers in its dialect a request below /openai or /anthropic that reached no route: its path is malformed (`error`), or
   * its method unknown. False: it is none of the gateway's.
   */
  answersUnrouted(error: Error | null, request: FastifyRequest, reply: FastifyReply): boolean;
  /** Calls that are not ended and settled yet. */
  readonly openCalls: number;
  /** Ends every open call now, as a caller who leaves does: each is settled when the promise resolves. */
  endAll(): Promise<void>;
  /** Closes the connections to providers. */
  close(): Promise<void>;
}

export function buildGateway(parts: GatewayParts): Gateway {
  return new GatewayServer(parts);
}

class GatewayServer implements Gateway, GatewayContext {
  readonly clock: Clock;
  readonly upstreams: Upstreams;
  readonly callsReadOn: CallsReadOn;
  readonly goals: CallGoals;
  readonly #parts: GatewayParts;
  readonly #calls: Calls;
  readonly #metered: MeteredCalls;
  readonly #stored: StoredResponseCalls;
  readonly #errors: ProviderErrors;
  readonly #oddities: ChargeOddities;
  readonly #exchanges = new Roster<OpenExchange>();
  readonly #scales: UnitScales;
  #whenIdle: (() => void) | null = null;
  /** Set for good: what was authorised meanwhile goes to no provider any more. */
  #isEnding = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.goals = parts.goals;
    this.upstreams = new Upstreams(parts);
    this.callsReadOn = new CallsReadOn(parts.settings, () => parts.clock.now());
    this.#scales = new UnitScales(parts.ledger, parts.clock);
    this.#errors = new ProviderErrors(parts);
    this.#oddities = new ChargeOddities(parts.logger);
    this.#calls = new Calls({
      ...parts,
      onFault: (what, error) => parts.logger.error({ err: error }, what),
    });
    this.#metered = new MeteredCalls(parts, this, this.#calls);
    this.#stored = new StoredResponseCalls({ ...parts, upstreams: this.upstreams });
  }

  settings(): GatewaySettings {
    return this.#parts.settings();
  }

  linesFor(caller: Caller, lines: readonly BudgetLine[]): readonly VisibleLine[] {
    try {
      return this.#parts.tenancy.lines(caller, lines);
    } catch (error) {
      // Whose the budgets are is the ledger's to say: without it an answer has no figures, but it is given.
      if (!isLedgerFault(error)) throw error;
      return [];
    }
  }

  scale(): AtScale {
    return { scales: this.#scales, now: this.clock.now() };
  }

  classify(...failed: Parameters<ProviderErrors['classify']>): ErrorClass {
    return this.#errors.classify(...failed);
  }

  worked(...tried: Parameters<ProviderErrors['worked']>): void {
    this.#errors.worked(...tried);
  }

  bug(error: unknown, requestId: string): void {
    this.#parts.logger.error(
      { err: error, requestId },
      'a call failed inside the gateway; the floor is charged',
    );
  }

  charged(candidate: PricedCandidate, charge: CallCharge): void {
    this.#oddities.observe(candidate, charge);
  }

  stored({ labels, candidate }: Call, id: string, tokens: number | null): readonly Fact[] {
    return this.#parts.storedResponses.stored({ id, provider: candidate.provider.name, labels, tokens });
  }

  opened(exchange: OpenExchange): void {
    this.#exchanges.add(exchange);
    if (this.#isEnding) exchange.stop(new EndedByBursar('drained'));
  }

  closed(exchange: OpenExchange): void {
    this.#exchanges.remove(exchange);
    if (this.#exchanges.size === 0) this.#whenIdle?.();
  }

  get openCalls(): number {
    return this.#exchanges.size;
  }

  async endAll(): Promise<void> {
    this.#isEnding = true;
    if (this.#exchanges.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
    for (const exchange of this.#exchanges.all()) exchange.stop(new EndedByBursar('drained'));
    await idle;
  }

  async close(): Promise<void> {
    await this.upstreams.close();
  }

  readonly plugin: FastifyPluginAsync = async (app) => {
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS);
    sweep.unref();
    app.addHook('onClose', async () => clearInterval(sweep));
    for (const name of DIALECTS)
      await app.register(async (below) => this.#routes(below, name), { prefix: `/${name}` });
  };

  #sweep(): void {
    const now = this.clock.now();
    for (const exchange of this.#exchanges.all()) {
      try {
        exchange.checkStalled(now);
      } catch (error) {
        exchange.bug(error);
      }
    }
    this.callsReadOn.sweep();
    void this.#calls.keepAlive();
  }

  #routes(app: FastifyInstance, dialect: DialectName): void {
    const { bodyBytesMax } = this.settings();
    app.removeAllContentTypeParsers();
    // Read as bytes whatever it claims to be: a body that is no JSON is refused when it is read.
    const raw = { parseAs: 'buffer', bodyLimit: bodyBytesMax } as const;
    app.addContentTypeParser('*', raw, (_request, body, done) => done(null, body));
    app.setErrorHandler((error, request, reply) => send(reply, this.#thrown(dialect, error, request.id)));
    app.addHook('onRequest', refuseWebSocket);
    for (const route of GATEWAY_ROUTES) if (route.dialect === dialect) this.#route(app, route);
    // Also every other method: what is not metered does not go through (field problems 21). Its body is not read.
    app.all('/*', { onRequest: refuseWrongPath }, async () => undefined);
  }

  #route(app: FastifyInstance, route: GatewayRoute): void {
    const { method, path: url } = route;
    if (route.work !== 'metered' && route.work !== 'stored_response') {
      const methods = method === 'GET' ? [method, 'HEAD'] : [method];
      app.route({
        method: methods,
        url,
        handler: async (request, reply) => this.#own(route, request, reply),
      });
      return;
    }
    const { bodyBytesMax: bodyLimit } = this.settings();
    if (route.work === 'stored_response') {
      const ask = (request: CallerRequest, reply: FastifyReply) =>
        this.#stored.handle(request.caller as Caller, request, reply);
      app.route({ method, url, bodyLimit, onRequest: this.#admit, handler: ask });
      return;
    }
    const handler = (request: CallerRequest, reply: FastifyReply) =>
      this.#metered.handle(route, request.caller as Caller, request, reply);
    app.route({ method, url, bodyLimit, onRequest: this.#admit, handler });
    for (const azure of azurePaths(route))
      app.route({ method, url: azure, bodyLimit, onRequest: [refuseUnlessAzure, this.#admit], handler });
  }

  #own({ work, dialect }: GatewayRoute, request: CallerRequest, reply: FastifyReply): unknown {
    reply.header('bursar-cost', '0');
    if (work === 'hello') return { message: 'hello' };
    this.#authenticated(request);
    const { routing, prices } = this.#parts;
    const parts = { routing: routing(), prices: prices(), now: this.clock.now() };
    if (work === 'model_list') return modelList(dialect, parts);
    const { '*': model } = request.params as { readonly '*': string };
    return modelByName(dialect, model, parts);
  }

  answersUnrouted(error: Error | null, request: FastifyRequest, reply: FastifyReply): boolean {
    const asksWebSocket = isWebSocket(request);
    const dialect = dialectOf(request) ?? (asksWebSocket ? 'openai' : null);
    if (dialect === null) return false;
    reply.header('x-request-id', request.id);
    const refused = error ?? (asksWebSocket ? webSocketRefused(reply) : wrongPath(request));
    send(reply, this.#thrown(dialect, refused, request.id));
    return true;
  }

  // Before the body is read: nobody makes the server hold one without a key that may spend.
  readonly #admit: onRequestHookHandler = (request, reply, done) => {
    let refused: Error | undefined;
    try {
      requireScope(this.#authenticated(request), 'spend');
      refuseCompressed(request.headers['content-encoding']);
    } catch (error) {
      refused = error as Error;
      // The rest of the body is not waited for.
      reply.header('connection', 'close');
    }
    done(refused);
  };

  #authenticated(request: CallerRequest): Caller {
    const text = keyTextIn(request.headers);
    const caller = this.#parts.keyRing.authenticate(text);
    if (caller === null) throw keyRefused(text);
    // Also for the server's log, which names the key of each request.
    request.caller = caller;
    return caller;
  }

  // What Fastify or the service throws before a call is authorised.
  #thrown(dialect: DialectName, error: unknown, requestId: string): GatewayAnswer {
    const asked = { dialect, requestId };
    const known = thrownAnswer(asked, error, this.settings());
    if (known !== null) return known;
    this.#parts.logger.error({ err: error, requestId }, 'a call failed inside the gateway');
    return bugAnswer(asked);
  }
}

/** `caller` is set once the key is known. */
type CallerRequest = FastifyRequest & { caller?: Caller };

const refuseWrongPath: onRequestHookHandler = (request, reply, done) => {
  reply.header('connection', 'close');
  done(wrongPath(request));
};

const refuseUnlessAzure: onRequestHookHandler = (request, reply, done) => {
  if (isAzure(request.url)) done();
  else refuseWrongPath.call(request.server, request, reply, done);
};

function refuseCompressed(encoding: string | undefined): void {
  if (encoding === undefined || encoding === 'identity') return;
  const about = { field: 'content-encoding' };
  throw new RefusedError('invalid_request', 'Compressed bodies are not taken.', about);
}
