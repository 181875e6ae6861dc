// The programs that docs/clients.md shows, each as a client of its own that makes one call: what the page says is run.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SETS } from './clients.mjs';

const PAGE = fileURLToPath(new URL('../docs/clients.md', import.meta.url));
const ADDRESS = 'http://127.0.0.1:8420';
const BLOCK = /```ts\n([\s\S]*?)```/g;

/** Packages of one name are in several sets; the newest is the last. */
function setOf(program) {
  const imported = [...program.matchAll(/from '([^']+)'/g)].map(([, specifier]) => specifier);
  const has = (set) =>
    imported.every((specifier) =>
      Object.keys(SETS[set]).some((name) => `${specifier}/`.startsWith(`${name}/`)),
    );
  return Object.keys(SETS).findLast(has);
}

export function programsOfPage() {
  return [...readFileSync(PAGE, 'utf8').matchAll(BLOCK)].map(([, program], index) => {
    const set = setOf(program);
    return {
      name: `docs/clients.md, ${set}`,
      set,
      script: () => [],
      run: (place) => {
        const file = join(place.sets(set), `page-${index}.mjs`);
        writeFileSync(file, program.replaceAll(ADDRESS, place.origin));
        return { file: place.node, args: [file], env: {} };
      },
    };
  });
}
