// A process that puts texts into a vault and writes the facts that name them, as fast as it can, until it is killed. It
// writes one line for each fact that was acknowledged, after that. Arguments: the folder, the file for the lines, the round.

import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '../../dist/index.js';
import { openSqliteVault } from '../../dist/vault/sqlite/sqlite-vault.js';
import { openViews } from '../../dist/views/views.js';
import { NOTES_VIEW, noteDeleted, notePut } from './notes-view.mjs';

const [folder, told, round] = process.argv.slice(2);
const WORKERS = 16;
/** Notes of one worker that are put again and again. */
const NOTES = 5;
/** The first workers also delete their notes: notes of the others are never gone. */
const DELETING = 4;

// Synchronous: a line that was written survives the process.
const lines = openSync(told, 'a');
const tell = (line) => writeSync(lines, `${JSON.stringify(line)}\n`);

console.log('opening');
const views = openViews(join(folder, 'views.db'), [NOTES_VIEW]);
const vault = openSqliteVault(join(folder, 'vault.db'), { now: () => Date.now() });
const ledger = await openLedger({ path: join(folder, 'ledger.db'), follower: views });
const textOf = views.prepare('SELECT text FROM notes WHERE id = ?').pluck();
console.log('ready');

async function work(worker) {
  for (let step = 0; ; step += 1) {
    const id = `notes/${worker}-${step % NOTES}`;
    const textId = `${id}/${round}-${step}`;
    const text = `text of ${textId} `.repeat(1 + (step % 40));
    const digest = createHash('sha256').update(text).digest('hex');
    await vault.put([{ id: textId, body: text }]);
    const named = `${textId}=${digest}`;
    await ledger.run({ command: 'record_facts' }, { facts: [notePut(id, named)] });
    if (textOf.get(id) !== named) throw new Error(`${id} is acknowledged and not in its view`);
    tell({ id, named });
    if (worker >= DELETING || step % 7 !== 0) continue;
    await ledger.run({ command: 'record_facts' }, { facts: [noteDeleted(id)] });
    tell({ id, named: null });
    await vault.delete([textId]);
  }
}

await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
