// Notices over real files that can be closed and opened again, sent over real sockets to a receiver on this machine that
// fails, delays and restarts as it is told, and checks signatures with the reference implementation.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterEach } from 'vitest';
import type { Ledger } from '#bursar/index.js';
import { openLedger } from '#bursar/index.js';
import { ThresholdTable } from '#bursar/notices/notice-tables.js';
import { Notices } from '#bursar/notices/notices.js';
import { NOTICES_VIEW } from '#bursar/notices/notices-facts.js';
import { openWebhooks, type Webhooks } from '#bursar/notices/webhook-connections.js';
import { openSqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';
import type { Vault } from '#bursar/vault/vault.js';
import { openViews, type Views } from '#bursar/views/views.js';
import { TestClock } from '../scenario/scenario.js';
import type { Json } from '../setup/json.js';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export interface Received {
  readonly id: string;
  readonly timestampMs: number;
  readonly event: Json;
  readonly contentType: string | undefined;
  readonly body: string;
}

/** A receiver on a port of its own, which it keeps over restarts. */
export class Receiver {
  /** All that came, also what was then answered with a failure. */
  readonly received: Received[] = [];
  /** Answers to come, first to last; then 204. A number of ms in `delay` comes first. */
  readonly answers: (
    | number
    | 'hang up'
    | { readonly delay?: number; readonly status: number; readonly retryAfter?: string }
  )[] = [];
  secret = '';
  /** Of each message, as it came. */
  readonly signatures: string[] = [];
  #server: Server | null = null;
  #port = 0;
  readonly #sockets = new Set<Socket>();

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.start();
    closers.push(() => receiver.stop());
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  /** Ids in the order in which they first came. */
  get ids(): string[] {
    return [...new Set(this.received.map(({ id }) => id))];
  }

  get percents(): number[] {
    return this.received.map(({ event }) => event.data.percent);
  }

  async start(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const body = Buffer.concat(pieces).toString();
      this.received.push(this.#checked(request.headers as Record<string, string>, body));
      const answer = this.answers.shift() ?? 204;
      if (answer === 'hang up') return void request.socket.destroy();
      const { delay = 0, status, retryAfter } = typeof answer === 'number' ? { status: answer } : answer;
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
      response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end('thanks');
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #checked(headers: Record<string, string>, body: string): Received {
    const timestampMs = Number(headers['webhook-timestamp']) * 1_000;
    this.signatures.push(headers['webhook-signature']);
    const webhook = new Webhook(this.secret);
    // The reference refuses times that are not now; where a test's clock has been moved, its signature is compared.
    if (Math.abs(timestampMs - Date.now()) < 240_000) webhook.verify(body, headers);
    else {
      const own = webhook.sign(headers['webhook-id'], new Date(timestampMs), body);
      if (!headers['webhook-signature'].split(' ').includes(own)) throw new Error('the signature is wrong');
    }
    const contentType = headers['content-type'];
    return { id: headers['webhook-id'], timestampMs, event: JSON.parse(body), contentType, body };
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }
}

export class NoticesStage {
  readonly clock = new TestClock(Date.now());
  readonly faults: string[] = [];
  settings: { reach: 'public' | 'any' } = { reach: 'any' };
  ledger!: Ledger;
  vault!: Vault;
  views!: Views;
  notices!: Notices;
  #webhooks!: Webhooks;
  #holds = 0;
  readonly folder = mkdtempSync(join(tmpdir(), 'bursar-notices-'));

  /** Budgets: `each` of each tenant and user, 1,000 tokens a day; `all` of everybody's, 10,000 tokens. */
  static async open(): Promise<NoticesStage> {
    const stage = new NoticesStage();
    closers.push(async () => {
      await stage.close();
      rmSync(stage.folder, { recursive: true, force: true });
    });
    await stage.#open();
    await stage.ledger.putDefinitions({
      budgets: [
        { id: 'each', match: { tenant: '*', user: '*' }, unit: 'tokens', limit: 1_000n, window: 'day' },
        { id: 'all', match: {}, unit: 'tokens', limit: 10_000n, window: 'lifetime' },
      ],
    });
    return stage;
  }

  async #open(): Promise<void> {
    const file = (name: string) => join(this.folder, name);
    this.vault = openSqliteVault(file('vault.db'), this.clock);
    this.views = openViews(file('views.db'), [NOTICES_VIEW]);
    this.ledger = await openLedger({ path: file('ledger.db'), clock: this.clock, follower: this.views });
    this.#webhooks = openWebhooks(() => this.settings);
    this.notices = new Notices({
      vault: this.vault,
      views: this.views,
      ledger: this.ledger,
      clock: this.clock,
      settings: () => this.settings,
      send: this.#webhooks.send,
      onFault: (what, error) => this.faults.push(`${what}: ${(error as Error).message}`),
    });
    await this.notices.start();
  }

  async close(): Promise<void> {
    await this.notices.close();
    await this.#webhooks.close();
    await this.ledger.close();
    this.views.closeFile();
    await this.vault.close();
  }

  async restart(): Promise<void> {
    await this.close();
    await this.#open();
  }

  async spend(user: string, tokens: bigint, tenant = 'acme'): Promise<void> {
    await this.ledger.record({ labels: { tenant, user }, amounts: { tokens } });
  }

  async hold(user: string, tokens: bigint, more: object = {}): Promise<string> {
    this.#holds += 1;
    const holdId = `hold-${this.#holds}`;
    await this.ledger.authorize({ holdId, labels: { tenant: 'acme', user }, amounts: { tokens }, ...more });
    return holdId;
  }

  /** Resolves once the journal has been read to its head, and accounts looked at for what was stated. */
  async read(): Promise<void> {
    const { sequence } = this.ledger.head();
    const { finder } = this.notices;
    const thresholds = new ThresholdTable(this.views);
    await finder.start();
    while (thresholds.all().length > 0 && (finder.readUpTo < sequence || thresholds.unchecked().length > 0))
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** All that can be sent now has been. */
  async sent(): Promise<void> {
    await this.read();
    this.notices.sender.look();
    await this.notices.sender.idle();
  }

  /** `budget percent` of each notice, oldest first. */
  found(caller: Parameters<Notices['list']>[0]): string[] {
    const { notices } = this.notices.list(caller, { before: null, max: 1_000 });
    return notices
      .map(({ budgetId, values, percent }) => `${budgetId} ${values.user ?? ''} ${percent}`)
      .reverse();
  }
}
