// The peer that Bursar is measured against: the straightforward way to do it with better-sqlite3. Balances, holds and an
// event log are tables; a command is checked and booked by SQL inside a transaction with synchronous=FULL. It matches
// budgets by a prepared list (no label routing), has no idempotency, no windows, no hash chain, and explains nothing.

import Database from 'better-sqlite3';

export function openPeer(path) {
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(`
    CREATE TABLE balances (id INTEGER PRIMARY KEY, unit TEXT NOT NULL, granted INTEGER NOT NULL,
      held INTEGER NOT NULL DEFAULT 0, spent INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE holds (id TEXT PRIMARY KEY, status TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE postings (hold_id TEXT NOT NULL, balance_id INTEGER NOT NULL, amount INTEGER NOT NULL,
      PRIMARY KEY (hold_id, balance_id)) WITHOUT ROWID;
    CREATE TABLE events (sequence INTEGER PRIMARY KEY, type TEXT NOT NULL, hold_id TEXT NOT NULL, at INTEGER NOT NULL);`);
  const balance = db.prepare('SELECT granted, held, spent FROM balances WHERE id = ?').raw();
  const hold = db.prepare('UPDATE balances SET held = held + ? WHERE id = ?');
  const charge = db.prepare('UPDATE balances SET held = held - ?, spent = spent + ? WHERE id = ?');
  const insertHold = db.prepare("INSERT INTO holds VALUES (?, 'open', ?)");
  const insertPosting = db.prepare('INSERT INTO postings VALUES (?, ?, ?)');
  const postings = db.prepare('SELECT balance_id, amount FROM postings WHERE hold_id = ?').raw();
  const endHold = db.prepare("UPDATE holds SET status = 'settled' WHERE id = ? AND status = 'open'");
  const insertEvent = db.prepare('INSERT INTO events (type, hold_id, at) VALUES (?, ?, ?)');

  const authorize = (holdId, lines, at) => {
    for (const [id, amount] of lines) {
      const [granted, held, spent] = balance.get(id);
      if (granted - held - spent < amount) {
        insertEvent.run('denied', holdId, at);
        return false;
      }
    }
    insertHold.run(holdId, at + 600_000);
    for (const [id, amount] of lines) {
      hold.run(amount, id);
      insertPosting.run(holdId, id, amount);
    }
    insertEvent.run('authorized', holdId, at);
    return true;
  };
  const settle = (holdId, actualOf, at) => {
    if (endHold.run(holdId).changes !== 1) return false;
    for (const [id, amount] of postings.all(holdId)) charge.run(amount, actualOf(amount), id);
    insertEvent.run('settled', holdId, at);
    return true;
  };
  return {
    addBalance: (unit, granted) =>
      db.prepare('INSERT INTO balances (unit, granted) VALUES (?, ?)').run(unit, granted).lastInsertRowid,
    authorize,
    settle,
    authorizeDurably: db.transaction(authorize),
    settleDurably: db.transaction(settle),
    inOneTransaction: db.transaction((work) => work()),
    close: () => db.close(),
  };
}
