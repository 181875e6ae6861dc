// Installs the packages of one set into a folder of its own, so that no client sees another's versions, and puts the
// programs that use them beside them. A set that is there already in these versions stays.

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAMS = fileURLToPath(new URL('programs', import.meta.url));

/** @throws where npm fails; its output is the message */
export async function install({ folder, packages }) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'package.json');
  const wanted = JSON.stringify({ private: true, type: 'module', dependencies: packages });
  if (!existsSync(file) || readFileSync(file, 'utf8') !== wanted || !existsSync(join(folder, 'installed'))) {
    writeFileSync(file, wanted);
    // Without scripts: the binaries are in packages for each platform, which the runs start directly.
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress'], folder);
    writeFileSync(join(folder, 'installed'), '');
  }
  cpSync(PROGRAMS, folder, { recursive: true });
}

function run(command, args, cwd) {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  return new Promise((resolve, reject) => {
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} in ${cwd}:\n${output}`)),
    );
  });
}
