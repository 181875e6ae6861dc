// What is measured: authorise+settle pairs through the public library, on a real file, each reply awaited.

/** One budget in usd: the smallest hold there is. */
export const ONE_BUDGET = {
  budgets: [{ id: 'tenant', match: { tenant: 'acme' }, unit: 'usd', limit: 2n ** 62n, window: 'lifetime' }],
  labels: { tenant: 'acme' },
  amounts: { usd: 1_000n },
  actual: { usd: 900n },
};

/** Six budgets in three units, windows among them: what a busy tenant's call counts towards. */
export const SIX_BUDGETS = {
  budgets: [
    { id: 'tenant-month', match: { tenant: 'acme' }, unit: 'usd', limit: 2n ** 62n, window: 'month' },
    { id: 'user-day', match: { tenant: 'acme', user: '*' }, unit: 'usd', limit: 2n ** 62n, window: 'day' },
    { id: 'agent', match: { agent: '*' }, unit: 'tokens', limit: 2n ** 62n, window: 'lifetime' },
    { id: 'provider-hour', match: { provider: 'openai' }, unit: 'usd', limit: 2n ** 62n, window: 'hour' },
    {
      id: 'user-tokens',
      match: { tenant: 'acme', user: '*' },
      unit: 'tokens',
      limit: 2n ** 62n,
      window: 'month',
    },
    { id: 'tenant-calls', match: { tenant: 'acme' }, unit: 'calls', limit: 2n ** 62n, window: 'day' },
  ],
  labels: { tenant: 'acme', user: 'u1', agent: 'researcher', provider: 'openai' },
  amounts: { usd: 1_000n, tokens: 4_000n },
  actual: { usd: 900n, tokens: 3_100n },
};

export async function putBudgets(ledger, workload) {
  const outcome = await ledger.putDefinitions({ budgets: workload.budgets });
  if (outcome.outcome !== 'done') throw new Error(outcome.message);
}

/** So many pairs with so many callers in flight, each awaiting its own replies; gives pairs a second. */
export async function pairsByCallers(ledger, workload, { pairs, callers, prefix }) {
  let next = 0;
  let authorized = 0;
  const caller = async () => {
    while (next < pairs) {
      const holdId = `${prefix}-${next++}`;
      const decision = await ledger.authorize({ holdId, labels: workload.labels, amounts: workload.amounts });
      if (decision.outcome === 'authorized') authorized += 1;
      await ledger.settle({ holdId, amounts: workload.actual });
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  if (authorized !== pairs) throw new Error(`${authorized} of ${pairs} were authorised`);
  return pairs / ((performance.now() - started) / 1000);
}

/** The same pairs through `submit`, in groups, several groups in flight. */
export async function pairsByGroups(ledger, workload, { pairs, group, inFlight, prefix }) {
  const started = performance.now();
  const flying = [];
  for (let first = 0; first < pairs; first += group) {
    const commands = [];
    for (let index = first; index < Math.min(first + group, pairs); index += 1) {
      const holdId = `${prefix}-${index}`;
      commands.push({
        command: 'authorize_hold',
        holdId,
        labels: workload.labels,
        amounts: workload.amounts,
      });
      commands.push({ command: 'settle_hold', holdId, amounts: workload.actual });
    }
    flying.push(ledger.submit(commands));
    if (flying.length >= inFlight) await flying.shift();
  }
  await Promise.all(flying);
  return pairs / ((performance.now() - started) / 1000);
}

export function percentile(samples, share) {
  const sorted = [...samples].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
