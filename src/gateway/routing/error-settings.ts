// The section `errors` of the configuration: the patterns that tell the errors of any provider apart, and how far a stated
// reset is believed (rule P9). Owns the common patterns and the bounds.

import { duration, listOf, setting, type ValuesOf } from '../../kit/file-value.js';
import { errorPattern, PATTERNS_MAX } from '../profiles/error-patterns.js';
import type { ErrorProfile } from '../profiles/profile.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * RE2 patterns of errors that hold for every provider, case-insensitive, in the order in which they are tried; the
 * configuration may replace each list, and each provider's profile has more. They are matched against
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

/** Shorter would ask a throttled provider again at once; no limit of a provider counts over more than a day unsaid. */
const throttleDefault = duration(SECOND_MS, 24 * HOUR_MS);
/** Less than a day ahead would cut clock times short, and beyond a month nothing is believed. */
const resetMax = duration(MINUTE_MS, 31 * 24 * HOUR_MS);

const patterns = (common: readonly string[]) => setting(listOf(PATTERNS_MAX, errorPattern), common);

/** Rule P9. Lists that are stated take the place of the defaults. */
export const SIGNATURE_SETTINGS = {
  request: patterns(COMMON_SIGNATURES.request),
  account: patterns(COMMON_SIGNATURES.account),
  throttle: patterns(COMMON_SIGNATURES.throttle),
  flake: patterns(COMMON_SIGNATURES.flake),
  /** How long a throttled model is left alone at first, where no reset is stated. */
  throttleDefaultMs: setting(throttleDefault, 2 * SECOND_MS),
  /** How far ahead a stated reset is believed, of one model and of an account. */
  resetMaxMs: setting(resetMax, 24 * HOUR_MS),
  accountResetMaxMs: setting(resetMax, 7 * 24 * HOUR_MS),
};
export type SignatureSettings = ValuesOf<typeof SIGNATURE_SETTINGS>;
