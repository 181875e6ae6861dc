// Keeps the tables of all views in one file, `views.db`, at a position of the journal. It follows the ledger: the facts of
// a durable batch are applied before the replies of that batch go out, so callers read their own writes. The file is made
// anew from the journal when it is missing, damaged, of other tables, of another ledger, or held by another process.
// Opened by the composition; features read their tables with statements of `prepare`.

import Database from 'better-sqlite3';
import type { Follower, Progress } from '../authority/api.js';
import { InvalidInputError } from '../core/errors.js';
import type { Fact } from '../core/facts.js';
import type { Head } from '../core/outcomes.js';
import { EMPTY_HEAD, type FactRecord, factBatches, isOnChain } from '../journal/fact-records.js';
import type { JournalReader } from '../journal/port.js';
import { isBusy } from '../journal/sqlite/files.js';
import { DamagedFileError, FollowerFile, guarded, HELD } from './follower-file.js';
import type { ApplyFact, View, ViewDatabase, ViewStatement } from './view.js';

/** "BRSQ". A ledger's is "BRSR". */
export const VIEWS_APPLICATION_ID = 0x42_52_53_51;

/**
 * Nobody but a server writes the file while it runs; a command of the command line may for a moment. The wait blocks the
 * thread that answers all requests, so after 50 ms the server deletes the file and makes a new one. ms
 */
const BUSY_WAIT_MS = 50;

/** Records of one transaction while it catches up: enough to spread its cost, and some 20 ms for those who wait for it. */
const RECORDS_IN_TRANSACTION = 1_000;
/** Records without facts are passed over quickly; the position is still noted now and then, so that a stop loses little. */
const PASSED_IN_TRANSACTION = 100_000;

export interface Views extends Follower, ViewDatabase {
  /**
   * Calls `listener` with each fact of a feature once its batch is applied, before the replies of that batch go out: for whoever
   * keeps rows in memory beside the file. It is told of new batches alone, so it loads what it keeps after the opening.
   */
  listen(feature: string, listener: (fact: Fact) => void): void;
  /** How far the tables are filled. */
  position(): Head;
  /** Closes the file. Its statements can then be used no more. */
  closeFile(): void;
}

export interface ViewsOptions {
  /** Is told why a file that is there was not used, for the log. */
  readonly onReplaced?: (why: string) => void;
}

/**
 * The file of the views. It is opened, or made, at its first use: by a ledger that is opened with the views as its follower,
 * which brings the tables up to date. Until then they are empty or as old as the file.
 *
 * @example
 * const views = openViews(join(folder, 'views.db'), [KEYS_VIEW, GOALS_VIEW]);
 * const ledger = await openLedger({ path: join(folder, 'ledger.db'), follower: views });
 * const nameOf = views.prepare<[string], string>('SELECT name FROM keys WHERE id = ?').pluck();
 */
export function openViews(path: string, views: readonly View[], options: ViewsOptions = {}): Views {
  return new OpenViews(path, views, options.onReplaced ?? (() => undefined));
}

/**
 * Opens the file for reading alone, beside a server that may have it open. The tables may be of another version.
 * @throws InvalidInputError when it cannot be opened
 */
export function openViewsForReading(path: string): ViewDatabase & { close(): void } {
  try {
    return new Database(path, { readonly: true, fileMustExist: true });
  } catch (error) {
    throw new InvalidInputError('path', `${path} cannot be opened: ${(error as Error).message}`);
  }
}

/** The SQL of all views. In the order of their features, so that the order of a list changes no file. */
export function tablesOf(views: readonly View[]): string {
  const sorted = [...views].sort((one, other) => (one.feature < other.feature ? -1 : 1));
  return sorted.map(({ feature, tables }) => `-- ${feature}\n${tables}\n;\n`).join('');
}

/** Applies facts to a database with the views' tables. Facts of a feature that has no view are passed over. */
export class Appliers {
  readonly #byFeature: ReadonlyMap<string, ApplyFact>;

  constructor(views: readonly View[], db: ViewDatabase) {
    this.#byFeature = new Map(views.map((view) => [view.feature, view.open(db)]));
  }

  apply(record: FactRecord): void {
    for (const fact of record.facts) this.#byFeature.get(fact.feature)?.(fact, record);
  }
}

class OpenViews implements Views {
  #opened: FollowerFile | null = null;
  #position = EMPTY_HEAD;
  #appliers: Appliers | null = null;
  readonly #listeners = new Map<string, ((fact: Fact) => void)[]>();
  /** The ledger's journal, once there is one. */
  #reader: JournalReader | null = null;
  #isApplying = false;

  constructor(
    private readonly path: string,
    private readonly views: readonly View[],
    private readonly onReplaced: (why: string) => void,
  ) {}

  // Opened at its first use. A ledger is followed once its lease is won: before, a server may be using the file.
  get #file(): FollowerFile {
    return this.#opened ?? this.#open();
  }

  prepare<Bound extends unknown[], Row = unknown>(sql: string): ViewStatement<Bound, Row> {
    return new Statement<Bound, Row>(this, sql);
  }

  /** The file as it is now: another one after it was made anew. */
  get db(): Database.Database {
    return this.#file.db;
  }

  get isApplying(): boolean {
    return this.#isApplying;
  }

  position(): Head {
    if (this.#opened === null) this.#open();
    return this.#position;
  }

  catchUp(reader: JournalReader, progress?: Progress): void {
    this.#reader = reader;
    this.mending(() => this.#catchUpToEnd(progress), progress);
  }

  follow(records: readonly FactRecord[], head: Head): void {
    this.mending(() => {
      if (!this.#take(records, head)) this.#catchUpToEnd();
    });
    if (this.#listeners.size === 0) return;
    for (const fact of records.flatMap(({ facts }) => facts))
      for (const listener of this.#listeners.get(fact.feature) ?? []) listener(fact);
  }

  listen(feature: string, listener: (fact: Fact) => void): void {
    this.#listeners.set(feature, [...(this.#listeners.get(feature) ?? []), listener]);
  }

  /** Notes where the ledger ended, so that the next opening reads none of it again. What is wrong then, that opening mends. */
  close(head: Head): void {
    try {
      this.#take([], head);
    } catch (error) {
      if (!isBusy(error) && !(error instanceof DamagedFileError)) throw error;
    }
  }

  closeFile(): void {
    this.#opened?.close();
  }

  /** Does `work`; where the file is damaged or held by another process, makes it anew instead and does `work` again. */
  mending<T>(work: () => T, progress?: Progress): T {
    try {
      return guarded(work);
    } catch (error) {
      if (isBusy(error)) this.#startAnew(HELD);
      else if (error instanceof DamagedFileError) this.#startAnew(error.message);
      else throw error;
      this.#catchUpToEnd(progress);
      return work();
    }
  }

  /** True when the file has come to `head`; false when another process has moved it. */
  #take(records: readonly FactRecord[], head: Head): boolean {
    const from = this.#position;
    if (head.sequence <= from.sequence) return true;
    this.#appliers ??= new Appliers(this.views, this);
    const appliers = this.#appliers;
    const isDone = this.#file.advance({ from, to: head }, () => {
      this.#isApplying = true;
      try {
        for (const record of records) if (record.sequence > from.sequence) appliers.apply(record);
      } finally {
        this.#isApplying = false;
      }
    });
    if (isDone) this.#position = head;
    return isDone;
  }

  /** Reads the journal from the file's own position to its end. */
  #catchUpToEnd(progress?: Progress): void {
    const reader = this.#reader;
    if (reader === null) return;
    do {
      this.#position = this.#file.position();
      if (!isOnChain(reader, this.#position)) this.#startAnew('it follows another ledger');
    } while (!this.#takeRest(reader, progress));
  }

  #takeRest(reader: JournalReader, progress: Progress | undefined): boolean {
    const total = reader.head().sequence;
    let records: FactRecord[] = [];
    let to = this.#position;
    for (const batch of factBatches(reader, this.#position)) {
      records.push(...batch.records);
      to = batch.head;
      const passed = to.sequence - this.#position.sequence;
      if (records.length < RECORDS_IN_TRANSACTION && passed < PASSED_IN_TRANSACTION) continue;
      if (!this.#take(records, to)) return false;
      records = [];
      progress?.(to.sequence, Math.max(total, to.sequence));
    }
    return this.#take(records, to);
  }

  /** A process that has the old file open goes on reading the deleted file. */
  #startAnew(why: string): void {
    this.onReplaced(why);
    this.#file.remove();
    this.#open();
  }

  #open(): FollowerFile {
    const format = {
      name: 'file of views',
      applicationId: VIEWS_APPLICATION_ID,
      tables: tablesOf(this.views),
      busyWaitMs: BUSY_WAIT_MS,
    };
    this.#opened = FollowerFile.open(this.path, format, 'replace', this.onReplaced);
    this.#position = this.#opened.position();
    return this.#opened;
  }
}

/** A statement that survives its file: prepared again after the file was made anew. */
class Statement<Bound extends unknown[], Row> implements ViewStatement<Bound, Row> {
  #prepared: Database.Statement<Bound, Row>;
  #mode: 'rows' | 'pluck' | 'raw' = 'rows';

  constructor(
    private readonly owner: OpenViews,
    private readonly sql: string,
  ) {
    this.#prepared = owner.db.prepare<Bound, Row>(sql);
  }

  get(...bound: Bound): Row | undefined {
    return this.#use((statement) => statement.get(...bound));
  }

  all(...bound: Bound): Row[] {
    return this.#use((statement) => statement.all(...bound));
  }

  run(...bound: Bound): Database.RunResult {
    return this.#use((statement) => statement.run(...bound));
  }

  pluck(): this {
    return this.#set('pluck');
  }

  raw(): this {
    return this.#set('raw');
  }

  #set(mode: 'pluck' | 'raw'): this {
    this.#mode = mode;
    this.#prepared[mode]();
    return this;
  }

  #use<T>(use: (statement: Database.Statement<Bound, Row>) => T): T {
    if (this.owner.isApplying) return use(this.#current());
    if (!this.#prepared.readonly)
      throw new Error(`bug: a view's table is changed by something else than a fact: ${this.sql}`);
    return this.owner.mending(() => use(this.#current()));
  }

  #current(): Database.Statement<Bound, Row> {
    if (this.#prepared.database !== this.owner.db) {
      this.#prepared = this.owner.db.prepare<Bound, Row>(this.sql);
      if (this.#mode !== 'rows') this.#prepared[this.#mode]();
    }
    return this.#prepared;
  }
}
