// What rides with a command and is no part of it: who asks, and the facts of product features. No decision looks at a
// rider, and a command id that is used again is compared without it.

/** A record of a product feature that the journal carries beside a command. To the core it is text. */
export interface Fact {
  /** The feature that owns the fact: a short lower-case word, such as `goals`. */
  readonly feature: string;
  /** What happened, in the feature's own words: `goal_begun`. */
  readonly kind: string;
  /** JSON, at most 1 MiB of UTF-8. */
  readonly body: string;
}

/** Who asked: the id of the acting key, and the address of its client where the server knows it. */
export interface Actor {
  readonly key: string;
  readonly address: string | null;
}

/** What rides with a command: who asks, and the facts that are written if and only if the command is carried out. */
export interface Rider {
  readonly actor?: Actor | null;
  readonly facts?: readonly Fact[];
}

/** A rider after the checks of the edge. */
export type CheckedRider = Required<Rider>;

export const NO_RIDER: CheckedRider = { actor: null, facts: [] };

/** A fact names things by their ids; long texts belong in the vault. */
export const FACT_BODY_BYTES_MAX = 1024 * 1024;
/** Facts of one command: a migration writes thousands of rows in one step. */
export const FACTS_MAX = 10_000;
/** The bodies of one command or group together: a quarter of the largest batch that a journal stores. */
export const FACTS_BYTES_MAX = 16 * 1024 * 1024;
