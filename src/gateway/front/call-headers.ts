// The headers that every answer to an authorised call has, whoever wrote its body: the decision, what is left in the
// budgets, who answered, the chat and the goal that the call belongs to. Called by exchange.ts.

import type { Call } from '../calls/call.js';
import { type AnswerHeaders, decisionHeaders, headerText } from './answer-headers.js';
import type { GatewayContext } from './context.js';

/** `lines` are the figures of the call's budgets as they stand now. */
export function callHeaders(
  call: Call,
  lines: Call['lines'],
  { gateway, requestId }: { readonly gateway: GatewayContext; readonly requestId: string },
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
