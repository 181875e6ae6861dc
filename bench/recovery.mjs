// Starting again: replaying the journal's tail, starting from a checkpoint of many balances, and proving the whole.

import { join } from 'node:path';
import { openLedger, openReader } from '../dist/index.js';
import { count, heading, inFolder, perSecond, quick, row } from './table.mjs';
import { ONE_BUDGET, pairsByGroups, putBudgets } from './workloads.mjs';

const floor = (rate, least) =>
  `commands; ${rate >= least ? 'meets' : 'BELOW'} the floor of ${count(least)} /s`;

heading('Recovery and verification');
await inFolder(async (folder) => {
  const path = join(folder, 'tail.db');
  const ledger = await openLedger({ path });
  await putBudgets(ledger, ONE_BUDGET);
  await pairsByGroups(ledger, ONE_BUDGET, {
    pairs: quick ? 100_000 : 1_000_000,
    group: 1000,
    inFlight: 4,
    prefix: 'h',
  });
  const commands = ledger.head().sequence;
  await ledger.close();

  let started = performance.now();
  const reader = await openReader(path);
  const replayed = commands / ((performance.now() - started) / 1000);
  row(`recovery from a tail of ${count(commands)} commands`, perSecond(replayed), floor(replayed, 1_000_000));
  started = performance.now();
  const report = await reader.verify();
  const verified = commands / ((performance.now() - started) / 1000);
  if (!report.ok) throw new Error(report.failure.what);
  row(
    'verify: chain, every command decided again, every figure',
    perSecond(verified),
    floor(verified, 400_000),
  );
  reader.close();
});

await inFolder(async (folder) => {
  const path = join(folder, 'balances.db');
  const balances = quick ? 100_000 : 1_000_000;
  const ledger = await openLedger({ path });
  await ledger.putBudget({ id: 'user', match: { user: '*' }, unit: 'usd', limit: 1n, window: 'lifetime' });
  for (let first = 0; first < balances; first += 5000) {
    await ledger.submit(
      Array.from({ length: 5000 }, (_none, index) => ({
        command: 'record_spend',
        labels: { user: `user-${first + index}` },
        amounts: { usd: 1n },
      })),
    );
  }
  await ledger.checkpoint();
  await ledger.close();
  const started = performance.now();
  const again = await openLedger({ path });
  const seconds = (performance.now() - started) / 1000;
  await again.close();
  row(
    `start from a checkpoint of ${count(balances)} balances`,
    `${seconds.toFixed(2)} s`,
    `${seconds <= 3 ? 'meets' : 'ABOVE'} the ceiling of 3 s`,
  );
});
