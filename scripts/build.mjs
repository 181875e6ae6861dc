// Compiles src/ into dist/ from nothing, so that a file deleted from src/ is gone from the package too.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
const compiled = spawnSync('npx', ['tsc', '-p', 'tsconfig.json'], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
if (existsSync('dist/main.js')) chmodSync('dist/main.js', 0o755);
