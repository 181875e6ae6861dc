// The headers that Bursar's answers carry beside the provider's: cost, what is left in the tightest budget, the decision,
// and RateLimit fields. And which of a provider's headers reach a caller.

import type { IncomingHttpHeaders } from 'node:http';
import type { FullLine, VisibleLine } from '../../access/visible.js';
import { type AtScale, rateLimitHeaders } from '../../budgets/rate-limit.js';
import { formatAmount } from '../../core/amount.js';
import { amountOut } from '../../kit/amounts.js';
import type { Call } from '../calls/call.js';
import type { CallCharge } from '../calls/charge.js';
import { tightestOf } from '../calls/figures.js';
import type { ErrorClass } from '../routing/route.js';
import type { GatewayContext } from './context.js';

export type AnswerHeaders = Record<string, string>;

/** Decimal digits of usd. */
const USD_SCALE = 8;

/** What a header can hold everywhere. */
const VISIBLE_ASCII = /^[\x20-\x7e]*$/;

/** Of a provider's answer; the rest is about the operator's account, or about the connection. */
const PASSED_HEADERS = [
  'content-type',
  'x-request-id',
  'request-id',
  'openai-processing-ms',
  'openai-version',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
] as const;

/** Adds the headers of a provider's answer that callers may see. */
export function passHeaders(from: IncomingHttpHeaders, to: AnswerHeaders): void {
  for (const name of PASSED_HEADERS) {
    const value = from[name];
    if (typeof value === 'string' && VISIBLE_ASCII.test(value)) to[name] = value;
  }
}

/**
 * When to try again after a provider's error: as its own headers say, else as its message does. Client libraries try a 429
 * again; a request that is itself at fault would only fail again.
 */
export function retryHints(headers: AnswerHeaders, failure: ErrorClass, now: number): void {
  if (failure.class === 'request') {
    delete headers['retry-after'];
    delete headers['retry-after-ms'];
    headers['x-should-retry'] = 'false';
  } else if ('until' in failure && (headers['retry-after'] ?? headers['retry-after-ms']) === undefined) {
    Object.assign(headers, retryHeaders(failure.until - now));
  }
}

/** When to try again, in seconds and in ms, as client libraries look for it. */
export function retryHeaders(retryAfterMs: number): AnswerHeaders {
  const wholeMs = Math.max(1, Math.ceil(retryAfterMs));
  return { 'retry-after': String(Math.ceil(wholeMs / 1_000)), 'retry-after-ms': String(wholeMs) };
}

export function decisionHeaders(
  decisionId: string,
  lines: readonly VisibleLine[],
  at: AtScale,
): AnswerHeaders {
  const headers: AnswerHeaders = { 'bursar-decision-id': decisionId };
  const tightest = tightestOf(lines);
  if (tightest !== null) {
    const { unit, budgetId } = tightest;
    headers['bursar-remaining'] = amountOut(left(tightest), unit, at.scales);
    headers['bursar-remaining-unit'] = unit;
    headers['bursar-remaining-budget'] = headerText(budgetId);
  }
  return Object.assign(headers, rateLimitHeaders(lines, at));
}

export function costHeaders({ usd, estimated }: Pick<CallCharge, 'usd' | 'estimated'>): AnswerHeaders {
  const headers: AnswerHeaders = { 'bursar-cost': formatAmount(usd, USD_SCALE) };
  if (estimated) headers['bursar-cost-estimated'] = 'true';
  return headers;
}

function left({ remaining }: FullLine): bigint {
  return remaining === null || remaining < 0n ? 0n : remaining;
}

/** Text that can stand in a header whatever it was. */
export function headerText(text: string): string {
  return VISIBLE_ASCII.test(text) ? text : encodeURIComponent(text);
}

/**
 * The headers that every answer to an authorised call has, whoever wrote its body: the decision, what is left in the budgets,
 * who answered, and what the call belongs to. `lines` are the figures of the call's budgets as they stand now.
 */
export function callHeaders(
  call: Call,
  lines: Call['lines'],
  {
    gateway,
    requestId,
  }: { readonly gateway: Pick<GatewayContext, 'linesFor' | 'scale' | 'goals'>; readonly requestId: string },
): AnswerHeaders {
  const headers = decisionHeaders(call.decisionId, gateway.linesFor(call.caller, lines), gateway.scale());
  const { changes, provider } = call.candidate;
  headers['bursar-provider'] = headerText(provider.name);
  Object.assign(headers, gateway.goals.headers(lines), call.record?.headers);
  // As the server's other answers; a provider's own request id takes this one's place.
  headers['x-request-id'] = requestId;
  headers['x-content-type-options'] = 'nosniff';
  headers['cache-control'] = 'no-store';
  if (changes.outputTokensMax !== undefined)
    headers['bursar-output-tokens-max'] = String(changes.outputTokensMax);
  return headers;
}
