// Compiles src/ into dist/ from nothing, so that a file deleted from src/ is gone from the package too. dist/ is replaced
// once all is there: a server may run from it, as npm builds anew for the first `npx bursar` in a clone.
import { spawnSync } from 'node:child_process';
import { chmodSync, renameSync, rmSync } from 'node:fs';

const NEXT = 'dist-next';

rmSync(NEXT, { recursive: true, force: true });
const compiled = spawnSync('npx', ['tsc', '-p', 'tsconfig.json', '--outDir', NEXT], { stdio: 'inherit' });
if (compiled.status !== 0) {
  rmSync(NEXT, { recursive: true, force: true });
  process.exit(compiled.status ?? 1);
}
chmodSync(`${NEXT}/main.js`, 0o755);
rmSync('dist', { recursive: true, force: true });
renameSync(NEXT, 'dist');
