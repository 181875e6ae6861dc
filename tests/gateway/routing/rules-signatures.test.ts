// Rule P9: what an error of a provider is, until when a throttled one waits, and what is reported once.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultSettings, parseSettings } from '#bursar/composition/settings/settings-file.js';
import { PATTERNS_MAX, patternProblem } from '#bursar/gateway/profiles/error-patterns.js';
import type { ErrorProfile } from '#bursar/gateway/profiles/profile.js';
import type { SignatureSettings } from '#bursar/gateway/routing/error-settings.js';
import { COMMON_SIGNATURES } from '#bursar/gateway/routing/error-settings.js';
import { readRetryAfter, statedReset } from '#bursar/gateway/routing/reset-times.js';
import { classifyError, MESSAGE_BYTES_MAX, type ProviderError } from '#bursar/gateway/routing/signatures.js';
import { UnknownErrors } from '#bursar/gateway/routing/unknown-errors.js';

/** A Thursday, ten o'clock UTC. */
const NOW = Date.UTC(2026, 0, 15, 10);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const classifying = (settings: SignatureSettings) => ({
  classify: (error: ProviderError, now: number, profile?: ErrorProfile) =>
    classifyError(error, { settings, now, ...(profile === undefined ? {} : { profile }) }),
});
const byDefault = classifying(defaultSettings().signatures);
const classOf = (status: number, text: string) => byDefault.classify({ status, text }, NOW).class;
const withPatterns = (errors: string) => classifying(parseSettings(`errors: ${errors}`, 'f').signatures);

describe('classes', () => {
  test.each<[ProviderError['status'], string, string]>([
    [429, 'Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000, Used 30000.', 'throttle'],
    [429, 'You exceeded your current quota, please check your plan and billing details.', 'account'],
    [429, '{"type":"error","error":{"type":"rate_limit_error"}}', 'throttle'],
    [402, 'Insufficient Balance', 'account'],
    [400, 'Your credit balance is too low to access the Anthropic API.', 'account'],
    [403, 'Quota exceeded for this project', 'throttle'],
    [200, 'Claude AI usage limit reached, resets 11pm', 'throttle'],
    [503, 'Too Many Requests', 'throttle'],
    [529, 'Overloaded', 'flake'],
    [200, 'overloaded_error: Overloaded', 'flake'],
    [500, 'The server had an error while processing your request', 'flake'],
    [503, '', 'flake'],
    [408, 'Request Timeout', 'flake'],
    [0, 'ECONNRESET: read ECONNRESET', 'flake'],
    [0, 'UND_ERR_HEADERS_TIMEOUT: Headers Timeout Error', 'flake'],
    [400, "Unknown parameter: 'foo'", 'unknown'],
    [401, 'Incorrect API key provided', 'unknown'],
    [404, 'The model does not exist', 'unknown'],
    // What a caller wrote is repeated in quotes, and puts nobody out.
    [403, "The tool 'insufficient_quota: spend limit' is not allowed.", 'unknown'],
    [403, 'Role "your account is suspended, rate limit" is none of: user, assistant', 'unknown'],
    [503, 'No deployment for `credit limit reached`', 'flake'],
    [403, "You don't have any credits; insufficient credit, and can't go on", 'account'],
    [0, 'CERT_HAS_EXPIRED: certificate has expired', 'unknown'],
  ])('classify: %i %s → %s', (status, text, expected) => {
    expect(classOf(status, text)).toBe(expected);
  });

  const TPM = 'in organization org-abc on tokens per min (TPM)';
  test.each<[ProviderError['status'], string, string]>([
    // One request that is too large, whoever else calls.
    [
      429,
      `tokens: rate_limit_exceeded: Request too large for gpt-4o ${TPM}: Limit 30000, Requested 52000. The input or output tokens must be reduced in order to run successfully.`,
      'request',
    ],
    [
      413,
      `tokens: rate_limit_exceeded: Request too large for model llama ${TPM}: Limit 6000, Requested 7000, please reduce your message size and try again.`,
      'request',
    ],
    [429, `Rate limit reached for gpt-4o ${TPM}: Limit 30,000, Used 0, Requested 30,001.`, 'request'],
    [413, 'request_too_large: Request exceeds the maximum size', 'request'],
    [429, 'Your request of 52,000 tokens exceeds the limit of 30,000 tokens per minute.', 'request'],
    [429, 'The request exceeds the maximum tokens a minute (limit 100, got 5000)', 'request'],
    [429, 'Tokens per request limit exceeded', 'request'],
    [429, 'Your request was the 61st: exceeded 60 requests per minute', 'throttle'],
    [429, 'Tokens per minute limit exceeded: limit of 30000, got 29000', 'throttle'],
    [429, 'rate_limit_error: Extra usage is required for long context requests.', 'request'],
    [400, 'invalid_request_error: prompt is too long: 215000 tokens > 200000 maximum', 'request'],
    [
      400,
      "invalid_request_error: context_length_exceeded: This model's maximum context length is 128000 tokens.",
      'request',
    ],
    [
      402,
      'This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 5000.',
      'request',
    ],
    [403, 'Your chosen model requires moderation and your input was flagged', 'request'],
    [403, 'Content violates usage guidelines.', 'request'],
    [200, 'content_policy_violation: blocked', 'request'],
    // A limit of one model, also where it speaks of billing pages, quotas or days.
    [
      429,
      `requests: rate_limit_exceeded: Rate limit reached for gpt-4o ${TPM}: Limit 30000, Used 29000, Requested 5000. Please try again in 8s. You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.`,
      'throttle',
    ],
    [
      429,
      'Rate limit reached for gpt-4o-mini in organization org-x on requests per day (RPD): Limit 10000, Used 10000, Requested 1. Please try again in 7h12m.',
      'throttle',
    ],
    [
      429,
      'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: generate_content_free_tier_requests, limit: 15, model: gemini-2.0-flash\nPlease retry in 34.07s.',
      'throttle',
    ],
    [429, 'rate_limit_error: Number of request tokens has exceeded your per-minute rate limit', 'throttle'],
    [429, 'Service tier capacity exceeded for this model.', 'throttle'],
    [
      429,
      'rate_limit_reached_error: Your account org-1 request reached max request: 3, please try again after 1 seconds',
      'throttle',
    ],
    // It may be this request alone: another candidate may have room, and nobody is kept out.
    [
      429,
      "rate_limit_error: This request would exceed your organization's rate limit of 40,000 input tokens per minute. Please reduce the prompt length or the maximum tokens requested, or try again later.",
      'flake',
    ],
    [
      429,
      'rate_limit_error: This request would exceed the rate limit for your organization (1-2) of 50,000 input tokens per minute.',
      'flake',
    ],
    // What the account as a whole has no more of.
    [
      429,
      'insufficient_quota: insufficient_quota: You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
      'account',
    ],
    [
      400,
      'invalid_request_error: Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
      'account',
    ],
    [
      400,
      'image_generation_user_error: billing_hard_limit_reached: Billing hard limit has been reached',
      'account',
    ],
    [
      429,
      'exceeded_current_quota_error: Your account org-1 is suspended, please check your plan and billing details',
      'account',
    ],
    [402, 'Insufficient credits. Add more using https://openrouter.ai/settings/credits', 'account'],
    [
      429,
      'Your team has either used all available credits or reached its monthly spending limit.',
      'account',
    ],
    [412, 'Account team is suspended, possibly due to reaching the monthly spending limit', 'account'],
  ])('classify: %i %s → %s, by the common patterns', (status, text, expected) => {
    expect(classOf(status, text)).toBe(expected);
  });

  test("classify: a provider's own patterns are tried beside the common ones, in the same order of classes", () => {
    const own = {
      request: ['too spicy'],
      throttle: [],
      account: ['^429 .*weekly cap'],
      flake: ['^418'],
      billed: [],
    };
    const withOwn = (status: number, text: string) => byDefault.classify({ status, text }, NOW, own).class;
    expect(withOwn(429, 'weekly cap reached')).toBe('account');
    expect(withOwn(429, 'too spicy')).toBe('request');
    expect(withOwn(418, 'teapot')).toBe('flake');
    expect(withOwn(503, 'oh')).toBe('flake');
    expect(classOf(429, 'weekly cap reached')).toBe('throttle');
  });

  test('classify: request comes before account, account before throttle, throttle before flake', () => {
    const lists = ['request', 'account', 'throttle', 'flake'];
    const first = (from: number) =>
      withPatterns(
        `{ ${lists.map((name, index) => `${name}: ["${index < from ? 'none' : 'same'}"]`).join(', ')} }`,
      );
    const classes = lists.map(
      (_name, from) => first(from).classify({ status: 418, text: 'same' }, NOW).class,
    );
    expect(classes).toEqual(lists);
  });

  test('classify: throttle is tried before flake, case does not count, and line breaks are no end', () => {
    const { classify } = withPatterns('{ throttle: ["slow.*down"], flake: ["^503"] }');
    expect(classify({ status: 503, text: 'SLOW\nplease: Down' }, NOW).class).toBe('throttle');
    expect(classify({ status: 503, text: 'other' }, NOW).class).toBe('flake');
    expect(classify({ status: 429, text: 'other' }, NOW).class).toBe('unknown');
  });

  test('classify: a caller who writes of limits in a request of status 400 exhausts nobody', () => {
    const echoed = "Invalid value: 'rate limit reached, usage limit reached, quota, resets in 30d'";
    expect(classOf(400, echoed)).toBe('unknown');
    expect(classOf(400, `messages.0: your credit balance is too low ${echoed}`)).toBe('unknown');
  });

  test('classify: what stands beyond 4 KiB is not looked at', () => {
    const { classify } = withPatterns('{ throttle: ["needle"] }');
    const at = (length: number) => classify({ status: 400, text: `${'é'.repeat(length)}needle` }, NOW).class;
    expect([at(2_000), at(MESSAGE_BYTES_MAX / 2)]).toEqual(['throttle', 'unknown']);
  });
});

describe('patterns', () => {
  test('pattern: the common ones keep the bounds that the configuration has', () => {
    for (const list of Object.values(COMMON_SIGNATURES)) {
      expect(list.length).toBeLessThanOrEqual(PATTERNS_MAX);
      for (const pattern of list) expect([pattern, patternProblem(pattern)]).toEqual([pattern, null]);
    }
  });

  test('pattern: one that does not compile stops the start, with its line', () => {
    const text = 'errors:\n  throttle:\n    - "ok"\n    - "(unclosed"\n  flake:\n    - "a**"\n';
    expect(() => parseSettings(text, 'bursar.yaml')).toThrow(
      /^bursar\.yaml:4: errors\.throttle\[1\]: the pattern "\(unclosed" does not compile: .*\nbursar\.yaml:6: errors\.flake\[0\]: the pattern "a\*\*" does not compile: /,
    );
  });

  test.each([
    ['a back-reference', '(a)\\1', 'does not compile'],
    ['a look-ahead', 'a(?=b)', 'does not compile'],
    ['one that matches every message', 'x*', 'matches every message'],
    ['a repetition too large to run', '(?:ab?){1,400}', 'at most 250 are taken'],
  ])('pattern: %s is refused', (_what, pattern, problem) => {
    expect(patternProblem(pattern)).toContain(problem);
  });

  test('pattern: (a+)+$ on 4 KiB that do not match ends in bounded time, where backtracking never would', () => {
    const { classify } = withPatterns(
      `{ throttle: [${['(a+)+$', '(a|aa)+$', '(.*)(.*)(.*)(.*)x$'].map((each) => `"${each}"`).join(', ')}] }`,
    );
    const startedAt = performance.now();
    expect(classify({ status: 400, text: `${'a'.repeat(MESSAGE_BYTES_MAX)}!` }, NOW).class).toBe('throttle');
    expect(classify({ status: 400, text: `${'a'.repeat(4_000)}!` }, NOW).class).toBe('unknown');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('until when', () => {
  const until = (text: string, now = NOW) => statedReset(text, now);

  test.each([
    ['Your limit resets in 4h', NOW + 4 * HOUR_MS],
    ['usage limit reached, in 4h 30m', NOW + 4.5 * HOUR_MS],
    ['Please try again in 20s.', NOW + 20_000],
    ['Please try again in 1.5s.', NOW + 1_500],
    ['Please try again in 250ms.', NOW + 250],
    ['Please try again in 6m0s.', NOW + 6 * MINUTE_MS],
    ['try again in 1h2m3.5s', NOW + HOUR_MS + 2 * MINUTE_MS + 3_500],
    ['Retry after 2 hours and 5 minutes', NOW + 2 * HOUR_MS + 5 * MINUTE_MS],
    ['resets in 2 days', NOW + 2 * DAY_MS],
    ['resets at 14:30 utc', NOW + 4.5 * HOUR_MS],
    ['resets at 09:59 UTC', NOW + DAY_MS - MINUTE_MS],
    ['resets at 10:00 utc', NOW + DAY_MS],
    ['5-hour limit reached ∙ resets 11pm', NOW + 13 * HOUR_MS],
    ['resets 11pm (UTC)', NOW + 13 * HOUR_MS],
    ['resets 12am', NOW + 14 * HOUR_MS],
    ['resets at 12:15 pm', NOW + 2.25 * HOUR_MS],
    ['resets 11am tomorrow', NOW + HOUR_MS],
    ['resets 2pm (Europe/Berlin)', NOW + 3 * HOUR_MS],
    ['resets 7am (America/New_York)', NOW + 2 * HOUR_MS],
    ['Limit 3 in 1 window. Resets at 2026-01-16T00:00:00Z', NOW + 14 * HOUR_MS],
    ['resets at 2026-01-15T12:00:00.123456+01:00', NOW + HOUR_MS],
    ['resets at 2026-01-15 12:00:00 UTC', NOW + 2 * HOUR_MS],
  ])('reset: "%s" is understood', (text, expected) => {
    expect(until(text)).toBe(expected);
  });

  test.each([
    ['resets soon'],
    ['resets at 25:00 utc'],
    ['resets 13pm'],
    ['resets 0am'],
    ['resets 3pm (Nowhere/Land)'],
    ['resets at 2026-02-30T00:00:00Z'],
    ['resets at 2026-01-15T09:59:59Z'],
    ['try again in 0s'],
    ['try again in 32 days'],
    ['try again in 999999 days'],
    ['resets in 4 houses'],
  ])('reset: "%s" states none that is believed', (text) => {
    expect(until(text)).toBe(null);
  });

  test('reset: where clocks change, the next local time is meant', () => {
    // Berlin goes from 02:00 to 03:00 on 29 March: nine o'clock is an hour nearer.
    const evening = Date.UTC(2026, 2, 28, 20);
    expect(until('resets 9am (Europe/Berlin)', evening)).toBe(Date.UTC(2026, 2, 29, 7));
  });

  test('reset: no text whatever leads before now, beyond 31 days, or to an error', () => {
    const words = fc.constantFrom(
      ...['resets', 'in', 'at', '4h', '30m', '11pm', '(UTC)', '9:61', '٣h', 'NaN', '-1s'],
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 30 }), (parts) => {
        const reset = until(`try again in ${parts.join(' ')}`);
        if (reset !== null) {
          expect(reset).toBeGreaterThan(NOW);
          expect(reset).toBeLessThanOrEqual(NOW + 31 * DAY_MS);
        }
      }),
    );
  });

  test('throttle: the message comes before the headers, the headers before the default', () => {
    const throttled = (text: string, retryAfterMs?: number) =>
      byDefault.classify({ status: 429, text, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }, NOW);
    expect(throttled('try again in 20s', 5_000)).toEqual({
      class: 'throttle',
      until: NOW + 20_000,
      stated: true,
    });
    expect(throttled('later', 5_000)).toEqual({ class: 'throttle', until: NOW + 5_000, stated: true });
    expect(throttled('later')).toEqual({ class: 'throttle', until: NOW + 2_000, stated: false });
    expect(withPatterns('{ throttleDefault: 5m }').classify({ status: 429, text: '' }, NOW)).toMatchObject({
      until: NOW + 5 * MINUTE_MS,
    });
  });

  test('throttle: a stated reset is believed up to a bound, which is shorter for one model than for an account', () => {
    const until = (text: string, errors = '{}') => withPatterns(errors).classify({ status: 429, text }, NOW);
    expect(until('try again in 23h')).toMatchObject({ until: NOW + 23 * HOUR_MS, stated: true });
    expect(until('try again in 30 days')).toMatchObject({ until: NOW + DAY_MS, stated: true });
    expect(until('insufficient_quota: try again in 30 days')).toMatchObject({ until: NOW + 7 * DAY_MS });
    expect(until('insufficient_quota')).toMatchObject({ until: NOW + 64_000, stated: false });
    const bounds = '{ resetMax: 10m, accountResetMax: 1h }';
    expect(until('try again in 23h', bounds)).toMatchObject({ until: NOW + 10 * MINUTE_MS });
    expect(until('credit balance: try again in 23h', bounds)).toMatchObject({ until: NOW + HOUR_MS });
    expect(() => parseSettings('errors: { resetMax: 800h }', 'f')).toThrow(
      /errors\.resetMax: .*from 1m to 31d/,
    );
  });

  test.each([
    [{ retryAfter: '30' }, 30_000],
    [{ retryAfter: '0.5' }, 500],
    [{ retryAfter: 'Thu, 15 Jan 2026 10:01:00 GMT' }, MINUTE_MS],
    [{ retryAfterMs: '1500', retryAfter: '30' }, 1_500],
    [{ retryAfterMs: 'x', retryAfter: '30' }, 30_000],
    [{ retryAfter: 'Thu, 15 Jan 2026 09:00:00 GMT' }, null],
    [{ retryAfter: '-5' }, null],
    [{ retryAfter: '0' }, null],
    [{ retryAfter: 'soon' }, null],
    [{ retryAfter: '99999999' }, null],
    [{}, null],
  ])('headers: %j → %j', (headers, expected) => {
    expect(readRetryAfter(headers, NOW)).toBe(expected);
  });
});

describe('unknown errors', () => {
  test('unknown: reported once for each provider and start of message', () => {
    const errors = new UnknownErrors();
    expect(errors.firstSeen('p', 400, 'Unknown parameter: foo')).toBe('400 Unknown parameter: foo');
    expect(errors.firstSeen('p', 400, 'Unknown parameter: foo')).toBe(null);
    expect(errors.firstSeen('q', 400, 'Unknown parameter: foo')).not.toBe(null);
    expect(errors.firstSeen('p', 400, 'Another')).not.toBe(null);
    const sentence = 'this model does not take what was asked of it; '.repeat(4);
    expect(errors.firstSeen('p', 400, `${sentence} first`)).not.toBe(null);
    expect(errors.firstSeen('p', 400, `${sentence} second`)).toBe(null);
  });

  test('unknown: keys, ids and line breaks are not reported, and an id makes no message new', () => {
    const errors = new UnknownErrors();
    const text = (id: string) => `Incorrect key sk-proj-Ab12\nof request req_${id}, sent as bur_k1_secret`;
    expect(errors.firstSeen('p', 401, text('011CSHoEeqs5C35K2UUqR7Fy'))).toBe(
      '401 Incorrect key … of request …, sent as …',
    );
    expect(errors.firstSeen('p', 401, text('011CSHoEeqs5C35K2UUqR7Fz'))).toBe(null);
  });

  test('unknown: what is remembered is bounded, the oldest is forgotten first', () => {
    const errors = new UnknownErrors();
    for (let kind = 0; kind < 1_001; kind += 1) errors.firstSeen('p', 400, `kind ${kind}`);
    expect(errors.firstSeen('p', 400, 'kind 1000')).toBe(null);
    expect(errors.firstSeen('p', 400, 'kind 0')).not.toBe(null);
  });
});
