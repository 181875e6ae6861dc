// The gateway's own answers to calls that do not go out: what the ledger or the service refused, and what went wrong before
// either was asked, each in the dialect of its caller. Called by gateway.ts and metered-calls.ts.

import type { FastifyReply } from 'fastify';
import type { BudgetLine, Denied } from '../../core/outcomes.js';
import type { Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import type { CallRefusal } from '../calls/refusals.js';
import type { DialectName } from '../metering/endpoints.js';
import { decisionHeaders } from './answer-headers.js';
import type { GatewayContext } from './context.js';
import type { GatewayParts } from './parts.js';
import { deniedAnswer, type GatewayAnswer, noProviderAnswer, refusalAnswer } from './refusal-answers.js';

interface CallerRequest {
  readonly dialect: DialectName;
  readonly requestId: string;
}

/** A call that was refused: by the ledger, for want of a provider, or before the ledger was asked. */
export function refusedAnswer(
  { dialect, requestId }: CallerRequest,
  refusal: CallRefusal,
  about: {
    readonly caller: Caller;
    readonly gateway: Pick<GatewayContext, 'scale' | 'settings' | 'linesFor'>;
    readonly parts: Pick<GatewayParts, 'ledger' | 'goals' | 'quotas'>;
  },
): GatewayAnswer {
  const { caller, gateway, parts } = about;
  const { scales, now } = gateway.scale();
  const show = (lines: readonly BudgetLine[]) => gateway.linesFor(caller, lines);
  const terms = {
    exhaustedStatus: gateway.settings().exhaustedStatus,
    budgetOf: (id: string) => parts.ledger.budget(id),
    quotas: parts.quotas,
  };
  const shownAs = { terms, scales, show, requestId };
  const withFigures = (decision: Pick<Denied, 'decisionId' | 'lines'>, answer: GatewayAnswer) => {
    const figures = decisionHeaders(decision.decisionId, show(decision.lines), { scales, now });
    return { ...answer, headers: { ...figures, ...parts.goals.headers(decision.lines), ...answer.headers } };
  };
  if (refusal.refusal === 'denied')
    return withFigures(refusal.denied, deniedAnswer(dialect, refusal, shownAs));
  const { refusal: code, decision } = refusal;
  if (decision === null) return refusalAnswer(dialect, { ...refusal, code, decision }, requestId);
  return withFigures(decision, noProviderAnswer(dialect, { ...refusal, code, decision }, shownAs));
}

/** What Fastify or the service throws before a call is authorised; null for a bug, which its operator is told. */
export function thrownAnswer(
  { dialect, requestId }: CallerRequest,
  error: unknown,
  { bodyBytesMax }: { readonly bodyBytesMax: number },
): GatewayAnswer | null {
  if (error instanceof RefusedError) {
    const { code, message, about } = error;
    return refusalAnswer(dialect, { code, message, ...about }, requestId);
  }
  const status = (error as { readonly statusCode?: unknown }).statusCode;
  if (status === 413) {
    const message = `The body is larger than ${bodyBytesMax} bytes.`;
    return refusalAnswer(dialect, { code: 'too_large', message }, requestId);
  }
  if (typeof status !== 'number' || status < 400 || status >= 500) return null;
  return refusalAnswer(dialect, { code: 'invalid_request', message: 'The request is malformed.' }, requestId);
}

export function bugAnswer({ dialect, requestId }: CallerRequest): GatewayAnswer {
  const message = 'Bursar failed; nothing was sent to a provider.';
  return refusalAnswer(dialect, { code: 'ledger_unavailable', message, status: 500 }, requestId);
}

export function send(reply: FastifyReply, { status, headers, body }: GatewayAnswer): FastifyReply {
  return reply
    .code(status)
    .headers({ 'bursar-cost': '0', ...headers })
    .send(body);
}
