// What a feature lives on in tests: ledger.db, vault.db and views.db as real files, which can be closed and opened again as by
// a restart; and a kill before any of its durable steps, after which what was done so far is all that there is.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { VIEWS } from '#bursar/composition/data-folder.js';
import { type Ledger, type LedgerEvent, openLedger } from '#bursar/index.js';
import type { Caller } from '#bursar/kit/caller.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import { openSqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';
import type { Vault } from '#bursar/vault/vault.js';
import type { View } from '#bursar/views/view.js';
import { openViews, type Views } from '#bursar/views/views.js';
import { callerOf } from '../access/tenancy-setup.js';
import { TestClock } from '../scenario/scenario.js';

/** A key of acme's for everybody, and one for each of two users; another tenant's; and the platform's. */
export const ACME = callerOf('acme', 'tenant_admin');
export const ANN = withUser(callerOf('acme', 'spend', 'read'), 'ann');
export const BEN = withUser(callerOf('acme', 'spend', 'read'), 'ben');
export const OTHER = callerOf('other', 'tenant_admin');
export const PLATFORM = callerOf(null, 'admin');

function withUser(caller: Caller, user: string): Caller {
  return { ...caller, labels: { ...caller.labels, user }, callerLabels: new Set() };
}

/** What a crash is here: work stops at a step, and nothing after it is done. */
export class Crash extends Error {}

const open: FilesStage[] = [];
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.remove();
});

/** Each kind says what it begins on the open files. */
export abstract class FilesStage {
  readonly clock = new TestClock();
  readonly faults: string[] = [];
  ledger!: Ledger;
  vault!: Vault;
  views!: Views;
  /** The work is killed before the durable step of this number, counted from 0 at each opening; null: never. */
  killBefore: number | null = null;
  #steps = 0;
  readonly folder = mkdtempSync(join(tmpdir(), 'bursar-files-'));

  protected abstract begin(): void | Promise<void>;

  /** The views of the feature. */
  protected readonly viewList: readonly View[] = VIEWS;

  /** Before the files are closed. */
  protected async end(): Promise<void> {}

  /** What every part takes: the files, the clock, and whom it tells of faults. */
  protected get parts() {
    return {
      vault: this.#mortal(this.vault),
      views: this.views,
      ledger: this.#mortal(this.ledger),
      clock: this.clock,
      onFault: (what: string, error: unknown) => this.faults.push(`${what}: ${(error as Error).message}`),
    };
  }

  /** Opens the files; they go when the test is done. */
  protected async opened(): Promise<this> {
    if (!open.includes(this as never)) open.push(this as never);
    const file = (name: string) => join(this.folder, name);
    this.vault = openSqliteVault(file('vault.db'), this.clock);
    this.views = openViews(file('views.db'), this.viewList);
    this.ledger = await openLedger({ path: file('ledger.db'), clock: this.clock, follower: this.views });
    this.#steps = 0;
    await this.begin();
    return this;
  }

  async close(): Promise<void> {
    await this.end();
    await this.ledger.close().catch(() => undefined);
    this.views.closeFile();
    await this.vault.close();
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  protected async reopened(): Promise<void> {
    await this.close();
    await this.opened();
  }

  /** Opens the files again, as after a kill; `views`: whether views.db is still there. */
  async reopenedWith(views: 'kept' | 'deleted'): Promise<void> {
    this.killBefore = null;
    await this.close();
    if (views === 'deleted') rmSync(join(this.folder, 'views.db'));
    await this.opened();
  }

  /** The same port, whose durable steps are counted, and refused from `killBefore` on. */
  #mortal<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (!DURABLE_STEPS.has(name)) return value.bind(target);
        return async (...given: unknown[]) => {
          if (this.killBefore !== null && this.#steps >= this.killBefore)
            throw new Crash(`before ${String(name)}`);
          const answer = await value.apply(target, given);
          this.#steps += 1;
          return answer;
        };
      },
    });
  }

  async events(): Promise<LedgerEvent[]> {
    const found: LedgerEvent[] = [];
    for await (const event of this.ledger.events()) found.push(event);
    return found;
  }
}

/** Methods of the ledger and the vault after which something is on disk. */
const DURABLE_STEPS: ReadonlySet<string | symbol> = new Set([
  ...['run', 'runAll', 'submit', 'authorize', 'extend', 'release', 'reverse', 'settle', 'correct', 'record'],
  ...['putDefinitions', 'setBudgetStatus', 'setBalanceLimit', 'put', 'delete'],
]);

/** What is tried by `killedBeforeEachStep`: a stage that was made ready, the work, and what must be so after a restart. */
export interface Killed<Stage> {
  readonly ready: () => Promise<Stage>;
  readonly act: (stage: Stage) => Promise<unknown>;
  /** `isDone`: nothing was killed. */
  readonly check: (stage: Stage, isDone: boolean) => Promise<void>;
}

/** Kills the work before each of its durable steps in turn, with views.db kept and deleted. @returns how many steps it has */
export async function killedBeforeEachStep<Stage extends FilesStage>({
  ready,
  act,
  check,
}: Killed<Stage>): Promise<number> {
  for (let step = 0; ; step += 1) {
    let isDone = true;
    for (const views of ['kept', 'deleted'] as const) {
      const stage = await ready();
      // Counted from the work's own first step.
      await stage.reopenedWith('kept');
      stage.killBefore = step;
      isDone = await act(stage).then(
        () => true,
        (error) => {
          if (error instanceof Crash) return false;
          throw error;
        },
      );
      await stage.reopenedWith(views);
      await check(stage, isDone);
      await stage.remove();
    }
    if (isDone) return step;
  }
}

/** What was refused, as its code and message. */
export async function refused(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof RefusedError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
}
