// Faults and misuse: the only things that throw. Each has a stable `code` for programs.

/** The caller passed something that no command can be made of; names the field, the value and the bound. */
export class InvalidInputError extends Error {
  override readonly name = 'InvalidInputError';
  readonly code = 'invalid_input';
  constructor(
    readonly field: string,
    problem: string,
  ) {
    super(`${field}: ${problem}`);
  }
}

/** Another writer took the ledger over: its epoch is newer, and this one can append nothing (invariant 10). */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  readonly code = 'fenced';
}

/** The ledger is held by a live writer. */
export class LedgerHeldError extends Error {
  override readonly name = 'LedgerHeldError';
  readonly code = 'ledger_held';
}

export class LedgerClosedError extends Error {
  override readonly name = 'LedgerClosedError';
  readonly code = 'ledger_closed';
}

/** The journal could not make a batch durable. The authority has stopped; open the ledger again. */
export class JournalUnavailableError extends Error {
  override readonly name = 'JournalUnavailableError';
  readonly code = 'journal_unavailable';
}

/** More commands are waiting than the ledger queues; none of this one was done. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
  readonly code = 'overloaded';
}

/** Stored bytes are not what was written. `sequence` is the first position that is wrong. */
export class JournalCorruptError extends Error {
  override readonly name = 'JournalCorruptError';
  readonly code = 'journal_corrupt';
  constructor(
    readonly sequence: number,
    readonly problem: string,
  ) {
    super(`journal position ${sequence}: ${problem}`);
  }
}
