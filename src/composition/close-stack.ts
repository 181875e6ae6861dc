// What a server has opened. It is closed in reverse order; one failure does not stop the others. Used by serve.ts.

import type { Logger } from 'pino';

export class CloseStack {
  readonly #closers: { readonly what: string; readonly close: () => Promise<void> | void }[] = [];

  /** Remembers how something is closed, and gives it back. */
  add<T>(what: string, thing: T, close: (thing: T) => Promise<void> | void): T {
    this.#closers.push({ what, close: () => close(thing) });
    return thing;
  }

  async close(logger: Pick<Logger, 'error'>): Promise<void> {
    for (const { what, close } of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        logger.error({ err: error }, `${what} could not be closed`);
      }
    }
  }
}
