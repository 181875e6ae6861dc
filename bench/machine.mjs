// The line that every run begins with: without it no figure means anything.

import { cpus, totalmem } from 'node:os';

export function machineLine(extent) {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `machine  ${cpus().length} × ${cpus()[0].model}, ${memory} GiB, node ${process.version}, ${extent} run`;
}
