// The common patterns of providers' errors, which the configuration may replace list by list (rule P9). They are matched
// against `STATUS TYPE: CODE: MESSAGE`. A caller's own text can stand in messages of status 400: patterns that take a provider
// out of use match only the beginning of those.

import type { ErrorProfile } from '../profiles/profile.js';

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
