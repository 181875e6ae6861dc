// Records the shapes of what the pinned clients send: field names, types, the protocol's own words, and how long each text
// is, but none of the texts. Each client runs against the replaying provider, without Bursar between. Writes
// tests/fixtures/requests/, which `npm test` feeds to the gateway. Run it when a version in agents/clients.mjs changes:
// `node scripts/record-fixtures.mjs [--folder=PATH] [WORD…]`.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLIENTS, SETS } from '../agents/clients.mjs';
import { Provider } from '../agents/provider.mjs';
import { installFor, runClient } from '../agents/scene.mjs';

const FIXTURES = fileURLToPath(new URL('../tests/fixtures/requests', import.meta.url));
/** Fields whose values are words of the protocol, on which a cost can depend. All other texts are people's or clients'. */
const WORDS = new Set([
  ...['type', 'role', 'model', 'effort', 'mode', 'display', 'ttl', 'keep', 'summary', 'syntax', 'execution'],
  ...['status', 'service_tier', 'tool_choice', 'verbosity', 'context', 'search_context_size', 'truncation'],
  ...['include', 'reasoning_effort', 'speed', 'inference_geo'],
]);
/** JSON schemas are texts of their clients too; only their size counts. */
const SCHEMAS = new Set(['input_schema', 'parameters', 'schema']);
/** Headers whose values are the protocol's. */
const HEADERS = new Set(['anthropic-version', 'anthropic-beta', 'openai-beta']);
/** Larger numbers are instants and the like. */
const NUMBER_MAX = 10_000_000;

/** A tool that the provider has, or the choice of one: its name is the protocol's. */
const isProviders = ({ type }) => typeof type === 'string' && /^(?:tool|\w+_\d{8})$/.test(type);

function shapeOf(value, field) {
  if (Array.isArray(value)) return value.map((item) => shapeOf(item, field));
  if (typeof value === 'string') return WORDS.has(field) ? value : { $text: value.length };
  if (typeof value === 'number')
    return Number.isInteger(value) && value < NUMBER_MAX ? value : { $number: 1 };
  if (value === null || typeof value !== 'object') return value;
  if (SCHEMAS.has(field)) return { $schema: JSON.stringify(value).length };
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'name' && isProviders(value) ? item : shapeOf(item, key),
    ]),
  );
}

function requestOf({ method, path, query, headers, text }) {
  const kept = Object.entries(headers).filter(([name]) => HEADERS.has(name));
  const body = text === '' ? null : shapeOf(JSON.parse(text), '');
  return { method, path, query, headers: Object.fromEntries(kept), body };
}

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const stated = process.argv.find((word) => word.startsWith('--folder='));
const folder =
  stated === undefined
    ? mkdtempSync(join(tmpdir(), 'bursar-agents-'))
    : resolve(stated.slice('--folder='.length));
const clients = CLIENTS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const provider = await new Provider([]).listen();
try {
  await installFor(clients, folder);
  mkdirSync(FIXTURES, { recursive: true });
  for (const client of clients) {
    const { exit, output, seen } = await runClient({
      client,
      folder,
      provider,
      origin: provider.url,
      key: 'bur_recorded',
    });
    if (exit !== 0) throw new Error(`${client.name}: exit ${exit}\n${output}`);
    const fixture = { client: client.name, packages: SETS[client.set], requests: seen.map(requestOf) };
    const file = `${client.name.replace(/[^a-z0-9]+/g, '-')}.json`;
    writeFileSync(join(FIXTURES, file), `${JSON.stringify(fixture, null, 1)}\n`);
    console.log(`${file}: ${seen.length} requests`);
  }
} finally {
  await provider.close();
  if (stated === undefined) rmSync(folder, { recursive: true, force: true });
}
