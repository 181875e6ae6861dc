// A small feature's view for tests: notes that are put and deleted by facts. Plain JavaScript, so that a process that is
// killed can load it without a build.

/** @type {import('#bursar/views/view.js').View} */
export const NOTES_VIEW = {
  feature: 'notes',
  tables: `
CREATE TABLE notes (
  id TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  -- How often it was put.
  puts INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  actor TEXT,
  sequence INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX notes_by_text ON notes (text);
CREATE TABLE tenants (tenant TEXT NOT NULL, notes INTEGER NOT NULL) STRICT;`,
  open(db) {
    const puts = db.prepare('SELECT puts FROM notes WHERE id = ?').pluck();
    const put = db.prepare('INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?, ?)');
    const remove = db.prepare('DELETE FROM notes WHERE id = ?');
    const count = db.prepare('UPDATE tenants SET notes = notes + 1 WHERE tenant = ?');
    const first = db.prepare('INSERT INTO tenants VALUES (?, 1)');
    return ({ kind, body }, { sequence, at, actor, outcome }) => {
      const { id, text, tenant } = JSON.parse(body);
      if (kind === 'note_put') {
        put.run(id, text, (puts.get(id) ?? 0) + 1, outcome.outcome, actor?.key ?? null, sequence, at);
        if (count.run(tenant ?? 'none').changes === 0) first.run(tenant ?? 'none');
      } else if (kind === 'note_deleted') remove.run(id);
      else throw new Error(`notes: there is no fact ${kind}`);
    };
  },
};

/** Each note as one line, and each tenant's count. */
export const NOTE_LINES = "SELECT id || ' ' || text || ' ' || puts || ' ' || outcome FROM notes ORDER BY id";
export const TENANT_LINES = "SELECT tenant || ' ' || notes FROM tenants ORDER BY tenant";

export function notePut(id, text, tenant) {
  return { feature: 'notes', kind: 'note_put', body: JSON.stringify({ id, text, tenant }) };
}

export function noteDeleted(id) {
  return { feature: 'notes', kind: 'note_deleted', body: JSON.stringify({ id }) };
}
