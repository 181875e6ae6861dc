// What a quota policy is (rule Q7): models with their prices in credits, tiers, limits, kill switches, and how a request is
// estimated. A document is complete and never changes. policy-check.ts makes one of what its author states, policies.ts
// keeps it.

/** The ledger's window for each period, in UTC. */
export const WINDOW_OF_PERIOD = { daily: 'day', monthly: 'month' } as const;
export type Period = keyof typeof WINDOW_OF_PERIOD;
export const PERIODS = Object.keys(WINDOW_OF_PERIOD) as readonly Period[];

/** Tools whose use is counted and limited (rule Q10), and the unit that each is counted in. */
export const UNIT_OF_TOOL = {
  webSearches: 'web_searches',
  codeInterpreterCalls: 'code_interpreter_calls',
} as const;
export type Tool = keyof typeof UNIT_OF_TOOL;
export const TOOLS = Object.keys(UNIT_OF_TOOL) as readonly Tool[];

/** The unit of quotas; one step is a micro-credit (rule Q4). */
export const CREDITS = 'credits';
export const CREDITS_SCALE = 6;

/** The part of `tokens` that is input. A turn whose use nobody states is estimated from it (rule Q9). */
export const INPUT_TOKENS = 'input_tokens';

/** `total`, `tier:NAME` or `model:NAME` (rule Q1). */
export type Bucket = string;

export interface PolicyModel {
  readonly name: string;
  readonly tier: string;
  /** Micro-credits for a million tokens, 1 … 10 billion (rule Q4). */
  readonly inputMultiplier: number;
  readonly outputMultiplier: number;
  /** The most that one answer of the model can have; 1 … 10 million. */
  readonly outputTokensMax: number;
}

/** How the tokens of a request are estimated before the request is sent (rule Q5). */
export interface EstimateRules {
  readonly bytesPerToken: number;
  readonly fixedTokens: number;
  readonly safetyPercent: number;
  /** For each image, tool, web search and call of the code interpreter. */
  readonly imageTokens: number;
  readonly toolTokens: number;
  readonly webSearchTokens: number;
  readonly codeInterpreterTokens: number;
  /** The output tokens that a generation is estimated at when nobody knows its output. */
  readonly outputTokensMin: number;
}

/** Null: no limit. */
export interface ToolLimits {
  readonly daily: number | null;
  readonly perTurn: number | null;
}

export interface KillSwitches {
  /** Nobody gets the first tier. */
  readonly disablePremiumTier: boolean;
  /** Everybody gets the last tier. */
  readonly forceStandardTier: boolean;
  readonly disabledModels: readonly string[];
}

/** A complete policy, as it is stored and shown: JSON. */
export interface PolicyDocument {
  /** The best tier first. A request that does not fit a tier is tried in the next one (rule Q6). */
  readonly tiers: readonly string[];
  /** The first model of a tier that is not disabled serves the requests that name no model. */
  readonly models: readonly PolicyModel[];
  /** Credits by bucket, as decimals; a bucket that is not here has no limit. */
  readonly limits: Readonly<Record<Period, Readonly<Record<Bucket, string>>>>;
  readonly toolLimits: Readonly<Record<Tool, ToolLimits>>;
  readonly killSwitches: KillSwitches;
  /** Up to so much above its reserve, a turn is charged what it used; 0 … 50 (rule Q8). */
  readonly overshootTolerancePercent: number;
  readonly estimate: EstimateRules;
}

/** A policy as its author states it. What the author leaves out gets its default. */
export type PolicyInput = Pick<PolicyDocument, 'tiers' | 'models'> & {
  readonly limits?: Partial<PolicyDocument['limits']>;
  readonly toolLimits?: Partial<Record<Tool, Partial<ToolLimits>>>;
  readonly killSwitches?: Partial<KillSwitches>;
  readonly overshootTolerancePercent?: number;
  readonly estimate?: Partial<EstimateRules>;
};

/** Rules Q5, Q8 and Q10. */
export const ESTIMATE_DEFAULT: EstimateRules = {
  bytesPerToken: 4,
  fixedTokens: 100,
  safetyPercent: 10,
  imageTokens: 1_000,
  toolTokens: 500,
  webSearchTokens: 500,
  codeInterpreterTokens: 1_000,
  outputTokensMin: 50,
};
export const OVERSHOOT_TOLERANCE_DEFAULT_PERCENT = 10;
export const OVERSHOOT_TOLERANCE_MAX_PERCENT = 50;
export const TOOL_LIMITS_DEFAULT: Readonly<Record<Tool, ToolLimits>> = {
  webSearches: { daily: 75, perTurn: 2 },
  codeInterpreterCalls: { daily: 50, perTurn: 10 },
};

/** Every tier is a candidate of one authorisation, of which the ledger takes 16, and each is named in the hold's note. */
export const TIERS_MAX = 8;
/** More than a product offers. Each model may have one budget a period. */
export const POLICY_MODELS_MAX = 200;
/** The name is part of a budget's id, after `quota/monthly/model:`, and of the notes of holds, once a tier. */
export const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$/;
export const TIER_NAME = /^[a-z][a-z0-9_-]{0,31}$/;

/** A policy with its models by name: what turns are decided by. */
export interface QuotaRules {
  readonly version: number;
  readonly document: PolicyDocument;
  readonly models: ReadonlyMap<string, PolicyModel>;
}

export function rulesOf(version: number, document: PolicyDocument): QuotaRules {
  return { version, document, models: new Map(document.models.map((model) => [model.name, model])) };
}

/** A field in which two policies differ; null where one of them does not have it. */
export interface PolicyDifference {
  readonly path: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** What differs between two policies, in the order of the fields. Models and limits are compared by their names. */
export function differencesOf(from: PolicyDocument, to: PolicyDocument): PolicyDifference[] {
  const before = fieldsOf(from);
  const after = fieldsOf(to);
  const paths = [...new Set([...before.keys(), ...after.keys()])];
  return paths.flatMap((path) => {
    const [old, now] = [before.get(path) ?? null, after.get(path) ?? null];
    return old === now ? [] : [{ path, from: old, to: now }];
  });
}

function fieldsOf(document: PolicyDocument): Map<string, string> {
  const { models, ...rest } = document;
  const fields = new Map<string, string>();
  // The order of the models decides which one serves a tier.
  fields.set('models', models.map(({ name }) => name).join(', '));
  for (const { name, ...model } of models) gather(fields, `models.${name}`, model);
  gather(fields, '', rest);
  return fields;
}

function gather(fields: Map<string, string>, path: string, value: unknown): void {
  if (Array.isArray(value)) fields.set(path, value.join(', '));
  else if (typeof value !== 'object' || value === null) fields.set(path, String(value));
  else
    for (const [name, part] of Object.entries(value))
      gather(fields, path === '' ? name : `${path}.${name}`, part);
}
