// Makes a complete policy of what its author states, or names everything that is wrong with it, each problem at its place.
// The schema of the route checks shapes; this checks what a schema cannot say. Called by policies.ts.

import { AmountFormatError, parseAmount } from '../core/amount.js';
import { quoted } from '../core/labels.js';
import { RefusedError } from '../kit/refusals.js';
import { MULTIPLIER_MAX, TOKENS_MAX } from './credits.js';
import {
  type Bucket,
  CREDITS_SCALE,
  ESTIMATE_DEFAULT,
  MODEL_NAME,
  OVERSHOOT_TOLERANCE_DEFAULT_PERCENT,
  OVERSHOOT_TOLERANCE_MAX_PERCENT,
  PERIODS,
  POLICY_MODELS_MAX,
  type PolicyDocument,
  type PolicyInput,
  TIER_NAME,
  TIERS_MAX,
  TOOL_LIMITS_DEFAULT,
  TOOLS,
} from './policy.js';

/** Problems that one answer names. Nobody reads more. */
const PROBLEMS_SHOWN_MAX = 20;

/** Bounds any part of an estimate: no request has a million of a thing. */
const ESTIMATE_PART_MAX = 1_000_000;
const TOOL_LIMIT_MAX = 1_000_000_000;

interface Problem {
  readonly field: string;
  readonly message: string;
}

/** @throws RefusedError invalid_request, naming every field that is wrong; `field` is the first */
export function documentOf(input: PolicyInput): PolicyDocument {
  const document = withDefaults(input);
  const problems = [
    ...tierProblems(document),
    ...modelProblems(document),
    ...limitProblems(document),
    ...switchProblems(document),
    ...numberProblems(document),
  ];
  if (problems.length === 0) return document;
  const named = problems.slice(0, PROBLEMS_SHOWN_MAX).map(({ field, message }) => `${field}: ${message}`);
  const more = problems.length - named.length;
  const rest = more === 0 ? '' : `; and ${more} more`;
  throw new RefusedError('invalid_request', named.join('; ') + rest, { field: problems[0].field });
}

function withDefaults(input: PolicyInput): PolicyDocument {
  const { tiers, models, limits, toolLimits, killSwitches, estimate } = input;
  return {
    tiers: [...tiers],
    models: models.map((model) => ({ ...model })),
    limits: { daily: sorted(limits?.daily), monthly: sorted(limits?.monthly) },
    toolLimits: {
      webSearches: { ...TOOL_LIMITS_DEFAULT.webSearches, ...toolLimits?.webSearches },
      codeInterpreterCalls: {
        ...TOOL_LIMITS_DEFAULT.codeInterpreterCalls,
        ...toolLimits?.codeInterpreterCalls,
      },
    },
    killSwitches: {
      disablePremiumTier: killSwitches?.disablePremiumTier ?? false,
      forceStandardTier: killSwitches?.forceStandardTier ?? false,
      disabledModels: [...new Set(killSwitches?.disabledModels)].sort(),
    },
    overshootTolerancePercent: input.overshootTolerancePercent ?? OVERSHOOT_TOLERANCE_DEFAULT_PERCENT,
    estimate: { ...ESTIMATE_DEFAULT, ...estimate },
  };
}

// The same limits in another order are no new version.
function sorted(limits: Readonly<Record<Bucket, string>> = {}): Record<Bucket, string> {
  return Object.fromEntries(Object.entries(limits).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function* tierProblems({ tiers }: PolicyDocument): Generator<Problem> {
  if (tiers.length < 1 || tiers.length > TIERS_MAX)
    yield { field: 'tiers', message: `has ${tiers.length} names; 1 to ${TIERS_MAX} are meant` };
  for (const [index, tier] of tiers.entries()) {
    const field = `tiers[${index}]`;
    if (!TIER_NAME.test(tier))
      yield {
        field,
        message: `${quoted(tier)} is no name of lower-case letters, digits, _ and -, at most 32`,
      };
    if (tiers.indexOf(tier) < index) yield { field, message: `${quoted(tier)} is there already` };
  }
}

function* modelProblems({ models, tiers, killSwitches }: PolicyDocument): Generator<Problem> {
  if (models.length > POLICY_MODELS_MAX)
    yield { field: 'models', message: `has ${models.length} models; at most ${POLICY_MODELS_MAX} are taken` };
  const seen = new Set<string>();
  for (const [index, model] of models.entries()) {
    const field = `models[${index}]`;
    const { name, tier, inputMultiplier, outputMultiplier, outputTokensMax } = model;
    if (!MODEL_NAME.test(name))
      yield {
        field: `${field}.name`,
        message: `${quoted(name)} is no name of letters, digits and . _ : / @ + -, at most 64`,
      };
    if (seen.has(name)) yield { field: `${field}.name`, message: `${quoted(name)} is there already` };
    seen.add(name);
    if (!tiers.includes(tier))
      yield { field: `${field}.tier`, message: `${quoted(tier)} is none of ${tiers.join(', ')}` };
    yield* whole(`${field}.inputMultiplier`, inputMultiplier, { min: 1, max: MULTIPLIER_MAX });
    yield* whole(`${field}.outputMultiplier`, outputMultiplier, { min: 1, max: MULTIPLIER_MAX });
    yield* whole(`${field}.outputTokensMax`, outputTokensMax, { min: 1, max: TOKENS_MAX });
  }
  const last = tiers.at(-1);
  const serves = models.some(
    ({ name, tier }) => tier === last && !killSwitches.disabledModels.includes(name),
  );
  if (!serves)
    yield { field: 'models', message: `none that is not disabled is in the last tier, ${quoted(last)}` };
}

function* limitProblems({ limits, tiers, models }: PolicyDocument): Generator<Problem> {
  const buckets = new Set<Bucket>(['total']);
  for (const tier of tiers) buckets.add(`tier:${tier}`);
  for (const { name } of models) buckets.add(`model:${name}`);
  for (const period of PERIODS) {
    for (const [bucket, limit] of Object.entries(limits[period])) {
      const field = `limits.${period}.${buckets.has(bucket) ? bucket : quoted(bucket)}`;
      if (!buckets.has(bucket))
        yield { field, message: 'is no bucket of this policy: total, tier:NAME or model:NAME' };
      try {
        parseAmount(limit, CREDITS_SCALE);
      } catch (error) {
        if (!(error instanceof AmountFormatError)) throw error;
        yield { field, message: error.message };
      }
    }
  }
}

function* switchProblems({ killSwitches, tiers, models }: PolicyDocument): Generator<Problem> {
  const { disablePremiumTier, forceStandardTier, disabledModels } = killSwitches;
  for (const [name, on] of Object.entries({ disablePremiumTier, forceStandardTier })) {
    if (on && tiers.length < 2)
      yield { field: `killSwitches.${name}`, message: 'needs a tier below the first' };
  }
  for (const [index, name] of disabledModels.entries()) {
    if (!models.some((model) => model.name === name))
      yield {
        field: `killSwitches.disabledModels[${index}]`,
        message: `${quoted(name)} is no model of this policy`,
      };
  }
}

function* numberProblems({
  estimate,
  toolLimits,
  overshootTolerancePercent,
}: PolicyDocument): Generator<Problem> {
  const percent = { min: 0, max: OVERSHOOT_TOLERANCE_MAX_PERCENT };
  yield* whole('overshootTolerancePercent', overshootTolerancePercent, percent);
  for (const [name, value] of Object.entries(estimate)) {
    const max = name === 'safetyPercent' ? 1_000 : ESTIMATE_PART_MAX;
    yield* whole(`estimate.${name}`, value, { min: name === 'bytesPerToken' ? 1 : 0, max });
  }
  for (const tool of TOOLS) {
    for (const [name, value] of Object.entries(toolLimits[tool])) {
      if (value !== null)
        yield* whole(`toolLimits.${tool}.${name}`, value, {
          min: 0,
          max: TOOL_LIMIT_MAX,
          orElse: ', or null',
        });
    }
  }
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** What else the field may have, for the message. */
  readonly orElse?: string;
}

function* whole(field: string, value: number, { min, max, orElse = '' }: Bounds): Generator<Problem> {
  if (!Number.isInteger(value) || value < min || value > max)
    yield { field, message: `${quoted(value)} is no whole number from ${min} to ${max}${orElse}` };
}
