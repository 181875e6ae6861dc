// What the tests of access and tenancy share: a data folder with a real store in it, a clock, keys of each kind.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { KeyRing } from '#bursar/access/key-ring.js';
import type { NewKey } from '#bursar/access/key-spec.js';
import { openServiceStore } from '#bursar/composition/store/areas.js';
import type { Caller } from '#bursar/kit/caller.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import type { ServiceStore } from '#bursar/kit/service-store.js';
import { TestClock } from './scenario.js';

const opened: { close(): void }[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-access-'));
  folders.push(folder);
  return folder;
}

/** A data folder and its key ring, which can be opened again as by a restart. */
export class Access {
  readonly clock = new TestClock();
  readonly path = join(newFolder(), 'service.db');
  store: ServiceStore;
  ring: KeyRing;
  readonly admin: Caller;

  constructor() {
    [this.store, this.ring] = this.#open();
    this.admin = this.caller(this.ring.createOffline('an operator').secret);
  }

  #open(): [ServiceStore, KeyRing] {
    const store = openServiceStore(this.path);
    opened.push(store);
    return [store, new KeyRing(store, this.clock)];
  }

  restart(): void {
    this.ring.close();
    this.store.close();
    [this.store, this.ring] = this.#open();
  }

  /** A second process with the same file. */
  another(): KeyRing {
    return this.#open()[1];
  }

  caller(secret: string): Caller {
    const caller = this.ring.authenticate(secret);
    expect(caller).not.toBeNull();
    return caller as Caller;
  }

  /** A key made by the platform, and whom it stands for. */
  key(stated: Partial<NewKey>, actor: Caller = this.admin): { secret: string; id: string; caller: Caller } {
    const { secret, key } = this.ring.create(actor, {
      name: 'a key',
      scopes: ['spend', 'read'],
      labels: { tenant: 'acme' },
      ...stated,
    });
    return { secret, id: key.id, caller: this.caller(secret) };
  }
}

/** What was refused, as its code and message. */
export function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof RefusedError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
}
