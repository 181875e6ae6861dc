// The two tables of a run: what each client did and how it took a refusal, and how large its holds were. Printed, and
// written between the marks in docs/clients.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { SETS } from './clients.mjs';

const PAGE = fileURLToPath(new URL('../docs/clients.md', import.meta.url));

const MESSAGE = 'Bursar refused this call';

const usd = (text) => Number(text).toFixed(5);
const largest = (holds) => Math.max(0, ...holds.map(({ authorized }) => Number(authorized.usd)));

function versionOf({ set }) {
  const [[name, version]] = Object.entries(SETS[set]);
  return `${name} ${version}`;
}

/** How a client shows a refusal: what it puts before the message, without the rest of a body, and how that begins. */
function shown(line) {
  const text = stripVTControlCharacters(line).trim();
  const before = text.slice(0, text.indexOf(MESSAGE)).replace(/\{.*/, '{ … ');
  return `${before.replaceAll('|', '/')}${MESSAGE} …`;
}

function behaviour(results) {
  const head = [
    'client',
    'package',
    'model',
    'calls',
    'charged, usd',
    'while held',
    'refused: exit',
    'asked',
    'its user reads',
  ];
  const rows = results.map(({ client, worked, charged, refused, waited, attempts, reading, problems }) => [
    client.name,
    versionOf(client),
    client.model,
    String(worked.asked.length),
    usd(charged / 1e8),
    waited.exit === 0 ? 'asks again' : 'gives up',
    String(refused.exit),
    attempts === 1 ? 'once' : `${attempts} times`,
    problems.length === 0 ? shown(reading) : problems.join('; '),
  ]);
  return [head, ...rows];
}

function sizes(results) {
  const head = ['client', 'model', 'largest request, kB', 'largest hold, usd', 'charged for all, usd'];
  const rows = results.map(({ client, worked, charged }) => [
    client.name,
    client.model,
    (Math.max(0, ...worked.seen.map(({ text }) => text.length)) / 1_000).toFixed(1),
    usd(largest(worked.holds)),
    usd(charged / 1e8),
  ]);
  return [head, ...rows];
}

function markdown([head, ...rows]) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

export function printTables(results) {
  console.log(`\n${markdown(behaviour(results))}\n\n${markdown(sizes(results))}`);
}

export function writeDocs(results) {
  let page = readFileSync(PAGE, 'utf8');
  for (const [mark, table] of [
    ['behaviour', behaviour(results)],
    ['sizes', sizes(results)],
  ]) {
    const between = new RegExp(`(<!-- ${mark} -->)[\\s\\S]*?(<!-- /${mark} -->)`);
    page = page.replace(between, (_all, begin, end) => `${begin}\n\n${markdown(table)}\n\n${end}`);
  }
  writeFileSync(PAGE, page);
}
