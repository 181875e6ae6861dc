// The section `gateway` of the configuration: how calls are held, bounded and refused. Owns the defaults and the bounds.
// Read by settings-file.ts; docs/configuration.md lists every field.

import { CALLER_LABEL_NAME, LABELS_OF_THE_SERVICE } from '../../access/labels.js';
import { LABELS_MAX, labelKeyProblem, quoted } from '../../core/labels.js';
import { described, type Findings, type Located } from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { OUTPUT_TOKENS_MAX } from '../profiles/profile-settings.js';

export interface GatewaySettings {
  /** Labels for which some budget with a limit must exist, else the call is refused. Default `['tenant']`. */
  readonly require: readonly string[];
  /** The label that a request's own field for its user becomes, where the key lets its caller state it. Default null: none. */
  readonly userLabel: string | null;
  /** The most output that is held, and asked for, when the caller states no limit; null: the model's own limit. Default null. */
  readonly outputTokensUnstated: number | null;
  /** The least that is asked for when the caller states no limit, however little is left. Default 32,000. */
  readonly outputTokensLeast: number;
  /** Percent of what is left in a budget that an added or a cut limit of output may hold. Default 50. */
  readonly outputSharePercent: number;
  /** Cut a stated limit of output to what the headroom pays for, instead of refusing. Default false. */
  readonly clampOutput: boolean;
  /** End a stream once its output passes what was held. Default false: the hold is extended, or overruns. */
  readonly cutStreams: boolean;
  /** 402, which clients do not retry, or 429 for callers who come from gateways that answer so. */
  readonly exhaustedStatus: 402 | 429;
  /** A call's hold, renewed while the call lives: what a crash leaves is ended after at most this. Default 120,000. */
  readonly holdTtlMs: number;
  /** Open calls at once. Default 10,000. */
  readonly openCallsMax: number;
  /**
   * How long a provider is read on for its usage once the caller has left, where something may be billed unseen (rule Q9);
   * 0: never. Default 30,000.
   */
  readonly readOnMs: number;
  /** Calls that are read on at once; further ones are stopped, and charged at least the floor. Default 1,000. */
  readonly readOnCallsMax: number;
  /**
   * Who pays for an attempt that reached a provider, failed without an answer and was followed by another candidate: only
   * the budgets of that provider, or the caller's too. Default `provider`.
   */
  readonly failedAttempts: 'provider' | 'caller';
  /** Bytes of a request body. Default 32 MiB. */
  readonly bodyBytesMax: number;
  /** Calls of tools that the provider runs: the limit that is added where the request has none. Default 25. */
  readonly toolCallsUnstated: number;
  /** Rounds of such tools that are expected, and held for, of a request that allows more. Default 2. */
  readonly toolRounds: number;
  /** Tokens that each round is expected to add to the input. Default 10,000. */
  readonly toolRoundTokens: number;
  /** Tokens that are held for items, files and documents which only the provider has. Default 50,000. */
  readonly storedInputTokens: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

export const GATEWAY_DEFAULTS: GatewaySettings = {
  require: ['tenant'],
  userLabel: null,
  outputTokensUnstated: null,
  // OpenAI, "Reasoning models": reserve 25,000 tokens for reasoning; and an answer beside it.
  outputTokensLeast: 32_000,
  outputSharePercent: 50,
  clampOutput: false,
  cutStreams: false,
  exhaustedStatus: 402,
  holdTtlMs: 2 * MINUTE_MS,
  openCallsMax: 10_000,
  readOnMs: 30 * SECOND_MS,
  readOnCallsMax: 1_000,
  failedAttempts: 'provider',
  bodyBytesMax: 32 * 1024 * 1024,
  toolCallsUnstated: 25,
  // Most requests that may search do so once or not at all; a search finds 6,000 to 8,000 tokens (Anthropic's example of a
  // search; OpenAI's fixed block of search content).
  toolRounds: 2,
  toolRoundTokens: 10_000,
  // A conversation of some turns, or a document of 10 to 20 pages.
  storedInputTokens: 50_000,
};

/** Shorter holds would be renewed more often than the ledger gains by it; longer ones tie money up after a crash. */
const HOLD_TTL_BOUNDS = { min: 10 * SECOND_MS, max: HOUR_MS };
/** Each open call takes two sockets; a process has 65,536 of them on most systems, unless told otherwise. */
const OPEN_CALLS_MAX = 100_000;
/** 0: a provider is never read on. Beyond an hour it would not have ended with its caller there. */
const READ_ON_BOUNDS = { min: 0, max: HOUR_MS };
/** A body is held in memory while its call is open; below 1 KiB hardly a request fits. */
const BODY_BYTES_BOUNDS = { min: 1_024, max: 256 * 1024 * 1024 };
/** Beyond what a provider runs for one request. */
const TOOL_CALLS_MAX = 1_000;
const TOOL_ROUNDS_MAX = 100;
const TOOL_ROUND_TOKENS_MAX = 1_000_000;
/** Above every context window: then all of it is held. */
const STORED_TOKENS_MAX = 10_000_000;

export function readGateway(node: Located | undefined, findings: Findings): GatewaySettings {
  const fields = [
    ...['require', 'userLabel', 'outputTokensUnstated', 'clampOutput', 'cutStreams', 'exhaustedStatus'],
    ...['holdTtl', 'openCallsMax', 'bodyBytesMax', 'toolCallsUnstated'],
    ...['readOn', 'readOnCallsMax', 'failedAttempts'],
    ...['outputTokensLeast', 'outputSharePercent', 'toolRounds', 'toolRoundTokens', 'storedInputTokens'],
  ];
  const section = Section.read(node, 'gateway', fields, findings);
  const defaults = GATEWAY_DEFAULTS;
  const whole = (name: WholeField, max: number) =>
    section.whole(name, { min: 1, max, unlessStated: defaults[name] });
  return {
    require: section.list('require', LABELS_MAX, labelKeyOf(findings)) ?? defaults.require,
    userLabel: readUserLabel(section),
    outputTokensUnstated: section.wholeOrNull('outputTokensUnstated', { min: 1, max: OUTPUT_TOKENS_MAX }),
    outputTokensLeast: whole('outputTokensLeast', OUTPUT_TOKENS_MAX),
    outputSharePercent: whole('outputSharePercent', 100),
    clampOutput: section.flag('clampOutput', { unlessStated: defaults.clampOutput }),
    cutStreams: section.flag('cutStreams', { unlessStated: defaults.cutStreams }),
    exhaustedStatus: readExhaustedStatus(section),
    holdTtlMs: section.durationMs('holdTtl', { ...HOLD_TTL_BOUNDS, unlessStated: defaults.holdTtlMs }),
    openCallsMax: whole('openCallsMax', OPEN_CALLS_MAX),
    readOnMs: section.durationMs('readOn', { ...READ_ON_BOUNDS, unlessStated: defaults.readOnMs }),
    readOnCallsMax: section.whole('readOnCallsMax', {
      min: 0,
      max: OPEN_CALLS_MAX,
      unlessStated: defaults.readOnCallsMax,
    }),
    failedAttempts:
      section.node('failedAttempts') === undefined
        ? defaults.failedAttempts
        : (section.oneOf('failedAttempts', ['provider', 'caller']) ?? defaults.failedAttempts),
    bodyBytesMax: section.whole('bodyBytesMax', {
      ...BODY_BYTES_BOUNDS,
      unlessStated: defaults.bodyBytesMax,
    }),
    toolCallsUnstated: whole('toolCallsUnstated', TOOL_CALLS_MAX),
    toolRounds: section.whole('toolRounds', {
      min: 0,
      max: TOOL_ROUNDS_MAX,
      unlessStated: defaults.toolRounds,
    }),
    toolRoundTokens: whole('toolRoundTokens', TOOL_ROUND_TOKENS_MAX),
    storedInputTokens: whole('storedInputTokens', STORED_TOKENS_MAX),
  };
}

type WholeField =
  | 'outputTokensLeast'
  | 'outputSharePercent'
  | 'openCallsMax'
  | 'toolCallsUnstated'
  | 'toolRoundTokens'
  | 'storedInputTokens';

function labelKeyOf(findings: Findings) {
  return (item: Located, field: string): string | undefined => {
    if (item.kind !== 'scalar' || typeof item.value !== 'string')
      return findings.add(item.offset, field, `${described(item)} is not a label name`);
    const problem = labelKeyProblem(item.value);
    if (problem === null) return item.value;
    return findings.add(item.offset, field, `the label name ${quoted(item.value)} ${problem}`);
  };
}

// A label that only the gateway or the key sets would refuse every call that names a user.
function readUserLabel(section: Section): string | null {
  const node = section.node('userLabel');
  if (node === undefined) return GATEWAY_DEFAULTS.userLabel;
  const name = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : '';
  if (CALLER_LABEL_NAME.test(name) && !LABELS_OF_THE_SERVICE.has(name)) return name;
  section.add('userLabel', `${described(node)} is not a label that a caller may state, such as user`);
  return GATEWAY_DEFAULTS.userLabel;
}

function readExhaustedStatus(section: Section): 402 | 429 {
  const node = section.node('exhaustedStatus');
  if (node === undefined) return GATEWAY_DEFAULTS.exhaustedStatus;
  if (node.kind === 'scalar' && (node.value === 402 || node.value === 429)) return node.value;
  section.add('exhaustedStatus', `${described(node)} is not 402 or 429`);
  return GATEWAY_DEFAULTS.exhaustedStatus;
}
