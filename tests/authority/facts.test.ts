// Facts, actors and followers: what rides with a command is durable with it or not at all, a follower has it before the
// command's caller is answered, and the journal gives back the same records that were given live.

import { expect, test } from 'vitest';
import type { Follower, Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { FACT_BODY_BYTES_MAX, type Fact } from '#bursar/core/facts.js';
import type { Head, LedgerEvent } from '#bursar/core/outcomes.js';
import { BatchReader } from '#bursar/journal/batch-reader.js';
import { EMPTY_HEAD, type FactRecord, factBatches, isOnChain } from '#bursar/journal/fact-records.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';

const BUDGET = { id: 'b', match: { tenant: '*' }, unit: 'usd', limit: 100n, window: 'day' } as const;
const LABELS = { tenant: 'a' };
const ALICE = { key: 'key-alice', address: '2001:db8::7' };
const BOB = { key: 'key-bob', address: null };

const fact = (kind: string, body: unknown = { kind }): Fact => ({
  feature: 'chats',
  kind,
  body: JSON.stringify(body),
});

/** Keeps what it is given, in order, and what happened around it. */
class Recorder implements Follower {
  readonly records: FactRecord[] = [];
  readonly heads: Head[] = [];
  readonly log: string[] = [];
  failNext = false;

  catchUp(reader: Parameters<Follower['catchUp']>[0]): void {
    this.records.length = 0;
    for (const { records } of factBatches(reader, EMPTY_HEAD)) this.records.push(...records);
    this.log.push(`caught up ${this.records.length}`);
  }

  follow(records: readonly FactRecord[], head: Head): void {
    if (this.failNext) throw new Error('the view is full');
    this.records.push(...records);
    this.heads.push(head);
    this.log.push(`followed ${records.flatMap(({ facts }) => facts.map(({ kind }) => kind)).join()}`);
  }

  close(head: Head): void {
    this.log.push(`closed at ${head.sequence}`);
  }
}

interface Stage {
  readonly store: MemoryStore;
  readonly follower: Recorder;
  readonly ledger: Ledger;
  reopen(): Promise<Ledger>;
}

async function stage(): Promise<Stage> {
  const store = new MemoryStore();
  const follower = new Recorder();
  const open = () =>
    openLedger({
      path: ':memory:',
      clock: { now: () => Date.parse('2026-03-01T10:00:00Z') },
      follower,
      journal: (lease) => openMemoryJournal(store, lease),
    });
  const ledger = await open();
  await ledger.putBudget(BUDGET);
  return { store, follower, ledger, reopen: open };
}

const hold = (holdId: string, amount = 10n) => ({ holdId, labels: LABELS, amounts: { usd: amount } });

/** As the journal gives a record back. */
function replayed(record: FactRecord): FactRecord {
  return { ...record, outcome: { ...record.outcome, replayed: true } };
}

function walked(store: MemoryStore): FactRecord[] {
  return [...factBatches(openMemoryReader(store), EMPTY_HEAD)].flatMap(({ records }) => records);
}

async function eventsOf(ledger: Ledger): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for await (const event of ledger.events()) events.push(event);
  return events;
}

test('facts: every kind of command carries some → the live records equal those of the walk, but for `replayed`', async () => {
  const { store, follower, ledger } = await stage();
  const rider = (kind: string, actor = ALICE) => ({ actor, facts: [fact(kind), fact('more', 'é✓')] });
  const candidates = [{ amounts: { usd: 101n } }, { labels: { model: 'small' }, amounts: { usd: 5n } }];
  await ledger.authorize({ ...hold('h1'), candidates, note: 'noted', commandId: 'c1' }, rider('authorized'));
  await ledger.authorize(hold('h2'));
  await ledger.extend({ holdId: 'h1', ttlMs: 900_000, add: { usd: 1n } }, rider('extended', BOB as never));
  await ledger.release({ holdId: 'h1', amounts: { usd: 1n } }, rider('released'));
  await ledger.settle({ holdId: 'h1', amounts: { usd: 7n }, outcome: 'completed' }, rider('settled'));
  await ledger.correct({ holdId: 'h1', amounts: { usd: 6n }, reason: 'invoice' }, { facts: [fact('x')] });
  await ledger.reverse({ holdId: 'h2' }, rider('reversed'));
  await ledger.record({ labels: LABELS, amounts: { usd: 3n } }, rider('recorded'));
  await ledger.credit({ labels: LABELS, amounts: { usd: 1n }, reason: 'twice' }, rider('credited'));
  const account = { budgetId: 'b', values: LABELS };
  await ledger.topUp({ ...account, amount: 5n }, rider('topped_up'));
  await ledger.setBalanceLimit({ ...account, limit: 500n }, rider('limited'));
  await ledger.setBudgetStatus({ ...account, status: 'paused' }, rider('paused'));
  await ledger.exhaust(account, rider('exhausted'));
  await ledger.putDefinitions({ units: [{ name: 'pages', scale: 0 }] }, rider('defined'));
  await ledger.run({ command: 'record_facts', commandId: 'f1' }, rider('alone'));
  ledger.certify(rider('certified'));
  expect(follower.records).toHaveLength(15);
  expect(walked(store)).toEqual(follower.records.map(replayed));
  expect((await ledger.verify()).failure).toBeNull();
});

test('facts: a command is denied or rejected → none are written, and the actor is', async () => {
  const { store, follower, ledger } = await stage();
  const rider = { actor: BOB, facts: [fact('never')] };
  const denied = await ledger.authorize(hold('big', 101n), rider);
  const rejected = await ledger.settle({ holdId: 'nowhere', amounts: { usd: 1n } }, rider);
  expect([denied.outcome, rejected.outcome]).toEqual(['denied', 'rejected']);
  expect(follower.records).toEqual([]);
  expect(walked(store)).toEqual([]);
  const events = await eventsOf(ledger);
  expect(events.slice(-2).map(({ type, actor }) => [type, actor])).toEqual([
    ['hold_denied', BOB],
    ['command_rejected', BOB],
  ]);
  expect(events[0]!.actor).toBeNull();
  expect((await ledger.verify()).ok).toBe(true);
});

test('actors: two whose texts could be taken for each other, in one batch → each event has its own', async () => {
  const { ledger } = await stage();
  const actors = [
    { key: 'b c', address: 'a' },
    { key: 'c', address: 'a b' },
  ];
  await Promise.all(actors.map((actor, place) => ledger.authorize(hold(`h${place}`), { actor })));
  const events = await eventsOf(ledger);
  expect(events.slice(-2).map(({ actor }) => actor)).toEqual(actors);
});

test('follower: a command is answered → the follower had its facts before', async () => {
  const { follower, ledger } = await stage();
  const answers = ['one', 'two'].map(async (kind) => {
    await ledger.run({ command: 'record_facts' }, { facts: [fact(kind)] });
    follower.log.push(`answered ${kind}`);
  });
  await Promise.all(answers);
  expect(follower.log).toEqual(['caught up 0', 'followed one,two', 'answered one', 'answered two']);
  expect(follower.heads).toEqual([ledger.head()]);
});

test('follower: a read blocks until its state is durable → the facts up to there are delivered when it returns', async () => {
  const { follower, ledger } = await stage();
  const answer = ledger.run({ command: 'record_facts' }, { facts: [fact('one')] });
  ledger.balances();
  expect(follower.log).toEqual(['caught up 0', 'followed one']);
  await answer;
  expect(follower.records).toHaveLength(1);
});

test('follower: it throws → the ledger stops, and a new opening brings it up to date', async () => {
  const { follower, ledger, reopen } = await stage();
  follower.failNext = true;
  const answer = ledger.run({ command: 'record_facts', commandId: 'f1' }, { facts: [fact('one')] });
  await expect(answer).rejects.toMatchObject({ code: 'journal_unavailable', message: /the view is full/ });
  await expect(ledger.authorize(hold('h1'))).rejects.toMatchObject({ code: 'journal_unavailable' });
  expect(() => ledger.balances()).toThrow('the view is full');
  await ledger.close().catch(() => undefined);
  follower.failNext = false;
  const again = await reopen();
  expect(follower.log).toEqual(['caught up 0', 'caught up 1']);
  const outcome = await again.run({ command: 'record_facts', commandId: 'f1' }, { facts: [fact('other')] });
  expect(outcome).toMatchObject({ outcome: 'done', event: 'facts_recorded', replayed: true });
  await again.close();
  expect(follower.records.map(({ facts }) => facts[0]!.kind)).toEqual(['one']);
  expect(follower.log.at(-1)).toMatch(/^closed at /);
});

test('follower: it throws while a read blocks → the commands of that batch are refused as well', async () => {
  const { follower, ledger } = await stage();
  follower.failNext = true;
  const answer = ledger.run({ command: 'record_facts' }, { facts: [fact('one')] });
  const other = ledger.authorize(hold('h1'));
  expect(() => ledger.balances()).toThrow('the view is full');
  for (const each of [answer, other])
    await expect(each).rejects.toMatchObject({ code: 'journal_unavailable' });
});

test('command id: it is used again with another rider → a replay, and no facts are written', async () => {
  const { follower, ledger } = await stage();
  const first = await ledger.authorize({ ...hold('h1'), commandId: 'c1' }, { facts: [fact('one')] });
  const again = await ledger.authorize(
    { ...hold('h1'), commandId: 'c1' },
    { actor: BOB, facts: [fact('two')] },
  );
  expect(again).toEqual({ ...first, replayed: true });
  expect(follower.records.map(({ facts }) => facts[0]!.kind)).toEqual(['one']);
});

test('walk: it begins after a head → the batches after it, each with its head; a head of another history is told', async () => {
  const { store, ledger } = await stage();
  const reader = openMemoryReader(store);
  const before = ledger.head();
  await ledger.authorize(hold('h1'));
  await ledger.run({ command: 'record_facts' }, { facts: [fact('one')] });
  const batches = [...factBatches(reader, before)];
  expect(batches.map(({ records }) => records.length)).toEqual([0, 1]);
  expect(batches.at(-1)!.head).toEqual(ledger.head());
  expect([before, ledger.head(), EMPTY_HEAD].map((head) => isOnChain(reader, head))).toEqual([
    true,
    true,
    true,
  ]);
  const other = { ...before, hash: 'ab'.repeat(32) };
  expect(isOnChain(reader, other)).toBe(false);
  expect(isOnChain(reader, { ...before, sequence: 99 })).toBe(false);
  expect(() => [...factBatches(reader, other)]).toThrow('does not follow');
});

test('walk: facts stand behind labels and balances that other records spelt out → all of it is there', async () => {
  const { store, ledger, follower } = await stage();
  await ledger.submit([
    { command: 'authorize_hold', ...hold('h1') },
    { command: 'settle_hold', holdId: 'h1', amounts: { usd: 1n } },
  ]);
  const together = [
    ledger.authorize(hold('h2')),
    ledger.authorize(hold('h3'), { actor: ALICE, facts: [fact('one')] }),
    ledger.authorize(hold('h4'), { actor: ALICE }),
  ];
  await Promise.all(together);
  expect(new BatchReader(store.batches.at(-1)!.bytes, store.batches.at(-1)!.firstSequence).recordCount).toBe(
    3,
  );
  expect(walked(store)).toEqual(follower.records.map(replayed));
});

test.each([
  [{ facts: [{ ...fact('x'), feature: 'Chats' }] }, 'facts[0].feature: "Chats" is no short lower-case word'],
  [{ facts: [{ ...fact('x'), kind: '' }] }, 'facts[0].kind: "" is no short lower-case word'],
  [{ facts: [{ ...fact('x'), body: '\ud800' }] }, 'facts[0].body: expected well-formed JSON text'],
  [{ facts: [fact('x', 'x'.repeat(FACT_BODY_BYTES_MAX))] }, `at most ${FACT_BODY_BYTES_MAX}`],
  [{ facts: Array.from({ length: 10_001 }, () => fact('x')) }, 'has 10001 entries; at most 10000'],
  [
    { facts: Array.from({ length: 17 }, () => fact('x', 'x'.repeat(1_000_000))) },
    'together; at most 16777216',
  ],
  [{ actor: { key: '', address: null } }, 'actor.key: "" is empty'],
  [{ actor: { key: 'k', address: 'x'.repeat(65) } }, 'actor.address'],
])('rider %#: out of bounds → InvalidInputError, and nothing is done', async (rider, message) => {
  const { ledger, store } = await stage();
  const before = store.point().sequence;
  await expect(ledger.authorize(hold('h1'), rider)).rejects.toThrow(message);
  expect(store.point().sequence).toBe(before);
});

test('submit: an actor is stated → it stands with every record of the group', async () => {
  const { ledger } = await stage();
  const commands = [hold('h1'), hold('h2')].map((each) => ({ command: 'authorize_hold', ...each }) as const);
  await ledger.submit(commands, { actor: ALICE });
  await ledger.submit([{ command: 'reverse_hold', holdId: 'h1' }], { actor: BOB, inTurns: true });
  const events = await eventsOf(ledger);
  expect(events.slice(-3).map(({ actor }) => actor)).toEqual([ALICE, ALICE, BOB]);
});
