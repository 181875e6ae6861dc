// Policies as numbered versions that never change (rule Q7), one of them in force or none. Activating is three steps: the
// intent in the service's file, the budgets in the ledger by one command, the mark that it is done. The ledger's command
// decides; saying it again changes nothing, so a start finishes what a crash cut. Owned by quotas.ts.

import { createHash } from 'node:crypto';
import type { Clock, Ledger } from '../authority/api.js';
import { OverloadedError } from '../core/errors.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore } from '../kit/service-store.js';
import { definitionsOf } from './buckets.js';
import {
  differencesOf,
  type PolicyDifference,
  type PolicyInput,
  type QuotaRules,
  rulesOf,
} from './policy.js';
import { documentOf } from './policy-check.js';
import { type Activation, type PolicyRecord, PolicyTable } from './policy-table.js';

/** Policies by which turns still run, in memory: turns end within an hour, and nobody changes policies each minute. */
const RULES_REMEMBERED_MAX = 64;

export interface PolicyView extends PolicyRecord {
  readonly isActive: boolean;
}

export interface PoliciesParts {
  readonly store: ServiceStore;
  readonly ledger: Pick<Ledger, 'putDefinitions' | 'budgets'>;
  readonly clock: Clock;
}

export class Policies {
  readonly #table: PolicyTable;
  readonly #rules = new Map<number, QuotaRules>();
  #active: QuotaRules | null = null;
  /** Activations one after another. */
  #activating: Promise<unknown> = Promise.resolve();

  private constructor(private readonly parts: PoliciesParts) {
    this.#table = new PolicyTable(parts.store);
  }

  /** With the policy in force; an activation that a crash cut is finished. */
  static async open(parts: PoliciesParts): Promise<Policies> {
    const policies = new Policies(parts);
    const inForce = policies.#table.inForce();
    if (inForce !== undefined) policies.#active = policies.rules(inForce.policy);
    const pending = policies.#table.pending();
    if (pending !== undefined) await policies.#apply(pending);
    return policies;
  }

  /** What turns that start now are decided by. */
  get active(): QuotaRules | null {
    return this.#active;
  }

  /** Of any version that ever was; null for one that is not in the service's file. */
  rules(number: number): QuotaRules | null {
    const known = this.#rules.get(number);
    if (known !== undefined) return known;
    const record = this.#table.byNumber(number);
    if (record === undefined) return null;
    const rules = rulesOf(number, record.document);
    if (this.#rules.size >= RULES_REMEMBERED_MAX) this.#rules.clear();
    this.#rules.set(number, rules);
    return rules;
  }

  /**
   * A new version; not in force until it is activated. The newest again when it says the same.
   * @throws RefusedError invalid_request, naming every field that is wrong
   */
  put(author: string, input: PolicyInput): { readonly policy: PolicyView; readonly isNew: boolean } {
    const text = JSON.stringify(documentOf(input));
    const digest = createHash('sha256').update(text).digest('hex');
    const at = this.parts.clock.now();
    return this.parts.store.transaction(() => {
      const newest = this.#table.newest();
      if (newest?.digest === digest) return { policy: this.#shown(newest), isNew: false };
      const number = (newest?.number ?? 0) + 1;
      this.#table.insert(number, { text, digest, author, at });
      return { policy: this.get(number), isNew: true };
    });
  }

  /** @throws RefusedError not_found */
  get(number: number): PolicyView {
    const record = this.#table.byNumber(number);
    if (record === undefined)
      throw new RefusedError('not_found', `there is no policy ${number}`, { field: 'policy' });
    return this.#shown(record);
  }

  /** The first so many with higher numbers, and whether there are more. */
  list(after: number, max: number): { readonly policies: readonly PolicyView[]; readonly isLast: boolean } {
    const records = this.#table.after(after, max + 1);
    return {
      policies: records.slice(0, max).map((record) => this.#shown(record)),
      isLast: records.length <= max,
    };
  }

  /** What changes from one to the other. @throws RefusedError not_found */
  compare(from: number, to: number): PolicyDifference[] {
    return differencesOf(this.get(from).document, this.get(to).document);
  }

  /**
   * Puts a version in force, an older one too. Turns that run keep theirs.
   * @throws RefusedError not_found; conflict when the ledger refuses the budgets
   */
  activate(author: string, number: number): Promise<PolicyView> {
    const activating = this.#activating.then(async () => {
      this.get(number);
      const at = this.parts.clock.now();
      await this.#apply(this.parts.store.transaction(() => this.#table.intend(number, author, at)));
      return this.get(number);
    });
    this.#activating = activating.catch(() => undefined);
    return activating;
  }

  async #apply({ number: activation, policy }: Activation): Promise<void> {
    const { store, ledger } = this.parts;
    const rules = this.rules(policy) as QuotaRules;
    const outcome = await this.#define(
      activation,
      ledger.putDefinitions(definitionsOf(rules, ledger.budgets())),
    );
    if (outcome.outcome === 'rejected') {
      store.transaction(() => this.#table.forget(activation));
      throw new RefusedError('conflict', `the ledger does not take the policy's budgets: ${outcome.message}`);
    }
    store.transaction(() => this.#table.finish(activation));
    this.#active = rules;
  }

  // A ledger that is gone has perhaps done it: the next start finishes it. One that had no room has not.
  async #define<T>(activation: number, defining: Promise<T>): Promise<T> {
    try {
      return await defining;
    } catch (error) {
      if (error instanceof OverloadedError)
        this.parts.store.transaction(() => this.#table.forget(activation));
      throw error;
    }
  }

  #shown(record: PolicyRecord): PolicyView {
    return { ...record, isActive: this.#active?.version === record.number };
  }
}
