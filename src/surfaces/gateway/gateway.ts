// The gateway: OpenAI's dialect below /openai, Anthropic's below /anthropic. Every call is authorised before it goes out and
// settled when it ends; what is not metered is refused, never passed through. Composed in one place; docs/gateway.md.

import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
} from 'fastify';
import type { Clock, LedgerReads } from '../../authority/api.js';
import type { BudgetLine, Denied } from '../../core/outcomes.js';
import type { Caller } from '../../service/access/caller.js';
import { keyTextIn } from '../../service/access/key-text.js';
import { labelsOfGatewayCall } from '../../service/access/labels.js';
import { requireScope } from '../../service/access/scopes.js';
import type { ShownLine } from '../../service/access/shown.js';
import type { Call } from '../../service/calls/call.js';
import { Calls, type CallsParts, isLedgerFault, type Refusal } from '../../service/calls/calls.js';
import type { Recorder } from '../../service/conversations/recorder.js';
import { DIALECTS, type DialectName, type Endpoint } from '../../service/dialects/dialect.js';
import { dialects } from '../../service/dialects/dialects.js';
import { goalHeaders } from '../../service/goals/goal-headers.js';
import type { Goals } from '../../service/goals/goals.js';
import { RefusedError } from '../../service/refusals.js';
import { Roster } from '../../service/roster.js';
import type { ErrorClass } from '../../service/routing/route.js';
import type { RoutingTable } from '../../service/routing/routing-table.js';
import { compileSignatures, type ProviderError, type Signatures } from '../../service/routing/signatures.js';
import type { ThrottledProviders } from '../../service/routing/throttled.js';
import { UnknownErrors } from '../../service/routing/unknown-errors.js';
import type { ProviderSettings, Settings } from '../../service/settings/settings.js';
import type { AtScale } from '../../service/wire/rate-limit.js';
import { UnitScales } from '../../service/wire/unit-scales.js';
import { decisionHeaders } from './answer-headers.js';
import { Ended } from './attempt.js';
import type { GatewayContext } from './context.js';
import { Exchange } from './exchange.js';
import { modelByName, modelList } from './model-lists.js';
import { recordingOf } from './recording.js';
import { deniedAnswer, type GatewayAnswer, noProviderAnswer, refusalAnswer } from './refusal-answers.js';
import { labelsIn } from './request-headers.js';
import { Upstreams } from './upstreams.js';

/** How often slow callers and ageing holds are looked for, all of them in one go. */
const SWEEP_MS = 1_000;

export interface GatewayParts {
  readonly ledger: CallsParts['ledger'] & Pick<LedgerReads, 'units' | 'budget'>;
  readonly keyRing: { authenticate(key: string | undefined): Caller | null };
  readonly tenancy: { lines(caller: Caller, lines: readonly BudgetLine[]): readonly ShownLine[] };
  readonly clock: Clock;
  /** Makes calls turns of chats, where they ask for it. */
  readonly recorder: Recorder;
  /** Says whether the goal that a call carries is its caller's. */
  readonly goals: Pick<Goals, 'assertUsable'>;
  readonly settings: () => Settings;
  readonly prices: CallsParts['prices'];
  /** Told how each call was decided, and how long that took. */
  readonly onDecision: (outcome: 'authorized' | 'denied', ms: number) => void;
  readonly routing: () => RoutingTable;
  readonly throttled: Pick<ThrottledProviders, 'throttle'>;
  /** The value of an environment variable that holds a provider's key. */
  readonly secrets: (name: string) => string | undefined;
  /** Where providers without a base URL are: the built-in demonstration. */
  readonly demoOrigin: string;
  readonly logger: {
    warn(about: object, message: string): void;
    error(about: object, message: string): void;
  };
  /** Whether new calls are refused because the server stops. */
  readonly isDraining: () => boolean;
}

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
  readonly #parts: GatewayParts;
  readonly #calls: Calls;
  readonly #exchanges = new Roster<Exchange>();
  readonly #unknownErrors = new UnknownErrors();
  readonly #scales: UnitScales;
  #compiled: {
    readonly settings: Settings;
    readonly signatures: Signatures;
  } | null = null;
  #whenIdle: (() => void) | null = null;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.upstreams = new Upstreams(parts);
    this.#scales = new UnitScales(parts.ledger, parts.clock);
    this.#calls = new Calls({
      ...parts,
      onFault: (what, error) => parts.logger.error({ err: error }, what),
    });
  }

  settings(): Settings {
    return this.#parts.settings();
  }

  // What is made of the settings, made again only when they have been reloaded.
  #made() {
    const settings = this.#parts.settings();
    if (this.#compiled?.settings !== settings) {
      const signatures = compileSignatures(settings.signatures);
      this.#compiled = { settings, signatures };
    }
    return this.#compiled;
  }

  linesFor(caller: Caller, lines: readonly BudgetLine[]): readonly ShownLine[] {
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

  classify({ name }: ProviderSettings, error: ProviderError): ErrorClass {
    const now = this.clock.now();
    const found = this.#made().signatures.classify(error, now);
    const { logger, throttled } = this.#parts;
    if (found.class === 'throttle') {
      logger.warn({ provider: name, until: new Date(found.until).toISOString() }, 'a provider throttles');
      throttled.throttle(name, found.until, now).catch((fault) => {
        logger.error({ err: fault, provider: name }, 'a throttled provider could not be exhausted');
      });
    } else if (found.class === 'unknown') {
      const start = this.#unknownErrors.firstSeen(name, error.status, error.text);
      if (start !== null)
        logger.warn({ provider: name, error: start }, 'a provider gave an error that no pattern knows');
    }
    return found;
  }

  bug(error: unknown, requestId: string): void {
    this.#parts.logger.error(
      { err: error, requestId },
      'a call failed inside the gateway; its estimate is charged',
    );
  }

  opened(exchange: Exchange): void {
    this.#exchanges.add(exchange);
  }

  closed(exchange: Exchange): void {
    this.#exchanges.remove(exchange);
    if (this.#exchanges.size === 0) this.#whenIdle?.();
  }

  get openCalls(): number {
    return this.#exchanges.size;
  }

  async endAll(): Promise<void> {
    if (this.#exchanges.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
    for (const exchange of this.#exchanges.all()) exchange.stop(new Ended('drained'));
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
    for (const exchange of this.#exchanges.all()) exchange.checkStalled(now);
    void this.#calls.keepAlive();
  }

  #routes(app: FastifyInstance, name: DialectName): void {
    const { bodyBytesMax } = this.settings().gateway;
    app.removeAllContentTypeParsers();
    // Read as bytes whatever it claims to be: a body that is no JSON is refused when it is read.
    const raw = { parseAs: 'buffer', bodyLimit: bodyBytesMax } as const;
    app.addContentTypeParser('*', raw, (_request, body, done) => done(null, body));
    app.setErrorHandler((error, request, reply) => send(reply, this.#faultAnswer(name, error, request.id)));
    const metered = { bodyLimit: bodyBytesMax, onRequest: this.#admit };
    for (const [path, endpoint] of Object.entries(dialects[name].paths)) {
      app.post(path, metered, (request, reply) => this.#call({ name, endpoint, path }, request, reply));
    }
    app.get('/v1/models', async (request, reply) => {
      this.#authenticated(request);
      reply.header('bursar-cost', '0');
      return modelList(name, this.#parts.routing());
    });
    app.get('/v1/models/*', async (request, reply) => {
      this.#authenticated(request);
      reply.header('bursar-cost', '0');
      const model = (request.params as { readonly '*': string })['*'];
      return modelByName(name, model, { routing: this.#parts.routing(), now: this.clock.now() });
    });
    // Also every other method: what is not metered does not go through (field problems 21).
    app.all('/*', async () => {
      throw notMetered();
    });
  }

  answersUnrouted(error: Error | null, request: FastifyRequest, reply: FastifyReply): boolean {
    const [, first] = request.url.split(/[/?#]/, 2);
    const name = DIALECTS.find((dialect) => dialect === first);
    if (name === undefined) return false;
    send(
      reply.header('x-request-id', request.id),
      this.#faultAnswer(name, error ?? notMetered(), request.id),
    );
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

  #authenticated(request: Request): Caller {
    const caller = this.#parts.keyRing.authenticate(keyTextIn(request.headers));
    if (caller !== null) {
      // Also for the server's log, which names the key of each request.
      request.caller = caller;
      return caller;
    }
    throw new RefusedError('invalid_api_key', 'This key is missing, unknown, revoked or expired.');
  }

  async #call(
    route: { readonly name: DialectName; readonly endpoint: Endpoint; readonly path: string },
    request: Request,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const caller = request.caller as Caller;
    if (this.#parts.isDraining()) {
      throw new RefusedError('draining', 'Bursar is stopping; try again shortly.', { retryAfterMs: 1_000 });
    }
    const { headers } = request;
    const body = request.body instanceof Buffer ? request.body : NO_BODY;
    const dialect = dialects[route.name];
    const labels = labelsOfGatewayCall(caller, labelsIn(headers));
    this.#parts.goals.assertUsable(caller, labels);
    const facts = dialect.readRequest(route.endpoint, body);
    const factsFor = (model: string) => dialect.readRequest(route.endpoint, body, model);
    const recorded = recordingOf({ caller, labels, headers, endpoint: route.endpoint, body }, this.#parts);
    const began = performance.now();
    const begun = await this.#calls.begin({ caller, labels, dialect: route.name, facts, factsFor, recorded });
    const isRefused = 'refusal' in begun;
    if (!isRefused || begun.refusal === 'denied' || begun.decision !== null)
      this.#parts.onDecision(isRefused ? 'denied' : 'authorized', performance.now() - began);
    if (isRefused) return send(reply, this.#refused(route.name, begun, caller, request.id));
    reply.hijack();
    const path = route.name === 'anthropic' && isBeta(request.url) ? `${route.path}?beta=true` : route.path;
    this.#exchange(begun, { dialect, path, headers, body, requestId: request.id, response: reply.raw });
    return reply;
  }

  #exchange(call: Call, request: Omit<ConstructorParameters<typeof Exchange>[1], 'call'>): void {
    new Exchange(this, { ...request, call }).send();
  }

  #refused(dialect: DialectName, refusal: Refusal, caller: Caller, requestId: string): GatewayAnswer {
    const { scales, now } = this.scale();
    const settings = this.settings().gateway;
    const show = (lines: readonly BudgetLine[]) => this.linesFor(caller, lines);
    const budgetOf = (id: string) => this.#parts.ledger.budget(id);
    const about = { settings, scales, show, requestId, budgetOf };
    const withFigures = (decision: Pick<Denied, 'decisionId' | 'lines'>, answer: GatewayAnswer) => {
      const figures = decisionHeaders(decision.decisionId, show(decision.lines), { scales, now });
      return { ...answer, headers: { ...figures, ...goalHeaders(decision.lines), ...answer.headers } };
    };
    if (refusal.refusal === 'denied')
      return withFigures(refusal.denied, deniedAnswer(dialect, refusal.denied, about));
    const { refusal: code, decision } = refusal;
    if (decision === null) return refusalAnswer(dialect, { ...refusal, code, decision }, requestId);
    return withFigures(decision, noProviderAnswer(dialect, { ...refusal, code, decision }, about));
  }

  // What Fastify or the service throws before a call is authorised.
  #faultAnswer(dialect: DialectName, error: unknown, requestId: string): GatewayAnswer {
    if (error instanceof RefusedError) {
      const { code, message, about } = error;
      return refusalAnswer(dialect, { code, message, ...about }, requestId);
    }
    const status = (error as { readonly statusCode?: unknown }).statusCode;
    if (status === 413) {
      const message = `The body is larger than ${this.settings().gateway.bodyBytesMax} bytes.`;
      return refusalAnswer(dialect, { code: 'too_large', message }, requestId);
    }
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return refusalAnswer(
        dialect,
        { code: 'invalid_request', message: 'The request is malformed.' },
        requestId,
      );
    }
    this.#parts.logger.error({ err: error, requestId }, 'a call failed inside the gateway');
    const message = 'Bursar failed; nothing was sent to a provider.';
    return refusalAnswer(dialect, { code: 'ledger_unavailable', message, status: 500 }, requestId);
  }
}

/** `caller` is set once the key is known. */
type Request = FastifyRequest & { caller?: Caller };

const NO_BODY = Buffer.alloc(0);

function notMetered(): RefusedError {
  const message = 'Bursar forwards only the routes that it meters; see docs/gateway.md.';
  return new RefusedError('route_not_metered', message);
}

function refuseCompressed(encoding: string | undefined): void {
  if (encoding === undefined || encoding === 'identity') return;
  const about = { field: 'content-encoding' };
  throw new RefusedError('invalid_request', 'Compressed bodies are not taken.', about);
}

/** The one query that Anthropic's clients send; all others stay here. */
function isBeta(url: string): boolean {
  const query = url.indexOf('?');
  return query !== -1 && new URLSearchParams(url.slice(query + 1)).get('beta') === 'true';
}

function send(reply: FastifyReply, { status, headers, body }: GatewayAnswer): FastifyReply {
  return reply
    .code(status)
    .headers({ 'bursar-cost': '0', ...headers })
    .send(body);
}
