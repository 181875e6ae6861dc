// One line a measurement: what, how much, and beside it the ratio with its floor.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const quick = process.argv.includes('quick');

export function heading(text) {
  console.log(`\n${text}`);
}

export function row(what, figure, note = '') {
  console.log(`  ${what.padEnd(58)} ${figure.padStart(22)}  ${note}`);
}

export function ratioRow(what, ratio, floor) {
  row(what, `${ratio.toFixed(2)} ×`, `${ratio >= floor ? 'meets' : 'BELOW'} the floor of ${floor} ×`);
}

export function ceilingRow(what, ratio, ceiling) {
  row(what, `${ratio.toFixed(2)} ×`, `${ratio <= ceiling ? 'meets' : 'ABOVE'} the ceiling of ${ceiling} ×`);
}

export const count = (value) => Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');
export const perSecond = (value) => `${count(value)} /s`;
export const ms = (value) => `${value.toFixed(1)} ms`;
export const micros = (ms) => `${count(ms * 1000)} µs`;

/** A folder on the disk of the working directory: a memory file system would measure nothing. */
export function inFolder(work) {
  const folder = mkdtempSync(join(process.cwd(), '.bench-'));
  return Promise.resolve(work(folder)).finally(() => rmSync(folder, { recursive: true, force: true }));
}
