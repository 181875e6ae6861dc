// Prometheus metrics. Money and holds come from the ledger when they are asked for, so a restart does not zero them.
// Labels are names of our own (routes, statuses, outcomes, units): what a tenant writes never becomes one.

import { Counter, Gauge, Registry } from 'prom-client';
import { BUILT_IN_UNITS, formatAmount } from '../core/amount.js';
import { Durations, type Series } from './durations.js';
import type { HttpParts } from './parts.js';

export class Metrics {
  readonly registry = new Registry();
  readonly #decisions = new Durations(
    { name: 'bursar_decision_seconds', help: 'Time of a decision of the ledger, until it is durable.' },
    this.registry,
  );
  readonly #requests = new Durations(
    { name: 'bursar_http_request_seconds', help: 'Time of a request, until its answer was sent.' },
    this.registry,
  );
  readonly #decisionSeries = new Map<string, Series>();
  /** By route, then by method and status. */
  readonly #requestSeries = new Map<string, Map<string, Map<number, Series>>>();

  readonly #providerErrors = new Counter({
    name: 'bursar_provider_errors_total',
    help: 'Attempts at a provider that failed, by what the failure was: request, account, throttle, key, flake or unknown.',
    labelNames: ['provider', 'class'],
    registers: [this.registry],
  });

  constructor(
    { ledger, reconciliations }: Pick<HttpParts, 'ledger' | 'reconciliations'>,
    openStreams: () => number,
  ) {
    const registers = [this.registry];
    for (const { name, scale } of BUILT_IN_UNITS) {
      new Counter({
        name: `bursar_spent_${name}_total`,
        help: `All ${name} ever charged, as the ledger has them; a call counts once, however many budgets it counts towards.`,
        registers,
        collect() {
          this.reset();
          // Shown, not computed with: the double that is nearest to the decimal.
          this.inc(Math.max(0, Number(formatAmount(ledger.totals().spent[name] ?? 0n, scale))));
        },
      });
    }
    new Gauge({
      name: 'bursar_open_holds',
      help: 'Holds that are open.',
      registers,
      collect() {
        this.set(ledger.totals().openHolds);
      },
    });
    new Gauge({
      name: 'bursar_journal_sequence',
      help: 'The last sequence number of the journal.',
      registers,
      collect() {
        this.set(ledger.head().sequence);
      },
    });
    const lastRuns = () => reconciliations.last();
    new Gauge({
      name: 'bursar_reconciliation_gap_usd',
      help: 'What the provider billed above what the ledger has, by its last reconciliation and after what that one posted.',
      labelNames: ['provider'],
      registers,
      collect() {
        this.reset();
        for (const { provider, gapLeftUsd } of lastRuns()) this.set({ provider }, Number(gapLeftUsd));
      },
    });
    new Gauge({
      name: 'bursar_reconciliation_run_timestamp_seconds',
      help: 'When the provider was last reconciled, in seconds since 1970.',
      labelNames: ['provider'],
      registers,
      collect() {
        this.reset();
        for (const { provider, at } of lastRuns()) this.set({ provider }, at / 1_000);
      },
    });
    new Gauge({
      name: 'bursar_event_streams',
      help: 'Event streams that are open.',
      registers,
      collect() {
        this.set(openStreams());
      },
    });
  }

  decided(outcome: string, ms: number): void {
    const make = () => this.#decisions.series({ outcome });
    found(this.#decisionSeries, outcome, make).observe(ms);
  }

  /** `provider` is a name of the configuration. */
  providerFailed(provider: string, what: string): void {
    this.#providerErrors.inc({ provider, class: what });
  }

  answered({ method, route, status }: { method: string; route: string; status: number }, ms: number): void {
    const ofRoute = found(this.#requestSeries, route, newMap<string, Map<number, Series>>);
    const ofMethod = found(ofRoute, method, newMap<number, Series>);
    found(ofMethod, status, () => this.#requests.series({ method, route, status })).observe(ms);
  }
}

function newMap<Key, Value>(): Map<Key, Value> {
  return new Map();
}

function found<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
