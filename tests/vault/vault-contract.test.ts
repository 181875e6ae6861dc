// One contract for every vault adapter: what features rely on, whatever the texts are kept in.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';
import { BODY_BYTES_MAX, ITEMS_MAX, sweepVault, type Vault } from '#bursar/vault/vault.js';

const HOUR = 3_600_000;

/** Where one vault's texts are, between its openings. */
interface Place {
  open(): Vault;
  remove(): void;
}

let now = 1_000_000_000;

function sqlitePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-vault-'));
  return {
    open: () => openSqliteVault(join(folder, 'vault.db'), { now: () => now }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

describe.each([['sqlite', sqlitePlace]])('vault contract: %s', (_name, makePlace) => {
  let place: Place;
  let vault: Vault;

  beforeEach(() => {
    place = makePlace();
    vault = place.open();
  });
  afterEach(async () => {
    await vault.close();
    place.remove();
  });

  async function openAgain(): Promise<void> {
    await vault.close();
    vault = place.open();
  }

  test('vault: items that were put → are read by id, also after it was opened again; unknown ids are absent', async () => {
    await vault.put([
      { id: 'chats/c1/title', body: 'Dinner' },
      { id: 'goals/g1', body: '' },
    ]);
    await openAgain();
    const found = await vault.get(['goals/g1', 'goals/g2', 'chats/c1/title']);
    expect([...found]).toEqual([
      ['goals/g1', ''],
      ['chats/c1/title', 'Dinner'],
    ]);
    expect(await vault.get([])).toEqual(new Map());
  });

  test('vault: texts of every kind → come back as they were', async () => {
    const bodies = ['a\0b', 'ß 漢字 👩‍👩‍👧', '\r\n\t"\'%_', 'x'.repeat(600_000), '{"a":1}'];
    await vault.put(bodies.map((body, index) => ({ id: `chats/${index}`, body })));
    const found = await vault.get(bodies.map((_, index) => `chats/${index}`));
    expect([...found.values()]).toEqual(bodies);
  });

  test('vault: an item that is put again → the later body, also within one call', async () => {
    await vault.put([{ id: 'chats/c1', body: 'first' }]);
    await vault.put([
      { id: 'chats/c1', body: 'second' },
      { id: 'chats/c1', body: 'third' },
    ]);
    expect(await vault.get(['chats/c1'])).toEqual(new Map([['chats/c1', 'third']]));
    expect(await vault.ids('chats/')).toEqual(['chats/c1']);
  });

  test('vault: changes that are asked for without waiting → are done in that order', async () => {
    const changes = [
      vault.put([{ id: 'chats/c1', body: 'a' }]),
      vault.delete(['chats/c1']),
      vault.put([{ id: 'chats/c2', body: 'b' }]),
      vault.put([{ id: 'chats/c2', body: 'c' }]),
    ];
    await Promise.all(changes);
    expect(await vault.get(['chats/c1', 'chats/c2'])).toEqual(new Map([['chats/c2', 'c']]));
  });

  test('vault: items that were deleted → are gone; deleting unknown ids is no error', async () => {
    await vault.put([
      { id: 'chats/c1', body: 'a' },
      { id: 'chats/c2', body: 'b' },
    ]);
    await vault.delete(['chats/c1', 'chats/unknown']);
    await openAgain();
    expect(await vault.ids('chats/')).toEqual(['chats/c2']);
  });

  test('vault: ids → those with the prefix alone, in order, page by page', async () => {
    const ids = ['chats/a', 'chats/a/1', 'chats/b', 'chats/ü', 'goals/a', 'chat/x'];
    await vault.put(ids.map((id) => ({ id, body: id })));
    expect(await vault.ids('chats/')).toEqual(['chats/a', 'chats/a/1', 'chats/b', 'chats/ü']);
    expect(await vault.ids('chats/a')).toEqual(['chats/a', 'chats/a/1']);
    expect(await vault.ids('chats/', { max: 2 })).toEqual(['chats/a', 'chats/a/1']);
    expect(await vault.ids('chats/', { max: 2, after: 'chats/a/1' })).toEqual(['chats/b', 'chats/ü']);
    expect(await vault.ids('notices/')).toEqual([]);
  });

  test('vault: what no call may put → is refused with the value and the limit, and nothing is changed', async () => {
    await expect(async () => vault.put([{ id: 'title', body: '' }])).rejects.toThrow(
      '"title" is not FEATURE/REST',
    );
    const long = 'x'.repeat(BODY_BYTES_MAX + 1);
    const both = [
      { id: 'chats/c1', body: 'fits' },
      { id: 'chats/c2', body: long },
    ];
    await expect(async () => vault.put(both)).rejects.toThrow(`at most ${BODY_BYTES_MAX} are kept`);
    const many = new Array(ITEMS_MAX + 1).fill({ id: 'chats/c1', body: '' });
    await expect(async () => vault.put(many)).rejects.toThrow(`at most ${ITEMS_MAX} are taken at once`);
    expect(await vault.ids('chats/')).toEqual([]);
  });

  test('vault: the ledger that it belongs to → is known after it was opened again; the last note counts', async () => {
    expect(await vault.ledger()).toBeNull();
    const note = { ledgerId: 'ab'.repeat(32), head: { sequence: 7, hash: 'cd'.repeat(32) } };
    await vault.noteLedger(note);
    await vault.noteLedger({ ...note, head: { ...note.head, sequence: 9 } });
    await openAgain();
    expect(await vault.ledger()).toEqual({ ...note, head: { ...note.head, sequence: 9 } });
  });

  test('vault: sweeping → deletes what no fact names and is older than an hour, of the stated features alone', async () => {
    const unnamed = Array.from({ length: 1_500 }, (_, index) => `chats/unnamed-${index}`);
    const ids = [...unnamed, 'chats/named-1', 'chats/z-named', 'goals/other'];
    await vault.put(ids.map((id) => ({ id, body: id })));
    now += HOUR;
    await vault.put([
      { id: 'chats/young', body: '' },
      { id: 'chats/unnamed-7', body: 'put again' },
    ]);
    now += 1;
    const rule = { prefix: 'chats/', isNamed: (id: string) => id.includes('named-1') && !id.includes('un') };
    const rules = [rule, { prefix: 'notices/', isNamed: () => false }];
    expect(await sweepVault(vault, [{ ...rule, isNamed: (id) => !id.startsWith('chats/z') }], now)).toBe(1);
    expect(await sweepVault(vault, rules, now)).toBe(1_499);
    expect(await vault.ids('chats/')).toEqual(['chats/named-1', 'chats/unnamed-7', 'chats/young']);
    expect(await vault.ids('goals/')).toEqual(['goals/other']);
    now += HOUR;
    expect(await sweepVault(vault, rules, now)).toBe(2);
  });

  test('vault: closing → finishes what was asked for; afterwards everything is refused', async () => {
    const put = vault.put([{ id: 'chats/c1', body: 'last' }]);
    await vault.close();
    await put;
    const refused = { code: 'store_unavailable', message: 'the vault is closed' };
    await expect(vault.put([{ id: 'chats/c2', body: '' }])).rejects.toMatchObject(refused);
    await expect(vault.get(['chats/c1'])).rejects.toMatchObject(refused);
    await openAgain();
    expect(await vault.get(['chats/c1'])).toEqual(new Map([['chats/c1', 'last']]));
  });
});
