// Takes over the data folder of an earlier version, once, at its first start: what was in `service.db` becomes facts of the
// ledger and texts of the vault, with the instants of then. Whatever kills it, the next start does all of it again, since
// every fact puts a thing as it is in its place. A last fact says that it is done, and then the file gets another name.
// Called by data-folder.ts before anything reads the views.

import { existsSync } from 'node:fs';
import type { Ledger } from '../../authority/api.js';
import { folderFact, hasFolderFact } from '../folder-identity.js';
import { takeChats } from './chats.js';
import { FactWriter, type Taking } from './fact-writer.js';
import { takeAgents, takeGoals } from './goals-and-agents.js';
import { putAway, putAwayPath, ServiceFile } from './service-file.js';
import {
  takeKeys,
  takeLimitSetters,
  takeNotices,
  takePolicies,
  takeReconciliations,
  takeResponses,
} from './tables.js';

export interface TakeOverParts extends Omit<Taking, 'file' | 'writer'> {
  /** Of `service.db`. */
  readonly path: string;
  /** Throws for a problem, unless its operator has accepted the loss. */
  readonly accept: (problem: string | null) => void;
}

/** @throws InvalidInputError when the file cannot be read */
export async function takeOver(parts: TakeOverParts): Promise<void> {
  const { path, logger, views, ledger } = parts;
  if (!existsSync(path)) return;
  if (hasFolderFact(views, 'taken_over')) {
    // Of a start that was killed before it gave the file its other name.
    if (!existsSync(putAwayPath(path))) putAway(path);
    else logger.warn(`${path} is not read: it was taken over already, as ${putAwayPath(path)}`);
    return;
  }
  logger.info(`${path} is of an earlier version: what is in it is taken over`);
  const progress = (facts: number) => logger.info({ facts }, 'taking over');
  const file = new ServiceFile(path);
  try {
    parts.accept(ledgerProblem(file, ledger));
    const writer = new FactWriter({ ...parts, progress });
    await takeEverything({ ...parts, file, writer });
  } finally {
    file.close();
  }
  await ledger.run({ command: 'record_facts' }, { facts: [folderFact('taken_over')] });
  putAway(path);
  logger.info(`all is taken over, and the file is now ${putAwayPath(path)}`);
}

async function takeEverything(taking: Taking): Promise<void> {
  const features = [
    ...[takeKeys, takeLimitSetters, takePolicies, takeChats, takeGoals, takeAgents],
    ...[takeNotices, takeReconciliations, takeResponses],
  ];
  for (const take of features) await take(taking);
  await taking.writer.flush();
}

/** The notices noted how far they had read the ledger. */
function ledgerProblem(file: ServiceFile, ledger: Pick<Ledger, 'head'>): string | null {
  const [{ sequence: read } = { sequence: 0 }] = file.rows<{ sequence: number }>('notice_position', '');
  const { sequence } = ledger.head();
  return read <= sequence
    ? null
    : `ledger.db ends at record ${sequence}, and it had ${read} when service.db was written: put back the two files that belong together`;
}
