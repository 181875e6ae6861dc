// All-or-nothing groups: every command is decided on the state before the group; all are carried out in one batch, or only
// the one refusal is journalled. The property test compares each step with the same command run alone on a copy.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GroupStep, Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { InvalidInputError } from '#bursar/core/errors.js';
import type { BalanceView, CommandOutcome, GroupOutcome } from '#bursar/core/outcomes.js';
import type { Command } from '#bursar/core/requests.js';
import { EMPTY_HEAD, factBatches } from '#bursar/journal/fact-records.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';
import { commandOf, type Intent, intents, START } from '../property/property-commands.js';
import { ReferenceModel } from '../property/reference-model.js';

const RUNS = Number(process.env.BURSAR_PROPERTY_RUNS ?? 200);
const GOALS = { id: 'goals', match: { goal: '*' }, unit: 'tokens', limit: 100n, window: 'lifetime' } as const;
const ALICE = { key: 'key-alice', address: null };

interface Stage {
  readonly store: MemoryStore;
  readonly ledger: Ledger;
}

const clock = { now: () => START };

async function open(store: MemoryStore, options: object = {}): Promise<Stage> {
  const ledger = await openLedger({
    path: ':memory:',
    clock,
    journal: (lease) => openMemoryJournal(store, lease),
    ...options,
  });
  return { store, ledger };
}

async function stage(options: object = {}): Promise<Stage> {
  const opened = await open(new MemoryStore(), options);
  await opened.ledger.putBudget(GOALS);
  return opened;
}

/** Another ledger with the same journal so far. */
async function copyOf(store: MemoryStore, options: object = {}): Promise<Ledger> {
  const copy = new MemoryStore();
  copy.batches.push(...store.batches);
  return (await open(copy, options)).ledger;
}

const account = (goal: string) => ({ budgetId: 'goals', values: { goal } });
const hold = (goal: string, tokens = 10n) =>
  ({ command: 'authorize_hold', holdId: `hold-${goal}`, labels: { goal }, amounts: { tokens } }) as const;
const limit = (goal: string, to: bigint) =>
  ({ command: 'set_balance_limit', ...account(goal), limit: to }) as const;
const pause = (goal: string) =>
  ({ command: 'set_budget_status', ...account(goal), status: 'paused' }) as const;
const fact = (kind: string) => ({ feature: 'goals', kind, body: '{}' });
const steps = (...commands: GroupStep['command'][]): GroupStep[] => commands.map((command) => ({ command }));

const factKinds = (store: MemoryStore): string[] =>
  [...factBatches(openMemoryReader(store), EMPTY_HEAD)].flatMap(({ records }) =>
    records.flatMap(({ facts }) => facts.map(({ kind }) => kind)),
  );

test('runAll: all can be done → all are, in one batch, with their facts and their actor', async () => {
  const { store, ledger } = await stage();
  await ledger.run(hold('old'));
  const batches = store.batches.length;
  const group = await ledger.runAll(
    [
      {
        command: pause('old'),
        facts: [fact('paused')],
      },
      { command: limit('new', 50n), facts: [fact('begun')] },
      { command: { command: 'record_facts' }, facts: [fact('noted')] },
    ],
    { actor: ALICE },
  );
  expect(group).toMatchObject({
    carriedOut: true,
    outcomes: [{ event: 'budget_status_set' }, { event: 'balance_limit_set' }, { event: 'facts_recorded' }],
  });
  expect(store.batches).toHaveLength(batches + 1);
  expect(factKinds(store)).toEqual(['paused', 'begun', 'noted']);
  const events = [];
  for await (const event of ledger.events()) events.push(event);
  expect(events.slice(-3).map(({ actor }) => actor)).toEqual([ALICE, ALICE, ALICE]);
  expect((await ledger.verify()).ok).toBe(true);
});

test('runAll: a later step is denied → only the denial is journalled, and no fact is', async () => {
  const { store, ledger } = await stage();
  const { sequence } = ledger.head();
  const group = await ledger.runAll([
    { command: limit('a', 50n), facts: [fact('begun')] },
    { command: hold('b', 101n), facts: [fact('never')] },
    { command: limit('c', 50n) },
  ]);
  expect(group).toMatchObject({
    carriedOut: false,
    index: 1,
    outcome: { outcome: 'denied', reason: 'too_large' },
  });
  expect(ledger.head().sequence).toBe(sequence + 1);
  expect(factKinds(store)).toEqual([]);
  expect((await ledger.authorize({ ...hold('a', 60n) })).outcome).toBe('authorized');
});

describe('runAll: misuse', () => {
  const open2 = { command: 'settle_hold', holdId: 'hold-a', amounts: { tokens: 1n } } as const;
  test.each<[string, GroupStep[], string]>([
    ['the same hold', steps(hold('a'), open2), 'steps[1]: touches the hold hold-a'],
    [
      'the same account',
      steps(limit('a', 1n), hold('b'), { command: 'top_up', ...account('a'), amount: 1n }),
      'steps[2]: touches the budget goals of a, which steps[0] touches too',
    ],
    [
      'an account, and its budget as a whole',
      steps(limit('a', 1n), { command: 'set_budget_status', budgetId: 'goals', status: 'paused' }),
      'steps[1]: touches the budget goals, which steps[0] touches too',
    ],
    [
      'a budget as a whole, and an account that holds count towards',
      steps({ command: 'set_budget_status', budgetId: 'goals', status: 'active' }, hold('b')),
      'steps[1]: touches the budget goals, which steps[0] touches too',
    ],
    [
      'the same command id',
      steps({ command: 'record_facts', commandId: 'c' }, { ...hold('b'), commandId: 'c' }),
      'steps[1]: touches the command id c, which steps[0] touches too',
    ],
    [
      'definitions, and anything that they may match',
      steps({ command: 'put_definitions', close: [] }, hold('b')),
      'steps[1]: touches the definitions, which steps[0] touches too',
    ],
    [
      'anything, and definitions',
      steps(hold('b'), { command: 'put_definitions', close: [] }),
      'steps[1]: touches the definitions, which steps[0] touches too',
    ],
  ])('%s → InvalidInputError names both steps, and nothing is done', async (_what, group, message) => {
    const { ledger } = await stage();
    await ledger.run(hold('z'));
    const before = ledger.head();
    const refused = ledger.runAll(group);
    await expect(refused).rejects.toBeInstanceOf(InvalidInputError);
    await expect(refused).rejects.toThrow(message);
    expect(ledger.head()).toEqual(before);
    expect(ledger.holds()).toHaveLength(1);
  });

  test('definitions beside facts alone → carried out', async () => {
    const { ledger, store } = await stage();
    const definitions = { command: 'put_definitions', units: [{ name: 'pages', scale: 0 }] } as const;
    const group = await ledger.runAll([
      { command: { command: 'record_facts', commandId: 'f' }, facts: [fact('one')] },
      { command: definitions, facts: [fact('two')] },
    ]);
    expect(group.carriedOut).toBe(true);
    expect(factKinds(store)).toEqual(['one', 'two']);
  });

  test('an ended hold that may leave memory by the steps before → refused; as the first step it is done', async () => {
    const { ledger } = await stage({ endedHoldsMax: 1 });
    await ledger.run(hold('a'));
    await ledger.settle({ holdId: 'hold-a', amounts: { tokens: 1n } });
    await ledger.run(hold('b'));
    const correct = {
      command: 'correct_hold',
      holdId: 'hold-a',
      amounts: { tokens: 2n },
      reason: 'r',
    } as const;
    const reverse = { command: 'reverse_hold', holdId: 'hold-b' } as const;
    await expect(ledger.runAll(steps(reverse, correct))).rejects.toThrow(/its ended hold may leave memory/);
    expect(await ledger.runAll(steps(correct, reverse))).toMatchObject({ carriedOut: true });
  });
});

describe('runAll: sent again', () => {
  const group = () => [
    { command: { ...hold('a'), commandId: 'c1' }, facts: [fact('one')] },
    { command: limit('b', 7n) },
  ];

  test('after it was carried out, and while it is under way → the first outcomes, and no facts again', async () => {
    const { ledger, store } = await stage();
    const [first, meanwhile] = await Promise.all([ledger.runAll(group()), ledger.runAll(group())]);
    const again = await ledger.runAll(group(), { actor: ALICE });
    if (!first.carriedOut) throw new Error('the group is carried out');
    const replays = { carriedOut: true, outcomes: first.outcomes.map((one) => ({ ...one, replayed: true })) };
    expect(meanwhile).toEqual(replays);
    expect(again).toEqual(replays);
    expect(factKinds(store)).toEqual(['one']);
  });

  test('after it was refused → the first refusal', async () => {
    const { ledger } = await stage();
    const refusedGroup = steps(limit('b', 7n), { ...hold('a', 101n), commandId: 'c1' });
    const first = await ledger.runAll(refusedGroup);
    const again = await ledger.runAll(refusedGroup);
    expect(first).toMatchObject({
      carriedOut: false,
      index: 1,
      outcome: { outcome: 'denied', replayed: false },
    });
    expect(again).toMatchObject({
      carriedOut: false,
      index: 1,
      outcome: { outcome: 'denied', replayed: true },
    });
  });

  test('with another step beside the used id, or alone before → command_id_reused', async () => {
    const { ledger } = await stage();
    await ledger.runAll(group());
    const other = await ledger.runAll([group()[0]!, { command: limit('b', 8n) }]);
    const reused = { carriedOut: false, index: 0, outcome: { code: 'command_id_reused' } };
    expect(other).toMatchObject(reused);
    await ledger.run({ ...hold('d'), commandId: 'c2' });
    expect(
      await ledger.runAll(steps({ ...hold('d'), commandId: 'c2' }, { command: 'record_facts' })),
    ).toMatchObject({ ...reused, outcome: { code: 'command_id_reused' } });
  });
});

test('runAll: the bounds of a group → InvalidInputError', async () => {
  const { ledger } = await stage();
  const many = Array.from({ length: 1_001 }, () => ({ command: { command: 'record_facts' } as const }));
  await expect(ledger.runAll(many)).rejects.toThrow('steps: has 1001 entries; at most 1000');
  const facts = [{ ...fact('x'), body: 'x'.repeat(1_000_000) }];
  const large = Array.from({ length: 17 }, () => ({ command: { command: 'record_facts' } as const, facts }));
  await expect(ledger.runAll(large)).rejects.toThrow('steps: have 17000000 bytes of UTF-8 together');
  await expect(ledger.runAll([null as never])).rejects.toThrow('steps[0]: expected an object');
  expect(await ledger.runAll([])).toEqual({ carriedOut: true, outcomes: [] });
});

/** What does not depend on where in the journal a command stands. */
function comparable(outcome: CommandOutcome): Record<string, unknown> {
  const { sequence, eventId, position, term, ...rest } = outcome as CommandOutcome & Record<string, unknown>;
  return { ...rest, decisionId: undefined, changed: position !== null };
}

/** The figures of the ledger; balances without any may have been opened by a look. */
function figuresOf(ledger: Ledger): unknown {
  const used = ({ held, spent }: BalanceView) => held !== 0n || spent !== 0n;
  const balances = ledger.balances({ current: false, max: 10_000 }).filter(used);
  const byId = Object.fromEntries(balances.map((balance) => [balance.id, { ...balance }]));
  return { byId, holds: ledger.holds().map(({ openedSequence: _sequence, ...each }) => each) };
}

async function runGroup(
  subject: Stage,
  commands: readonly Command[],
  options: object,
): Promise<GroupOutcome | null> {
  const alone: CommandOutcome[] = [];
  const copies: Ledger[] = [];
  for (const command of commands) {
    const copy = await copyOf(subject.store, options);
    alone.push(await copy.run(command));
    copies.push(copy);
  }
  const untouched = await copyOf(subject.store, options);
  let group: GroupOutcome;
  try {
    group = await subject.ledger.runAll(commands.map((command) => ({ command })));
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as Error).message).toMatch(/steps\[\d\].*steps\[\d\] touches too|may leave memory/);
    expect(figuresOf(subject.ledger)).toEqual(figuresOf(untouched));
    return null;
  }
  if (group.carriedOut) {
    expect(group.outcomes.map(comparable)).toEqual(alone.map(comparable));
    return group;
  }
  const { index, outcome } = group;
  const refused = (one: CommandOutcome) => one.outcome === 'denied' || one.outcome === 'rejected';
  expect(alone.slice(0, index + 1).map(refused)).toEqual([
    ...commands.slice(0, index).map(() => false),
    true,
  ]);
  expect(comparable(outcome)).toEqual(comparable(alone[index]!));
  expect(figuresOf(subject.ledger)).toEqual(figuresOf(copies[index]!));
  return group;
}

async function runBoldly({ ledger }: Stage, commands: readonly Command[]): Promise<GroupOutcome | null> {
  try {
    return await ledger.runAll(commands.map((command) => ({ command })));
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    return null;
  }
}

/** Groups where the other property tests send lists; ids are left out, as what they answer depends on the past. */
async function runIntents(intents: readonly Intent[], retentionMs: number): Promise<Set<string>> {
  let now = START;
  const options = {
    clock: { now: () => now },
    retentionMs,
    ...(retentionMs < 1e9 ? { endedHoldsMax: 3 } : {}),
  };
  const subject = await open(new MemoryStore(), options);
  const model = new ReferenceModel();
  const seen = new Set<string>();
  let serial = 0;
  for (const intent of intents) {
    if (intent.do === 'tick') now += intent.ms;
    model.tick(now);
    if (intent.do !== 'commands') continue;
    const commands = intent.drafts.flatMap((draft) => {
      const command = commandOf(model, { ...draft, withId: false }, serial);
      serial += 1;
      return command === null ? [] : [command];
    });
    // Opening a copy lets old holds leave memory a little earlier, so with a short retention it is no measure.
    const group =
      retentionMs < 1e9 ? await runBoldly(subject, commands) : await runGroup(subject, commands, options);
    seen.add(group === null ? 'misuse' : `${group.carriedOut} ${commands.length}`);
    if (group?.carriedOut) for (const command of commands) model.run(command);
    else if (group !== null) model.run(commands[group.index]!);
  }
  expect((await subject.ledger.verify()).failure).toBeNull();
  return seen;
}

test(
  'property: any groups → each step is decided as if it were alone on the state before, and all or nothing is done',
  async () => {
    const runOne = async (drawn: readonly Intent[]) => {
      await runIntents(drawn.slice(0, 25), 10 * 365 * 86_400_000);
      await runIntents(drawn.slice(0, 25), 60_000);
    };
    await fc.assert(fc.asyncProperty(intents, runOne), { numRuns: Math.ceil(RUNS / 10), endOnFailure: true });
  },
  60_000 + RUNS * 1_000,
);

describe('runAll: steps that are worked out when the group is decided', () => {
  const room = (ledger: Ledger) =>
    ledger.check({ labels: { goal: 'a' }, amounts: { tokens: 0n } }).lines[0].remaining ?? 0n;

  test('the ledger is behind, and a hold is taken meanwhile → the steps are worked out after it', async () => {
    const { ledger } = await stage();
    // More than one batch takes in, so that what comes now has to wait.
    const note = 'n'.repeat(4_000);
    const many = Array.from({ length: 600 }, (_, place) => ledger.run({ ...hold(`other-${place}`), note }));
    const taken = ledger.run(hold('a', 60n));
    const group = ledger.runAll(() => steps({ ...hold('b'), holdId: `room-${room(ledger)}` }));
    expect(room(ledger)).toBe(100n);
    await Promise.all([...many, taken, group]);
    expect(ledger.hold('room-40')?.status).toBe('open');
  });

  test('it gives no steps, or throws → nothing is done, and the ledger goes on', async () => {
    const { ledger } = await stage();
    const before = ledger.head();
    expect(await ledger.runAll(() => [])).toEqual({ carriedOut: true, outcomes: [] });
    const refusal = new Error('not today');
    await expect(
      ledger.runAll(() => {
        throw refusal;
      }),
    ).rejects.toBe(refusal);
    expect(ledger.head()).toEqual(before);
    expect((await ledger.run(hold('a'))).outcome).toBe('authorized');
  });
});

test('property: what is drawn has groups of every kind, else the test would prove less than it seems to', async () => {
  const seen = new Set<string>();
  for (const drawn of fc.sample(intents, { seed: 7, numRuns: 25 }))
    for (const one of await runIntents(drawn.slice(0, 25), 10 * 365 * 86_400_000)) seen.add(one);
  for (const each of ['misuse', 'true 2', 'false 2', 'false 3']) expect(seen).toContain(each);
}, 60_000);
