// Facts and the views that are made of them: a kind that a view does not know stops it, and a digest covers the whole request.

import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { VIEWS } from '#bursar/composition/data-folder.js';
import { requestDigest } from '#bursar/kit/facts.js';

/** The data folder's view is the list of the kinds that were written, whatever they are. */
const BY_KIND = VIEWS.filter(({ feature }) => feature !== 'data_folder');

describe('facts', () => {
  test.each(BY_KIND)(
    '$feature: a fact of a kind that the view does not know → refused, named as a bug',
    (view) => {
      const db = new Database(':memory:');
      db.exec(view.tables);
      const fact = { feature: view.feature, kind: 'unheard_of', body: '{}' };
      expect(() => view.open(db as never)(fact, { at: 0 } as never)).toThrow(/^bug: .*unheard_of/);
      db.close();
    },
  );

  test('a request: its fields in another order → the same digest; another value anywhere → another digest', () => {
    const digest = requestDigest({ text: 'a', limits: { usd: 1n, tokens: 2n }, labels: ['x', 'y'] });
    expect(requestDigest({ labels: ['x', 'y'], limits: { tokens: 2n, usd: 1n }, text: 'a' })).toBe(digest);
    expect(requestDigest({ text: 'a', limits: { usd: 1n, tokens: 3n }, labels: ['x', 'y'] })).not.toBe(
      digest,
    );
    expect(requestDigest({ text: 'a', limits: { usd: 1n, tokens: 2n }, labels: ['y', 'x'] })).not.toBe(
      digest,
    );
  });
});
