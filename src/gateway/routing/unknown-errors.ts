// Errors of providers that no pattern knows (rule P9): each is reported once per provider and start of message, so that
// a broken provider does not fill the log and a new kind of error is seen. Asked by the gateway before it logs.

/** Kinds of errors remembered; beyond that the oldest are forgotten, and reported once more. */
const REMEMBERED_MAX = 1_000;
/** Where messages of one kind begin alike: room for a sentence. */
const START_LENGTH_MAX = 120;

export class UnknownErrors {
  readonly #reported = new Set<string>();

  /**
   * The start of the message as it may be logged, the first time that it comes from this provider; null afterwards.
   * Runs that look like keys or ids are blanked: they are no part of what happened, and may be secrets.
   */
  firstSeen(provider: string, status: number, text: string): string | null {
    const start = plainStart(`${status} ${text}`);
    const kind = `${provider}\n${start}`;
    if (this.#reported.has(kind)) return null;
    if (this.#reported.size >= REMEMBERED_MAX)
      this.#reported.delete(this.#reported.values().next().value ?? '');
    this.#reported.add(kind);
    return start;
  }
}

/** The start of a message as it may be logged. */
export function plainStart(text: string): string {
  return text
    .slice(0, 8 * START_LENGTH_MAX)
    .replace(/\p{C}+/gu, ' ')
    .replace(/[\w*+/=.~-]{16,}|\b(?:sk|pk|bur|key)[-_][\w*.-]*/gi, (run) =>
      /[\d*]|^(?:sk|pk|bur|key)[-_]/i.test(run) ? '…' : run,
    )
    .slice(0, START_LENGTH_MAX)
    .trimEnd();
}
