// Who set a limit, so that nobody raises or lifts a limit whose setter can do more: the budget of a goal, the limits of an
// agent or of a user. Of the setter only the power is kept: its widest scope and the labels of its key. The features that
// have such limits call this.

import type { Fact } from '../core/facts.js';
import type { Labels } from '../core/requests.js';
import { type Caller, SCOPES, type Scope } from '../kit/caller.js';
import { factOf, recordOf } from '../kit/facts.js';
import { RefusedError } from '../kit/refusals.js';
import { type ApplyFact, applyByKind, type View, type ViewDatabase } from '../views/view.js';
import { containsLabels } from './labels.js';
import { hasScope } from './scopes.js';

/** A goal, agent or user that has a limit. */
export interface LimitHolder {
  readonly kind: 'goal' | 'agent' | 'user';
  readonly id: string;
}

/** How much the setter of a limit could do. */
interface SetterPower {
  readonly scope: Scope;
  readonly labels: Labels;
}

type LimitSetRecord = LimitHolder & SetterPower;

const LIMITS = 'limits';

/** The table of setters. It is rebuilt from the facts of the features that have limits. */
export const LIMIT_SETTERS_VIEW: View = {
  feature: LIMITS,
  tables: `CREATE TABLE limit_setters (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    scope TEXT NOT NULL,
    labels TEXT NOT NULL,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;`,
  open(db: ViewDatabase): ApplyFact {
    const put = db.prepare<[string, string, string, string]>(
      'INSERT OR REPLACE INTO limit_setters (kind, id, scope, labels) VALUES (?, ?, ?, ?)',
    );
    return applyByKind(LIMITS, {
      limit_set: (fact) => {
        const { kind, id, scope, labels } = recordOf<LimitSetRecord>(fact);
        put.run(kind, id, scope, JSON.stringify(labels));
      },
    });
  },
};

export class LimitSetters {
  readonly #get;

  constructor(db: ViewDatabase) {
    this.#get = db.prepare<[string, string], { readonly scope: Scope; readonly labels: string }>(
      'SELECT scope, labels FROM limit_setters WHERE kind = ? AND id = ?',
    );
  }

  /** The fact that notes the caller as the setter. It rides with the command that sets the limit. */
  fact({ scopes, labels }: Caller, { kind, id }: LimitHolder): Fact {
    const scope = SCOPES.find((one) => scopes.has(one)) as Scope;
    return limitSetFact({ kind, id }, { scope, labels });
  }

  /** Passes where no setter is known. @throws RefusedError forbidden */
  assertMayRaise(caller: Caller, { kind, id }: LimitHolder): void {
    const row = this.#get.get(kind, id);
    if (row === undefined || mayRaise(caller, { ...row, labels: JSON.parse(row.labels) })) return;
    throw new RefusedError(
      'forbidden',
      `the limit was set by a key with the scope ${row.scope} that can more than this one; only such a key raises or lifts it`,
    );
  }
}

export function limitSetFact({ kind, id }: LimitHolder, { scope, labels }: SetterPower): Fact {
  const record: LimitSetRecord = { kind, id, scope, labels };
  return factOf(LIMITS, 'limit_set', record);
}

/** Whether the caller has a wider scope than the setter had, or the same for no smaller part of the tenant. */
function mayRaise(caller: Caller, { scope, labels }: SetterPower): boolean {
  if (!hasScope(caller, scope)) return false;
  const isWider = (held: Scope) => SCOPES.indexOf(held) < SCOPES.indexOf(scope);
  return [...caller.scopes].some(isWider) || containsLabels(labels, caller.labels);
}
