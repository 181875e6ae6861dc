// Shares work that takes much of a processor among keys: one piece runs at a time, each key has its turn, and only so many
// pieces may wait for one key and in all. Further requests are refused with `rate_limited`.

import { RETRY_AFTER_MS, RefusedError } from '../kit/refusals.js';

export interface ShareLimits {
  /** As a message names it, in the plural. */
  readonly what: string;
  /** Under way and waiting: of one key, and of all. */
  readonly ofKeyMax: number;
  readonly max: number;
}

type Piece = () => Promise<void>;

export class Shares {
  /** What waits, by key; the key that had its turn last stands at the end. */
  readonly #waiting = new Map<string, Piece[]>();
  readonly #ofKey = new Map<string, number>();
  #count = 0;
  #isBusy = false;

  constructor(private readonly limits: ShareLimits) {}

  /** @throws RefusedError rate_limited, naming the limit */
  take<T>(keyId: string, work: () => Promise<T>): Promise<T> {
    const { what, ofKeyMax, max } = this.limits;
    const ofKey = this.#ofKey.get(keyId) ?? 0;
    if (ofKey >= ofKeyMax || this.#count >= max) {
      const limit = ofKey >= ofKeyMax ? `${ofKeyMax} of one key` : `${max} of all keys`;
      const message = `${what}: at most ${limit} are under way or wait; ask again later`;
      return Promise.reject(new RefusedError('rate_limited', message, { retryAfterMs: RETRY_AFTER_MS }));
    }
    this.#count += 1;
    this.#ofKey.set(keyId, ofKey + 1);
    const done = new Promise<T>((resolve, reject) => {
      const piece = async () => {
        try {
          resolve(await work());
        } catch (error) {
          reject(error as Error);
        }
      };
      const own = this.#waiting.get(keyId);
      if (own === undefined) this.#waiting.set(keyId, [piece]);
      else own.push(piece);
    });
    if (!this.#isBusy) void this.#run();
    return done.finally(() => this.#release(keyId));
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) await next();
    this.#isBusy = false;
  }

  #next(): Piece | undefined {
    for (const [keyId, pieces] of this.#waiting) {
      const piece = pieces.shift();
      this.#waiting.delete(keyId);
      if (pieces.length > 0) this.#waiting.set(keyId, pieces);
      return piece;
    }
    return undefined;
  }

  #release(keyId: string): void {
    this.#count -= 1;
    const left = (this.#ofKey.get(keyId) ?? 1) - 1;
    if (left === 0) this.#ofKey.delete(keyId);
    else this.#ofKey.set(keyId, left);
  }
}
