// Finds where a call may go (rule P10): the first route that matches its model gives the candidates; exhausted and throttled
// ones are dropped, and those near their limit come last. When none is left the call is refused: there is no fallback. The
// ledger judges providers, under their canonical names. One instance for each configuration, asked for every call.

import type { LedgerReads } from '../../authority/api.js';
import { canonicalProvider, type ProviderVerdict, providerVerdict } from '../../budgets/providers.js';
import type { DialectName } from '../metering/endpoints.js';
import { matchesModel } from '../prices/model-pattern.js';
import type { Placement, RoutedCandidate, Routing } from './route.js';
import type { ProviderSettings, RouteCandidate, RouteSettings } from './route-settings.js';
import type { ThrottledProviders } from './throttled.js';

/** A candidate with what the ledger and its provider say of it now. */
interface PlacedCandidate {
  readonly candidate: RoutedCandidate;
  readonly placed: Placement['placed'];
  /** When it was dropped and comes back by itself. */
  readonly resetsAt: number | null;
}

export interface CompiledRoute {
  readonly pattern: string;
  readonly candidates: readonly { readonly provider: ProviderSettings; readonly model: string | null }[];
  readonly outputTokensUnstated?: number | undefined;
}

export class RoutingTable {
  /** For each dialect the routes that have candidates of it, in the order of the configuration. */
  readonly #routes: ReadonlyMap<DialectName, readonly CompiledRoute[]>;
  /** The name under which each provider's figures stand, by its own name. */
  readonly #canonical: ReadonlyMap<string, string>;

  constructor(
    settings: { readonly providers: readonly ProviderSettings[]; readonly routes: readonly RouteSettings[] },
    private readonly ledger: LedgerReads,
    private readonly throttled: ThrottledProviders,
  ) {
    const providers = new Map(settings.providers.map((provider) => [provider.name, provider]));
    const dialects = new Set(settings.providers.map(({ dialect }) => dialect));
    this.#routes = new Map(
      [...dialects].map((dialect) => [dialect, compile(settings.routes, providers, dialect)]),
    );
    const aliases = ledger.aliases();
    this.#canonical = new Map([...providers.keys()].map((name) => [name, canonicalProvider(aliases, name)]));
  }

  /** @returns null when no route of the dialect matches the model */
  route(call: { readonly dialect: DialectName; readonly model: string }, now: number): Routing | null {
    const route = this.#routes.get(call.dialect)?.find(({ pattern }) => matchesModel(pattern, call.model));
    if (route === undefined) return null;
    const judged = route.candidates.map(({ provider, model }) =>
      this.#judged(provider, model ?? call.model, now),
    );
    const placed = (as: Placement['placed']) => judged.filter(({ placed }) => placed === as);
    const { outputTokensUnstated } = route;
    const candidates = [...placed('tried'), ...placed('behind_near')].map(({ candidate }) =>
      outputTokensUnstated === undefined ? candidate : { ...candidate, outputTokensUnstated },
    );
    const placements = judged.map(placementOf);
    if (candidates.length > 0) return { candidates, placements, dropped: [], resetsAt: null };
    const dropped = judged.map(({ candidate }) => candidate);
    return { candidates, placements, dropped, resetsAt: earliest(judged) };
  }

  /** The routes that have candidates of a dialect, in the order in which they are tried. */
  routes(dialect: DialectName): readonly CompiledRoute[] {
    return this.#routes.get(dialect) ?? [];
  }

  #judged(provider: ProviderSettings, model: string, now: number): PlacedCandidate {
    const { name } = provider;
    const told =
      this.throttled.until(name, now) ?? this.throttled.until(this.#canonical.get(name) ?? name, now);
    const stated = providerVerdict(this.ledger, name);
    // A provider without caps cannot be exhausted in the ledger: what it said itself counts.
    const isTold = stated.verdict === 'uncapped' && told !== null;
    const verdict = isTold ? 'exhausted' : stated.verdict;
    const candidate = { provider, model, verdict } as const;
    if (isTold) return { candidate, placed: 'dropped_exhausted', resetsAt: told };
    if (verdict === 'exhausted') return { candidate, placed: 'dropped_exhausted', resetsAt: resetOf(stated) };
    if (!stated.open) return { candidate, placed: 'dropped_not_open', resetsAt: null };
    const waits =
      this.throttled.pairUntil({ provider: name, model }, now) ??
      this.throttled.pairUntil({ provider: this.#canonical.get(name) ?? name, model }, now);
    if (waits !== null) return { candidate, placed: 'dropped_throttled', resetsAt: waits };
    return { candidate, placed: verdict === 'near' ? 'behind_near' : 'tried', resetsAt: null };
  }
}

function compile(
  routes: readonly RouteSettings[],
  providers: ReadonlyMap<string, ProviderSettings>,
  dialect: DialectName,
): CompiledRoute[] {
  return routes.flatMap(({ model: pattern, candidates, outputTokensUnstated }) => {
    const own = candidates.flatMap(({ provider: name, model }: RouteCandidate) => {
      const provider = providers.get(name);
      return provider?.dialect === dialect ? [{ provider, model }] : [];
    });
    return own.length === 0 ? [] : [{ pattern, candidates: own, outputTokensUnstated }];
  });
}

function placementOf({ candidate, placed }: PlacedCandidate): Placement {
  return { provider: candidate.provider.name, model: candidate.model, verdict: candidate.verdict, placed };
}

/**
 * When an exhausted provider takes calls again: once each of its exhausted windows has. Null for a provider that a paused
 * or closed budget keeps out as well.
 */
function resetOf({ hour, day }: ProviderVerdict): number | null {
  let resetsAt = 0;
  for (const line of [hour, day]) {
    if (line === null) continue;
    if (line.violations.includes('paused') || line.violations.includes('closed')) return null;
    if (line.verdict === 'exhausted') resetsAt = Math.max(resetsAt, line.resetsAt ?? 0);
  }
  return resetsAt === 0 ? null : resetsAt;
}

function earliest(judged: readonly PlacedCandidate[]): number | null {
  const resets = judged.flatMap(({ resetsAt }) => resetsAt ?? []);
  return resets.length === 0 ? null : Math.min(...resets);
}
