// The section `gateway` of the configuration: how calls are held, bounded and refused. Owns the defaults and the bounds.
// docs/configuration.md lists every field.

import { CALLER_LABEL_NAME, LABELS_OF_THE_SERVICE } from '../../access/labels.js';
import { LABELS_MAX, labelKeyProblem, quoted } from '../../core/labels.js';
import {
  duration,
  flag,
  listOf,
  oneOf,
  type Reader,
  setting,
  type ValuesOf,
  whole,
} from '../../kit/file-value.js';
import { TOKENS_MAX } from '../metering/usage.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Each open call takes two sockets; a process has 65,536 of them on most systems, unless configured otherwise. */
const OPEN_CALLS_MAX = 100_000;
/** Beyond what a provider runs for one request. */
const TOOL_CALLS_MAX = 1_000;
const TOOL_ROUNDS_MAX = 100;
const TOOL_ROUND_TOKENS_MAX = 1_000_000;

const labelName: Reader<string> = (value) => {
  if (typeof value.scalar !== 'string') return value.problem(`${value.described} is not a label name`);
  const problem = labelKeyProblem(value.scalar);
  if (problem === null) return value.scalar;
  return value.problem(`the label name ${quoted(value.scalar)} ${problem}`);
};

// A label that only the gateway or the key sets would refuse every call that names a user.
const userLabel: Reader<string> = (value) => {
  if (CALLER_LABEL_NAME.test(value.text) && !LABELS_OF_THE_SERVICE.has(value.text)) return value.text;
  return value.problem(`${value.described} is not a label that a caller may state, such as user`);
};

const exhaustedStatus: Reader<402 | 429> = (value) =>
  value.scalar === 402 || value.scalar === 429
    ? value.scalar
    : value.problem(`${value.described} is not 402 or 429`);

export const GATEWAY_SETTINGS = {
  /** Labels for which some budget with a limit must exist, else the call is refused. */
  require: setting(listOf(LABELS_MAX, labelName), ['tenant']),
  /** The label that a request's own field for its user becomes, where the key lets its caller state it; null: none. */
  userLabel: setting(userLabel, null),
  /** The most output that is held, and asked for, when the caller states no limit; null: the model's own limit. */
  outputTokensUnstated: setting(whole(1, TOKENS_MAX), null),
  /**
   * The least that is asked for when the caller states no limit, however little is left. OpenAI's guide to reasoning models
   * advises to reserve 25,000 tokens for reasoning; the rest is for the answer.
   */
  outputTokensLeast: setting(whole(1, TOKENS_MAX), 32_000),
  /** Percent of what is left in a budget that an added or a cut limit of output may hold. */
  outputSharePercent: setting(whole(1, 100), 50),
  /** Cut a stated limit of output to what the headroom pays for, instead of refusing. */
  clampOutput: setting(flag, false),
  /** End a stream once its output passes what was held. Unless set, the hold is extended, or overruns. */
  cutStreams: setting(flag, false),
  /** 402, which clients do not retry, or 429 for callers who come from gateways that answer so. */
  exhaustedStatus: setting(exhaustedStatus, 402),
  /**
   * A call's hold is renewed while the call lives; what a crash leaves is ended after at most this. Shorter holds would be
   * renewed more often than the ledger gains by it; longer ones tie money up after a crash.
   */
  holdTtlMs: setting(duration(10 * SECOND_MS, HOUR_MS), 2 * MINUTE_MS),
  /** Open calls at once. */
  openCallsMax: setting(whole(1, OPEN_CALLS_MAX), 10_000),
  /**
   * How long a provider is read on for its usage once the caller has left, where something may be billed unseen (rule Q9);
   * 0: never. After an hour it would not have ended with its caller there either.
   */
  readOnMs: setting(duration(0, HOUR_MS), 30 * SECOND_MS),
  /** Calls that are read on at once; further ones are stopped, and charged at least the floor. */
  readOnCallsMax: setting(whole(0, OPEN_CALLS_MAX), 1_000),
  /**
   * Who pays for an attempt that reached a provider, failed without an answer and was followed by another candidate: only
   * the budgets of that provider, or the caller's too.
   */
  failedAttempts: setting(oneOf(['provider', 'caller']), 'provider'),
  /** Bytes of a request body. It is held in memory while its call is open; below 1 KiB hardly a request fits. */
  bodyBytesMax: setting(whole(1_024, 256 * 1024 * 1024), 32 * 1024 * 1024),
  /** Calls of tools that the provider runs: the limit that is added where the request has none. */
  toolCallsUnstated: setting(whole(1, TOOL_CALLS_MAX), 25),
  /**
   * Rounds of such tools that are expected, and held for, of a request that allows more. Most requests that may search do so
   * once or not at all.
   */
  toolRounds: setting(whole(0, TOOL_ROUNDS_MAX), 2),
  /**
   * Tokens that each round is expected to add to the input. A search finds 6,000 to 8,000 (Anthropic's example of a search;
   * OpenAI's fixed block of search content).
   */
  toolRoundTokens: setting(whole(1, TOOL_ROUND_TOKENS_MAX), 10_000),
  /**
   * Tokens that are held for items, files and documents which only the provider has: a conversation of some turns, or a
   * document of 10 to 20 pages.
   */
  storedInputTokens: setting(whole(1, TOKENS_MAX), 50_000),
};
export type GatewaySettings = ValuesOf<typeof GATEWAY_SETTINGS>;
