// OpenTelemetry spans of calls to providers (semantic conventions for generative AI), through the API package alone:
// where no SDK is installed they record nothing and cost next to nothing. No text of callers or providers is in them.

import { type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Call } from '../calls/call.js';
import type { EndOfCall } from '../calls/charge.js';
import type { DialectName, Endpoint } from '../metering/endpoints.js';

const OPERATIONS: Readonly<Record<Endpoint, string>> = {
  chat_completions: 'chat',
  responses: 'chat',
  messages: 'chat',
  embeddings: 'embeddings',
  count_tokens: 'count_tokens',
  completions: 'text_completion',
  compact: 'chat',
  input_tokens: 'count_tokens',
  moderations: 'moderation',
  images: 'generate_content',
  image_edits: 'generate_content',
  image_variations: 'generate_content',
  speech: 'generate_content',
  transcriptions: 'generate_content',
  translations: 'generate_content',
};

const tracer = trace.getTracer('bursar');

/** The span of one attempt; ended once, by either method. */
export class CallSpan {
  constructor(private readonly span: Span) {}

  /** The attempt failed, as its error was classified; the status is 0 where none came. */
  failed(status: number, errorClass: string): void {
    if (status > 0) this.span.setAttribute('http.response.status_code', status);
    this.span.setAttribute('error.type', errorClass);
    this.span.setStatus({ code: SpanStatusCode.ERROR });
    this.span.end();
  }

  ended({ end, usage }: EndOfCall): void {
    const input = usage?.inputTokens.total;
    const output = usage?.outputTokens.total;
    if (typeof input === 'number') this.span.setAttribute('gen_ai.usage.input_tokens', input);
    if (typeof output === 'number') this.span.setAttribute('gen_ai.usage.output_tokens', output);
    this.span.setAttribute('bursar.call.end', end);
    if (end !== 'completed') this.span.setAttribute('error.type', end);
    this.span.end();
  }
}

/** Null where nothing records. */
export function startCallSpan({ facts, candidate, decisionId }: Call, dialect: DialectName): CallSpan | null {
  const operation = OPERATIONS[facts.endpoint];
  const span = tracer.startSpan(`${operation} ${candidate.model}`, { kind: SpanKind.CLIENT });
  if (!span.isRecording()) return null;
  span.setAttributes({
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': candidate.provider.name,
    'gen_ai.system': dialect,
    'gen_ai.request.model': candidate.model,
    'gen_ai.request.max_tokens': candidate.outputTokensMax,
    'bursar.decision_id': decisionId,
  });
  return new CallSpan(span);
}
