// A ledger with budgets of the platform's and of two tenants, asked as surfaces ask it: through the tenancy.

import { Tenancy } from '#bursar/access/tenancy.js';
import type { Visible } from '#bursar/access/visible.js';
import type { Command, CommandOutcome, Labels, Ledger, LedgerEvent, OpenOptions } from '#bursar/index.js';
import { openLedger } from '#bursar/index.js';
import type { Caller, Scope } from '#bursar/kit/caller.js';
import { MemoryStore, openMemoryJournal } from '#bursar/testing.js';
import { TestClock } from '../scenario/scenario.js';

export function callerOf(tenant: string | null, ...scopes: Scope[]): Caller {
  const labels: Labels = tenant === null ? {} : { tenant };
  return {
    keyId: `key of ${tenant}`,
    scopes: new Set(scopes),
    labels,
    callerLabels: new Set(['user']),
    tenant,
  };
}

export const ADMIN = callerOf(null, 'admin');
export const ACME = callerOf('acme', 'tenant_admin');
export const OTHER = callerOf('other', 'tenant_admin');

const DAY = { unit: 'usd', window: 'day' } as const;

export class TenancyStage {
  private constructor(
    readonly ledger: Ledger,
    readonly tenancy: Tenancy,
    readonly clock: TestClock,
  ) {}

  /** Budgets: `all` of everything, `each` of each tenant, `acmes` of acme by the platform, and `mine` of both tenants' own. */
  static async open(options: Partial<OpenOptions> = {}): Promise<TenancyStage> {
    const store = new MemoryStore();
    const clock = new TestClock();
    const ledger = await openLedger({
      path: ':memory:',
      clock,
      journal: (lease) => openMemoryJournal(store, lease),
      ...options,
    });
    await ledger.putBudget({ id: 'all', match: {}, limit: 100_000n, ...DAY });
    await ledger.putBudget({ id: 'each', match: { tenant: '*' }, limit: 1_000n, ...DAY });
    await ledger.putBudget({ id: 'acmes', match: { tenant: 'acme' }, limit: 900n, ...DAY });
    const stage = new TenancyStage(ledger, new Tenancy(ledger), clock);
    for (const caller of [ACME, OTHER])
      await stage.ask(caller, {
        command: 'put_definitions',
        budgets: [{ id: 'mine', match: { tenant: caller.tenant as string }, limit: 800n, ...DAY }],
      });
    return stage;
  }

  /** What the caller is answered. */
  async ask<C extends Command>(caller: Caller, command: C): Promise<Visible<CommandOutcome>> {
    const [outcome] = await this.ledger.submit([this.tenancy.command(caller, command)]);
    return this.tenancy.outcome(caller, outcome);
  }

  hold(caller: Caller, holdId: string, usd = 10n, labels: Labels = {}): Promise<Visible<CommandOutcome>> {
    return this.ask(caller, { command: 'authorize_hold', holdId, labels, amounts: { usd } });
  }

  async events(): Promise<LedgerEvent[]> {
    const found: LedgerEvent[] = [];
    for await (const event of this.ledger.events()) found.push(event);
    return found;
  }

  /** Everything that a caller can be shown of this ledger. */
  async allShownTo(caller: Caller): Promise<unknown> {
    const { ledger, tenancy } = this;
    const events = await this.events();
    const explanations: unknown[] = [];
    for (const { type, sequence } of events) {
      if (type !== 'hold_authorized' && type !== 'hold_denied') continue;
      const explanation = await ledger.explain(`dec-${sequence}`);
      try {
        explanations.push(tenancy.explanation(caller, explanation));
      } catch {
        // Not the caller's.
      }
    }
    return {
      holds: ledger.holds().map((one) => tenancy.visibleHold(caller, one)),
      balances: ledger.balances({ current: false }).map((one) => tenancy.visibleBalance(caller, one)),
      grants: ledger.grants().map((one) => tenancy.visibleBalance(caller, one)),
      budgets: ledger.budgets().map((one) => tenancy.visibleBudget(caller, one)),
      events: events.map((one) => tenancy.visibleEvent(caller, one)),
      check: tenancy.verdict(caller, ledger.check({ labels: caller.labels })),
      explanations,
    };
  }
}

/** Texts and figures of a value, wherever they stand in it. */
export function leaves(value: unknown): string[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([name, part]) => [name, ...leaves(part)]);
  return [String(value)];
}
