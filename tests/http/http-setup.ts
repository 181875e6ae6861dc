// What the tests of the HTTP API share: the real server on a real ledger file, a clock, an admin's key and the keys of two
// tenants, and requests over real sockets.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach } from 'vitest';
import type { AccessKeys } from '#bursar/access/access-keys.js';
import type { KeyRing } from '#bursar/access/key-ring.js';
import type { NewKey } from '#bursar/access/key-spec.js';
import { openEvidence } from '#bursar/authority/evidence.js';
import { CloseStack } from '#bursar/composition/close-stack.js';
import { openDataFolder } from '#bursar/composition/data-folder.js';
import { openFeatures } from '#bursar/composition/features.js';
import type { Settings } from '#bursar/composition/settings/settings-file.js';
import { defaultSettings } from '#bursar/composition/settings/settings-file.js';
import { openPriceBook } from '#bursar/gateway/prices/price-book.js';
import { buildHttp } from '#bursar/http/build-http.js';
import type { Ledger } from '#bursar/index.js';
import { openWebhooks } from '#bursar/notices/webhook-connections.js';
import { TestClock } from '../scenario/scenario.js';
import type { Json } from '../setup/json.js';

const running: HttpStage[] = [];

afterEach(async () => {
  for (const stage of running.splice(0)) await stage.remove();
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
  readonly text: string;
}

export interface Asked {
  readonly key?: string | null;
  readonly body?: unknown;
  readonly idempotencyKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** As without a file; receivers of notices are on this machine. */
const SETTINGS: Settings = { ...defaultSettings(), notices: { reach: 'any' } };

/** What the product's parts would log. */
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A server on a folder of its own; `restart` opens both files again, as a new process would. */
export class HttpStage {
  readonly folder = mkdtempSync(join(tmpdir(), 'bursar-http-'));
  readonly clock = new TestClock();
  readonly log: string[] = [];
  draining = false;
  /** What the section `reconciliation` states, and the environment that it names. */
  reports: Settings['reconciliation'] = [];
  secrets: Readonly<Record<string, string>> = {};
  reloads: { reloaded: boolean; message: string } = { reloaded: true, message: 'nothing changed' };
  ledger!: Ledger;
  app!: FastifyInstance;
  url = '';
  admin = '';
  readonly keys: Record<string, string> = {};
  #keys!: AccessKeys;
  #ring!: KeyRing;
  #opened!: CloseStack;
  #count = 0;

  /** Budgets: `all` of everything, `each` of each tenant, both 100 usd a day. */
  static async open({ kept = false }: { readonly kept?: boolean } = {}): Promise<HttpStage> {
    const stage = new HttpStage();
    // One that is kept serves several tests, and whoever opened it removes it.
    if (!kept) running.push(stage);
    await stage.#start();
    stage.admin = (await stage.#keys.firstKeys({ demo: false }))?.admin.secret ?? '';
    const day = { unit: 'usd', window: 'day', limit: 100n * 100_000_000n } as const;
    await stage.ledger.putDefinitions({
      budgets: [
        { id: 'all', match: {}, ...day },
        { id: 'each', match: { tenant: '*' }, ...day },
      ],
    });
    for (const tenant of ['acme', 'other'])
      stage.keys[tenant] = await stage.key({ scopes: ['tenant_admin'], labels: { tenant } });
    return stage;
  }

  /** A key made by the platform. */
  async key(stated: Partial<NewKey>): Promise<string> {
    const admin = this.#ring.authenticate(this.admin);
    if (admin === null) throw new Error('the admin key is there');
    const spec: NewKey = { name: 'a key', scopes: ['spend'], callerLabels: ['user'], ...stated };
    return (await this.#keys.create(admin, spec)).secret;
  }

  async #start(): Promise<void> {
    this.#opened = new CloseStack();
    const parts = { clock: this.clock, logger: QUIET, opened: this.#opened };
    const folder = await openDataFolder(this.folder, parts);
    this.ledger = folder.ledger;
    this.#keys = folder.keys;
    this.#ring = folder.keyRing;
    const prices = openPriceBook([]);
    const webhooks = openWebhooks(() => SETTINGS.notices);
    this.#opened.add('webhooks', webhooks, (held) => held.close());
    const product = await openFeatures({
      ...folder,
      settings: () => ({ ...SETTINGS, reconciliation: this.reports }),
      secrets: (name) => this.secrets[name],
      logger: QUIET,
      clock: this.clock,
      opened: this.#opened,
      send: webhooks.send,
    });
    const evidence = openEvidence(join(this.folder, 'ledger.db'));
    this.#opened.add('evidence', evidence, (threads) => threads.close());
    this.app = buildHttp({
      ...folder,
      ...product,
      evidence,
      prices: () => prices,
      clock: this.clock,
      log: { level: 'trace', stream: { write: (line) => this.log.push(line) } },
      reload: async () => this.reloads,
      answersUnrouted: () => false,
      isDraining: () => this.draining,
    });
    this.url = await this.app.listen({ host: '127.0.0.1', port: 0 });
  }

  async #stop(): Promise<void> {
    await this.app.close();
    await this.#opened.close(QUIET);
  }

  async restart(): Promise<void> {
    await this.#stop();
    await this.#start();
  }

  async remove(): Promise<void> {
    await this.#stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A command gets an Idempotency-Key of its own unless one is stated; '' sends none. */
  async ask(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const { key = this.admin, body, idempotencyKey, headers = {} } = asked;
    this.#count += 1;
    const sent: Record<string, string> = { ...headers };
    if (key !== null) sent.authorization = `Bearer ${key}`;
    if (body !== undefined) sent['content-type'] ??= 'application/json';
    const idempotency = idempotencyKey ?? `key-${this.#count}`;
    if (method !== 'GET' && idempotency !== '') sent['idempotency-key'] = idempotency;
    const response = await fetch(this.url + path, {
      method,
      headers: sent,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : null,
    };
  }

  get(path: string, key?: string): Promise<Answer> {
    return this.ask('GET', path, key === undefined ? {} : { key });
  }

  post(path: string, body: unknown, asked: Asked = {}): Promise<Answer> {
    return this.ask('POST', path, { body, ...asked });
  }

  /** A hold of one tenant's, by its own key. */
  hold(tenant: 'acme' | 'other', holdId: string, usd = '1'): Promise<Answer> {
    return this.post('/v1/holds', { holdId, amounts: { usd } }, { key: this.keys[tenant] });
  }
}

/** What an answer says of itself: its status and, of a problem, the code and the field. */
export function said({ status, body }: Answer): string {
  return [status, body?.code, body?.field].filter((part) => part !== undefined && part !== null).join(' ');
}
