// A made-up trace for where no real one is at hand: two services, code completion (long inputs, short outputs) and
// conversation, with bursts, the same for the same seed. Everything that prints it says that it is generated.
// Token quantiles are those of the Azure LLM inference trace 2023 (Patel et al., "Splitwise", ISCA 2024; CC-BY 4.0).

import { InvalidInputError } from '../core/errors.js';
import { SeededRandom } from './seeded-random.js';
import { type RawTrace, TRACE_REQUESTS_MAX } from './trace.js';
import type { RawRequest } from './trace-spread.js';

/** A fixed day, so that a generated trace is the same on every day; the hour rolls over inside it. */
const START = Date.UTC(2026, 0, 15, 9, 15, 0);

/** The length of the real traces: about one hour. */
const SPAN_MS = 3_600_000;

/** How much busier a burst is than the quiet between bursts, and how long each lasts on average. */
const BURST = { factor: 6, burstMs: 4_000, quietMs: 16_000 };

const QUANTILES = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1] as const;

interface Service {
  readonly name: string;
  /** Its part of all requests. */
  readonly share: number;
  readonly inputTokens: readonly number[];
  readonly outputTokens: readonly number[];
}

const SERVICES: readonly Service[] = [
  {
    name: 'generated-code',
    share: 0.3,
    inputTokens: [3, 147, 578, 1469, 2744, 5186, 7436, 7437],
    outputTokens: [6, 7, 9, 13, 24, 55, 249, 1899],
  },
  {
    name: 'generated-conversation',
    share: 0.7,
    inputTokens: [2, 207, 396, 1020, 1189, 2734, 4142, 14050],
    outputTokens: [7, 54, 85, 129, 395, 424, 601, 1000],
  },
];

/** About `requests` requests within one hour, for each service one source. */
export function generateTrace(options: { requests: number; seed: number }): readonly RawTrace[] {
  const { requests, seed } = options;
  if (!Number.isInteger(requests) || requests < 10 || requests > TRACE_REQUESTS_MAX) {
    throw new InvalidInputError(
      'requests',
      `${requests} is not a whole number from 10 to ${TRACE_REQUESTS_MAX}`,
    );
  }
  return SERVICES.map((service, index) => {
    const random = new SeededRandom(seed + index * 7919);
    const made = requestsOf({ service, count: Math.round(requests * service.share), random });
    return {
      requests: made,
      source: { name: service.name, requests: made.length, generated: true, wasSorted: true },
    };
  });
}

function requestsOf(options: {
  service: Service;
  count: number;
  random: SeededRandom;
}): readonly RawRequest[] {
  const { service, count, random } = options;
  const arrivals = arrivalsOf(count, random);
  return arrivals.map((at) => ({
    at,
    inputTokens: drawTokens(service.inputTokens, random),
    outputTokens: drawTokens(service.outputTokens, random),
    tenant: null,
    user: null,
    model: null,
    source: service.name,
  }));
}

// Poisson arrivals whose rate switches between quiet and burst; then stretched so that they fill the hour.
function arrivalsOf(count: number, random: SeededRandom): readonly number[] {
  const times: number[] = [];
  let now = 0;
  let bursting = false;
  let switchAt = exponential(BURST.quietMs, random);
  const quietGapMs =
    (SPAN_MS / count) * ((BURST.factor * BURST.burstMs + BURST.quietMs) / (BURST.burstMs + BURST.quietMs));
  while (times.length < count) {
    now += exponential(bursting ? quietGapMs / BURST.factor : quietGapMs, random);
    while (now >= switchAt) {
      bursting = !bursting;
      switchAt += exponential(bursting ? BURST.burstMs : BURST.quietMs, random);
    }
    times.push(now);
  }
  const stretch = SPAN_MS / times[times.length - 1];
  return times.map((time) => START + Math.floor(time * stretch));
}

function exponential(meanMs: number, random: SeededRandom): number {
  return -Math.log(1 - random.fraction()) * meanMs;
}

function drawTokens(values: readonly number[], random: SeededRandom): number {
  const place = random.fraction();
  let step = 1;
  while (step < QUANTILES.length - 1 && place >= QUANTILES[step]) step++;
  const share = (place - QUANTILES[step - 1]) / (QUANTILES[step] - QUANTILES[step - 1]);
  return Math.round(values[step - 1] + share * (values[step] - values[step - 1]));
}
