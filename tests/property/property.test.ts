// The ledger against a naive model (reference-model.ts): any sequence of commands, ticks, crashes and reopenings gives
// the same outcomes and the same figures. BURSAR_PROPERTY_RUNS sets how many sequences are tried.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intents } from './property-commands.js';
import { runIntents, runWithoutModel } from './property-run.js';

const RUNS = Number(process.env.BURSAR_PROPERTY_RUNS ?? 200);
const TIMEOUT_MS = 60_000 + RUNS * 1_000;

test(
  'property: any sequence of commands → the ledger and the naive model agree and the books balance',
  async () => {
    await fc.assert(fc.asyncProperty(intents, runIntents), { numRuns: RUNS, endOnFailure: false });
  },
  TIMEOUT_MS,
);

test(
  'property: a retention of seconds → what is forgotten never unbalances the books, and the journal still verifies',
  async () => {
    await fc.assert(fc.asyncProperty(intents, runWithoutModel), { numRuns: Math.ceil(RUNS / 5) });
    expect(RUNS).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);
