// The sections `gateway` and `errors` of the configuration: how calls are held, bounded and refused, and how a provider's
// errors are told apart. Owns their defaults and bounds. Called by settings-file.ts; docs/configuration.md lists them.

import { CALLER_LABEL_NAME, LABELS_OF_THE_SERVICE } from '../../access/labels.js';
import { LABELS_MAX, labelKeyProblem, quoted } from '../../core/labels.js';
import { described, type Findings, type Located, readText } from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { COMMON_SIGNATURES } from '../routing/common-signatures.js';
import type { GatewaySettings, SignatureSettings } from '../routing/gateway-settings.js';
import { PATTERN_LENGTH_MAX, PATTERNS_MAX, patternProblem } from '../routing/signatures.js';

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

/** More output than any model gives in one answer. */
export const OUTPUT_TOKENS_MAX = 10_000_000;
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

/** Shorter would ask a throttled provider again at once; no limit of a provider counts over more than a day unsaid. */
const THROTTLE_DEFAULT_BOUNDS = { min: SECOND_MS, max: 24 * HOUR_MS };

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

export const SIGNATURE_DEFAULTS: SignatureSettings = {
  ...COMMON_SIGNATURES,
  throttleDefaultMs: 2 * SECOND_MS,
  resetMaxMs: 24 * HOUR_MS,
  accountResetMaxMs: 7 * 24 * HOUR_MS,
};

/** A day of clock times ahead is the least that can be understood of them; beyond a month nothing is believed anyway. */
const RESET_MAX_BOUNDS = { min: MINUTE_MS, max: 31 * 24 * HOUR_MS };

/** Rule P9: lists that are stated take the place of the defaults; a pattern that does not compile is a problem. */
export function readSignatures(node: Located | undefined, findings: Findings): SignatureSettings {
  const fields = [
    'request',
    'account',
    'throttle',
    'flake',
    'throttleDefault',
    'resetMax',
    'accountResetMax',
  ];
  const section = Section.read(node, 'errors', fields, findings);
  const patterns = (name: keyof typeof COMMON_SIGNATURES) =>
    section.list(name, PATTERNS_MAX, patternOf(findings)) ?? SIGNATURE_DEFAULTS[name];
  const resetMax = (name: 'resetMax' | 'accountResetMax') =>
    section.durationMs(name, { ...RESET_MAX_BOUNDS, unlessStated: SIGNATURE_DEFAULTS[`${name}Ms`] });
  return {
    request: patterns('request'),
    account: patterns('account'),
    throttle: patterns('throttle'),
    flake: patterns('flake'),
    throttleDefaultMs: section.durationMs('throttleDefault', {
      ...THROTTLE_DEFAULT_BOUNDS,
      unlessStated: SIGNATURE_DEFAULTS.throttleDefaultMs,
    }),
    resetMaxMs: resetMax('resetMax'),
    accountResetMaxMs: resetMax('accountResetMax'),
  };
}

function patternOf(findings: Findings) {
  return (item: Located, field: string): string | undefined => {
    const text = readText(item, field, PATTERN_LENGTH_MAX, findings);
    const problem = text === undefined ? null : patternProblem(text);
    return problem === null ? text : findings.add(item.offset, field, problem);
  };
}
