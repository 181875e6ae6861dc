// A request on a metered route: read, authorised, and handed to an exchange, or refused. Called by gateway.ts for each.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { labelsOfGatewayCall, mayState } from '../../access/labels.js';
import type { Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import type { Calls } from '../calls/calls.js';
import { asksLongContext } from '../dialects/anthropic-betas.js';
import { dialects } from '../dialects/dialects.js';
import type { Json } from '../dialects/json-scan.js';
import { parseForm } from '../dialects/multipart.js';
import { type ParsedBody, parseBody, parseInTurns } from '../dialects/request-body.js';
import { FORM_ENDPOINTS } from '../metering/endpoints.js';
import type { GatewayContext } from './context.js';
import { Exchange } from './exchange.js';
import { refusedAnswer, send } from './gateway-answers.js';
import type { GatewayParts } from './parts.js';
import { labelsIn } from './request-headers.js';
import { forDeployment, type MeteredRoute } from './routes.js';

/** A restart is over within it. */
const DRAINING_RETRY_MS = 1_000;
const NO_BODY = Buffer.alloc(0);
/** Bytes of a body that is read while others get a turn: a smaller one takes a few milliseconds. */
const LARGE_BYTES = 1024 * 1024;

export class MeteredCalls {
  constructor(
    private readonly parts: Pick<
      GatewayParts,
      'isDraining' | 'goals' | 'quotas' | 'storedResponses' | 'recorder' | 'ledger' | 'onDecision'
    >,
    private readonly gateway: GatewayContext,
    private readonly calls: Pick<Calls, 'begin'>,
  ) {}

  /** @throws RefusedError before the ledger is asked */
  async handle(
    route: MeteredRoute,
    caller: Caller,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { parts, gateway } = this;
    if (parts.isDraining()) {
      const about = { retryAfterMs: DRAINING_RETRY_MS };
      throw new RefusedError('draining', 'Bursar is stopping; try again shortly.', about);
    }
    const { endpoint } = route;
    const { headers } = request;
    const body = await bodyOf(request, FORM_ENDPOINTS.has(endpoint));
    const known = { earlierTokens: earlierTokens(body.json, caller, parts.storedResponses) };
    const dialect = dialects[route.dialect];
    const stated = labelsIn(headers);
    let labels = labelsOfGatewayCall(caller, stated);
    const reading = dialect.readRequest(endpoint, body, known);
    const { user } = reading.facts;
    const { userLabel } = gateway.settings();
    if (userLabel !== null && user !== null && !Object.hasOwn(labels, userLabel)) {
      // Clients fill that field for purposes of their own: where the key does not allow the label, it is no misuse.
      if (mayState(caller, userLabel)) labels = labelsOfGatewayCall(caller, { ...stated, [userLabel]: user });
    }
    parts.goals.assertUsable(caller, labels);
    const record = parts.recorder.recordOf({ caller, labels, headers, endpoint, json: body.json });
    const began = performance.now();
    const begun = await this.calls.begin({
      caller,
      labels,
      dialect: route.dialect,
      reading,
      longContext: asksLongContext(headers['anthropic-beta']),
      record,
    });
    const isRefused = 'refusal' in begun;
    if (!isRefused || begun.refusal === 'denied' || begun.decision !== null)
      parts.onDecision(isRefused ? 'denied' : 'authorized', performance.now() - began);
    const requestId = request.id;
    if (isRefused) {
      const asked = { dialect: route.dialect, requestId };
      return send(reply, refusedAnswer(asked, begun, { caller, gateway, parts }));
    }
    reply.hijack();
    const path = sentPath(route, request.url);
    new Exchange(gateway, {
      dialect,
      path,
      headers,
      reading,
      requestId,
      response: reply.raw,
      call: begun,
    }).send();
    return reply;
  }
}

// A provider would go on from any response that the operator's key made, be it another tenant's.
function earlierTokens(
  { previous_response_id: id }: Json,
  caller: Caller,
  stored: GatewayParts['storedResponses'],
): number | null {
  return typeof id === 'string' ? stored.tokensOf(caller, id) : null;
}

async function bodyOf({ body, params }: FastifyRequest, isForm: boolean): Promise<ParsedBody> {
  const bytes = body instanceof Buffer ? body : NO_BODY;
  const parse = isForm ? parseForm : parseBody;
  const stated = !isForm && bytes.length > LARGE_BYTES ? await parseInTurns(bytes) : parse(bytes);
  const { deployment } = params as { readonly deployment?: string };
  return deployment === undefined ? stated : forDeployment(deployment, stated, parse);
}

/** Of the query only what Anthropic's clients send goes out; all else stays here. */
function sentPath({ dialect, path }: MeteredRoute, url: string): string {
  return dialect === 'anthropic' && isBeta(url) ? `${path}?beta=true` : path;
}

function isBeta(url: string): boolean {
  const query = url.indexOf('?');
  return query !== -1 && new URLSearchParams(url.slice(query + 1)).get('beta') === 'true';
}
