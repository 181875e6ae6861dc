// Runs scenario tables (docs: the head of scenario-verbs.ts lists the verbs) against a ledger in memory and one in a
// file, with a clock of their own. After every step the books are checked from outside and from the recovered state; at
// the end the journal is verified and a replica must show the same. A line that is not understood fails with its number.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { catchUp, type Recovered, recover } from '#bursar/authority/recovery.js';
import { Replica } from '#bursar/authority/replica.js';
import { stateProblem } from '#bursar/core/invariants.js';
import type { CommandOutcome, Ledger, LedgerReads, OpenOptions } from '#bursar/index.js';
import { InvalidInputError, openLedger } from '#bursar/index.js';
import type { JournalReader } from '#bursar/journal/port.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/testing.js';
import { Result } from './scenario-result.js';
import { runVerb } from './scenario-verbs.js';

/** Where scenarios begin: a Thursday, ten o'clock UTC. */
export const START = Date.UTC(2026, 0, 15, 10);

export class TestClock {
  constructor(public at = START) {}
  now(): number {
    return this.at;
  }
}

/** What a ledger is kept in: opened again, the ledger is the same. */
export interface Place {
  readonly name: string;
  open(options?: Partial<OpenOptions>): Promise<Ledger>;
  reader(): JournalReader;
  remove(): void;
}

export function memoryPlace(): Place {
  const store = new MemoryStore();
  return {
    name: 'memory',
    open: (options) =>
      openLedger({ path: ':memory:', journal: (lease) => openMemoryJournal(store, lease), ...options }),
    reader: () => openMemoryReader(store),
    remove: () => undefined,
  };
}

export function filePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-scenario-'));
  const path = join(folder, 'ledger.db');
  return {
    name: 'file',
    open: (options) => openLedger({ path, ...options }),
    reader: () => openSqliteReader(path),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const PLACES = [memoryPlace, filePlace] as const;

const SEED = { seed: 7 };

export class Stage {
  readonly clock = new TestClock();
  ledger!: Ledger;
  /** The last command's outcome, for what a table cannot say. */
  last: CommandOutcome | undefined;
  /** The last line that was a command: what `again` repeats. */
  lastLine = '';
  /** Follows the journal beside the ledger, as a second opinion. */
  #recovered: Recovered | undefined;
  #reader: JournalReader | undefined;

  constructor(
    readonly place: Place,
    readonly options: Partial<OpenOptions> = {},
  ) {}

  async open(): Promise<void> {
    this.ledger = await this.place.open({ clock: this.clock, ...this.options });
  }

  async reopen(): Promise<void> {
    await this.ledger.close();
    await this.open();
  }

  get scales(): ReadonlyMap<string, number> {
    return new Map(this.ledger.units().map(({ name, scale }) => [name, scale]));
  }

  result(): Result {
    return new Result(this.scales);
  }

  told(outcome: CommandOutcome): Result {
    this.last = outcome;
    return this.result().outcome(outcome);
  }

  /** Plays a table from where the stage is. */
  async play(table: string): Promise<void> {
    for (const [index, raw] of table.split('\n').entries()) {
      const line = raw.replace(/(^|\s)#.*$/, '').trim();
      if (line !== '') await this.#step(line, `line ${index + 1}: ${line.replace(/\s+/g, ' ')}`);
    }
  }

  async #step(line: string, where: string): Promise<void> {
    const [command, expected, more] = line.split('->') as [string, string?, string?];
    if (more !== undefined) throw new Error(`${where}\n  has two arrows`);
    let result: Result;
    try {
      result = await runVerb(this, command.trim());
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw new Error(`${where}\n  ${error}`, { cause: error });
      result = this.result().flag('invalid', error.field).value('message', error.message);
    }
    const difference = result.difference(expected);
    if (difference !== null) throw new Error(`${where}\n  ${difference}\n  got: ${result}`);
    const problem = this.problem();
    if (problem !== null) throw new Error(`${where}\n  the books do not balance: ${problem}`);
  }

  /** What is wrong with the books now, or null: the public figures, and the state that the journal leads to. */
  problem(): string | null {
    this.#reader ??= this.place.reader();
    this.#recovered ??= recover(this.#reader, SEED);
    catchUp(this.#recovered, this.#reader, SEED);
    return publicProblem(this.ledger) ?? stateProblem(this.#recovered.state);
  }

  /** Lets go of everything, whatever state it is in. */
  async leave(): Promise<void> {
    this.#reader?.close();
    await this.ledger?.close().catch(() => undefined);
    this.place.remove();
  }

  /** Verifies the journal, compares with a replica, and closes. */
  async end(): Promise<void> {
    const report = await this.ledger.verify();
    expect(report.failure).toBeNull();
    const replica = new Replica(this.place.reader(), this.clock, 11, undefined);
    expect(figures(replica)).toEqual(figures(this.ledger));
    expect(replica.head()).toEqual(this.ledger.head());
    replica.close();
    await this.ledger.close();
  }
}

function figures(reads: LedgerReads) {
  return {
    balances: reads.balances({ current: false }),
    holds: reads.holds(),
    budgets: reads.budgets(),
    grants: reads.grants(),
    units: reads.units(),
    aliases: reads.aliases(),
  };
}

// Invariant 1 from the public views alone.
function publicProblem(ledger: Ledger): string | null {
  const held = new Map<string, bigint>();
  for (const hold of ledger.holds({ status: 'open', max: 10_000 })) {
    for (const id of hold.balances) {
      const unit = [...ledger.balances({ current: false, max: 10_000 }), ...ledger.grants()].find(
        (balance) => balance.id === id,
      )?.unit;
      if (unit === undefined) return `hold ${hold.holdId} is on ${id}, which is not listed`;
      held.set(id, (held.get(id) ?? 0n) + (hold.held[unit] ?? 0n));
    }
  }
  for (const view of ledger.balances({ current: false, max: 10_000 })) {
    const { granted, spent, remaining } = view;
    if (granted !== null && remaining !== granted - view.held - spent) return `${view.id} does not add up`;
    if (view.held !== (held.get(view.id) ?? 0n))
      return `${view.id} holds ${view.held}, its holds ${held.get(view.id) ?? 0n}`;
  }
  return null;
}

/** A stage on a fresh ledger, ended and removed afterwards whatever happens. */
export async function onStage(
  makePlace: () => Place,
  body: (stage: Stage) => Promise<void>,
  options?: Partial<OpenOptions>,
): Promise<void> {
  const stage = new Stage(makePlace(), options);
  try {
    await stage.open();
    await body(stage);
    await stage.end();
  } finally {
    await stage.leave();
  }
}

/** A test that plays a table in memory and in a file; `after` looks at what a table cannot say. */
export function scenario(title: string, table: string, after?: (stage: Stage) => Promise<void> | void): void {
  scenarioWith({}, title, table, after);
}

export function scenarioWith(
  options: Partial<OpenOptions>,
  title: string,
  table: string,
  after?: (stage: Stage) => Promise<void> | void,
): void {
  const play = async (stage: Stage) => {
    await stage.play(table);
    await after?.(stage);
  };
  inEachPlace(title, (place) => onStage(place, play, options));
}

/** The same test for a ledger in memory and for one in a file. */
export function inEachPlace(title: string, body: (place: () => Place) => Promise<void>): void {
  for (const place of PLACES) test(`${title} [in ${place.name.replace('Place', '')}]`, () => body(place));
}
