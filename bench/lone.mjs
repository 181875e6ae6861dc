// A durable command with nothing else in flight, against a bare 4 KiB write + fdatasync, taken in turns so that both see
// the same disk.

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '../dist/index.js';
import { ceilingRow, heading, inFolder, micros, quick, row } from './table.mjs';
import { ONE_BUDGET, percentile, putBudgets } from './workloads.mjs';

heading('A lone durable command');
await inFolder(async (folder) => {
  const ledger = await openLedger({ path: join(folder, 'ledger.db') });
  await putBudgets(ledger, ONE_BUDGET);
  const file = openSync(join(folder, 'bare'), 'w');
  const buffer = Buffer.alloc(4096, 1);
  const bare = [];
  const lone = [];
  const rounds = quick ? 500 : 5000;
  // Not counted: a service that has just started still compiles its code.
  const warmUp = 1000;
  for (let round = 0; round < warmUp + rounds; round += 1) {
    let started = performance.now();
    writeSync(file, buffer, 0, 4096, round * 4096);
    fdatasyncSync(file);
    const bareMs = performance.now() - started;
    started = performance.now();
    await ledger.authorize({ holdId: `h-${round}`, labels: ONE_BUDGET.labels, amounts: ONE_BUDGET.amounts });
    if (round < warmUp) continue;
    bare.push(bareMs);
    lone.push(performance.now() - started);
  }
  closeSync(file);
  await ledger.close();
  for (const [name, samples] of [
    ['bare write + fdatasync', bare],
    ['Bursar: authorize, awaited alone', lone],
  ]) {
    row(`${name}, p50 / p99`, `${micros(percentile(samples, 0.5))} / ${micros(percentile(samples, 0.99))}`);
  }
  ceilingRow('Bursar p99 ÷ bare p99', percentile(lone, 0.99) / percentile(bare, 0.99), 3);
});
