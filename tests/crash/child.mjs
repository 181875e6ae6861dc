// A process that uses a ledger as hard as it can until it is killed. It writes one line of JSON for every outcome that it
// was given, once it was given it: what the parent may then hold the ledger to.
// Arguments: the ledger's file, the file for the lines, the round, a seed.

import { openSync, writeSync } from 'node:fs';
import { openLedger } from '../../dist/index.js';

const [path, told, round, seedText] = process.argv.slice(2);
const WORKERS = 24;

let seed = Number(seedText);
function random(below) {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
}

// Synchronous: a line that was written survives the process.
const lines = openSync(told, 'a');
function tell(line) {
  const text = JSON.stringify(line, (_key, part) => (typeof part === 'bigint' ? `${part}n` : part));
  writeSync(
    lines,
    `${text}
`,
  );
}

const ledger = await openLedger({ path, retentionMs: 3_600_000 });
if (round === '0') {
  await ledger.putDefinitions({
    budgets: [
      { id: 'all', match: {}, unit: 'usd', limit: 10n ** 12n, window: 'lifetime' },
      { id: 'tenant', match: { tenant: '*' }, unit: 'tokens', limit: 10n ** 12n, window: 'hour' },
      { id: 'user', match: { tenant: '*', user: '*' }, unit: 'calls', limit: null, window: 'day' },
      { id: 'tight', match: { tenant: 't0' }, unit: 'usd', limit: 5_000n, window: 'hour' },
    ],
  });
}
console.log('ready');

let serial = 0;
async function acknowledged(method, request) {
  serial += 1;
  const sent = { ...request, commandId: `${round}-${serial}` };
  const outcome = await ledger[method](sent);
  tell({ method, request: sent, outcome });
  return outcome;
}

async function work(worker) {
  for (let call = 0; ; call += 1) {
    const holdId = `hold-${round}-${worker}-${call}`;
    const labels = { tenant: `t${random(4)}`, user: `u${random(6)}` };
    const amounts = { usd: BigInt(1 + random(40)), tokens: BigInt(random(500)) };
    const overrun = ['record', 'reject', 'forbid'][random(3)];
    const decision = await acknowledged('authorize', {
      holdId,
      labels,
      amounts,
      ttlMs: 50 + random(200_000),
      overrun,
    });
    if (random(8) === 0) await acknowledged('record', { labels, amounts: { usd: 1n } });
    if (decision.outcome !== 'authorized') continue;
    const next = random(10);
    if (next === 0) continue;
    if (next === 1) await acknowledged('release', { holdId });
    else if (next === 2) await acknowledged('reverse', { holdId });
    else
      await acknowledged('settle', { holdId, amounts: { usd: BigInt(random(60)), tokens: amounts.tokens } });
  }
}

async function saveCheckpoints() {
  for (;;) {
    tell({ checkpoint: 'begun' });
    await ledger.checkpoint();
    tell({ checkpoint: 'saved' });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker));
await Promise.all(Number(round) % 2 === 1 ? [...workers, saveCheckpoints()] : workers);
