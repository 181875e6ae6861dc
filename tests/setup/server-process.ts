// The real server as its users run it: a child process on a data folder of its own, with a configuration file and secrets
// in its environment. Starts, kills, drains and restarts it on the same data, and reads its books back over HTTP.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Json } from './json.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** For a start on a busy machine. */
const START_MS_MAX = 20_000;
/** For a condition of the books to come true: longer than any time-out in a test's configuration. */
const WAIT_MS_MAX = 25_000;
const WAIT_STEP_MS = 20;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** A hold, as `GET /v1/holds` shows it. */
export interface Hold {
  readonly holdId: string;
  readonly status: 'open' | 'settled' | 'released' | 'reversed' | 'expired';
  readonly labels: Readonly<Record<string, string>>;
  readonly authorized: Readonly<Record<string, string>>;
  readonly charged?: Readonly<Record<string, string>>;
  readonly ending: string | null;
}

export interface Figures {
  readonly spent: string;
  readonly held: string;
  readonly remaining: string | null;
}

/** A tenant with budgets and a key of its own, so that the tests of a file do not meet. */
export interface Tenant {
  readonly name: string;
  readonly key: string;
  /** The figures of its budget in that unit. */
  figures(unit?: string): Promise<Figures>;
  /** Its holds in the order in which they were opened, once none of them is open any more. */
  ended(): Promise<Hold[]>;
  /** The one hold that it ever had, ended. */
  only(): Promise<Hold>;
}

export class ServerProcess {
  #child: ChildProcess | null = null;
  #tenants = 0;
  url = '';
  adminKey = '';
  /** All that it ever wrote, secrets of the first start included. */
  output = '';

  private constructor(
    readonly folder: string,
    private readonly secrets: Readonly<Record<string, string>>,
  ) {}

  static async start(config: string, secrets: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'bursar-server-'));
    const server = new ServerProcess(folder, secrets);
    await server.configure(config);
    await server.restart();
    return server;
  }

  async configure(config: string): Promise<void> {
    await writeFile(join(this.folder, 'bursar.yaml'), config);
  }

  get pid(): number {
    return this.#child?.pid as number;
  }

  /** Starts it again on the same data. */
  async restart(): Promise<void> {
    const args = ['serve', '--config', 'bursar.yaml', '--data', 'data', '--port', '0'];
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, TMPDIR: this.folder, ...this.secrets },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const from = this.output.length;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the server did not start:\n${this.output.slice(from)}`);
      return /"msg":"listening"/.test(this.output.slice(from));
    }, START_MS_MAX);
    const said = this.output.slice(from);
    this.url = /"url":"(http:\/\/[^"]+)","data"/.exec(said)?.[1] ?? '';
    this.adminKey ||= /admin key +(bur_\S+)/.exec(said)?.[1] ?? '';
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    await this.#signal('SIGKILL');
  }

  /** Lets it drain. @returns its exit code */
  stop(): Promise<number | null> {
    return this.#signal('SIGTERM');
  }

  async #signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    }
    this.#child = null;
    return child.exitCode;
  }

  /** Kills it and takes its folder away. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** One request to the HTTP API, by the admin unless a key is named. */
  async api(method: string, path: string, body?: unknown, key = this.adminKey): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? null : JSON.parse(text),
    };
  }

  /** As `api`, but anything else than success throws. */
  async ok(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.api(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Every item of a list, all pages. */
  async list(path: string): Promise<Json[]> {
    const items: Json[] = [];
    let cursor: string | null = null;
    do {
      const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await this.ok('GET', `${path}${path.includes('?') ? '&' : '?'}limit=1000${next}`);
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return items;
  }

  async makeKey(key: {
    readonly labels: Readonly<Record<string, string>>;
    readonly scopes?: readonly string[];
    readonly callerLabels?: readonly string[];
  }): Promise<string> {
    return (await this.ok('POST', '/v1/keys', { name: 'test', scopes: ['spend', 'read'], ...key })).key;
  }

  /** A new tenant with a lifetime budget in each unit that is given. */
  async tenant(
    limits: Readonly<Record<string, string>>,
    more: {
      readonly labels?: Readonly<Record<string, string>>;
      readonly callerLabels?: readonly string[];
    } = {},
  ): Promise<Tenant> {
    this.#tenants += 1;
    const name = `t${this.#tenants}`;
    for (const [unit, limit] of Object.entries(limits))
      await this.ok('PUT', `/v1/budgets/${name}-${unit}`, {
        match: { tenant: name },
        unit,
        limit,
        window: 'lifetime',
      });
    const key = await this.makeKey({
      labels: { tenant: name, ...more.labels },
      callerLabels: more.callerLabels ?? [],
    });
    const holds = () => this.list(`/v1/holds?label=tenant%3D${name}`) as Promise<Hold[]>;
    const ended = async () => {
      await until(async () => (await holds()).every((hold) => hold.status !== 'open'));
      return holds();
    };
    return {
      name,
      key,
      figures: async (unit = 'usd') => {
        const [balance] = await this.list(`/v1/balances?budgetId=${name}-${unit}`);
        return { spent: balance?.spent, held: balance?.held, remaining: balance?.remaining };
      },
      ended,
      async only() {
        const all = await ended();
        if (all.length !== 1) throw new Error(`${all.length} holds instead of one: ${JSON.stringify(all)}`);
        return all[0];
      },
    };
  }

  /** Decides every command of the journal again. @throws when anything differs */
  async verify(): Promise<void> {
    const report = await this.ok('POST', '/v1/verify', {});
    if (!report.ok) throw new Error(`the journal does not verify: ${JSON.stringify(report.failure)}`);
  }
}

/** Waits until something is true. */
export async function until(isTrue: () => boolean | Promise<boolean>, withinMs = WAIT_MS_MAX): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${isTrue}`);
    await pause(WAIT_STEP_MS);
  }
}
