// The section `errors` of the configuration: the patterns that tell the errors of any provider apart, and how far a stated
// reset is believed (rule P9). Owns the common patterns and the bounds. Read by settings-file.ts.

import { type Findings, type Located, readText } from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { PATTERN_LENGTH_MAX, PATTERNS_MAX, patternProblem } from '../profiles/error-patterns.js';
import type { ErrorProfile } from '../profiles/profile.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

export interface SignatureSettings {
  /** RE2 patterns, case-insensitive, in the order in which they are tried; each provider's profile has more. */
  readonly request: readonly string[];
  readonly account: readonly string[];
  readonly throttle: readonly string[];
  readonly flake: readonly string[];
  /** How long a throttled model is left alone at first, where no reset is stated. */
  readonly throttleDefaultMs: number;
  /** How far ahead a stated reset is believed, of one model and of an account. */
  readonly resetMaxMs: number;
  readonly accountResetMaxMs: number;
}

/**
 * Patterns of errors that hold for every provider; the configuration may replace each list. They are matched against
 * `STATUS TYPE: CODE: MESSAGE`. Messages of status 400 may repeat the caller's own text: patterns that take a provider out
 * of use match only the beginning of those.
 */
export const COMMON_SIGNATURES: Readonly<Record<Exclude<keyof ErrorProfile, 'billed'>, readonly string[]>> = {
  request: [
    '^413\\b',
    // OpenAI and Groq: a request above the limit of a minute. Anthropic: input that needs another plan.
    '^(?:200|4\\d\\d) .*(?:request.?too.?large|long context)',
    // Above the context window, in the words of OpenAI, Anthropic, Google, Mistral and vLLM.
    '^(?:200|4\\d\\d) .*(?:maximum context|context.?(?:length|window)|(?:prompt|input|request) (?:is )?too long|input token count)',
    '^(?:200|4\\d\\d) .*(?:reduce the length of|reduce your message size|string too long|payload too large)',
    // OpenRouter: what is left of the credits pays for a smaller answer.
    '^402 .*(?:fewer max_tokens|can only afford)',
    // What the request says, whoever asks it.
    '^(?:200|4\\d\\d) .*(?:content.?(?:policy|filter|management)|flagged|moderation|usage (?:guidelines|polic))',
  ],
  account: [
    '^402\\b',
    '^(?:200|403|412|429|503) .*(?:insufficient.?quota|insufficient.{0,20}(?:balance|credit|fund)|exceeded_current_quota)',
    '^(?:200|403|412|429|503) .*(?:credit balance|out of credit|all available credits|no credits|credit limit)',
    '^(?:200|403|412|429|503) .*(?:billing.{0,12}limit|spend(?:ing)?.{0,10}(?:limit|cap))',
    '^(?:403|412|429) .*account.{0,80}suspended',
    // OpenAI's sentence to its end: Google says more behind it, about one model.
    'exceeded your current quota, please check your plan and billing details\\.?(?: For more information on this error, read the docs: \\S*)?$',
    '^400 (?:\\w+: ){0,3}(?:your credit balance is too low|billing hard limit)',
  ],
  throttle: [
    '^429\\b',
    '^(?:0|200|403|503|529) .*(?:rate.?limit|usage limit|limit reached|hit your limit|quota|too many requests)',
  ],
  flake: [
    '^(?:408|409|425|5\\d\\d)\\b',
    '^(?:0|200) .*(?:overloaded|server.?error|timed.?out|timeout|terminated|aborted|socket|connection|\\be(?:conn|pipe|ai_again|notfound|hostunreach|netunreach)|und_err)',
  ],
};

export const SIGNATURE_DEFAULTS: SignatureSettings = {
  ...COMMON_SIGNATURES,
  throttleDefaultMs: 2 * SECOND_MS,
  resetMaxMs: 24 * HOUR_MS,
  accountResetMaxMs: 7 * 24 * HOUR_MS,
};

/** Shorter would ask a throttled provider again at once; no limit of a provider counts over more than a day unsaid. */
const THROTTLE_DEFAULT_BOUNDS = { min: SECOND_MS, max: 24 * HOUR_MS };

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
