// The files of a data folder know each other: the vault notes which ledger it belongs to and how far that ledger had come, and
// the ledger has a fact that says that there is a vault. A file that is missing, older, or of another folder is refused at the
// start: else a lost ledger would be taken for a new one, and what was spent and revoked would be forgotten without a word.

import { existsSync } from 'node:fs';
import type { Ledger } from '../authority/api.js';
import { InvalidInputError } from '../core/errors.js';
import type { Fact } from '../core/facts.js';
import { toHex } from '../journal/chain.js';
import { isOnChain } from '../journal/fact-records.js';
import type { JournalReader } from '../journal/port.js';
import { openSqliteReader } from '../journal/sqlite/reader.js';
import { factOf } from '../kit/facts.js';
import type { Vault, VaultLedger } from '../vault/vault.js';
import type { View, ViewDatabase } from '../views/view.js';

const FEATURE = 'data_folder';

/** How often the vault is told how far the ledger has come: an older copy that is put back lacks at least so much. ms */
const NOTED_EVERY_MS = 60_000;

/** `vault_joined`: the ledger has had a vault beside it. `taken_over`: what an earlier version
 * kept in a file of its own is in the ledger and the vault. */
type FolderFactKind = 'vault_joined' | 'taken_over';

/** What has ever happened to the folder. */
export const FOLDER_VIEW: View = {
  feature: FEATURE,
  tables: 'CREATE TABLE data_folder (fact TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;',
  open(db) {
    const note = db.prepare<[string]>('INSERT OR IGNORE INTO data_folder (fact) VALUES (?)');
    return ({ kind }) => void note.run(kind);
  },
};

export function folderFact(kind: FolderFactKind): Fact {
  return factOf(FEATURE, kind, {});
}

export function hasFolderFact(views: ViewDatabase, kind: FolderFactKind): boolean {
  return views.prepare<[string]>('SELECT fact FROM data_folder WHERE fact = ?').get(kind) !== undefined;
}

/** What is wrong with the folder's files, for the operator; null: nothing. Before the ledger is opened. */
export async function ledgerProblem(ledgerPath: string, vault: Vault): Promise<string | null> {
  const known = await vault.ledger();
  if (known === null) return null;
  const { sequence } = known.head;
  if (!existsSync(ledgerPath))
    return `ledger.db is missing, and vault.db belongs to one with ${sequence} records: put the ledger back, from a backup if need be`;
  const reader = openSqliteReader(ledgerPath);
  try {
    return problemBeside(reader, known);
  } finally {
    reader.close();
  }
}

function problemBeside(reader: JournalReader, { ledgerId, head }: VaultLedger): string | null {
  const foundId = ledgerIdOf(reader);
  // An empty ledger is no other one: its log was lost.
  if (foundId !== null && foundId !== ledgerId)
    return 'vault.db belongs to another ledger than ledger.db: put back the two files that belong together';
  const now = reader.head();
  if (now.sequence < head.sequence)
    return `ledger.db ends at record ${now.sequence}, and it had ${head.sequence} when vault.db was written: an older copy was put back, or ledger.db-wal was lost; put back the newest one`;
  return isOnChain(reader, head)
    ? null
    : `ledger.db has another record ${head.sequence} than when vault.db was written: put back the two files that belong together`;
}

/** The hash of the first batch: no other ledger has it. Null while there is none. */
function ledgerIdOf(reader: JournalReader): string | null {
  for (const { hash } of reader.batches(1)) return toHex(hash);
  return null;
}

export interface OpenParts {
  readonly ledgerPath: string;
  readonly ledger: Pick<Ledger, 'run' | 'head'>;
  readonly vault: Vault;
  readonly views: ViewDatabase;
}

/** What is missing beside an open ledger that once had a vault; null: nothing. */
export async function vaultProblem({ vault, views }: OpenParts): Promise<string | null> {
  if ((await vault.ledger()) !== null || !hasFolderFact(views, 'vault_joined')) return null;
  return 'vault.db is missing: the texts of chats and goals and the secrets of webhooks were in it; put it back, from a backup if need be';
}

/** Makes ledger and vault know each other, and keeps the vault told of the ledger's head until `close`. */
export class FolderIdentity {
  readonly #timer: NodeJS.Timeout;

  private constructor(
    private readonly parts: OpenParts,
    private readonly ledgerId: string,
  ) {
    this.#timer = setInterval(() => void this.#note().catch(() => undefined), NOTED_EVERY_MS).unref();
  }

  static async begin(parts: OpenParts): Promise<FolderIdentity> {
    const { ledger, ledgerPath, vault, views } = parts;
    const reader = openSqliteReader(ledgerPath);
    const ledgerId = ledgerIdOf(reader);
    reader.close();
    if (ledgerId === null) throw new Error('bug: an open ledger has a first batch');
    // The vault knows the ledger before the fact says that there is a vault: else a crash in between would look as if the
    // vault had been lost. A lower head than before is noted here alone: the operator has accepted the loss.
    await vault.noteLedger({ ledgerId, head: ledger.head() });
    if (!hasFolderFact(views, 'vault_joined'))
      await ledger.run({ command: 'record_facts' }, { facts: [folderFact('vault_joined')] });
    return new FolderIdentity(parts, ledgerId);
  }

  async #note(): Promise<void> {
    const { ledger, vault } = this.parts;
    // A ledger that has stopped throws: there is no head to note.
    const head = ledger.head();
    const noted = await vault.ledger();
    // Another process has taken the ledger over, and this one does not know it yet.
    if (noted !== null && noted.head.sequence > head.sequence) return;
    await vault.noteLedger({ ledgerId: this.ledgerId, head });
  }

  /** Before the ledger is closed. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#note().catch(() => undefined);
  }
}

/** @throws InvalidInputError for a problem that the operator has not accepted */
export function assertAccepted(problem: string | null, isAccepted: boolean): void {
  if (problem === null || isAccepted) return;
  throw new InvalidInputError(
    '--data',
    `${problem}. To go on without what is lost, start once with --accept-loss`,
  );
}
