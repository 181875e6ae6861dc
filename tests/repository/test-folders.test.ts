// Tests lie where their readers look for them: in the folder of the room that they test, or in one of those for what is about
// more than a room (CONTRIBUTING.md lists them).

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { texts } from './repository-texts.js';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

const MORE_THAN_A_ROOM = [
  ...['attacks', 'clients', 'crash', 'crash-server', 'field-problems', 'fixtures', 'golden', 'property'],
  ...['repository', 'scenario', 'setup', 'wire'],
];

/** Those of the paths below tests/ whose folder is neither a room nor one of the others. */
const misplaced = (paths: readonly string[]) =>
  paths.filter((path) => {
    const folder = path.split('/').slice(0, -1).join('/');
    return folder === '' || !(MORE_THAN_A_ROOM.includes(folder) || existsSync(join(SRC, folder)));
  });

test('tests: every file lies in the folder of a room, or in one for what is about more than a room', () => {
  expect(misplaced(texts('tests').map(({ path }) => path.slice('tests/'.length)))).toEqual([]);
});

test('tests: a file that lies flat, or in a folder that nobody knows, is found', () => {
  const paths = [
    'core/a.test.ts',
    'gateway/front/a.ts',
    'wire/a.ts',
    'a.test.ts',
    'misc/a.ts',
    'gateway/b/a.ts',
  ];
  expect(misplaced(paths)).toEqual(['a.test.ts', 'misc/a.ts', 'gateway/b/a.ts']);
});
