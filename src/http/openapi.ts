// OpenAPI 3.1 of the native API, generated from the routes' schemas. docs/openapi.json is this, checked for drift.

import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { Route } from '../kit/route.js';
import { ROUTES } from './routes.js';

/** Of the API, not of the package: it changes when the API does. */
const API_VERSION = '1.0.0';

const BY_NAME: Readonly<Record<string, Route>> = ROUTES;

const INFO = {
  title: 'Bursar',
  version: API_VERSION,
  description:
    'A budget authority: holds the worst case of a call before it runs, settles what it cost, and proves it. Amounts are decimal texts; errors are RFC 9457 problems.',
};

const KEY_HEADER = {
  name: 'Idempotency-Key',
  in: 'header',
  description: 'Names the command: a repeat with the same key gives the first answer again, refusals too.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

export function describeApi(app: FastifyInstance): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: INFO,
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        },
      },
      security: [{ bearer: [] }, { apiKey: [] }],
    },
    // A shared schema goes by its own name.
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `schema-${index}`),
    },
    transformObject: (document) =>
      'openapiObject' in document ? completed(document.openapiObject as OpenApi) : document.swaggerObject,
  } as Parameters<typeof swagger>[1] as never);
}

interface Operation {
  operationId?: string;
  parameters?: unknown[];
  responses?: Record<string, unknown>;
  'x-idempotency-key'?: string;
}
interface OpenApi {
  paths?: Record<string, Record<string, Operation>>;
}

/** Adds what no schema of a route says: problems, the header that names a command, and the stream of events. */
function completed(document: OpenApi): never {
  for (const operations of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(operations)) {
      const route = BY_NAME[operation.operationId ?? ''];
      delete operation['x-idempotency-key'];
      if (route?.idempotencyKey !== undefined) {
        const required = route.idempotencyKey === 'required';
        operation.parameters = [...(operation.parameters ?? []), { ...KEY_HEADER, required }];
      }
      if (route !== undefined) {
        const stream = Object.keys(route.answers).length === 0 ? { 200: STREAM } : {};
        operation.responses = { ...operation.responses, ...stream, '4XX': REFUSED, '5XX': REFUSED };
      }
    }
  }
  return document as never;
}

const REFUSED = {
  description: 'Refused.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

const STREAM = {
  description: 'Server-sent events: `id` the sequence number, `event` the type, `data` the event.',
  content: { 'text/event-stream': { schema: { type: 'string' } } },
};
