// Six budgets in three units a hold, against the same peer with 64 commands a transaction.

import { join } from 'node:path';
import { openLedger } from '../dist/index.js';
import { openPeer } from './peer.mjs';
import { heading, inFolder, perSecond, quick, ratioRow, row } from './table.mjs';
import { pairsByCallers, pairsByGroups, putBudgets, SIX_BUDGETS } from './workloads.mjs';

heading('Six budgets in three units, durable pairs');
await inFolder(async (folder) => {
  const peer = openPeer(join(folder, 'peer.db'));
  const units = ['usd', 'usd', 'tokens', 'usd', 'tokens', 'calls'];
  const amounts = { usd: 1000, tokens: 4000, calls: 1 };
  const lines = units.map((unit) => [peer.addBalance(unit, 2 ** 50), amounts[unit]]);
  const peerPairs = quick ? 3200 : 32_000;
  const started = performance.now();
  for (let pair = 0; pair < peerPairs; pair += 32) {
    peer.inOneTransaction(() => {
      for (let index = pair; index < pair + 32; index += 1) {
        peer.authorize(`h-${index}`, lines, Date.now());
        peer.settle(`h-${index}`, (amount) => amount, Date.now());
      }
    });
  }
  const peerRate = peerPairs / ((performance.now() - started) / 1000);
  peer.close();
  row('peer: better-sqlite3, 64 commands a transaction', perSecond(peerRate), 'pairs');

  const ledger = await openLedger({ path: join(folder, 'ledger.db') });
  await putBudgets(ledger, SIX_BUDGETS);
  await pairsByCallers(ledger, SIX_BUDGETS, { pairs: 100_000, callers: 2048, prefix: 'warm' });
  const pairs = quick ? 50_000 : 300_000;
  const byCallers = await pairsByCallers(ledger, SIX_BUDGETS, { pairs, callers: 2048, prefix: 'call' });
  const byGroups = await pairsByGroups(ledger, SIX_BUDGETS, {
    pairs,
    group: 1000,
    inFlight: 4,
    prefix: 'group',
  });
  await ledger.close();
  row('Bursar: 2048 callers, a promise a command', perSecond(byCallers), 'pairs; aim 250 000');
  row('Bursar: submit, groups of 1 000 pairs', perSecond(byGroups), 'pairs');
  ratioRow('Bursar by callers ÷ peer', byCallers / peerRate, 5);
});
