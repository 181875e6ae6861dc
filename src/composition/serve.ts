// The composition root of the server: the data folder, the ledger, the keys, the configuration, the HTTP API and the
// gateway are put together here, and taken apart again in an order in which nothing is lost. Called by main.ts.

import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { AccessKeys } from '../access/access-keys.js';
import { Tenancy } from '../access/tenancy.js';
import type { Clock } from '../authority/api.js';
import { openEvidence } from '../authority/evidence.js';
import { SYSTEM_CLOCK } from '../authority/open.js';
import { showProgress } from '../cli/progress.js';
import { InvalidInputError } from '../core/errors.js';
import { StoredResponses } from '../gateway/calls/stored-responses.js';
import { type DemoProvider, startDemoProvider } from '../gateway/front/demo-provider.js';
import { buildGateway, type Gateway } from '../gateway/front/gateway.js';
import { ThrottledProviders } from '../gateway/routing/throttled.js';
import { goalHeaders } from '../goals/goal-headers.js';
import { buildHttp } from '../http/build-http.js';
import { openWebhooks } from '../notices/webhook-connections.js';
import { QUOTA_BUDGETS } from '../quotas/buckets.js';
import { CloseStack } from './close-stack.js';
import type { LogLevel } from './config.js';
import { ledgerPathIn, makeDataFolder, openDataFolder } from './data-folder.js';
import { openFeatures } from './features.js';
import { firstStartText } from './first-start.js';
import { type Log, openLog, type ProcessEnd } from './log.js';
import { isHost } from './settings/listen.js';
import type { Settings } from './settings/settings-file.js';
import { configPathOf, readSettings, SettingsInForce } from './settings-in-force.js';

/** What orchestrators grant between SIGTERM and SIGKILL. */
const DRAIN_DEFAULT_MS = 30_000;
/** How often it is looked whether open calls have ended. */
const DRAIN_CHECK_MS = 50;

/** As a process that a signal ended says it. */
const EXIT_AT_ONCE = 130;

/** The part of `process` that the server uses. */
interface ProcessSignals extends ProcessEnd {
  on(event: NodeJS.Signals | 'exit', listener: () => void): unknown;
  exit(code: number): never;
}

export interface ServerOptions {
  readonly config?: string | undefined;
  readonly dataPath: string;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly drainMs?: number | undefined;
  readonly acceptLoss?: boolean | undefined;
  readonly logLevel: LogLevel;
  /** Environment variables, which the configuration names. */
  readonly secretOf: (name: string) => string | undefined;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly process: ProcessSignals;
}

/**
 * Runs until SIGTERM or SIGINT.
 * @throws InvalidInputError, LedgerHeldError … what kept it from starting, and what stopped the ledger
 */
export async function serve(options: ServerOptions): Promise<void> {
  const configPath = configPathOf(options.config);
  const settings = await readSettings(configPath);
  makeDataFolder(options.dataPath);
  const log = openLog(options.stdout, options.logLevel, options.process);
  const opened = new CloseStack();
  const signals = new Signals(options.process, log.logger);
  let onStopped: (fault: unknown) => void = () => undefined;
  const ledgerStopped = new Promise<{ readonly fault: unknown }>((resolve) => {
    onStopped = (fault) => resolve({ fault });
  });
  try {
    const server = await start({ options, configPath, settings, log, opened, onStopped });
    signals.onHangUp = () => reloadLogged(server, log.logger);
    const stopped = await Promise.race([signals.stop, ledgerStopped]);
    if (stopped === undefined) await server.drain(options.drainMs ?? DRAIN_DEFAULT_MS);
    else {
      log.logger.error({ err: stopped.fault }, 'the ledger has stopped, so the server ends; start it again');
      await server.drain(0);
      throw stopped.fault;
    }
  } finally {
    await opened.close(log.logger);
    log.close();
  }
}

interface Starting {
  readonly options: ServerOptions;
  readonly configPath: string | null;
  readonly settings: Settings;
  readonly log: Log;
  readonly opened: CloseStack;
  readonly onStopped: (fault: unknown) => void;
}

interface RunningServer {
  reload(): Promise<string>;
  /** Takes no new calls, and resolves when those that are open have ended or the time is up. */
  drain(withinMs: number): Promise<void>;
}

async function start({
  options,
  configPath,
  settings,
  log,
  opened,
  onStopped,
}: Starting): Promise<RunningServer> {
  const { logger } = log;
  const clock = SYSTEM_CLOCK;
  // Not the log: it is written between turns of the event loop, and a long rebuild is one turn.
  const progress = showProgress('reading the ledger', options.stderr);
  const folder = await openDataFolder(options.dataPath, {
    ...{ clock, logger, opened, onStopped },
    acceptLoss: options.acceptLoss,
    progress: progress.report,
  }).finally(progress.end);
  const { ledger, keys } = folder;
  const evidence = openEvidence(ledgerPathIn(options.dataPath));
  opened.add('the evidence', evidence, (threads) => threads.close());
  const throttled = new ThrottledProviders(ledger);
  const demo = new DemoOnDemand(clock, opened);
  const prepare = (needed: Settings) => demo.prepare(needed);
  const inForce = await SettingsInForce.open({ configPath, ledger, throttled, logger, prepare }, settings);
  const webhooks = openWebhooks(() => inForce.settings.notices);
  opened.add('the connections to webhooks', webhooks, (held) => held.close());
  const features = await openFeatures({
    ...folder,
    settings: () => inForce.settings,
    secrets: options.secretOf,
    logger,
    clock,
    opened,
    send: webhooks.send,
  });
  let draining = false;
  const app = await buildHttp({
    ...folder,
    ...features,
    evidence,
    prices: () => inForce.prices,
    clock,
    log: { level: logger.level, stream: log.stream },
    reload: () => reloadAnswer(inForce, logger),
    answersUnrouted: (error, request, reply) => gateway.answersUnrouted(error, request, reply),
    isDraining: () => draining,
  });
  const gateway = buildGateway({
    ledger,
    keyRing: folder.keyRing,
    tenancy: new Tenancy(ledger),
    clock,
    recorder: features.chats.recorder,
    storedResponses: new StoredResponses({ views: folder.views, ledger, clock }),
    goals: { assertUsable: (...asked) => features.goals.assertUsable(...asked), headers: goalHeaders },
    quotas: QUOTA_BUDGETS,
    onDecision: (outcome, ms) => app.decided(outcome, ms),
    onProviderError: (provider, what) => app.providerFailed(provider, what),
    settings: () => inForce.settings.gateway,
    providers: () => inForce.settings.providers,
    signatures: () => inForce.settings.signatures,
    prices: () => inForce.prices,
    routing: () => inForce.routing,
    throttled,
    secrets: options.secretOf,
    get demoOrigin() {
      return demo.origin;
    },
    logger,
    isDraining: () => draining,
  });
  opened.add('the gateway', gateway, (calls) => calls.close());
  await app.register(gateway.plugin);
  opened.add('the HTTP server', app, (server) => server.close());
  const url = await listening(app, placeOf(options, settings));
  await sayStarted({ url, keys, options, logger, configPath });
  return {
    reload: () => inForce.reload(),
    async drain(withinMs) {
      draining = true;
      await drained({ app, gateway, withinMs, logger });
    },
  };
}

async function reloadAnswer(
  inForce: SettingsInForce,
  logger: Logger,
): Promise<{ reloaded: boolean; message: string }> {
  try {
    const message = await inForce.reload();
    logger.info(message);
    return { reloaded: true, message };
  } catch (error) {
    sayNotReloaded(error as Error, logger);
    return { reloaded: false, message: (error as Error).message };
  }
}

function sayNotReloaded({ message }: Error, logger: Logger): void {
  logger.error(`the configuration was not reloaded and the one before stays: ${message}`);
}

interface Draining {
  readonly app: FastifyInstance;
  readonly gateway: Gateway;
  readonly withinMs: number;
  readonly logger: Logger;
}

/** Lets what is open end. What is still open when the time is up is ended and settled as if its caller had left. */
async function drained({ app, gateway, withinMs, logger }: Draining): Promise<void> {
  let isTimeUp = false;
  const timeUp = pause(withinMs, undefined, { ref: false }).then(() => {
    isTimeUp = true;
  });
  // New calls are still told that the server stops, until none is open.
  while (gateway.openCalls > 0 && !isTimeUp) await pause(DRAIN_CHECK_MS);
  const closed = app.close();
  await Promise.race([closed, timeUp]);
  if (gateway.openCalls > 0)
    logger.warn({ calls: gateway.openCalls }, 'ending the calls that are still open');
  await gateway.endAll();
  app.server.closeAllConnections();
  await closed;
  logger.info('stopped');
}

/** The demonstration provider runs only where a configuration has it. */
class DemoOnDemand {
  #provider: DemoProvider | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly opened: CloseStack,
  ) {}

  async prepare(settings: Settings): Promise<void> {
    if (this.#provider !== null || !hasDemo(settings)) return;
    const provider = await startDemoProvider(this.clock);
    this.#provider = this.opened.add('the demonstration provider', provider, (started) => started.close());
  }

  /** Asked only for providers that are in a configuration which was prepared. */
  get origin(): string {
    return this.#provider?.baseUrl ?? '';
  }
}

function hasDemo(settings: Settings): boolean {
  return settings.providers.some(({ baseUrl }) => baseUrl === null);
}

/** What the command line says of the place comes before the configuration. */
function placeOf({ host, port }: ServerOptions, { listen }: Settings): Settings['listen'] {
  if (host !== undefined && !isHost(host))
    throw new InvalidInputError('--host', `${JSON.stringify(host)} is no host name or address`);
  return { host: host ?? listen.host, port: port ?? listen.port };
}

/** @returns the URL under which the server is reached @throws InvalidInputError when it cannot listen there */
async function listening(app: FastifyInstance, place: Settings['listen']): Promise<string> {
  try {
    await app.listen(place);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const at = `${place.host}:${place.port}`;
    const why =
      code === 'EADDRINUSE' ? 'another process listens there; stop it or state another --port' : message;
    throw new InvalidInputError('listen', `${at}: ${why}`);
  }
  const { address, family, port } = app.server.address() as AddressInfo;
  // What listens everywhere is reached here too.
  const host = address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address;
  return `http://${family === 'IPv6' && host.includes(':') ? `[${host}]` : host}:${port}`;
}

interface Started {
  readonly url: string;
  readonly keys: AccessKeys;
  readonly options: ServerOptions;
  readonly logger: Logger;
  readonly configPath: string | null;
}

async function sayStarted({ url, keys, options, logger, configPath }: Started): Promise<void> {
  // Where the configuration is the user's own, a demonstration's tenant would spend below no budget of theirs.
  const first = await keys.firstKeys({ demo: configPath === null });
  if (first !== null) options.stderr.write(`${firstStartText({ url, keys: first })}\n`);
  logger.info({ url, data: options.dataPath }, 'listening');
}

/** Heard from before the start on: one that comes early stops the server once it runs. A second one ends at once. */
class Signals {
  /** Resolves at the first signal to stop. */
  readonly stop: Promise<void>;
  onHangUp: () => void = () => undefined;

  constructor(signals: ProcessSignals, logger: Logger) {
    let stopping = false;
    this.stop = new Promise((resolve) => {
      const stop = (signal: NodeJS.Signals) => {
        if (stopping) {
          logger.warn(`${signal} again: ending at once; the holds of open calls end by their expiry`);
          signals.exit(EXIT_AT_ONCE);
        }
        stopping = true;
        logger.info(`${signal}: no new calls; open ones may end`);
        resolve();
      };
      signals.on('SIGTERM', () => stop('SIGTERM'));
      signals.on('SIGINT', () => stop('SIGINT'));
    });
    signals.on('SIGHUP', () => this.onHangUp());
  }
}

function reloadLogged(server: RunningServer, logger: Logger): void {
  server.reload().then(
    (changes) => logger.info(changes),
    (error: Error) => sayNotReloaded(error, logger),
  );
}
