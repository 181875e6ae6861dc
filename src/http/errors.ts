// Turns thrown errors into answers: a problem for the caller, and for a bug also a line in the log. Errors of Fastify itself
// (schemas, bodies, media types, paths) get the words of the catalogue here.

import type { FastifyError } from 'fastify';
import type { Problem } from '../budgets/outcomes-schema.js';
import { sendProblem } from './answers.js';
import type { Reply, Request } from './api.js';
import { VALUE_SHOWN_MAX } from './limits.js';
import { bugProblem, problemOf, refusal } from './problems.js';

export function answerError(error: unknown, request: Request, reply: Reply): void {
  const known = problemOf(error) ?? fastifyProblem(error as FastifyError, request);
  if (known === null) {
    // The error only: a body or a header may hold secrets.
    request.log.error({ requestId: request.id, err: error }, 'bug');
  }
  reply.send(sendProblem(request, reply, known ?? bugProblem()));
}

export function answerUnknownRoute(request: Request, reply: Reply): void {
  reply.send(sendProblem(request, reply, refusal('not_found', `there is no route ${request.method} here`)));
}

function fastifyProblem(error: FastifyError, request: Request): Problem | null {
  if (error.validation !== undefined) return validationProblem(error, request);
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refusal(
        'too_large',
        `the body has more than the ${request.routeOptions.bodyLimit} bytes allowed`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { ...refusal('invalid_request', 'content-type: a body is application/json'), status: 415 };
    default:
      return error.statusCode !== undefined && error.statusCode < 500
        ? { ...refusal('invalid_request', cut(error.message)), status: error.statusCode }
        : null;
  }
}

function validationProblem(error: FastifyError, request: Request): Problem {
  const [first] = error.validation ?? [];
  const part = error.validationContext ?? 'body';
  const { field, value } = placeOf(first?.instancePath ?? '', partOf(request, part));
  const { params = {}, keyword = '', message = 'is invalid' } = first ?? {};
  if (keyword === 'required') {
    const missing = joined(field, String(params.missingProperty));
    return refusal('invalid_request', `${missing}: is required`, { field: missing });
  }
  if (keyword === 'additionalProperties') {
    const extra = joined(field, cut(String(params.additionalProperty)));
    return refusal('invalid_request', `${extra}: is no field of this request`, { field: extra });
  }
  const named = field === '' ? part : field;
  return refusal('invalid_request', `${named}: ${shownValue(value)} ${messageOf(keyword, params, message)}`, {
    field: named,
  });
}

function messageOf(keyword: string, params: Record<string, unknown>, message: string): string {
  const { allowedValues } = params;
  return keyword === 'enum' && Array.isArray(allowedValues)
    ? `is none of ${allowedValues.join(', ')}`
    : message;
}

function partOf(request: Request, part: string): unknown {
  if (part === 'body') return request.body;
  if (part === 'params') return request.params;
  return part === 'querystring' ? request.query : request.headers;
}

/** `/commands/3/amounts/usd` is commands[3].amounts.usd. */
function placeOf(pointer: string, root: unknown): { field: string; value: unknown } {
  let field = '';
  let value = root;
  for (const escaped of pointer.split('/').slice(1)) {
    const key = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    field = Array.isArray(value) ? `${field}[${key}]` : joined(field, cut(key));
    const isInside = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
    value = isInside ? (value as Record<string, unknown>)[key] : undefined;
  }
  return { field, value };
}

function joined(field: string, name: string): string {
  return field === '' ? name : `${field}.${name}`;
}

function shownValue(value: unknown): string {
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
  return cut(JSON.stringify(value) ?? 'nothing');
}

function cut(text: string): string {
  return text.length <= VALUE_SHOWN_MAX ? text : `${text.slice(0, VALUE_SHOWN_MAX)}…`;
}
