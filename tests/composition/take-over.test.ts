// The first start on a data folder of the first format (golden/data-folder-1): what an earlier version kept in service.db is in
// the ledger and the vault afterwards, and is answered as then. Half-made things of a killed server end as take-over/ says, and
// the take-over itself may be killed at any step.

import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Json } from '../setup/json.js';
import { type InProcess, startInProcess } from '../setup/server-in-process.js';

const GOLDEN = fileURLToPath(new URL('../golden/data-folder-1', import.meta.url));

/** A minute after the earlier server's last command: its turns run, and its windows are in force. */
const NOW = Date.parse('2026-12-01T18:10:45Z');

interface Golden {
  readonly secrets: Readonly<Record<string, string>>;
  readonly answers: readonly { readonly key: string; readonly path: string; readonly answer: Json }[];
}
const { secrets, answers } = JSON.parse(readFileSync(join(GOLDEN, 'answers.json'), 'utf8')) as Golden;

let folder = '';
let server: InProcess | null = null;

beforeEach(() => {
  const { now } = Date;
  const begun = now();
  vi.spyOn(Date, 'now').mockImplementation(() => NOW + now() - begun);
  folder = mkdtempSync(join(tmpdir(), 'bursar-take-over-'));
});
afterEach(async () => {
  await server?.stop();
  server = null;
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function started(): Promise<InProcess> {
  server = await startInProcess({ dataPath: folder, config: join(GOLDEN, 'bursar.yaml') });
  return server;
}

async function asked(
  key: string,
  path: string,
  init: { method: string; body?: unknown } = { method: 'GET' },
): Promise<{ status: number; body: Json }> {
  const answer = await fetch((server as InProcess).url + path, {
    method: init.method,
    headers: { authorization: `Bearer ${secrets[key]}`, 'content-type': 'application/json' },
    ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

/** The id in a key's text. */
function idOf(key: string): string {
  return secrets[key].split('_')[1];
}

/** The answers that may differ from those of then: the keys that ask now have been used since. Fields may be more. */
function expectedNow(answer: Json, asking: ReadonlySet<string>): unknown {
  return JSON.parse(JSON.stringify(answer), (_name, value) => {
    const isAsking = typeof value === 'object' && value !== null && asking.has(value.id);
    return isAsking && 'lastUsedAt' in value ? { ...value, lastUsedAt: expect.any(String) } : value;
  });
}

describe('take-over of a folder that was stopped', () => {
  beforeEach(() => cpSync(join(GOLDEN, 'stopped'), folder, { recursive: true }));

  test('every read is answered as the earlier version answered it', async () => {
    await started();
    const asking = new Set<string>();
    for (const { key, path, answer } of answers) {
      const { status, body } = await asked(key, path);
      expect([path, status]).toEqual([path, 200]);
      asking.add(idOf(key));
      expect([path, body]).toMatchObject([path, expectedNow(answer, asking) as Record<string, unknown>]);
    }
  });
});
