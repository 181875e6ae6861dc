// The facts of policies, and the view that is made of them. A policy never changes; a fact carries it whole, with the instant
// of its last activation. `policy_activated` rides with the command that puts the policy's budgets. Written by policies.ts.

import type { Fact } from '../core/facts.js';
import { factOf, recordOf } from '../kit/facts.js';
import { applyByKind, type View, type ViewDatabase } from '../views/view.js';
import type { PolicyDocument } from './policy.js';

/** A version of the policy. Instants are epoch ms. */
export interface PolicyRecord {
  readonly number: number;
  readonly document: PolicyDocument;
  /** SHA-256 of the document's text, hex. */
  readonly digest: string;
  /** The key that put it. */
  readonly author: string;
  readonly createdAt: number;
  /** When it was last put in force; null: never. */
  readonly activatedAt: number | null;
}

type PolicyFactKind = 'policy_put' | 'policy_activated';

export function policyFact(kind: PolicyFactKind, policy: PolicyRecord): Fact {
  return factOf('quotas', kind, policy);
}

interface Row {
  readonly body: string;
}

export const QUOTAS_VIEW: View = {
  feature: 'quotas',
  tables: `
    CREATE TABLE quota_policies (
      number INTEGER PRIMARY KEY,
      -- Counts activations: the policy with the highest one is in force. null: never activated.
      activation INTEGER UNIQUE,
      body TEXT NOT NULL
    ) STRICT;`,
  open(db) {
    const put = db.prepare<[number, string]>(
      `INSERT INTO quota_policies (number, body) VALUES (?, ?)
       ON CONFLICT (number) DO UPDATE SET body = excluded.body`,
    );
    const activate = db.prepare<[number]>(
      `UPDATE quota_policies SET activation = 1 + (SELECT coalesce(max(activation), 0) FROM quota_policies)
       WHERE number = ?`,
    );
    const putWhole = (fact: Fact): number => {
      const { number } = recordOf<PolicyRecord>(fact);
      put.run(number, fact.body);
      return number;
    };
    return applyByKind<PolicyFactKind>('quotas', {
      policy_put: (fact) => void putWhole(fact),
      policy_activated: (fact) => void activate.run(putWhole(fact)),
    });
  },
};

/** The view's rows, for reading. */
export class PolicyTable {
  readonly #byNumber;
  readonly #after;
  readonly #newest;
  readonly #inForce;

  constructor(db: ViewDatabase) {
    this.#byNumber = db.prepare<[number], Row>('SELECT body FROM quota_policies WHERE number = ?');
    this.#after = db.prepare<[number, number], Row>(
      'SELECT body FROM quota_policies WHERE number > ? ORDER BY number LIMIT ?',
    );
    this.#newest = db.prepare<[], Row>('SELECT body FROM quota_policies ORDER BY number DESC LIMIT 1');
    this.#inForce = db
      .prepare<[], number>(
        'SELECT number FROM quota_policies WHERE activation IS NOT NULL ORDER BY activation DESC LIMIT 1',
      )
      .pluck();
  }

  byNumber(number: number): PolicyRecord | undefined {
    return policyOf(this.#byNumber.get(number));
  }

  /** The first policies with higher numbers. */
  after(number: number, max: number): PolicyRecord[] {
    return this.#after.all(number, max).map((row) => recordOf<PolicyRecord>(row));
  }

  newest(): PolicyRecord | undefined {
    return policyOf(this.#newest.get());
  }

  /** The number of the policy in force. Every turn asks for it. */
  inForce(): number | undefined {
    return this.#inForce.get();
  }
}

function policyOf(row: Row | undefined): PolicyRecord | undefined {
  return row === undefined ? undefined : recordOf<PolicyRecord>(row);
}
