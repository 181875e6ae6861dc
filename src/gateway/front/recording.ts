// Whether a call is recorded as a turn of a chat: its caller asks for it with the header `Bursar-Chat`, or its key has the
// label `record: chats`. Called by gateway.ts before a call is authorised; chats/recorder.ts does it.

import type { IncomingHttpHeaders } from 'node:http';
import { NEW_CHAT, type RecordedCall, type Recorder } from '../../chats/recorder.js';
import { isSpoken, Transcript } from '../../chats/transcript.js';
import type { Labels } from '../../core/requests.js';
import type { Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import type { CallsLedger } from '../calls/calls.js';
import type { Endpoint } from '../dialects/dialect.js';
import type { Json } from '../dialects/request-body.js';

const CHAT_HEADER = 'bursar-chat';
/** On a key: each of its calls is recorded in a chat of its own, unless the header names one. */
const RECORD_LABEL = { name: 'record', value: 'chats' } as const;
/** Ids of chats are UUIDs. */
const CHAT_ID = /^[A-Za-z0-9-]{1,64}$/;

export interface RecordableCall {
  readonly caller: Caller;
  readonly labels: Labels;
  readonly headers: IncomingHttpHeaders;
  readonly endpoint: Endpoint;
  /** What the body says. */
  readonly json: Json;
}

/** The call's way to the ledger where it is recorded, else null. @throws RefusedError invalid_request */
export function recordingOf(
  { caller, labels, headers, endpoint, json }: RecordableCall,
  { recorder, ledger }: { readonly recorder: Recorder; readonly ledger: CallsLedger },
): RecordedCall | null {
  if (!isSpoken(endpoint)) return null;
  const chat = chatIn(headers, caller.labels);
  if (chat === null) return null;
  return recorder.record({ caller, labels, chat, transcript: new Transcript(endpoint, json) }, ledger);
}

function chatIn(headers: IncomingHttpHeaders, fixed: Labels): string | null {
  const stated = headers[CHAT_HEADER];
  if (stated === undefined) return fixed[RECORD_LABEL.name] === RECORD_LABEL.value ? NEW_CHAT : null;
  if (typeof stated === 'string' && CHAT_ID.test(stated)) return stated;
  const problem = `the header ${CHAT_HEADER} is a chat's id, or ${NEW_CHAT}`;
  throw new RefusedError('invalid_request', problem, { field: CHAT_HEADER });
}
