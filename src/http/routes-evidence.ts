// Evidence over HTTP: events, explained decisions, verification, certificates, the head.

import type { FastifyInstance } from 'fastify';
import { hasScope } from '../access/scopes.js';
import type { EventStreamQuery, Explanation } from '../budgets/evidence-schema.js';
import { certificateOut, explanationOut, headOut } from '../budgets/views-out.js';
import type { LedgerEvent } from '../core/outcomes.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { Api, Request } from './api.js';
import type { EventStreams } from './event-stream.js';
import {
  EXPLANATIONS_MAX,
  EXPLANATIONS_OF_KEY_MAX,
  VERIFICATIONS_MAX,
  VERIFICATIONS_OF_KEY_MAX,
} from './limits.js';
import { listEvents } from './lists.js';
import { serve } from './serve.js';
import { EVIDENCE_ROUTES } from './service-routes.js';
import { Shares } from './shares.js';

export function evidenceRoutes(app: FastifyInstance, api: Api, streams: EventStreams): void {
  const explanations = new Shares({
    what: 'explanations',
    ofKeyMax: EXPLANATIONS_OF_KEY_MAX,
    max: EXPLANATIONS_MAX,
  });
  const verifications = new Shares({
    what: 'verifications',
    ofKeyMax: VERIFICATIONS_OF_KEY_MAX,
    max: VERIFICATIONS_MAX,
  });
  serve(app, 'listEvents', EVIDENCE_ROUTES.listEvents, ({ caller, query }) => listEvents(api, caller, query));
  serve(app, 'streamEvents', EVIDENCE_ROUTES.streamEvents, (request, reply) => {
    const stream = streams.open(api, request.caller, resumed(request, request.query));
    reply.type('text/event-stream; charset=utf-8').header('x-accel-buffering', 'no');
    return reply.send(stream);
  });
  serve(app, 'explainDecision', EVIDENCE_ROUTES.explainDecision, ({ caller, params }) =>
    explanations.take(caller.keyId, () => explain(api, caller, params.id)),
  );
  serve(app, 'verify', EVIDENCE_ROUTES.verify, ({ caller }) =>
    verifications.take(caller.keyId, () => api.evidence.verify()),
  );
  serve(app, 'certify', EVIDENCE_ROUTES.certify, (_request, reply) => {
    reply.code(201);
    return certificateOut(api.ledger.certify(), api.scales);
  });
  serve(app, 'getHead', EVIDENCE_ROUTES.getHead, () => headOut(api.ledger.head()));
}

/** A browser that reconnects sends the id of the last event that it had. @throws RefusedError invalid_request */
function resumed(request: Request, query: EventStreamQuery): EventStreamQuery {
  const last = request.headers['last-event-id'];
  if (last === undefined || last === '') return query;
  if (typeof last !== 'string' || !/^\d{1,15}$/.test(last))
    throw new RefusedError('invalid_request', 'Last-Event-ID: is no sequence number', {
      field: 'Last-Event-ID',
    });
  return { ...query, after: Math.max(Number(last), query.after ?? 0) };
}

/** @throws RefusedError not_found, also for a decision of another tenant's */
async function explain(api: Api, caller: Caller, id: string): Promise<Explanation> {
  // Whose it is, before the journal is replayed for it.
  const match = /^(?:dec|evt)-(\d{1,15})$/.exec(id);
  const event = match === null ? undefined : await api.evidence.event(Number(match[1]));
  if (event === undefined || !isItsOwn(api, caller, event))
    throw new RefusedError('not_found', 'there is no such decision', { field: 'id' });
  const explanation = await api.evidence.explain(id);
  return explanationOut(api.tenancy.explanation(caller, explanation), api.scales);
}

/** What a key spends it may have explained; what budgets became is for those who read. */
function isItsOwn(api: Api, caller: Caller, event: LedgerEvent): boolean {
  if (event.holdId === null && event.details.labels === undefined && !hasScope(caller, 'read')) return false;
  return api.tenancy.visibleEvent(caller, event) !== null;
}
