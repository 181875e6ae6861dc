// What the gateway is told by the configuration: its providers, the routes of models to them, how errors are read, and its
// limits. Read from the file by the settings readers of prices, profiles and calls; secrets are not here, a provider names
// the environment variable that holds its key.

import type { ProviderCaps } from '../../budgets/providers.js';
import type { DialectName } from '../dialects/dialect.js';
import type { ProviderProfile } from '../profiles/profile.js';

/** The parts of the configuration that a call of the gateway looks at. */
export interface GatewayConfiguration {
  readonly providers: readonly ProviderSettings[];
  readonly routes: readonly RouteSettings[];
  readonly signatures: SignatureSettings;
  readonly gateway: GatewaySettings;
}

export interface ProviderSettings {
  readonly name: string;
  readonly dialect: DialectName;
  /** What is peculiar to it: that of a known provider, with what the configuration states instead. */
  readonly profile: ProviderProfile;
  /** Without a trailing slash; what is put behind it, the profile says. Null: the built-in demonstration. */
  readonly baseUrl: string | null;
  /** Environment variable with the provider's key; null: none is sent. */
  readonly keyFrom: string | null;
  readonly caps: ProviderCaps;
  /** The name that the price data has for it; its own name unless stated. */
  readonly pricedAs: string;
  /** What an answer is charged by: the price book, or the cost that the provider states, where it does. */
  readonly charge: (typeof CHARGES)[number];
  /** Until the first byte of an answer, and between two bytes of one. */
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export const CHARGES = ['prices', 'provider-cost'] as const;

/** Which providers serve a model that callers name, in order. The first route whose pattern matches counts. */
export interface RouteSettings {
  /** A model name; a trailing `*` matches any ending. */
  readonly model: string;
  readonly candidates: readonly RouteCandidate[];
  /** For calls of this route, instead of the gateway's. */
  readonly outputTokensUnstated?: number;
}

export interface RouteCandidate {
  readonly provider: string;
  /** The provider's name for the model; null: as the caller named it. */
  readonly model: string | null;
}

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
