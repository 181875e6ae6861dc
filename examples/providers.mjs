// Providers with an hour and a day cap, under several names, in a day told by a clock that the program moves itself.
// `node examples/providers.mjs [FILE]` after a build; without a file the ledger ends with the program.

import {
  exhaustProvider,
  formatAmount,
  openLedger,
  PROVIDER_ALIASES_DEFAULT,
  providerBudgets,
  providers,
  providerVerdict,
  recordProviderSpend,
  usd,
} from 'bursar';

const clock = {
  ms: Date.parse('2026-03-01T10:00:00Z'),
  now() {
    return this.ms;
  },
  at(time) {
    this.ms = Date.parse(`2026-03-01T${time}:00Z`);
  },
};
const ledger = await openLedger({ path: process.argv[2] ?? ':memory:', clock });
await ledger.putDefinitions({
  aliases: PROVIDER_ALIASES_DEFAULT,
  budgets: [
    ...providerBudgets('claude-code', { hourLimit: usd('1.00'), dayLimit: usd('1.50') }),
    ...providerBudgets('openai', { hourLimit: usd('2.00') }),
  ],
});

function show(name) {
  const { provider, verdict, window, hour, day } = providerVerdict(ledger, name);
  const spent = (line) => (line === null ? 'no cap' : formatAmount(line.spent, 8));
  const because = window === null ? '' : ` by the ${window}`;
  const time = new Date(clock.now()).toISOString().slice(11, 16);
  const as = provider === name ? name : `${name} (${provider})`;
  console.log(`${time} ${as}: ${verdict}${because}; hour ${spent(hour)}, day ${spent(day)}`);
}

// All of these names are one provider: spend, verdicts and exhaustion meet under its canonical name.
await recordProviderSpend(ledger, 'anthropic', usd('0.50'));
show('claude-code');
await recordProviderSpend(ledger, 'sonnet', usd('0.40'));
show('opus');
clock.at('11:00');
show('claude-code');
await recordProviderSpend(ledger, 'claude-code', usd('0.70'));
show('claude-code');

// A call is held before it runs, and refused where a cap of its provider is used up.
const call = { labels: { provider: 'haiku' }, amounts: { usd: usd('0.01') } };
const refused = await ledger.authorize({ holdId: 'call-1', ...call });
console.log(`call-1 to haiku: ${refused.outcome}, ${refused.reason}`);
// Alternatives in order: the first that fits is held, and the decision says why the ones before it were not.
const routed = await ledger.authorize({
  holdId: 'call-2',
  ...call,
  candidates: [{}, { labels: { provider: 'openai/gpt-5' } }],
});
console.log(`call-2: candidate ${routed.candidate}, skipped ${routed.skipped.map((one) => one.reason)}`);

// openai answers "429, resets in half an hour": it is exhausted until then, and its figures stay as they are.
await ledger.reverse({ holdId: 'call-2' });
await exhaustProvider(ledger, 'openai', clock.now() + 30 * 60_000);
show('openai');
clock.at('11:30');
show('openai');
show('unknown-vendor');
console.log(`configured: ${providers(ledger).map((one) => `${one.provider} ${one.verdict}`)}`);
await ledger.close();
