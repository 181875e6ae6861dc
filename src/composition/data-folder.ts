// The folder that a server keeps its data in, its owner's alone: ledger.db is the truth, vault.db has the texts and secrets that
// must be deletable, and views.db what is made of the ledger and may be deleted. Opened by serve.ts.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { AccessKeys } from '../access/access-keys.js';
import { KEYS_VIEW } from '../access/key-facts.js';
import { KeyRing } from '../access/key-ring.js';
import { LIMIT_SETTERS_VIEW } from '../access/limit-setters.js';
import { AGENTS_VIEW } from '../agents/agents-facts.js';
import type { Clock, Ledger } from '../authority/api.js';
import { type OpenOptions, openLedger } from '../authority/open.js';
import { CHATS_VIEW } from '../chats/chats-facts.js';
import { InvalidInputError } from '../core/errors.js';
import { STORED_RESPONSES_VIEW } from '../gateway/calls/stored-responses.js';
import { GOALS_VIEW } from '../goals/goals-facts.js';
import { NOTICES_VIEW } from '../notices/notices-facts.js';
import { QUOTAS_VIEW } from '../quotas/quotas-facts.js';
import { RECONCILIATION_VIEW } from '../reconciliation/reconciliation-facts.js';
import { openSqliteVault } from '../vault/sqlite/sqlite-vault.js';
import type { Vault } from '../vault/vault.js';
import type { View } from '../views/view.js';
import { openViews, type Views } from '../views/views.js';
import type { CloseStack } from './close-stack.js';
import {
  assertAccepted,
  FOLDER_VIEW,
  FolderIdentity,
  ledgerProblem,
  vaultProblem,
} from './folder-identity.js';
import { takeOver } from './take-over/take-over.js';

/** Its owner's alone: the ledger names tenants and users. */
const FOLDER_MODE = 0o700;

const LEDGER_FILE = 'ledger.db';
export const VAULT_FILE = 'vault.db';
export const VIEWS_FILE = 'views.db';
/** Of an earlier version. */
const SERVICE_FILE = 'service.db';

export function ledgerPathIn(folder: string): string {
  return join(folder, LEDGER_FILE);
}

/** Makes the folder where there is none; the mode of one that is there is its owner's to set. @throws InvalidInputError */
export function makeDataFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw new InvalidInputError(
      '--data',
      `${JSON.stringify(folder)} cannot be used: ${(error as Error).message}`,
    );
  }
}

/** The read models of the features. */
export const VIEWS: readonly View[] = [
  AGENTS_VIEW,
  CHATS_VIEW,
  FOLDER_VIEW,
  GOALS_VIEW,
  KEYS_VIEW,
  LIMIT_SETTERS_VIEW,
  NOTICES_VIEW,
  QUOTAS_VIEW,
  RECONCILIATION_VIEW,
  STORED_RESPONSES_VIEW,
];

export interface DataFolder {
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly views: Views;
  readonly keyRing: KeyRing;
  readonly keys: AccessKeys;
}

export interface DataFolderOptions extends Pick<OpenOptions, 'progress' | 'onStopped'> {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly opened: CloseStack;
  /** Goes on although a file is missing, older than another one, or of another folder. Default false. */
  readonly acceptLoss?: boolean | undefined;
}

/**
 * Opens the files of a folder, which are closed with `opened`.
 * @throws LedgerHeldError, InvalidInputError where the files do not belong together, and what the files throw
 */
export async function openDataFolder(
  folder: string,
  { clock, logger, opened, acceptLoss = false, ...open }: DataFolderOptions,
): Promise<DataFolder> {
  const accept = (problem: string | null) => {
    assertAccepted(problem, acceptLoss);
    if (problem !== null) logger.warn(`the loss is accepted: ${problem}`);
  };
  const file = (name: string) => join(folder, name);
  const vault = opened.add('the vault', openSqliteVault(file(VAULT_FILE), clock), (held) => held.close());
  const ledgerPath = ledgerPathIn(folder);
  accept(await ledgerProblem(ledgerPath, vault));
  const onReplaced = (why: string) => logger.warn(`${VIEWS_FILE} is made anew from the ledger: ${why}`);
  const views = opened.add('the views', openViews(file(VIEWS_FILE), VIEWS, { onReplaced }), (held) =>
    held.closeFile(),
  );
  const ledger = await openLedger({ path: ledgerPath, clock, follower: views, ...open });
  opened.add('the ledger', ledger, (held) => held.close());
  const parts = { ledgerPath, ledger, vault, views };
  accept(await vaultProblem(parts));
  await takeOver({ ...parts, path: file(SERVICE_FILE), logger, accept });
  opened.add('the folder', await FolderIdentity.begin(parts), (held) => held.close());
  const keyRing = new KeyRing(views, clock);
  const keys = new AccessKeys({ ring: keyRing, ledger, vault, clock });
  opened.add('the keys', keys, (held) => held.close());
  await keys.start();
  return { ledger, vault, views, keyRing, keys };
}
