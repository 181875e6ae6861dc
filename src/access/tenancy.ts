// What each caller may ask of the ledger and see of it (rule T8). Every surface asks the ledger through this: a request
// goes in as the caller states it and comes out as the ledger takes it, an answer comes out as the caller may see it.

import type { LedgerReads } from '../authority/api.js';
import type {
  BalanceView,
  BudgetLine,
  BudgetView,
  CommandOutcome,
  Explanation,
  HoldView,
  LedgerEvent,
  Verdict,
} from '../core/outcomes.js';
import type { Command, Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import { assertBounded } from './amount-bound.js';
import { BudgetTenants } from './budget-tenants.js';
import { ownLabels } from './own-labels.js';
import { requireScope, SCOPE_OF_COMMAND } from './scopes.js';
import { explanationFor, visibleEvent } from './tenant-events.js';
import { findableId, TENANT_PREFIX } from './tenant-ids.js';
import { commandFor } from './tenant-requests.js';
import {
  linesFor,
  outcomeFor,
  verdictFor,
  visibleBalance,
  visibleBudget,
  visibleHold,
} from './tenant-views.js';
import type {
  Visible,
  VisibleBalance,
  VisibleBudget,
  VisibleEvent,
  VisibleExplanation,
  VisibleHold,
  VisibleLine,
  VisibleVerdict,
} from './visible.js';

const NONE_OPENING: ReadonlySet<string> = new Set();

export class Tenancy {
  readonly #budgets: BudgetTenants;

  constructor(private readonly ledger: Pick<LedgerReads, 'budget' | 'budgets' | 'hold' | 'holdLabels'>) {
    this.#budgets = new BudgetTenants(ledger);
  }

  /**
   * A command as the ledger takes it, if the caller may give it: its scope, labels and ids. `opening` are the holds that
   * come before it in the same batch.
   * @throws RefusedError forbidden, label_forbidden, not_found, conflict or invalid_request
   */
  command<C extends Command>(caller: Caller, command: C, opening: ReadonlySet<string> = NONE_OPENING): C {
    requireScope(caller, SCOPE_OF_COMMAND[command.command]);
    assertBounded(caller, command);
    return commandFor(caller, command, { budgets: this.#budgets, ledger: this.ledger, opening });
  }

  outcome<O extends CommandOutcome>(caller: Caller, outcome: O): Visible<O> {
    return outcomeFor(caller, outcome, this.#budgets);
  }

  lines(caller: Caller, lines: readonly BudgetLine[]): readonly VisibleLine[] {
    return linesFor(caller, lines, this.#budgets);
  }

  verdict(caller: Caller, verdict: Verdict): VisibleVerdict {
    return verdictFor(caller, verdict, this.#budgets);
  }

  /**
   * The hold that the caller names: its own, or one that the platform opened for it, which it sees and cannot command.
   * @throws RefusedError not_found, also when it is another tenant's or carries other labels than the key's
   */
  hold(caller: Caller, id: string): VisibleHold {
    const own = findableId(caller, id);
    // Full ids are the platform's to name.
    const opened = caller.tenant !== null && id.startsWith(TENANT_PREFIX) ? null : id;
    const hold = this.#holdOf(own) ?? this.#holdOf(opened);
    const shown = hold === undefined ? null : visibleHold(caller, hold);
    if (shown === null) throw new RefusedError('not_found', 'there is no such hold', { field: 'holdId' });
    return shown;
  }

  #holdOf(ledgerId: string | null): HoldView | undefined {
    return ledgerId === null ? undefined : this.ledger.hold(ledgerId);
  }

  /** The labels to list holds by; those that the key fixes are among them. @throws RefusedError label_forbidden */
  holdLabels(caller: Caller, labels: Labels = {}): Labels {
    const own = ownLabels(caller);
    for (const [name, value] of Object.entries(own)) {
      if (!Object.hasOwn(labels, name) || labels[name] === value) continue;
      const why = `the label ${JSON.stringify(name)} is fixed by the key to another value`;
      throw new RefusedError('label_forbidden', why, { field: `labels.${name}` });
    }
    return { ...labels, ...own };
  }

  /** The four below: as the caller may see it, or null when it is nothing of the caller's. */
  visibleHold(caller: Caller, hold: HoldView): VisibleHold | null {
    return visibleHold(caller, hold);
  }

  visibleBalance(caller: Caller, balance: BalanceView): VisibleBalance | null {
    return visibleBalance(caller, balance, this.#budgets);
  }

  visibleBudget(caller: Caller, budget: BudgetView): VisibleBudget | null {
    return visibleBudget(caller, budget, this.#budgets);
  }

  visibleEvent(caller: Caller, event: LedgerEvent): VisibleEvent | null {
    return visibleEvent(caller, event, { budgets: this.#budgets, ledger: this.ledger });
  }

  /** @throws RefusedError not_found, also when the decision is another tenant's */
  explanation(caller: Caller, explanation: Explanation): VisibleExplanation {
    const shown = explanationFor(caller, explanation, { budgets: this.#budgets, ledger: this.ledger });
    if (shown === null)
      throw new RefusedError('not_found', 'there is no such decision', { field: 'decisionId' });
    return shown;
  }
}
