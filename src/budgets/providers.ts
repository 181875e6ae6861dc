// Providers (rules P1 to P8): an hour and a day cap on the label `provider`, which are two ordinary budgets, and what is
// asked of them. Nothing is kept here: figures, windows and aliases are the ledger's, so that recording, checking,
// exhausting and routing all meet under the one canonical name. Called by budget-file.ts and by the surfaces.

import type { Ledger, LedgerReads, SubmitOptions } from '../authority/api.js';
import { Matcher } from '../core/matcher.js';
import {
  type BudgetLine,
  type Outcome,
  type Settlement,
  VERDICTS,
  type VerdictLevel,
} from '../core/outcomes.js';
import type { Aliases, BudgetSpec, Command, Labels } from '../core/requests.js';

/** A provider's windows, the shorter first: on a tie of verdicts it is the one named (rule P2). */
export const PROVIDER_WINDOWS = ['hour', 'day'] as const;
export type ProviderWindow = (typeof PROVIDER_WINDOWS)[number];

/** Names that share one quota unless configured otherwise (rule P6). `vendor/model` → `vendor` is the ledger's own. */
export const PROVIDER_ALIASES_DEFAULT: Aliases = {
  provider: {
    anthropic: 'claude-code',
    sonnet: 'claude-code',
    opus: 'claude-code',
    haiku: 'claude-code',
  },
};

/** What a provider may cost, in steps of usd; an absent cap is none, and null lifts one that is in force. */
export interface ProviderCaps {
  readonly hourLimit?: bigint | null;
  readonly dayLimit?: bigint | null;
  readonly warnAtPercent?: number;
}

/** How a provider stands: its worst window, and both of them as of one moment. */
export interface ProviderVerdict {
  /** The canonical name where there are budgets, else the name that was asked for. */
  readonly provider: string;
  readonly verdict: VerdictLevel;
  /** The window that the verdict comes from; null when uncapped. */
  readonly window: ProviderWindow | null;
  /** When that window takes calls again, epoch ms: at its end, or when a forced exhaustion is over. */
  readonly resetsAt: number | null;
  /** Whether no budget of the provider refuses every call: none is paused, closed or exhausted. */
  readonly open: boolean;
  readonly hour: BudgetLine | null;
  readonly day: BudgetLine | null;
}

/** The one name that a provider's figures stand under (rule P6), as the ledger itself would find it by these aliases. */
export function canonicalProvider(aliases: Aliases, name: string): string {
  const matcher = new Matcher();
  matcher.aliases = aliases;
  return matcher.canonical('provider', name);
}

export function providerBudgetId(name: string, window: ProviderWindow): string {
  return `provider/${name}/${window}`;
}

/** The budget that one cap of a provider stands for. */
export function providerBudget(
  name: string,
  window: ProviderWindow,
  limit: bigint | null,
  warnAtPercent?: number,
): BudgetSpec {
  return {
    id: providerBudgetId(name, window),
    match: { provider: name },
    unit: 'usd',
    limit,
    window,
    ...(warnAtPercent === undefined ? {} : { warnAtPercent }),
  };
}

/** The budgets that a provider's caps stand for; `name` is the canonical one. */
export function providerBudgets(name: string, caps: ProviderCaps): BudgetSpec[] {
  const budgets: BudgetSpec[] = [];
  for (const window of PROVIDER_WINDOWS) {
    const limit = window === 'hour' ? caps.hourLimit : caps.dayLimit;
    if (limit !== undefined) budgets.push(providerBudget(name, window, limit, caps.warnAtPercent));
  }
  return budgets;
}

/** Rule P2, from one read of the ledger. Changes nothing; a provider without caps, or unknown, is uncapped (P4). */
export function providerVerdict(ledger: LedgerReads, name: string): ProviderVerdict {
  const lines = providerLines(ledger, name);
  const verdict = VERDICTS[Math.max(0, ...lines.map(({ line }) => VERDICTS.indexOf(line.verdict)))];
  const worst = verdict === 'uncapped' ? undefined : lines.find(({ line }) => line.verdict === verdict);
  return {
    provider: lines[0]?.provider ?? name,
    verdict,
    window: worst?.window ?? null,
    resetsAt: worst?.line.resetsAt ?? null,
    open: verdict !== 'exhausted' && lines.every(({ line }) => line.violations.length === 0),
    hour: lines.find(({ window }) => window === 'hour')?.line ?? null,
    day: lines.find(({ window }) => window === 'day')?.line ?? null,
  };
}

/** Every provider that has a cap in force, by name; one whose caps are lifted or closed is no longer configured (rule P7). */
export function providers(ledger: LedgerReads): ProviderVerdict[] {
  const names = new Set<string>();
  for (const { id, status, limit } of ledger.budgets()) {
    const named = providerCapOf(id);
    if (named !== null && status !== 'closed' && limit !== null) names.add(named.provider);
  }
  return [...names].sort().map((name) => providerVerdict(ledger, name));
}

/**
 * Rule P5: trips each capped window of a provider until it rolls, or until an instant; figures stay as they are.
 * An unknown or uncapped provider has none, and that is no error. Both windows trip in one durable group.
 */
export async function exhaustProvider(
  ledger: Ledger,
  name: string,
  until?: number,
  options: Pick<SubmitOptions, 'actor'> = {},
): Promise<Outcome[]> {
  const commands = providerLines(ledger, name)
    .filter(({ line }) => line.granted !== null && !line.violations.includes('closed'))
    .map(
      ({ line }): Command => ({
        command: 'exhaust_budget',
        budgetId: line.budgetId,
        ...(until === undefined ? {} : { until }),
      }),
    );
  return commands.length === 0 ? [] : ((await ledger.submit(commands, options)) as Outcome[]);
}

/** Books what a provider cost to every budget that it counts towards, its windows among them (rule P3). */
export function recordProviderSpend(
  ledger: Ledger,
  name: string,
  usdSteps: bigint,
  options: { readonly labels?: Labels; readonly occurredAt?: number; readonly commandId?: string } = {},
): Promise<Settlement> {
  const { labels, ...rest } = options;
  return ledger.record({ labels: { ...labels, provider: name }, amounts: { usd: usdSteps }, ...rest });
}

interface ProviderLine {
  readonly provider: string;
  readonly window: ProviderWindow;
  readonly line: BudgetLine;
}

// The ledger itself finds the budgets that the name leads to, aliases included; the shorter window comes first.
function providerLines(ledger: LedgerReads, name: string): ProviderLine[] {
  const found: ProviderLine[] = [];
  for (const line of ledger.check({ labels: { provider: name } }).lines) {
    const named = providerCapOf(line.budgetId);
    if (named !== null) found.push({ ...named, line });
  }
  return found.sort(
    (left, right) => PROVIDER_WINDOWS.indexOf(left.window) - PROVIDER_WINDOWS.indexOf(right.window),
  );
}

/** Which provider's cap a budget is, by its canonical name; null for every other budget. */
export function providerCapOf(budgetId: string): { provider: string; window: ProviderWindow } | null {
  const match = /^provider\/(.+)\/(hour|day)$/.exec(budgetId);
  return match === null ? null : { provider: match[1], window: match[2] as ProviderWindow };
}
