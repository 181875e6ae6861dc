// The same work in a ledger of 1,000 balances and open holds and in one of 1,000,000 of each; and what an open hold costs.

import { join } from 'node:path';
import { openLedger } from '../dist/index.js';
import { count, heading, inFolder, perSecond, quick, ratioRow, row } from './table.mjs';

const LABELS = Array.from({ length: quick ? 100_000 : 1_000_000 }, (_none, index) => ({
  tenant: 'acme',
  user: `user-${index}`,
}));

async function filled(path, balances) {
  const ledger = await openLedger({ path });
  await ledger.putBudget({
    id: 'user',
    match: { tenant: 'acme', user: '*' },
    unit: 'usd',
    limit: 2n ** 62n,
    window: 'lifetime',
  });
  for (let first = 0; first < balances; first += 5000) {
    const commands = [];
    for (let index = first; index < Math.min(balances, first + 5000); index += 1) {
      commands.push({
        command: 'authorize_hold',
        holdId: `open-${index}`,
        labels: LABELS[index],
        amounts: { usd: 10n },
        ttlMs: 86_400_000,
      });
    }
    await ledger.submit(commands);
  }
  return ledger;
}

/** Pairs on balances picked across all of them. */
async function spread(ledger, balances, pairs, prefix) {
  let next = 0;
  const caller = async () => {
    while (next < pairs) {
      const index = next++;
      const holdId = `${prefix}-${index}`;
      await ledger.authorize({ holdId, labels: LABELS[(index * 7919) % balances], amounts: { usd: 1_000n } });
      await ledger.settle({ holdId, amounts: { usd: 900n } });
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: 2048 }, caller));
  return pairs / ((performance.now() - started) / 1000);
}

function memory() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Bytes of memory that each open single-budget hold takes, all on one balance. */
async function bytesOfAHold(path, holds) {
  const ledger = await openLedger({ path });
  await ledger.putBudget({
    id: 'tenant',
    match: { tenant: 'acme' },
    unit: 'usd',
    limit: 2n ** 62n,
    window: 'lifetime',
  });
  const before = memory();
  for (let first = 0; first < holds; first += 5000) {
    const commands = Array.from({ length: 5000 }, (_none, index) => ({
      command: 'authorize_hold',
      holdId: `hold-${first + index}`,
      labels: { tenant: 'acme' },
      amounts: { usd: 10n },
      ttlMs: 86_400_000,
    }));
    await ledger.submit(commands);
  }
  const bytes = (memory() - before) / holds;
  await ledger.close();
  return bytes;
}

const many = LABELS.length;
const pairs = quick ? 50_000 : 300_000;
heading(`Small and large: ${count(1000)} against ${count(many)} balances and open holds`);
await inFolder(async (folder) => {
  const bytes = await bytesOfAHold(join(folder, 'holds.db'), many);
  row(
    'memory of an open single-budget hold',
    `${Math.round(bytes)} bytes`,
    `${bytes <= 400 ? 'meets' : 'ABOVE'} the ceiling of 400 bytes`,
  );
  const small = await filled(join(folder, 'small.db'), 1000);
  await spread(small, 1000, 60_000, 'warm');
  const smallRate = await spread(small, 1000, pairs, 'pair');
  await small.close();
  const large = await filled(join(folder, 'large.db'), many);
  await spread(large, many, 60_000, 'warm');
  const largeRate = await spread(large, many, pairs, 'pair');
  await large.close();
  row(`${count(1000)} balances and open holds`, perSecond(smallRate), 'pairs');
  row(`${count(many)} balances and open holds`, perSecond(largeRate), 'pairs');
  ratioRow('large ÷ small', largeRate / smallRate, 0.5);
});
