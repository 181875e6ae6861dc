// Prometheus metrics. Money and holds come from the ledger when they are asked for, so a restart does not zero them.
// Labels are names of our own (routes, statuses, outcomes, units): what a tenant writes never becomes one.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { LedgerReads } from '../../authority/api.js';
import { BUILT_IN_UNITS } from '../../core/amount.js';

/** Seconds. Durable decisions take about 2 ms; what takes 10 s is a fault. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

interface Observer {
  observe(seconds: number): void;
}

export class Metrics {
  readonly registry = new Registry();
  readonly #decisions = new Histogram({
    name: 'bursar_decision_seconds',
    help: 'Time of a decision of the ledger, until it is durable.',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly #requests = new Histogram({
    name: 'bursar_http_request_seconds',
    help: 'Time of a request, until its answer was sent.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [this.registry],
  });

  /** By their labels, which are ours and few: looking them up anew costs as much as the rest of an answer. */
  readonly #decisionOf = new Map<string, Observer>();
  readonly #requestOf = new Map<string, Observer>();

  constructor(ledger: LedgerReads, openStreams: () => number) {
    const registers = [this.registry];
    for (const { name, scale } of BUILT_IN_UNITS) {
      const step = 10 ** -scale;
      new Counter({
        name: `bursar_spent_${name}_total`,
        help: `All ${name} ever charged, as the ledger has them; a call counts once, however many budgets it counts towards.`,
        registers,
        collect() {
          this.reset();
          // Shown, not computed with: a double has 15 digits of it.
          this.inc(Math.max(0, Number(ledger.totals().spent[name] ?? 0n) * step));
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
    let histogram = this.#decisionOf.get(outcome);
    if (histogram === undefined) {
      histogram = this.#decisions.labels({ outcome });
      this.#decisionOf.set(outcome, histogram);
    }
    histogram.observe(ms / 1_000);
  }

  answered(request: { method: string; route: string; status: number }, ms: number): void {
    const { method, route, status } = request;
    const name = `${method} ${route} ${status}`;
    let histogram = this.#requestOf.get(name);
    if (histogram === undefined) {
      histogram = this.#requests.labels(request);
      this.#requestOf.set(name, histogram);
    }
    histogram.observe(ms / 1_000);
  }
}
