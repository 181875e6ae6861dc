// Evidence over HTTP: events, explained decisions, verification, certificates, the head.

import { hasScope } from '../access/scopes.js';
import type { Evidence } from '../authority/api.js';
import type { LedgerEvent } from '../core/outcomes.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { RouteHost, RouteRequest } from '../kit/route.js';
import type { EventStreamParts, EventStreams } from './event-stream.js';
import { EVIDENCE_ROUTES, type EventStreamQuery, type Explanation } from './evidence-api.js';
import { listEvents } from './lists.js';
import { Shares } from './shares.js';
import { certificateOut, explanationOut, headOut } from './views-out.js';

export interface EvidenceParts extends EventStreamParts {
  readonly evidence: Evidence;
}

/** Explanations replay the journal, one at a time in a thread of their own: so many of one key are under way or wait … */
const EXPLANATIONS_OF_KEY_MAX = 4;
/** … and so many of all, each a second or so. */
const EXPLANATIONS_MAX = 64;
/** A verification reads all of the journal: one, and one that waits. */
const VERIFICATIONS_OF_KEY_MAX = 1;
const VERIFICATIONS_MAX = 2;

export function evidenceRoutes(host: RouteHost, parts: EvidenceParts, streams: EventStreams): void {
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
  host.serve('listEvents', EVIDENCE_ROUTES.listEvents, ({ caller, query }) =>
    listEvents(parts, caller, query),
  );
  host.serve('streamEvents', EVIDENCE_ROUTES.streamEvents, (request, reply) => {
    const stream = streams.open(parts, request.caller, resumed(request, request.query));
    reply.header('x-accel-buffering', 'no');
    return reply.bytes('text/event-stream; charset=utf-8', stream);
  });
  host.serve('explainDecision', EVIDENCE_ROUTES.explainDecision, ({ caller, params }) =>
    explanations.take(caller.keyId, () => explain(parts, caller, params.id)),
  );
  host.serve('verify', EVIDENCE_ROUTES.verify, ({ caller }) =>
    verifications.take(caller.keyId, () => parts.evidence.verify()),
  );
  host.serve('certify', EVIDENCE_ROUTES.certify, ({ caller }, reply) => {
    reply.code(201);
    return certificateOut(parts.ledger.certify({ actor: actorOf(caller) }), host.scales);
  });
  host.serve('getHead', EVIDENCE_ROUTES.getHead, () => headOut(parts.ledger.head()));
}

/** A browser that reconnects sends the id of the last event that it had. @throws RefusedError invalid_request */
function resumed(request: RouteRequest, query: EventStreamQuery): EventStreamQuery {
  const last = request.headers['last-event-id'];
  if (last === undefined || last === '') return query;
  if (typeof last !== 'string' || !/^\d{1,15}$/.test(last))
    throw new RefusedError('invalid_request', 'Last-Event-ID: is no sequence number', {
      field: 'Last-Event-ID',
    });
  return { ...query, after: Math.max(Number(last), query.after ?? 0) };
}

/** @throws RefusedError not_found, also for a decision of another tenant's */
async function explain(parts: EvidenceParts, caller: Caller, id: string): Promise<Explanation> {
  // Whose it is, before the journal is replayed for it.
  const match = /^(?:dec|evt)-(\d{1,15})$/.exec(id);
  const event = match === null ? undefined : await parts.evidence.event(Number(match[1]));
  if (event === undefined || !isItsOwn(parts, caller, event))
    throw new RefusedError('not_found', 'there is no such decision', { field: 'id' });
  const explanation = await parts.evidence.explain(id);
  return explanationOut(parts.tenancy.explanation(caller, explanation), parts.scales);
}

/** What a key spends it may have explained; what budgets became is for those who read. */
function isItsOwn(parts: EvidenceParts, caller: Caller, event: LedgerEvent): boolean {
  if (event.holdId === null && event.details.labels === undefined && !hasScope(caller, 'read')) return false;
  return parts.tenancy.visibleEvent(caller, event) !== null;
}
