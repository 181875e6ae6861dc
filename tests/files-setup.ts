// What a part of the service lives on in tests: ledger.db and service.db as real files, which can be closed and opened
// again as by a restart; and a place to stop at between two steps, where a crash would.

import { fdatasync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect } from 'vitest';
import { openServiceStore } from '#bursar/composition/store/areas.js';
import { type Ledger, type LedgerEvent, openLedger } from '#bursar/index.js';
import type { Caller } from '#bursar/kit/caller.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import type { ServiceStore, ToDisk } from '#bursar/kit/service-store.js';
import { TestClock } from './scenario.js';
import { callerOf } from './tenancy-setup.js';

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

export async function crashes(act: Promise<unknown>): Promise<void> {
  await expect(act).rejects.toBeInstanceOf(Crash);
}

const open: OnFiles<never>[] = [];
afterEach(async () => {
  for (const stage of open.splice(0)) await stage.remove();
});

/** Each kind says what it begins on the open files. `Step` is what its work can stop at. */
export abstract class OnFiles<Step> {
  readonly clock = new TestClock();
  readonly faults: string[] = [];
  /** Stops at this step, once. */
  stopAt: Step | null = null;
  /** How service.db gets to the disk. */
  toDisk: ToDisk = promisify(fdatasync);
  ledger!: Ledger;
  store!: ServiceStore;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bursar-files-'));

  protected abstract begin(): void | Promise<void>;

  /** Before the files are closed. */
  protected async end(): Promise<void> {}

  /** What every part takes: the files, the clock, and what it tells of faults and steps. */
  protected get parts() {
    return {
      store: this.store,
      ledger: this.ledger,
      clock: this.clock,
      onFault: (what: string, error: unknown) => this.faults.push(`${what}: ${(error as Error).message}`),
      atStep: (step: Step) => {
        if (step !== this.stopAt) return;
        this.stopAt = null;
        throw new Crash(String(step));
      },
    };
  }

  /** Opens the files; they go when the test is done. */
  protected async opened(): Promise<this> {
    if (!open.includes(this as never)) open.push(this as never);
    this.ledger = await openLedger({ path: join(this.#folder, 'ledger.db'), clock: this.clock });
    this.store = openServiceStore(join(this.#folder, 'service.db'), (file) => this.toDisk(file));
    await this.begin();
    return this;
  }

  async close(): Promise<void> {
    await this.end();
    await this.ledger.close().catch(() => undefined);
    if (this.store.isOpen) this.store.close();
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  protected async reopened(): Promise<void> {
    await this.close();
    await this.opened();
  }

  async events(): Promise<LedgerEvent[]> {
    const found: LedgerEvent[] = [];
    for await (const event of this.ledger.events()) found.push(event);
    return found;
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
