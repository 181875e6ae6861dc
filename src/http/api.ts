// What the routes of the HTTP API share: the parts that they were given, and what is made of these once.

import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Tenancy } from '../access/tenancy.js';
import { BudgetUnits } from '../budgets/budget-units.js';
import type { AmountReading, Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import type { RouteRequest } from '../kit/route.js';
import { UnitScales } from '../kit/unit-scales.js';
import { InFlight } from './in-flight.js';
import type { Metrics } from './metrics.js';
import type { HttpParts } from './parts.js';

export interface Api extends HttpParts {
  readonly tenancy: Tenancy;
  readonly scales: UnitScales;
  readonly units: BudgetUnits;
  readonly inFlight: InFlight;
  readonly metrics: Metrics;
}

export function apiOf(parts: HttpParts, metrics: Metrics): Api {
  const { ledger, clock } = parts;
  return {
    ...parts,
    tenancy: new Tenancy(ledger),
    scales: new UnitScales(ledger, clock),
    units: new BudgetUnits(ledger),
    inFlight: new InFlight(),
    metrics,
  };
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose key came with the request; set before any handler of the native API. */
    caller: Caller;
    /** Numbers of the body that were not written plainly: an amount must not be one of them. */
    unplainNumbers: ReadonlySet<number>;
  }
  interface FastifyContextConfig {
    /** Bytes of a body that are parsed in one go, where the route takes more than usual. */
    wholeBytesMax?: number;
  }
  interface FastifyReply {
    /** Sends bytes that are no JSON value (kit/route.ts). */
    bytes(contentType: string, body: Readable | Buffer): unknown;
  }
}

export type Request = FastifyRequest;
export type Reply = FastifyReply;

export function statedIn(scales: Scales, { unplainNumbers }: RouteRequest): AmountReading {
  return { scales, unplain: unplainNumbers };
}
