// The server's log: lines reach the process's output whatever ends it.

import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const LOG = new URL('../../dist/composition/log.js', import.meta.url);

function printedBy(script: string): string {
  const program = `import { openLog } from ${JSON.stringify(LOG.href)}; const log = openLog(process.stdout, 'info', process); ${script}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).stdout;
}

test.each([
  ['exit', 'process.exit(3);'],
  ['an exception that nobody catches', "throw new Error('x');"],
  ['the end of its work', ''],
  ['close, then exit', 'log.close(); process.exit(3);'],
])('log: what was said just before %s → is printed, in order', (_, end) => {
  const lines = printedBy(`log.logger.info('first'); log.logger.warn('last'); ${end}`).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['first', 'last']);
});
