// Runs the real program in child processes, in a temporary folder of its own that goes when the tests are done.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export const BUDGETS = `
budgets:
  - id: tenant
    match: { tenant: '*' }
    unit: usd
    limit: 10
    window: lifetime
  - id: user
    match: { tenant: '*', user: '*' }
    unit: usd
    limit: 4
    window: lifetime
`;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class BursarFolder {
  static async make(): Promise<BursarFolder> {
    return new BursarFolder(await mkdtemp(join(tmpdir(), 'bursar-cli-')));
  }

  private constructor(readonly path: string) {}

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  start(
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): ChildProcessWithoutNullStreams {
    // Temporary files of the program land here too, where a test can look for leftovers.
    const env = { ...process.env, TMPDIR: this.path, ...variables };
    return spawn(process.execPath, [MAIN, ...args], { cwd: this.path, env });
  }

  /** Runs one command line; words are separated by spaces, and `~` stands for a space inside a word. */
  run(line: string, ledger?: string): Promise<Ended> {
    const words = line.split(' ').map((word) => word.replaceAll('~', ' '));
    return ended(this.start([...words, ...(ledger === undefined ? [] : ['--ledger', ledger])]));
  }

  /** A ledger with the budgets above; also leaves `name.yaml`. */
  async newLedger(name: string): Promise<string> {
    await writeFile(this.file(`${name}.yaml`), BUDGETS);
    expect(await this.run(`apply ${name}.yaml`, this.file(`${name}.db`))).toMatchObject({ code: 0 });
    return this.file(`${name}.db`);
  }
}

export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
