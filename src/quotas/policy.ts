// What a policy of a chat product's quotas is (rule Q7): models with their prices in credits, tiers, limits, kill switches
// and how requests are estimated. A document is complete and never changed; policy-check.ts makes one, policies.ts keeps it.

/** Periods and the ledger's windows for them, in UTC. */
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

/** The part of `tokens` that is input: what an estimate of the turn is made of when nobody says what it used (rule Q9). */
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

/** How the tokens of a request are estimated before it is sent (rule Q5). */
export interface EstimateRules {
  readonly bytesPerToken: number;
  readonly fixedTokens: number;
  readonly safetyPercent: number;
  /** For each image, tool, web search and call of the code interpreter. */
  readonly imageTokens: number;
  readonly toolTokens: number;
  readonly webSearchTokens: number;
  readonly codeInterpreterTokens: number;
  /** What any generation comes to at least, where nobody knows what it came to. */
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

/** As it is stored and shown: JSON. */
export interface PolicyDocument {
  /** The best first; a request that does not fit one is tried in the next (rule Q6). */
  readonly tiers: readonly string[];
  /** The first of a tier that is not disabled serves requests that name no model. */
  readonly models: readonly PolicyModel[];
  /** Credits by bucket, as decimals; a bucket that is not here has no limit. */
  readonly limits: Readonly<Record<Period, Readonly<Record<Bucket, string>>>>;
  readonly toolLimits: Readonly<Record<Tool, ToolLimits>>;
  readonly killSwitches: KillSwitches;
  /** How far above its reserve a turn is charged as it was; 0 … 50 (rule Q8). */
  readonly overshootTolerancePercent: number;
  readonly estimate: EstimateRules;
}

/** As its author states it: what is left out has its default. */
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

/** Every tier is a candidate of one authorisation, of which the ledger takes 16, and stands in its note. */
export const TIERS_MAX = 8;
/** What a product offers, with room; each may have a budget a period. */
export const POLICY_MODELS_MAX = 200;
/** In a budget's id beside `quota/monthly/model:`, and in notes once for each tier. */
export const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$/;
export const TIER_NAME = /^[a-z][a-z0-9_-]{0,31}$/;

/** A policy in force or once in force, read once: what turns are decided by. */
export interface QuotaRules {
  readonly version: number;
  readonly document: PolicyDocument;
  readonly models: ReadonlyMap<string, PolicyModel>;
}

export function rulesOf(version: number, document: PolicyDocument): QuotaRules {
  return { version, document, models: new Map(document.models.map((model) => [model.name, model])) };
}
