// `npm run bench`: Bursar beside its peer and beside the bare limits of this machine, in one run. Prints ratios and what
// the issue asks of each; fails nothing: a table is for reading. `npm run bench -- quick` takes a tenth of the work.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { machineLine } from './machine.mjs';

const quick = process.argv.includes('quick') ? 'quick' : 'full';
const only = process.argv.slice(2).filter((word) => word !== 'quick');
const PARTS = ['limits', 'pairs', 'six', 'lone', 'large', 'recovery'];

console.log(`${machineLine(quick)}\n`);
for (const part of PARTS) {
  if (only.length > 0 && !only.includes(part)) continue;
  const file = fileURLToPath(new URL(`./${part}.mjs`, import.meta.url));
  // A process each, so that no part inherits another's heap; the young generation sized for thousands in flight.
  const { status } = spawnSync(process.execPath, ['--expose-gc', '--max-semi-space-size=128', file, quick], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
