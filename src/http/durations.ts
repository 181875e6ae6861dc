// A histogram of durations for Prometheus whose observations cost two look-ups: the series of a set of labels is found
// once and kept by whoever observes. prom-client's own hashes the labels at every observation, which here is as much work
// as the rest of an answer. Called by metrics.ts.

import type { Registry } from 'prom-client';

/** Upper bounds in seconds. Durable decisions take about 2 ms; what takes 10 s is a fault. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export type DurationLabels = Readonly<Record<string, string | number>>;

/** Durations with the same labels. */
export class Series {
  /** One for each bound, not yet summed, and one beyond. */
  readonly counts = new Float64Array(BOUNDS.length + 1);
  sumSeconds = 0;

  constructor(readonly labels: DurationLabels) {}

  observe(ms: number): void {
    const seconds = ms / 1_000;
    let bound = 0;
    while (bound < BOUNDS.length && seconds > BOUNDS[bound]) bound += 1;
    this.counts[bound] += 1;
    this.sumSeconds += seconds;
  }
}

export class Durations {
  readonly #series: Series[] = [];

  constructor(
    private readonly about: { readonly name: string; readonly help: string },
    registry: Registry,
  ) {
    // What a registry asks of a metric is its name and its values.
    registry.registerMetric({ name: about.name, get: () => Promise.resolve(this.#shown()) } as never);
  }

  series(labels: DurationLabels): Series {
    const made = new Series(labels);
    this.#series.push(made);
    return made;
  }

  #shown(): unknown {
    const { name, help } = this.about;
    return {
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: this.#series.flatMap((one) => valuesOf(name, one)),
    };
  }
}

function valuesOf(name: string, { labels, counts, sumSeconds }: Series): unknown[] {
  const values: unknown[] = [];
  let count = 0;
  for (let bound = 0; bound < counts.length; bound += 1) {
    count += counts[bound];
    const le = bound < BOUNDS.length ? BOUNDS[bound] : '+Inf';
    values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: count });
  }
  values.push({ metricName: `${name}_sum`, labels, value: sumSeconds });
  values.push({ metricName: `${name}_count`, labels, value: count });
  return values;
}
