// Durable authorise+settle pairs on one budget, thousands in flight, against one transaction a command.

import { join } from 'node:path';
import { openLedger } from '../dist/index.js';
import { openPeer } from './peer.mjs';
import { heading, inFolder, perSecond, quick, ratioRow, row } from './table.mjs';
import { ONE_BUDGET, pairsByCallers, pairsByGroups, putBudgets } from './workloads.mjs';

const CALLERS = 2048;

heading('One budget, durable pairs');
await inFolder(async (folder) => {
  const peer = openPeer(join(folder, 'peer.db'));
  const balance = peer.addBalance('usd', 2 ** 50);
  const peerPairs = quick ? 300 : 2000;
  const started = performance.now();
  for (let pair = 0; pair < peerPairs; pair += 1) {
    peer.authorizeDurably(`h-${pair}`, [[balance, 1000]], Date.now());
    peer.settleDurably(`h-${pair}`, () => 900, Date.now());
  }
  const peerRate = peerPairs / ((performance.now() - started) / 1000);
  peer.close();
  row('peer: better-sqlite3, one transaction a command', perSecond(peerRate), 'pairs');

  const ledger = await openLedger({ path: join(folder, 'ledger.db') });
  await putBudgets(ledger, ONE_BUDGET);
  await pairsByCallers(ledger, ONE_BUDGET, { pairs: 100_000, callers: CALLERS, prefix: 'warm' });
  const pairs = quick ? 100_000 : 1_000_000;
  const byCallers = await pairsByCallers(ledger, ONE_BUDGET, { pairs, callers: CALLERS, prefix: 'call' });
  const byGroups = await pairsByGroups(ledger, ONE_BUDGET, {
    pairs,
    group: 1000,
    inFlight: 4,
    prefix: 'group',
  });
  await ledger.close();
  row(`Bursar: ${CALLERS} callers, a promise a command`, perSecond(byCallers), 'pairs; aim 1 000 000');
  row('Bursar: submit, groups of 1 000 pairs', perSecond(byGroups), 'pairs');
  ratioRow('Bursar by callers ÷ peer', byCallers / peerRate, 25);
});
