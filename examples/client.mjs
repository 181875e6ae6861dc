// A call of one's own, bounded by a running Bursar: held before it runs, settled when it is known what it cost.
// Run `npm start`, then: BURSAR_URL=http://127.0.0.1:8420 BURSAR_KEY=<key of the tenant demo> node examples/client.mjs

import { BursarClient } from 'bursar/client';

const bursar = new BursarClient({ baseUrl: process.env.BURSAR_URL, apiKey: process.env.BURSAR_KEY });

async function summary(user, text) {
  const worst = { usd: '0.05', tokens: '2000' };
  const decision = await bursar.holds.authorize({ labels: { user }, amounts: worst });
  if (decision.outcome !== 'authorized') return `no call: ${decision.message}`;
  try {
    // … the call runs here …
    const cost = text.length > 20 ? { usd: '0.04', tokens: '1600' } : { usd: '0.01', tokens: '400' };
    const settled = await bursar.holds.settle(decision.holdId, { amounts: cost, outcome: 'completed' });
    const tightest = settled.lines.find((line) => line.remaining !== null);
    return `it cost ${settled.charged.usd} usd; ${tightest.budgetId} has ${tightest.remaining} usd left`;
  } catch (error) {
    // Nothing was spent: give it back, else it counts until the hold expires.
    await bursar.holds.release(decision.holdId).catch(() => undefined);
    throw error;
  }
}

console.log(await summary('u1', 'a short text'));
console.log(await summary('u1', 'a text that is somewhat longer'));

const denied = await bursar.holds.authorize({ labels: { user: 'u1' }, amounts: { usd: '100', tokens: '1' } });
console.log(`${denied.outcome}: ${denied.reason}`);
const { lines } = await bursar.decisions.get(denied.decisionId);
for (const { line } of lines) console.log(`${line.budgetId}: ${line.violations.join(', ') || 'fits'}`);

for await (const event of bursar.events.follow({ type: 'hold_settled' })) {
  console.log(`followed: ${event.type}`);
  break;
}
