// Validates the long lists of a large body part by part, with the route's own schema, so that a list of thousands never
// keeps the event loop: the framework is shown the body with the first part of each, and the rest is judged before the
// handler is called. Used by serve.ts for routes whose bodies may be large.

import type { FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { Breather } from '../kit/breather.js';

/** Elements judged at once: each has 1 MiB at most, and an ordinary one takes microseconds. */
const PART_LENGTH = 100;

type Body = Record<string, unknown>;

interface ListSchema {
  readonly type?: unknown;
  readonly maxItems?: number;
}

interface Validator {
  (body: unknown): boolean;
  readonly errors?: readonly { readonly instancePath: string }[] | null;
}

/** Steps before and after the framework's own validation; none for a body without lists. */
export function longListSteps(schema: TSchema) {
  const properties = (schema as { properties?: Record<string, ListSchema> }).properties ?? {};
  const lists = Object.entries(properties).filter(([, { type }]) => type === 'array');
  const whole = new WeakMap<FastifyRequest, Body>();
  return {
    hasLists: lists.length > 0,
    preValidation: async (request: FastifyRequest) => {
      const body = request.body as Body | null | undefined;
      if (typeof body !== 'object' || body === null) return;
      const long = lists.filter(([name, { maxItems }]) => isLong(body[name], maxItems));
      if (long.length === 0) return;
      const first = { ...body };
      for (const [name] of long) first[name] = (body[name] as unknown[]).slice(0, PART_LENGTH);
      whole.set(request, body);
      request.body = first;
    },
    preHandler: async (request: FastifyRequest) => {
      const body = whole.get(request);
      if (body === undefined) return;
      const first = request.body as Body;
      request.body = body;
      const validate = request.getValidationFunction('body') as unknown as Validator;
      const breather = new Breather();
      for (const [name] of lists) {
        const list = body[name];
        if (!Array.isArray(list)) continue;
        for (let start = PART_LENGTH; start < list.length; start += PART_LENGTH) {
          await breather.breathe();
          if (!validate({ ...first, [name]: list.slice(start, start + PART_LENGTH) }))
            throw invalidPart(validate, name, start);
        }
      }
    },
  };
}

/** A list that is too long is refused for its length. */
function isLong(list: unknown, maxItems = Number.POSITIVE_INFINITY): boolean {
  return Array.isArray(list) && list.length > PART_LENGTH && list.length <= maxItems;
}

/** As the framework says it, with the element's place in the whole list. */
function invalidPart({ errors }: Validator, name: string, start: number): Error {
  const validation = (errors ?? []).map((error) => {
    const match = new RegExp(`^/${name}/(\\d+)`).exec(error.instancePath);
    if (match === null) return error;
    const rest = error.instancePath.slice(match[0].length);
    return { ...error, instancePath: `/${name}/${start + Number(match[1])}${rest}` };
  });
  return Object.assign(new Error('invalid'), { validation, validationContext: 'body', statusCode: 400 });
}
