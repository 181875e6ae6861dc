// Policies as numbered versions that never change (rule Q7). One of them is in force, or none. A policy comes into force by
// one command of the ledger: it puts the policy's budgets, and the fact of the activation rides with it. Owned by quotas.ts.

import { createHash } from 'node:crypto';
import type { Clock, Ledger } from '../authority/api.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { notFound, RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { ViewDatabase } from '../views/view.js';
import { definitionsOf } from './buckets.js';
import {
  differencesOf,
  type PolicyDifference,
  type PolicyInput,
  type QuotaRules,
  rulesOf,
} from './policy.js';
import { documentOf } from './policy-check.js';
import { type PolicyRecord, PolicyTable, policyFact } from './quotas-facts.js';

/** Versions in memory, by which turns run: turns end within an hour, and nobody changes policies each minute. */
const RULES_REMEMBERED_MAX = 64;

export interface Policy extends PolicyRecord {
  readonly isActive: boolean;
}

export interface PoliciesParts {
  readonly views: ViewDatabase;
  readonly ledger: Pick<Ledger, 'run' | 'budgets'>;
  readonly clock: Clock;
}

export class Policies {
  readonly #table: PolicyTable;
  /** A version never changes, so what is remembered stays right. */
  readonly #rules = new Map<number, QuotaRules>();
  /** A number is given once, and the budgets of an activation are compared with those of the one before. */
  readonly #changes = new SerialQueue();

  constructor(private readonly parts: PoliciesParts) {
    this.#table = new PolicyTable(parts.views);
  }

  /** What turns that start now are decided by; null when no policy is in force. */
  get active(): QuotaRules | null {
    const number = this.#table.inForce();
    return number === undefined ? null : this.rules(number);
  }

  /** Of any version; null for one that does not exist. */
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
   * A new version, which is not in force until it is activated. Gives the newest version when that says the same.
   * @throws RefusedError invalid_request, naming every field that is wrong
   */
  async put(
    caller: Caller,
    input: PolicyInput,
  ): Promise<{ readonly policy: Policy; readonly isNew: boolean }> {
    const document = documentOf(input);
    const digest = createHash('sha256').update(JSON.stringify(document)).digest('hex');
    return this.#changes.run('policies', async () => {
      const newest = this.#table.newest();
      if (newest?.digest === digest) return { policy: this.get(newest.number), isNew: false };
      const policy: PolicyRecord = {
        number: (newest?.number ?? 0) + 1,
        document,
        digest,
        author: caller.keyId,
        createdAt: this.parts.clock.now(),
        activatedAt: null,
      };
      const rider = { actor: actorOf(caller), facts: [policyFact('policy_put', policy)] };
      await this.parts.ledger.run({ command: 'record_facts' }, rider);
      return { policy: this.get(policy.number), isNew: true };
    });
  }

  /** @throws RefusedError not_found */
  get(number: number): Policy {
    return this.#policy(this.#record(number));
  }

  /** The first policies with higher numbers, and whether there are no more. */
  list(after: number, max: number): { readonly policies: readonly Policy[]; readonly isLast: boolean } {
    const records = this.#table.after(after, max + 1);
    return {
      policies: records.slice(0, max).map((record) => this.#policy(record)),
      isLast: records.length <= max,
    };
  }

  /** What differs from one version to the other. @throws RefusedError not_found */
  compare(from: number, to: number): PolicyDifference[] {
    return differencesOf(this.#record(from).document, this.#record(to).document);
  }

  /**
   * Puts a version in force, also an older one. Turns that run keep theirs.
   * @throws RefusedError not_found; conflict when the ledger refuses the budgets
   */
  activate(caller: Caller, number: number): Promise<Policy> {
    return this.#changes.run('policies', async () => {
      const { clock, ledger } = this.parts;
      const record = this.#record(number);
      const definitions = definitionsOf(rulesOf(number, record.document), ledger.budgets());
      const activated = { ...record, activatedAt: clock.now() };
      const rider = { actor: actorOf(caller), facts: [policyFact('policy_activated', activated)] };
      const outcome = await ledger.run({ command: 'put_definitions', ...definitions }, rider);
      if (outcome.outcome === 'rejected')
        throw new RefusedError(
          'conflict',
          `the ledger does not take the policy's budgets: ${outcome.message}`,
        );
      return this.get(number);
    });
  }

  #record(number: number): PolicyRecord {
    const record = this.#table.byNumber(number);
    if (record === undefined) throw notFound('policy', 'policy', number);
    return record;
  }

  #policy(record: PolicyRecord): Policy {
    return { ...record, isActive: this.#table.inForce() === record.number };
  }
}
