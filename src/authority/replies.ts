// The replies that wait for one batch to become durable, in the batch's order. Made and answered by pipeline.ts.

type Resolve = (answer: unknown) => void;

export class Replies {
  readonly #answers: unknown[] = [];
  readonly #resolves: Resolve[] = [];

  /** The promise of an answer, kept by `answerAll` or broken by `refuseAll`. */
  add(answer: unknown): Promise<unknown> {
    this.#answers.push(answer);
    return new Promise(this.#keepResolve);
  }

  // One function for all replies: a closure for each would be made on the hot path.
  readonly #keepResolve = (resolve: Resolve): void => {
    this.#resolves.push(resolve);
  };

  answerAll(): void {
    for (let index = 0; index < this.#resolves.length; index += 1)
      this.#resolves[index](this.#answers[index]);
  }

  refuseAll(error: unknown): void {
    for (const resolve of this.#resolves) resolve(Promise.reject(error));
  }
}

/** A promise that another part of the code settles. Nobody has to wait for it. */
export interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function deferred(): Deferred {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
