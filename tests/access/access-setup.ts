// What the tests of access keys share: a data folder with a real ledger and vault, an admin, and keys of each kind.

import { expect } from 'vitest';
import { AccessKeys } from '#bursar/access/access-keys.js';
import { KeyRing } from '#bursar/access/key-ring.js';
import type { NewKey } from '#bursar/access/key-spec.js';
import type { Caller } from '#bursar/kit/caller.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import { FilesStage } from '../setup/files-setup.js';

/** A data folder and the keys in it, which can be opened again as by a restart. */
export class AccessStage extends FilesStage {
  ring!: KeyRing;
  keys!: AccessKeys;
  admin!: Caller;

  static async open(): Promise<AccessStage> {
    const stage = await new AccessStage().opened();
    const first = await stage.keys.firstKeys({ demo: false });
    stage.admin = stage.caller(first?.admin.secret ?? '');
    return stage;
  }

  /** One that nobody has made a key in. */
  static fresh(): Promise<AccessStage> {
    return new AccessStage().opened();
  }

  protected async begin(): Promise<void> {
    this.ring = new KeyRing(this.views, this.clock);
    this.keys = new AccessKeys({ ...this.parts, ring: this.ring });
    await this.keys.start();
  }

  protected override async end(): Promise<void> {
    await this.keys.close();
  }

  async open(): Promise<void> {
    await this.opened();
  }

  restart(): Promise<void> {
    return this.reopened();
  }

  caller(secret: string): Caller {
    const caller = this.ring.authenticate(secret);
    expect(caller).not.toBeNull();
    return caller as Caller;
  }

  /** A key made by the platform, and whom it stands for. */
  async key(
    stated: Partial<NewKey>,
    maker: Caller = this.admin,
  ): Promise<{ secret: string; id: string; caller: Caller }> {
    const { secret, key } = await this.keys.create(maker, {
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
