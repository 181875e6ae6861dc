// What a feature keeps of a call whose caller asks for it (chats records calls as turns), declared here and implemented by
// the feature. The feature writes nothing of its own: its facts ride with the call's own commands, so that the call and its
// record begin in one durable step and end in one. Called by calls.ts and call.ts; the texts come from front/.

import type { Fact } from '../../core/facts.js';
import type { Decision, Outcome, Settlement } from '../../core/outcomes.js';
import type { Authorize, Labels } from '../../core/requests.js';
import type { Caller } from '../../kit/caller.js';
import type { Json } from '../dialects/json-scan.js';
import type { Endpoint } from '../metering/endpoints.js';
import type { CallEnd } from './charge.js';
import type { EndCommand } from './hold-end.js';

export interface CallRecorder {
  /** The record of a call whose caller asks for one, else null. Writes nothing. @throws RefusedError invalid_request */
  recordOf(call: RecordableCall): CallRecord | null;
}

export interface RecordableCall {
  readonly caller: Caller;
  /** The call's labels: tenant and user say whose record it is. */
  readonly labels: Labels;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly endpoint: Endpoint;
  /** The request's body. */
  readonly json: Json;
}

/** What a record adds to one command of its call. */
export interface RecordRider {
  /** Written if and only if the command is carried out. */
  readonly facts: readonly Fact[];
  /** Fields that the command's note gets; left out where the note would be too long. */
  readonly note: Readonly<Record<string, unknown>>;
}

/** Runs the call's command with what rides with it. It may be run once. */
export type RunRecorded<O> = (rider: RecordRider) => Promise<O>;

/** Runs the end of one attempt and the authorisation of the next in one durable batch, the end first. */
export type RunNextAttempt = (riders: {
  readonly ended: Pick<RecordRider, 'facts'>;
  readonly authorized: RecordRider;
}) => Promise<Decision>;

/**
 * The record of one call. Each method runs the command that it is given, once, and gives its outcome: the record decides
 * before it runs it, in an order of its own (one running turn a chat), and sees what the ledger said.
 */
export interface CallRecord {
  /** Headers of every answer to the call, which name the record; known once the call has begun. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * The first authorisation. The facts of `rider` say that the record has begun on this hold.
   * @throws RefusedError where the call cannot be recorded; it then does not go out
   */
  begin(request: Authorize, run: RunRecorded<Decision>): Promise<Decision>;

  /**
   * An attempt failed and the next candidate is asked for. The facts of `ended` end the record without a charge, those of
   * `authorized` let it go on with the new hold: where the ledger denies the new hold, the record has ended.
   */
  nextAttempt(request: Authorize, run: RunNextAttempt): Promise<Decision>;

  /**
   * The call's end. What it was charged stands in the outcome. A record that cannot be kept does not keep the call from
   * ending: `run` is run all the same.
   */
  end<O extends Outcome | Settlement>(ended: RecordedEnd, run: RunRecorded<O>): Promise<O>;

  /** The whole answer, parsed; before `end`. */
  answered(answer: unknown): void;
  /** One event of a streamed answer, in order; before `end`. */
  event(event: Uint8Array): void;
}

/** How a call ends. */
export interface RecordedEnd {
  readonly end: CallEnd;
  /** The command that ends the call's hold. */
  readonly command: EndCommand;
}
