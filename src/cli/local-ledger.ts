// A ledger in a file, answering as a server does: requests and answers pass through the same conversions.

import { Tenancy } from '../access/tenancy.js';
import type { Ledger, LedgerReads, Progress } from '../authority/api.js';
import { definitionsIn } from '../budgets/budget-definitions.js';
import { BudgetUnits } from '../budgets/budget-units.js';
import type { DefinitionsRequest } from '../budgets/budgets-api.js';
import { type CommandRequest, commandIn } from '../budgets/commands-in.js';
import type { CheckRequest } from '../budgets/holds-api.js';
import { eventSeen, listBalances, listBudgets, listHolds } from '../budgets/lists.js';
import { verdictOut } from '../budgets/outcomes-out.js';
import { certificateOut, explanationOut } from '../budgets/views-out.js';
import { type CommandOutcome, outcomeOf } from '../client/outcomes.js';
import type { CommandOutcome as LedgerOutcome } from '../core/outcomes.js';
import { answerOf } from '../http/answers.js';
import { amountsIn } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import type { BalancesAsked, CliLedger, CliReads, EventsAsked, HoldsAsked } from './cli-ledger.js';

/** Who has the file may see and do everything. */
const CALLER: Caller = {
  keyId: 'file',
  scopes: new Set(['admin'] as const),
  labels: {},
  callerLabels: new Set(),
  tenant: null,
};

/** A request of the command line has its amounts as texts, which are exact. */
const NO_NUMBERS: ReadonlySet<number> = new Set();

export class LocalReads<Source extends LedgerReads = LedgerReads> implements CliReads {
  readonly ledger: Source;
  readonly tenancy: Tenancy;
  scales: ReadonlyMap<string, number>;

  constructor(
    ledger: Source,
    /** Learns what another process defined since; for a reader. */
    private readonly refresh: () => void = () => undefined,
  ) {
    this.ledger = ledger;
    this.tenancy = new Tenancy(ledger);
    this.scales = this.#scales();
  }

  #scales(): ReadonlyMap<string, number> {
    return new Map(this.ledger.units().map(({ name, scale }) => [name, scale]));
  }

  protected get reading() {
    const { scales } = this;
    const units = new BudgetUnits(this.ledger);
    return { scales, unplain: NO_NUMBERS, unitOf: (id: string) => units.unitOf(CALLER, id) };
  }

  async units() {
    return this.ledger.units();
  }

  async definitions() {
    return { units: [...this.ledger.units()], aliases: this.ledger.aliases() };
  }

  async budgets() {
    return (await listBudgets(this, CALLER, { limit: Number.MAX_SAFE_INTEGER })).items;
  }

  async balances({ all, max, ...query }: BalancesAsked) {
    const current = all ? 'false' : 'true';
    return (await listBalances(this, CALLER, { ...query, current, limit: max })).items;
  }

  async holds({ max, ...query }: HoldsAsked) {
    return (await listHolds(this, CALLER, { ...query, limit: max })).items;
  }

  async *events(asked: EventsAsked) {
    for await (const event of this.ledger.events(asked)) {
      if (event.type === 'definitions_put') {
        // It may bring units that were not there when reading began.
        this.refresh();
        this.scales = this.#scales();
      }
      const visible = eventSeen(this, CALLER, event, {});
      if (visible !== null) yield visible;
    }
  }

  async check({ labels = {}, amounts }: CheckRequest) {
    const verdict = this.ledger.check({
      labels,
      ...(amounts === undefined ? {} : { amounts: amountsIn(amounts, 'amounts', this.reading) }),
    });
    return verdictOut(this.tenancy.verdict(CALLER, verdict), this.scales);
  }

  async explain(decisionId: string) {
    const explanation = await this.ledger.explain(decisionId);
    return explanationOut(this.tenancy.explanation(CALLER, explanation), this.scales);
  }

  verify(progress: Progress) {
    return this.ledger.verify(progress);
  }
}

/** A ledger file that this process holds. */
export class LocalLedger extends LocalReads<Ledger> implements CliLedger {
  async run(request: CommandRequest, commandId: string | undefined): Promise<CommandOutcome> {
    const id = commandId === undefined ? {} : { commandId };
    return this.#answer(await this.ledger.run(commandIn(request, { ...this.reading, ...id })));
  }

  async define(request: DefinitionsRequest): Promise<CommandOutcome> {
    const definitions = definitionsIn(request, this.reading);
    return this.#answer(await this.ledger.putDefinitions(definitions));
  }

  async certify() {
    return certificateOut(this.ledger.certify(), this.scales);
  }

  #answer(outcome: LedgerOutcome): CommandOutcome {
    const { body } = answerOf(this, CALLER, outcome);
    return 'code' in body ? (outcomeOf(body) as CommandOutcome) : body;
  }
}
