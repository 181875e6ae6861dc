// Twice the input takes at most two and a half times the time, on every route that takes a body: the rows are made from the
// tables of routes, so a new route is among them by itself. Bodies are filled from each route's own schema.

import type { TSchema } from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROUTES } from '#bursar/http/routes.js';
import type { Route } from '#bursar/kit/route.js';
import { HttpStage } from './http-setup.js';

const GROWTH_MAX = 2.5;
/** What a request costs whatever it brings, and how finely a busy machine can be timed. */
const NOISE_MS = 3;
/** Rounds at most; each side counts by its fastest, which is what the server itself needs. */
const ROUNDS_MAX = 12;

const TABLES: Readonly<Record<string, Route>> = ROUTES;

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly maxLength?: number;
}

/** Elements of lists and maps that stand in lists, so that a body grows as its outermost list does. */
const INNER_LENGTH = 3;

/** A value of a schema with every field, and lists, maps and texts of so many parts where they may have them. */
function filled(schema: Schema, size: number, place = 0): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[place % schema.enum.length];
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) return filled(choices[place % choices.length], size, place);
  const type = typeof schema.type === 'string' ? schema.type : (schema.type?.[1] ?? 'string');
  switch (type) {
    case 'object': {
      const { properties = {}, additionalProperties } = schema;
      const fields = Object.entries(properties).map(([name, field]) => [name, filled(field, size, place)]);
      const rest = typeof additionalProperties === 'object' ? additionalProperties : null;
      const count = rest === null ? 0 : Math.min(size, schema.maxProperties ?? size);
      for (let index = 0; index < count; index += 1)
        fields.push([`k${index}`, filled(rest as Schema, INNER_LENGTH, index)]);
      return Object.fromEntries(fields);
    }
    case 'array': {
      const length = Math.min(size, schema.maxItems ?? size);
      return Array.from({ length }, (_, index) => filled(schema.items ?? {}, INNER_LENGTH, index));
    }
    case 'integer':
      return 1 + place;
    case 'number':
      return (1 + place) / 8;
    case 'boolean':
      return true;
    default:
      return `t${place}`.padEnd(Math.min(size, schema.maxLength ?? 8), 'x');
  }
}

interface Row {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body: (size: number) => string;
  readonly size: number;
}

const pathOf = ({ path }: Route) => path.replace(/:\w+/g, 'some-id');

const WITH_BODY = Object.entries(TABLES).filter(([, { body }]) => body !== undefined);

/** As the schema has it, whatever the service then says of it. */
const FILLED: readonly Row[] = WITH_BODY.map(([name, route]) => ({
  name,
  method: route.method,
  path: pathOf(route),
  body: (size) => JSON.stringify(filled(route.body as TSchema as Schema, size)),
  size: 1_500,
}));

/** What no schema allows is refused, and costs no more: numbers, keys and nested lists, up to the largest body. */
const REFUSED: readonly Row[] = WITH_BODY.map(([name, route]) => ({
  name,
  method: route.method,
  path: pathOf(route),
  body: (size) =>
    JSON.stringify({
      more: Array.from({ length: size }, (_, index) => ({ [`k${index}`]: index / 8, b: [index] })),
    }),
  size: 8_000,
}));

const numbers = (count: number, command: (index: number) => object) =>
  Array.from({ length: count }, (_, index) => command(index));

/** What is done, with amounts as numbers everywhere. */
const DONE: readonly Row[] = [
  {
    name: 'batch of spend',
    method: 'POST',
    path: '/v1/batch',
    body: (size) =>
      JSON.stringify({
        commands: numbers(size, (index) => ({
          command: 'record_spend',
          labels: { tenant: `t${index % 50}` },
          amounts: { usd: index / 1_000, tokens: index },
        })),
      }),
    size: 2_500,
  },
  {
    name: 'batch of holds, answered in full',
    method: 'POST',
    path: '/v1/batch',
    body: (size) =>
      JSON.stringify({
        answer: 'full',
        commands: numbers(size, (index) => ({ command: 'authorize_hold', amounts: { usd: index / 1e8 } })),
      }),
    size: 2_500,
  },
  {
    name: 'batch whose last command is refused',
    method: 'POST',
    path: '/v1/batch',
    body: (size) =>
      JSON.stringify({
        commands: [
          ...numbers(size, (index) => ({ command: 'record_spend', amounts: { usd: index / 1_000 } })),
          { command: 'record_spend', amounts: { usd: 1.123456789 } },
        ],
      }),
    size: 5_000,
  },
  {
    name: 'definitions',
    method: 'POST',
    path: '/v1/definitions',
    body: (size) =>
      JSON.stringify({
        budgets: numbers(size, (index) => ({
          id: `of-${size}-${index}`,
          match: { tenant: `t${index}` },
          unit: 'usd',
          limit: index / 8,
          window: 'day',
        })),
      }),
    size: 2_000,
  },
];

describe('http: twice the input takes at most 2.5 times the time', () => {
  let stage: HttpStage;
  beforeAll(async () => {
    stage = await HttpStage.open({ kept: true });
  });
  afterAll(() => stage.remove());

  async function timed(row: Row, size: number): Promise<number> {
    const body = row.body(size);
    // Of the processor and not of the clock: other processes run on this machine too.
    const began = process.cpuUsage();
    const { status } = await stage.ask(row.method, row.path, { body });
    const { user, system } = process.cpuUsage(began);
    const took = (user + system) / 1_000;
    expect(status, `${row.name} of ${size}`).toBeLessThan(500);
    return took;
  }

  async function grows(row: Row): Promise<void> {
    let [once, twice] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      once = Math.min(once, await timed(row, row.size));
      twice = Math.min(twice, await timed(row, row.size * 2));
      if (round > 0 && twice <= once * GROWTH_MAX) return;
    }
    expect(twice, `${once} ms, then`).toBeLessThanOrEqual(once * GROWTH_MAX + NOISE_MS);
  }

  test.each(DONE.map((row) => [row.name, row] as const))('%s', (_name, row) => grows(row));
  test.each(FILLED.map((row) => [row.name, row] as const))('%s, filled as its schema allows', (_name, row) =>
    grows(row),
  );
  test.each(REFUSED.map((row) => [row.name, row] as const))('%s, with what no schema allows', (_name, row) =>
    grows(row),
  );

  test('the tables are all that the server has', async () => {
    const { body } = await stage.get('/openapi.json');
    const served = Object.values(
      body.paths as Record<string, Record<string, { operationId: string; requestBody?: unknown }>>,
    )
      .flatMap((methods) => Object.values(methods))
      .filter(({ requestBody }) => requestBody !== undefined)
      .map(({ operationId }) => operationId);
    expect(WITH_BODY.map(([name]) => name).sort()).toEqual(served.sort());
  });
});
