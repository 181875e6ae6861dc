// The first use of Bursar from code, as the README shows it. `node examples/first-use.mjs [FILE]`, after a build.
import { formatAmount, openLedger, usd } from 'bursar';

const ledger = await openLedger({ path: process.argv[2] ?? 'first-use.db' });
const match = { tenant: 'acme' };
await ledger.putBudget({ id: 'acme-day', match, unit: 'usd', limit: usd('10'), window: 'day' });

const holdId = crypto.randomUUID();
const decision = await ledger.authorize({ holdId, labels: match, amounts: { usd: usd('0.25') } });
if (decision.outcome !== 'authorized') throw new Error(`no call: ${decision.reason ?? decision.message}`);
// … the model call runs here; afterwards it is known what it cost …
const settled = await ledger.settle({ holdId, amounts: { usd: usd('0.08') } });

console.log(`${formatAmount(settled.lines[0].remaining, 8)} usd remain today`);
console.log(`verified: ${(await ledger.verify()).ok}`);
await ledger.close();
