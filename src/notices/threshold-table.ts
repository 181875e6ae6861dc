// Thresholds in the service's file, and how far the journal has been read for them. Called by notices.ts and the follower.

import type { ServiceStore } from '../kit/service-store.js';
import type { Thresholds } from './notice.js';

interface Row {
  readonly tenant: string;
  readonly budget_id: string;
  readonly percents: string;
}

export class ThresholdTable {
  readonly #put;
  readonly #remove;
  readonly #all;
  readonly #ofTenant;
  readonly #unlooked;
  readonly #setLooked;
  readonly #position;
  readonly #setPosition;

  constructor(store: ServiceStore) {
    this.#put = store.prepare<[string, string, string]>(
      'INSERT OR REPLACE INTO notice_thresholds (tenant, budget_id, percents) VALUES (?, ?, ?)',
    );
    this.#remove = store.prepare<[string, string]>(
      'DELETE FROM notice_thresholds WHERE tenant = ? AND budget_id = ?',
    );
    this.#all = store.prepare<[], Row>('SELECT tenant, budget_id, percents FROM notice_thresholds');
    this.#ofTenant = store.prepare<[string], Row>(
      'SELECT tenant, budget_id, percents FROM notice_thresholds WHERE tenant = ? ORDER BY budget_id',
    );
    this.#unlooked = store.prepare<[], Row>(
      'SELECT tenant, budget_id, percents FROM notice_thresholds WHERE looked = 0',
    );
    this.#setLooked = store.prepare<[string, string, string]>(
      'UPDATE notice_thresholds SET looked = 1 WHERE tenant = ? AND budget_id = ? AND percents = ?',
    );
    this.#position = store.prepare<[], { readonly sequence: number }>('SELECT sequence FROM notice_position');
    this.#setPosition = store.prepare<[number]>(
      'INSERT OR REPLACE INTO notice_position (one, sequence) VALUES (1, ?)',
    );
  }

  /** Without percents there are none. What accounts have passed already is to be looked for. */
  put({ tenant, budgetId, percents }: Thresholds): void {
    if (percents.length === 0) this.#remove.run(tenant ?? '', budgetId);
    else this.#put.run(tenant ?? '', budgetId, JSON.stringify(percents));
  }

  /** Everybody's. */
  all(): Thresholds[] {
    return this.#all.all().map(thresholdsOf);
  }

  ofTenant(tenant: string | null): Thresholds[] {
    return this.#ofTenant.all(tenant ?? '').map(thresholdsOf);
  }

  /** Those for which nobody has looked yet which accounts have passed them already. */
  unlooked(): Thresholds[] {
    return this.#unlooked.all().map(thresholdsOf);
  }

  /** Unless they have been stated anew meanwhile. */
  setLooked({ tenant, budgetId, percents }: Thresholds): void {
    this.#setLooked.run(tenant ?? '', budgetId, JSON.stringify(percents));
  }

  /** The last sequence number whose event has been looked at; 0 at the beginning. */
  position(): number {
    return this.#position.get()?.sequence ?? 0;
  }

  setPosition(sequence: number): void {
    this.#setPosition.run(sequence);
  }
}

function thresholdsOf({ tenant, budget_id: budgetId, percents }: Row): Thresholds {
  return { tenant: tenant === '' ? null : tenant, budgetId, percents: JSON.parse(percents) };
}
