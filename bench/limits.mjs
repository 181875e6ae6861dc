// The bare limits next to which the rest is read: the disk, the hash, and decide+apply without a journal.

import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { authorizeCommand } from '../dist/authority/intake-authorize.js';
import { settleCommand } from '../dist/authority/intake-holds.js';
import { apply } from '../dist/core/apply.js';
import { newState } from '../dist/core/apply-account.js';
import { decide } from '../dist/core/decide.js';
import { count, heading, inFolder, micros, perSecond, quick, row } from './table.mjs';
import { ONE_BUDGET, percentile, SIX_BUDGETS } from './workloads.mjs';

function writeAndSync(folder, bytes, rounds) {
  const file = openSync(join(folder, `sync-${bytes}`), 'w');
  const buffer = Buffer.alloc(bytes, 1);
  const samples = [];
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    writeSync(file, buffer, 0, bytes, round * bytes);
    fdatasyncSync(file);
    samples.push(performance.now() - started);
  }
  closeSync(file);
  return samples;
}

function decideAndApply(workload, pairs) {
  const state = newState({ seed: 1 });
  const run = (command) => apply(state, command, decide(state, command, 1), 1);
  run({
    kind: 'open_ledger',
    commandId: null,
    authorityId: 'bench',
    epoch: 1,
    retentionMs: 1,
    endedHoldsMax: 100_000,
    seed: 1,
  });
  run({
    kind: 'put_definitions',
    commandId: null,
    units: [],
    aliases: null,
    close: [],
    budgets: workload.budgets,
  });
  for (const budget of workload.budgets) {
    if (budget.window === 'lifetime') continue;
    run({ kind: 'open_window', commandId: null, budgetId: budget.id, start: 0, end: 2 ** 40 });
  }
  const started = performance.now();
  for (let pair = 0; pair < pairs; pair += 1) {
    const holdId = `h-${pair}`;
    run(authorizeCommand(state, { holdId, labels: workload.labels, amounts: workload.amounts }));
    run(settleCommand(state, { holdId, amounts: workload.actual }));
  }
  return pairs / ((performance.now() - started) / 1000);
}

heading('Bare limits of this machine');
await inFolder((folder) => {
  const small = writeAndSync(folder, 4096, quick ? 300 : 2000);
  row('write 4 KiB + fdatasync, p50', micros(percentile(small, 0.5)));
  row('write 4 KiB + fdatasync, p99', micros(percentile(small, 0.99)));
  const large = writeAndSync(folder, 262_144, quick ? 50 : 300);
  const total = large.reduce((sum, ms) => sum + ms, 0);
  row('write 256 KiB + fdatasync', `${count((large.length * 0.25) / (total / 1000))} MiB/s`);
});
const block = Buffer.alloc(131_072, 7);
const started = performance.now();
const blocks = quick ? 400 : 4000;
for (let index = 0; index < blocks; index += 1) createHash('sha256').update(block).digest();
row(
  'SHA-256 over 128 KiB blocks',
  `${count((blocks * 0.125) / ((performance.now() - started) / 1000))} MiB/s`,
);
for (const [name, workload] of [
  ['one budget', ONE_BUDGET],
  ['six budgets in three units', SIX_BUDGETS],
]) {
  decideAndApply(workload, 50_000);
  row(
    `decide+apply without a journal, ${name}`,
    perSecond(decideAndApply(workload, quick ? 100_000 : 500_000)),
    'pairs',
  );
}
