// What each caller may ask of the ledger and what it sees of the answers (rule T8). A surface passes a command through
// `command` before the ledger gets it, and every answer of the ledger through the method for its kind before the caller
// gets it. The platform (a key without a tenant) sees everything; a tenant sees what is its own, under its own ids.

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
import { BudgetTenants } from './budget-tenants.js';
import { labelForbidden, ownLabels } from './labels.js';
import { assertAmountsAllowed, requireScope, SCOPE_OF_COMMAND } from './scopes.js';
import { ledgerCommand } from './tenant-commands.js';
import { findableId, TENANT_PREFIX } from './tenant-ids.js';
import {
  type Visible,
  type VisibleBalance,
  type VisibleBudget,
  type VisibleHold,
  type VisibleLine,
  type VisibleVerdict,
  visibleBalance,
  visibleBudget,
  visibleHold,
  visibleLines,
  visibleOutcome,
  visibleVerdict,
} from './visible.js';
import {
  type VisibleEvent,
  type VisibleExplanation,
  visibleEvent,
  visibleExplanation,
} from './visible-events.js';

const NO_HOLDS: ReadonlySet<string> = new Set();

export class Tenancy {
  readonly #budgets: BudgetTenants;

  constructor(private readonly ledger: Pick<LedgerReads, 'budget' | 'budgets' | 'hold' | 'holdLabels'>) {
    this.#budgets = new BudgetTenants(ledger);
  }

  /**
   * The command as the ledger takes it, with the caller's labels and the ledger's ids, if the caller may give it.
   * @param opening the ledger's ids of holds that earlier commands of the same batch open
   * @throws RefusedError forbidden, label_forbidden, not_found, conflict or invalid_request
   */
  command<C extends Command>(caller: Caller, command: C, opening: ReadonlySet<string> = NO_HOLDS): C {
    requireScope(caller, SCOPE_OF_COMMAND[command.command]);
    assertAmountsAllowed(caller, command);
    return ledgerCommand(caller, command, { budgets: this.#budgets, ledger: this.ledger, opening });
  }

  outcome<O extends CommandOutcome>(caller: Caller, outcome: O): Visible<O> {
    return visibleOutcome(caller, outcome, this.#budgets);
  }

  lines(caller: Caller, lines: readonly BudgetLine[]): readonly VisibleLine[] {
    return visibleLines(caller, lines, this.#budgets);
  }

  verdict(caller: Caller, verdict: Verdict): VisibleVerdict {
    return visibleVerdict(caller, verdict, this.#budgets);
  }

  /**
   * The hold that the caller names: its own, or one that the platform opened for it, which it sees and cannot command.
   * @throws RefusedError not_found, also for a hold of another tenant or of another part of the tenant
   */
  hold(caller: Caller, id: string): VisibleHold {
    const own = findableId(caller, id);
    // The platform's holds have full ids. A tenant does not name things by ids below a tenant's prefix.
    const platforms = caller.tenant !== null && id.startsWith(TENANT_PREFIX) ? null : id;
    const hold = this.#holdOf(own) ?? this.#holdOf(platforms);
    const visible = hold === undefined ? null : visibleHold(caller, hold);
    if (visible === null) throw new RefusedError('not_found', 'there is no such hold', { field: 'holdId' });
    return visible;
  }

  #holdOf(ledgerId: string | null): HoldView | undefined {
    return ledgerId === null ? undefined : this.ledger.hold(ledgerId);
  }

  /** The labels to list holds by: those asked for, and all that the key fixes. @throws RefusedError label_forbidden */
  holdLabels(caller: Caller, labels: Labels = {}): Labels {
    const own = ownLabels(caller);
    for (const [name, value] of Object.entries(own)) {
      if (Object.hasOwn(labels, name) && labels[name] !== value)
        throw labelForbidden(name, 'is fixed by the key to another value');
    }
    return { ...labels, ...own };
  }

  /** This and the next three give null for what is not the caller's to see. */
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

  /** @throws RefusedError not_found, also for a decision that is another tenant's */
  explanation(caller: Caller, explanation: Explanation): VisibleExplanation {
    const visible = visibleExplanation(caller, explanation, { budgets: this.#budgets, ledger: this.ledger });
    if (visible === null)
      throw new RefusedError('not_found', 'there is no such decision', { field: 'decisionId' });
    return visible;
  }
}
