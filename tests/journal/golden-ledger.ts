// Ledgers whose bytes are the same every time: scripts of every kind of command with every kind of outcome, decided at
// set times with a set seed. What golden.test.ts pins.

import { coreCommand } from '#bursar/authority/intake.js';
import { zoneOffset } from '#bursar/authority/time-zones.js';
import { apply } from '#bursar/core/apply.js';
import { newState } from '#bursar/core/apply-account.js';
import { canonicalText, snapshotFigures } from '#bursar/core/books.js';
import type { CoreCommand } from '#bursar/core/commands.js';
import { decide } from '#bursar/core/decide.js';
import type { Effect } from '#bursar/core/effects.js';
import { type CheckedRider, NO_RIDER, type Rider } from '#bursar/core/facts.js';
import type { Snapshot } from '#bursar/core/outcomes.js';
import type { LedgerCommand } from '#bursar/core/requests.js';
import { windowAt } from '#bursar/core/window.js';
import { BatchWriter } from '#bursar/journal/batch-writer.js';
import { batchHash, digestOf, GENESIS_HASH } from '#bursar/journal/chain.js';
import { MemoryStore } from '#bursar/journal/memory/journal.js';

const START = Date.parse('2026-03-28T22:15:00Z');
const SEED = 20_260_328;
const RETENTION_MS = 86_400_000;

/** The four verbs without a journal that waits: what is decided is in the store at the end of each batch. */
export class ScriptedLedger {
  readonly state = newState({ seed: SEED });
  readonly store = new MemoryStore();
  readonly #writer = new BatchWriter();
  #at = START;

  constructor() {
    this.#writer.begin(this.state, 0);
    this.#epoch = 1;
    this.own(this.#opening());
    this.seal();
  }

  #epoch: number;

  #opening(): CoreCommand {
    const settings = {
      authorityId: 'golden',
      epoch: this.#epoch,
      retentionMs: RETENTION_MS,
      endedHoldsMax: 1_000,
      seed: SEED,
    };
    return { kind: 'open_ledger', commandId: null, ...settings };
  }

  tick(ms: number): void {
    this.#at += ms;
  }

  /** Another writer has opened the ledger. */
  reopen(): void {
    this.#epoch += 1;
    this.own(this.#opening());
  }

  run(command: LedgerCommand, rider: Rider = NO_RIDER): void {
    this.own(coreCommand(this.state, command), { ...NO_RIDER, ...rider });
  }

  own(command: CoreCommand, rider: CheckedRider = NO_RIDER): void {
    const { expiry, expiresAt } = this.state.holds;
    for (let slot = expiry.first(); slot !== -1 && expiresAt[slot]! <= this.#at; slot = expiry.first())
      this.#record({ kind: 'expire_hold', commandId: null, slot });
    this.#record(command, rider);
  }

  #record(command: CoreCommand, rider: CheckedRider = NO_RIDER): void {
    let effect = decide(this.state, command, this.#at);
    while (effect.type === 'windows_due') {
      for (const budgetId of effect.budgetIds) {
        const { window } = this.state.budgetById.get(budgetId)!;
        const { startMs: start, endMs: end } = windowAt(window, effect.instant, zoneOffset);
        this.#record({ kind: 'open_window', commandId: null, budgetId, start, end });
      }
      effect = decide(this.state, command, this.#at);
    }
    this.#writer.record(
      this.state,
      command,
      effect as Effect,
      apply(this.state, command, effect as Effect, this.#at),
      rider,
    );
  }

  snapshot(): Snapshot {
    const figures = snapshotFigures(this.state);
    const head = { sequence: this.state.sequence, hash: '0'.repeat(64) };
    return { ...figures, head, at: this.#at, digest: digestOf(canonicalText(figures)) };
  }

  /** Ends the batch. */
  seal(): void {
    const { firstSequence, recordCount } = this.#writer;
    const bytes = this.#writer.take().slice();
    const previousHash = this.store.batches.at(-1)?.hash ?? GENESIS_HASH;
    const hash = batchHash(previousHash, bytes);
    this.store.batches.push({ firstSequence, recordCount, previousHash, hash, bytes });
    this.#writer.begin(this.state, 0);
  }
}

const ALICE = { tenant: 'acme', user: 'älice' };
const LEASE = { authorityId: 'edge', leaseId: 'l-1', epoch: 3 };

/** Definitions, holds of every shape, and all that can be done to them. */
export function goldenLedger(): ScriptedLedger {
  const ledger = new ScriptedLedger();
  defineAndAuthorize(ledger);
  useHolds(ledger);
  useAccounts(ledger);
  passTime(ledger);
  return ledger;
}

/** A second, short one that begins with the figures of another. */
export function goldenRestored(): ScriptedLedger {
  const first = new ScriptedLedger();
  first.run({
    command: 'put_definitions',
    budgets: [{ id: 'all', match: {}, unit: 'usd', limit: 500n, window: 'lifetime' }],
  });
  first.run({ command: 'record_spend', labels: ALICE, amounts: { usd: 120n } });
  first.own({ kind: 'take_snapshot', commandId: null, certify: false });
  const second = new ScriptedLedger();
  second.own({ kind: 'restore_snapshot', commandId: 'restore', snapshot: first.snapshot() });
  second.own({ kind: 'restore_snapshot', commandId: null, snapshot: first.snapshot() });
  second.run({ command: 'record_spend', labels: ALICE, amounts: { usd: 1n } });
  second.seal();
  return second;
}

/** Every kind of command that takes a note, with one; a command without; one that is refused. */
export function goldenNotes(): ScriptedLedger {
  const ledger = new ScriptedLedger();
  const note = '{"prices":"2026-03-28","end":"é✓"}';
  const budget = { match: {}, unit: 'usd', limit: 100n, window: 'lifetime' } as const;
  ledger.run({ command: 'put_definitions', budgets: [{ id: 'all', ...budget }] });
  const hold = { command: 'authorize_hold', labels: ALICE, amounts: { usd: 20n } } as const;
  ledger.run({ ...hold, holdId: 'noted', note, commandId: 'auth-1' });
  ledger.run({ ...hold, holdId: 'plain' });
  ledger.run({ ...hold, holdId: 'denied', amounts: { usd: 101n }, note: '' });
  ledger.seal();
  ledger.run({ command: 'settle_hold', holdId: 'noted', amounts: { usd: 7n }, outcome: 'completed', note });
  ledger.run({ command: 'correct_hold', holdId: 'noted', amounts: { usd: 6n }, reason: 'invoice', note });
  ledger.run({ command: 'correct_hold', holdId: 'plain', amounts: { usd: 6n }, reason: 'invoice' });
  ledger.run({ command: 'record_spend', labels: ALICE, amounts: { usd: 1n }, note: 'n'.repeat(4_096) });
  ledger.run({ command: 'settle_hold', holdId: 'nowhere', amounts: { usd: 7n }, note: 'line\nbreak' });
  ledger.seal();
  return ledger;
}

/** Spend that is recorded and taken back: in part, from an earlier window, beyond what was spent. */
export function goldenCredits(): ScriptedLedger {
  const ledger = new ScriptedLedger();
  const budget = { match: { tenant: '*' }, unit: 'usd', limit: 100n } as const;
  ledger.run({
    command: 'put_definitions',
    budgets: [
      { id: 'all', ...budget, window: 'lifetime' },
      { id: 'hour', ...budget, limit: null, window: 'hour' },
    ],
  });
  const occurredAt = START;
  ledger.run({ command: 'record_spend', labels: ALICE, amounts: { usd: 70n }, occurredAt });
  ledger.tick(3_600_000);
  const credit = { command: 'credit_spend', labels: ALICE, reason: 'zweimal ✓' } as const;
  ledger.run({ ...credit, amounts: { usd: 30n, calls: 1n }, occurredAt, commandId: 'credit-1' });
  ledger.run({ ...credit, amounts: { usd: 41n }, occurredAt });
  ledger.run({ ...credit, amounts: { usd: 1n } });
  ledger.run({ ...credit, amounts: { usd: 40n }, occurredAt });
  ledger.seal();
  return ledger;
}

/** Facts alone, beside a command, and beside one that is refused; actors with and without an address. */
export function goldenFacts(): ScriptedLedger {
  const ledger = new ScriptedLedger();
  const budget = { match: {}, unit: 'usd', limit: 100n, window: 'lifetime' } as const;
  const alice = { key: 'key-alice', address: '2001:db8::7' };
  const facts = [
    { feature: 'chats', kind: 'turn_started', body: '{"chat":"c-1","é":"✓"}' },
    { feature: 'chats', kind: 'turn_started', body: '{}' },
    { feature: 'goals', kind: 'goal_begun', body: '"" ' },
  ];
  ledger.run({ command: 'put_definitions', budgets: [{ id: 'all', ...budget }] }, { actor: alice });
  const hold = { command: 'authorize_hold', labels: ALICE, amounts: { usd: 60n } } as const;
  ledger.run({ ...hold, holdId: 'h1', note: 'noted', commandId: 'c-1' }, { actor: alice, facts });
  ledger.run({ ...hold, holdId: 'h2' }, { actor: { key: 'key-bob', address: null }, facts });
  ledger.run({ command: 'record_facts' }, { actor: alice, facts: [facts[2]!, facts[0]!] });
  ledger.seal();
  ledger.run({ command: 'settle_hold', holdId: 'h1', amounts: { usd: 7n } }, { actor: alice, facts });
  ledger.run({ command: 'settle_hold', holdId: 'h1', amounts: { usd: 7n } }, { facts });
  ledger.run({ command: 'record_facts', commandId: 'c-2' }, { facts: facts.slice(0, 1) });
  ledger.tick(5);
  ledger.run({ command: 'record_facts' });
  ledger.seal();
  return ledger;
}

function defineAndAuthorize(ledger: ScriptedLedger): void {
  ledger.run({
    command: 'put_definitions',
    commandId: 'define-1',
    units: [{ name: 'gpu_seconds', scale: 3 }],
    aliases: { provider: { opus: 'claude-code' } },
    budgets: [
      {
        id: 'all',
        match: {},
        unit: 'usd',
        limit: 1_000n,
        window: 'lifetime',
        heldMax: 600n,
        warnAtPercent: 70,
      },
      {
        id: 'user',
        match: { tenant: 'acme', user: '*' },
        unit: 'tokens',
        limit: 5_000n,
        window: 'hour',
        perHoldMax: 2_000n,
      },
      {
        id: 'month',
        match: { tenant: '*' },
        unit: 'usd',
        limit: null,
        window: { calendar: 'month', timeZone: 'Europe/Berlin', anchorDay: 29 },
      },
      {
        id: 'claude',
        match: { provider: 'claude-code' },
        unit: 'usd',
        limit: 300n,
        window: 'day',
        onExhausted: 'pause',
      },
      {
        id: 'calls',
        match: { tenant: 'acme' },
        unit: 'calls',
        limit: 40n,
        window: { every: 'PT5H', anchor: '2026-03-01T00:30:00Z' },
      },
    ],
  });
  ledger.run({ command: 'put_definitions', units: [{ name: 'gpu_seconds', scale: 2 }] });
  ledger.seal();
  const authorize = {
    command: 'authorize_hold',
    labels: ALICE,
    amounts: { usd: 50n, tokens: 400n },
  } as const;
  ledger.run({ ...authorize, holdId: 'plain', commandId: 'auth-1' });
  ledger.run({
    ...authorize,
    holdId: 'cap',
    overrun: { cap: { tolerancePercent: 10 } },
    onExpiry: 'charge',
    ttlMs: 90_000,
  });
  ledger.run({
    ...authorize,
    holdId: 'estimate',
    overrun: 'reject',
    onExpiry: { charge: { usd: 20n, tokens: 5n } },
    ttlMs: 60_000,
  });
  ledger.run({
    ...authorize,
    holdId: 'forbid',
    overrun: 'forbid',
    amounts: { usd: 5n, tokens: 10n, calls: 2n, gpu_seconds: 1_500n },
  });
  ledger.run({
    ...authorize,
    holdId: 'leased',
    authority: LEASE,
    grants: [
      { capability: 'cap-1', grant: '0', unit: 'usd', maxCalls: 4, maxPerHold: 100n, maxTotal: 1_000n },
    ],
    require: ['capability'],
  });
  ledger.run({
    ...authorize,
    holdId: 'second-choice',
    candidates: [
      { labels: { provider: 'opus' }, amounts: { usd: 301n, tokens: 1n } },
      { labels: { provider: 'haiku' }, amounts: { usd: 30n, tokens: 1n } },
    ],
  });
  ledger.run({ ...authorize, holdId: 'too-large', amounts: { usd: 1n, tokens: 2_001n } });
  ledger.run({
    ...authorize,
    holdId: 'denied',
    amounts: { usd: 5_000n },
    require: ['team', 'tenant'],
    commandId: 'auth-2',
  });
  ledger.run({ ...authorize, holdId: 'plain' });
  ledger.run({ ...authorize, holdId: 'released' });
  ledger.run({ ...authorize, holdId: 'reversed' });
  ledger.seal();
}

function useHolds(ledger: ScriptedLedger): void {
  ledger.tick(1_234);
  ledger.run({ command: 'extend_hold', holdId: 'plain', ttlMs: 3_600_000, add: { usd: 7n } });
  ledger.run({ command: 'extend_hold', holdId: 'plain', add: { tokens: 9_000n } });
  ledger.run({ command: 'release_hold', holdId: 'plain', amounts: { tokens: 100n }, labels: ALICE });
  ledger.run({ command: 'release_hold', holdId: 'released' });
  ledger.run({ command: 'reverse_hold', holdId: 'reversed', commandId: 'reverse-1' });
  ledger.run({
    command: 'settle_hold',
    holdId: 'plain',
    amounts: { usd: 90n, tokens: 250n },
    usage: { inputTokens: 200, outputTokens: 50, cacheReadTokens: 9_007_199_254_740_991 },
    outcome: 'completed',
    commandId: 'settle-1',
  });
  ledger.run({
    command: 'settle_hold',
    holdId: 'cap',
    amounts: { usd: 80n, tokens: 430n },
    outcome: 'unknown',
  });
  ledger.run({ command: 'settle_hold', holdId: 'forbid', amounts: { usd: 6n, tokens: 1n, gpu_seconds: 0n } });
  ledger.run({
    command: 'settle_hold',
    holdId: 'leased',
    amounts: { usd: 49n, tokens: 0n },
    exposure: { usd: 50n, tokens: 400n, calls: 1n },
    authority: LEASE,
    grant: { capability: 'cap-1', grant: '0' },
    outcome: 'failed',
  });
  ledger.run({ command: 'correct_hold', holdId: 'plain', amounts: { usd: 88n }, reason: 'invoice №7' });
  ledger.run({
    command: 'record_spend',
    labels: { provider: 'opus' },
    amounts: { usd: 310n },
    usage: { toolCalls: 2 },
  });
  ledger.run({
    command: 'record_spend',
    labels: ALICE,
    amounts: { usd: 3n },
    occurredAt: START - 7_200_000,
    commandId: 'record-1',
  });
  ledger.seal();
}

function useAccounts(ledger: ScriptedLedger): void {
  ledger.run({ command: 'top_up', budgetId: 'claude', amount: 100n, commandId: 'top-up-1' });
  ledger.run({ command: 'set_budget_status', budgetId: 'claude', status: 'active' });
  ledger.run({ command: 'set_budget_status', budgetId: 'user', values: { user: 'bob' }, status: 'paused' });
  ledger.run({ command: 'exhaust_budget', budgetId: 'claude' });
  ledger.run({ command: 'exhaust_budget', budgetId: 'all', until: START + 5_000 });
  ledger.run({
    command: 'set_balance_limit',
    budgetId: 'user',
    values: { user: 'älice' },
    limit: 9_223_372_036_854_775_807n,
  });
  ledger.run({ command: 'set_balance_limit', budgetId: 'user', values: { user: 'älice' }, limit: 'default' });
  ledger.run({ command: 'set_balance_limit', budgetId: 'all', limit: null });
  ledger.run({ command: 'put_definitions', close: ['calls'] });
  ledger.run({ command: 'top_up', budgetId: 'nowhere', amount: 1n });
  ledger.own({ kind: 'take_snapshot', commandId: null, certify: false });
  ledger.own({ kind: 'take_snapshot', commandId: null, certify: true });
  ledger.seal();
}

function passTime(ledger: ScriptedLedger): void {
  ledger.tick(3 * 3_600_000);
  ledger.run({ command: 'settle_hold', holdId: 'estimate', amounts: { usd: 60n, tokens: 1n } });
  ledger.reopen();
  ledger.tick(2 * RETENTION_MS);
  ledger.run({ command: 'record_spend', labels: ALICE, amounts: { usd: 1n, tokens: 2n } });
  for (let index = 0; index < 8; index += 1)
    ledger.run({
      command: 'authorize_hold',
      holdId: `last-${index}`,
      labels: { tenant: 'other' },
      amounts: { usd: 1n },
    });
  ledger.seal();
}
