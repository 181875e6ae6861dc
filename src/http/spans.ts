// OpenTelemetry: one server span a request, by the API package alone. Without an SDK nothing is made: the check is one
// field of the API's own proxy. Called by build-http.ts at a request's two ends, and where decisions are made.

import { type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { CommandOutcome } from '../core/outcomes.js';
import type { RouteRequest } from '../kit/route.js';
import type { Reply, Request } from './api.js';

const NAME = 'bursar';
const spans = new WeakMap<object, Span>();

interface MaybeProxy {
  getDelegateTracer?(name: string): Tracer | undefined;
}

/** The tracer of an SDK that is registered; undefined when there is none. */
function tracer(): Tracer | undefined {
  const provider = trace.getTracerProvider() as MaybeProxy;
  // The API's own proxy is there before any SDK, and then has nothing behind it.
  return provider.getDelegateTracer === undefined ? trace.getTracer(NAME) : provider.getDelegateTracer(NAME);
}

export function beginSpan(request: Request): void {
  const active = tracer();
  if (active === undefined) return;
  const { method, url = '' } = request.routeOptions;
  const attributes = {
    'http.request.method': request.method,
    'http.route': url,
    'bursar.request_id': request.id,
  };
  const name = `${typeof method === 'string' ? method : request.method} ${url}`;
  spans.set(request, active.startSpan(name, { kind: SpanKind.SERVER, attributes }));
}

/** What was decided: ids and words of the ledger's own, no labels and no amounts. */
export function noteDecision(request: RouteRequest, outcome: CommandOutcome): void {
  const span = spans.get(request);
  if (span === undefined) return;
  span.setAttribute('bursar.outcome', outcome.outcome);
  span.setAttribute('bursar.event_id', outcome.eventId);
  if ('decisionId' in outcome) span.setAttribute('bursar.decision_id', outcome.decisionId);
}

export function endSpan(request: Request, reply: Reply): void {
  const span = spans.get(request);
  if (span === undefined) return;
  span.setAttribute('http.response.status_code', reply.statusCode);
  if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
