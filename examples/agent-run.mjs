// A cap for one run of an agent: every run has its own balances in two budgets, a tool is called under the caps of a
// capability, one call is denied and explained, and at the end the ledger proves itself.
// `node examples/agent-run.mjs [FILE]` after a build; without a file the ledger ends with the program.

import { formatAmount, openLedger, usd } from 'bursar';

const ledger = await openLedger({ path: process.argv[2] ?? ':memory:', authorityId: 'agent-example' });
await ledger.putDefinitions({
  budgets: [
    // `'*'` gives each run a balance of its own, made at its first call.
    { id: 'run-usd', match: { run: '*' }, unit: 'usd', limit: usd('0.50'), window: 'lifetime' },
    { id: 'run-calls', match: { run: '*' }, unit: 'calls', limit: 20n, window: 'lifetime' },
  ],
});
const run = crypto.randomUUID();
const dollars = (steps) => `${formatAmount(steps, 8)} usd`;

let calls = 0;
/** Authorises a call, does it, settles what it cost. Gives the decision when it was denied. */
async function call({ labels, worst, actual, grants }) {
  calls += 1;
  const holdId = `${run}/${calls}`;
  const decision = await ledger.authorize({
    holdId,
    labels: { run, ...labels },
    amounts: { usd: usd(worst) },
    // Up to 10 % above the hold is charged as it was; beyond, the charge stops at the hold and is flagged.
    overrun: { cap: { tolerancePercent: 10 } },
    // A caller that is lost without a settlement is charged all that it held.
    onExpiry: 'charge',
    ttlMs: 120_000,
    require: ['run'],
    ...(grants === undefined ? {} : { grants }),
  });
  if (decision.outcome === 'rejected') throw new Error(decision.message);
  if (decision.outcome === 'denied') return decision;
  const settled = await ledger.settle({ holdId, amounts: { usd: usd(actual) }, outcome: 'completed' });
  if (settled.outcome === 'rejected') throw new Error(settled.message);
  const stopped = settled.capped.length > 0 ? ', stopped at the hold' : '';
  const remaining = settled.lines.find((line) => line.budgetId === 'run-usd').remaining;
  console.log(
    `call ${calls}: held ${worst}, cost ${actual}, charged ${dollars(settled.charged.usd)}${stopped}; ` +
      `${dollars(remaining)} remain`,
  );
  return undefined;
}

// The plan: within the tolerance, then far beyond it.
await call({ labels: { model: 'large' }, worst: '0.20', actual: '0.21' });
await call({ labels: { model: 'large' }, worst: '0.10', actual: '0.15' });

// The tool's caps come with the call, as from a signed capability: at most two calls, 0.05 usd each, 0.08 usd in all.
const search = {
  capability: 'web-search',
  grant: run,
  unit: 'usd',
  maxCalls: 2,
  maxPerHold: usd('0.05'),
  maxTotal: usd('0.08'),
};
await call({ labels: { tool: 'web-search' }, worst: '0.05', actual: '0.03', grants: [search] });
await call({ labels: { tool: 'web-search' }, worst: '0.05', actual: '0.05', grants: [search] });
const third = await call({ labels: { tool: 'web-search' }, worst: '0.01', actual: '0.01', grants: [search] });
console.log(`call ${calls}: denied, ${third.reason}`);
console.log((await ledger.explain(third.decisionId)).sentence);

// The run's own cap: what is left does not cover the worst case of another plan.
const last = await call({ labels: { model: 'large' }, worst: '0.20', actual: '0.02' });
console.log(`call ${calls}: denied, ${last.reason}`);
const explained = await ledger.explain(last.decisionId);
console.log(explained.sentence);
console.log(`figures add up from the journal: ${explained.lines.every((line) => line.addsUp)}`);

const report = await ledger.verify();
const certificate = ledger.certify();
console.log(`verified: ${report.ok}, ${report.commands} records`);
console.log(`certified: ${certificate.status}, spent ${dollars(certificate.spentSinceLast.usd)}`);
await ledger.close();
if (!report.ok || certificate.status !== 'balanced') process.exitCode = 1;
