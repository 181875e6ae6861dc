// Every answer of the gateway's own that is no success: one table from refusal codes to statuses, and the error bodies that the
// clients of each dialect expect. A code that is missing here does not compile. The gateway never answers 409, which client
// libraries try again.

import type { VisibleLine } from '../../access/visible.js';
import { formatAmount } from '../../core/amount.js';
import type { DenialReason, Denied } from '../../core/outcomes.js';
import type { Scales } from '../../kit/amounts.js';
import type { RefusalCode } from '../../kit/refusals.js';
import type { PricedCandidate } from '../calls/candidates.js';
import { type DenialAnswer, type DenialCode, type DenialTerms, denialAnswer } from '../calls/denial.js';
import { type LineFigures, lineFigures } from '../calls/figures.js';
import { holdParts, holdPartsText, howToHoldLess } from '../calls/hold-parts.js';
import type { DeniedCall, NoProvider } from '../calls/refusals.js';
import type { DialectName } from '../metering/endpoints.js';
import { type AnswerHeaders, retryHeaders } from './answer-headers.js';

export interface GatewayAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
}

interface RefusalStatus {
  readonly status: number;
  /** Whether client libraries are told not to try again; they do so by themselves for 429 and from 500 on. */
  readonly final: 'final' | 'by_status';
}

const STATUSES: Readonly<Record<RefusalCode, RefusalStatus>> = {
  invalid_request: { status: 400, final: 'final' },
  invalid_api_key: { status: 401, final: 'by_status' },
  forbidden: { status: 403, final: 'by_status' },
  label_forbidden: { status: 403, final: 'by_status' },
  not_found: { status: 404, final: 'by_status' },
  websocket_not_taken: { status: 426, final: 'by_status' },
  route_not_metered: { status: 404, final: 'by_status' },
  model_not_found: { status: 404, final: 'by_status' },
  price_unknown: { status: 400, final: 'final' },
  not_meterable: { status: 400, final: 'final' },
  // With a time at which a provider resets it is 429 quota_exceeded; without one waiting does not help.
  no_provider: { status: 402, final: 'final' },
  provider_failed: { status: 502, final: 'by_status' },
  // The next three belong to the native API, which has Idempotency-Keys.
  idempotency_key_required: { status: 400, final: 'final' },
  idempotency_key_reused: { status: 422, final: 'final' },
  idempotency_key_in_flight: { status: 503, final: 'by_status' },
  conflict: { status: 400, final: 'final' },
  too_large: { status: 413, final: 'final' },
  rate_limited: { status: 429, final: 'by_status' },
  overloaded: { status: 503, final: 'by_status' },
  draining: { status: 503, final: 'by_status' },
  ledger_unavailable: { status: 503, final: 'by_status' },
  store_unavailable: { status: 503, final: 'by_status' },
};

/** Anthropic's own types of errors by status; its clients look at the status, its users at the type. */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

/**
 * What Anthropic's clients look for in `error.details` when a field is refused. Their tool runner asks for a thread first,
 * and goes on without one where it reads these words (`lib/internal/threads/ThreadState` of `@anthropic-ai/sdk`).
 */
const ANTHROPIC_DETAILS: ReadonlyMap<string | null, object> = new Map([
  ['thread', { error_code: 'thread_unsupported_request', unsupported: ['thread'] }],
]);

const OPENAI_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'insufficient_quota',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'insufficient_quota',
};

interface ErrorFacts {
  readonly status: number;
  readonly code: RefusalCode | DenialCode;
  readonly message: string;
  readonly field: string | null;
  readonly requestId: string;
  readonly figures: Partial<LineFigures> | null;
  readonly decisionId: string | null;
  readonly hold?: readonly HeldPart[];
}

/** A refusal before the ledger was asked, or a failure behind it. */
export function refusalAnswer(
  dialect: DialectName,
  refusal: {
    readonly code: RefusalCode;
    readonly message: string;
    readonly retryAfterMs?: number | null;
    readonly field?: string | null;
    /** Instead of the code's own, for a provider that timed out. */
    readonly status?: number;
    /** Where the ledger journalled it. */
    readonly decision?: { readonly id: string; readonly figures: Partial<LineFigures> } | null;
  },
  requestId: string,
): GatewayAnswer {
  const { message, field = null, retryAfterMs = null, decision = null } = refusal;
  const meaning = STATUSES[refusal.code];
  const resets = refusal.code === 'no_provider' && retryAfterMs !== null;
  const status = resets ? 429 : (refusal.status ?? meaning.status);
  const code: ErrorFacts['code'] = resets ? 'quota_exceeded' : refusal.code;
  const headers: AnswerHeaders = { 'content-type': 'application/json' };
  if (meaning.final === 'final' && !resets) headers['x-should-retry'] = 'false';
  if (retryAfterMs !== null) Object.assign(headers, retryHeaders(retryAfterMs));
  const figures = decision?.figures ?? null;
  const facts = { status, code, message, field, requestId, figures, decisionId: decision?.id ?? null };
  return { status, headers, body: errorBody(dialect, facts) };
}

/** No provider takes the call; `show` is what the caller may see of a line. */
export function noProviderAnswer(
  dialect: DialectName,
  refusal: Omit<Parameters<typeof refusalAnswer>[1], 'decision'> & { readonly decision: NoProvider },
  about: Pick<DenialAbout, 'scales' | 'show' | 'requestId'>,
): GatewayAnswer {
  const { decisionId: id, line, resetsAt } = refusal.decision;
  const [shown] = line === null ? [] : about.show([line]);
  const resets_at = resetsAt === null ? null : new Date(resetsAt).toISOString();
  const figures = shown === undefined ? null : lineFigures(shown, about.scales, { resetsAt, cap: null });
  const message = figures === null ? refusal.message : `${refusal.message} ${told(figures)}.`;
  const decision = { id, figures: figures ?? { scope: 'platform' as const, resets_at } };
  return refusalAnswer(dialect, { ...refusal, message, decision }, about.requestId);
}

interface DenialAbout {
  readonly terms: DenialTerms;
  readonly scales: Scales;
  readonly show: (lines: Denied['lines']) => readonly VisibleLine[];
  readonly requestId: string;
}

/** A denial of the ledger's; `show` is what the caller may see of a line. */
export function deniedAnswer(
  dialect: DialectName,
  { denied, candidates }: DeniedCall,
  about: DenialAbout,
): GatewayAnswer {
  const answer = denialAnswer(denied, about.terms);
  const [shown] = answer.line === null ? [] : about.show([answer.line]);
  const figures = shown === undefined ? null : lineFigures(shown, about.scales, answer);
  const headers: AnswerHeaders = { 'content-type': 'application/json' };
  if (answer.final) headers['x-should-retry'] = 'false';
  if (answer.retryAfterMs !== null) Object.assign(headers, retryHeaders(answer.retryAfterMs));
  const hold = heldFor(answer, candidates);
  const unmet = denied.unmet.length === 0 ? '' : ` (required for: ${denied.unmet.join(', ')})`;
  const message = `Bursar refused this call: ${answer.sentence}${unmet}${figures === null ? '' : `. ${told(figures)}`}.${hold.text}`;
  const { status, code } = answer;
  const { requestId } = about;
  const facts = { status, code, message, field: null, requestId, figures, decisionId: denied.decisionId };
  return { status, headers, body: errorBody(dialect, { ...facts, hold: hold.parts }) };
}

/** A part of what the call would have held. The parts add up to `requested`. */
interface HeldPart {
  readonly part: string;
  readonly tokens: string;
  readonly usd: string;
}

// Where the size of the call decides: a budget of calls, or one that is paused, lets no smaller one pass either.
function heldFor(
  { line, reason, candidate }: DenialAnswer,
  candidates: readonly PricedCandidate[],
): { readonly parts: readonly HeldPart[]; readonly text: string } {
  const of = candidates[candidate];
  const isSized = line !== null && (line.unit === 'usd' || line.unit === 'tokens') && SIZED.has(reason);
  if (of === undefined || !isSized) return { parts: [], text: '' };
  const parts = holdParts(of);
  const how = howToHoldLess(of, parts);
  return {
    parts: parts.map(({ part, tokens, usd }) => ({
      part,
      tokens: String(tokens),
      usd: formatAmount(usd, USD_SCALE),
    })),
    text: ` Held would be: ${holdPartsText(parts)}.${how === null ? '' : ` To hold less: ${how}.`}`,
  };
}

const SIZED: ReadonlySet<DenialReason> = new Set(['held', 'exhausted', 'too_large']);
/** One step is 1e-8 usd. */
const USD_SCALE = 8;

// What people read first: which budget, whose, and the figures (field problems 35 and 38).
function told({ budget_id, scope, unit, limit, spent, held, requested, resets_at }: LineFigures): string {
  const whose = scope === 'tenant' ? 'Budget' : 'Budget of the platform';
  const figures =
    requested === undefined
      ? ''
      : spent === undefined
        ? `: at most ${limit} ${unit} a call, this call up to ${requested}`
        : `: limit ${limit ?? 'none'} ${unit}, spent ${spent}, held ${held}, this call up to ${requested}`;
  return `${whose} ${JSON.stringify(budget_id)}${figures}${resets_at === null ? '' : `; resets at ${resets_at}`}`;
}

function errorBody(dialect: DialectName, facts: ErrorFacts): string {
  const { status, code, message, field, requestId, figures, decisionId, hold = [] } = facts;
  const parts = hold.length === 0 ? {} : { hold };
  const ours = { ...figures, ...parts, ...(decisionId === null ? {} : { decision_id: decisionId }) };
  if (dialect === 'anthropic') {
    const type = ANTHROPIC_TYPES[status] ?? 'api_error';
    const details = code === 'not_meterable' ? ANTHROPIC_DETAILS.get(field) : undefined;
    const error = { type, message, code, ...(details === undefined ? {} : { details }), ...ours };
    return JSON.stringify({ type: 'error', error, request_id: requestId });
  }
  const type = OPENAI_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  return JSON.stringify({ error: { message, type, param: field, code, ...ours } });
}
