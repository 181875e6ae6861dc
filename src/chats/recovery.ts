// What a crash left of turns, finished at the start, before anybody calls: an intent that the ledger holds is a running
// turn, one that it does not hold never was; a decided end is settled; a turn whose call died with the process, or whose
// hold is over, is orphaned (rule Q9). Called once, by the composition root through conversations.ts.

import type { HoldView } from '../core/outcomes.js';
import type { GroupCommit } from './group-commit.js';
import type { MessageTable } from './message-table.js';
import type { HeldTerms } from './turn.js';
import type { TurnEnds } from './turn-ends.js';
import type { ConversationParts } from './turn-parts.js';
import { isEnding, type TurnRow, type TurnTable } from './turn-table.js';
import { ORPHANED } from './watchdog.js';

/** Turns looked at in one go: their rows are in memory meanwhile. */
const TURNS_AT_ONCE = 500;

export interface Recovered {
  /** Turns that never came to be, and are forgotten. */
  readonly forgotten: number;
  /** Turns that the ledger holds, and that run. */
  readonly resumed: number;
  /** Turns whose end was decided, or that nobody can end any more. */
  readonly ended: number;
}

export interface RecoveryParts {
  readonly parts: Pick<ConversationParts, 'ledger' | 'clock'>;
  readonly writer: GroupCommit;
  readonly turns: TurnTable;
  readonly messages: MessageTable;
  readonly ends: TurnEnds;
}

export async function recoverTurns(recovery: RecoveryParts): Promise<Recovered> {
  const tally = { forgotten: 0, resumed: 0, ended: 0 };
  let after = 0;
  for (;;) {
    const rows = recovery.turns.unfinished(after, TURNS_AT_ONCE);
    if (rows.length === 0) return tally;
    after = rows[rows.length - 1].chat;
    const done = await Promise.all(rows.map((row) => recoverOne(recovery, row)));
    for (const what of done) tally[what] += 1;
  }
}

async function recoverOne(recovery: RecoveryParts, found: TurnRow): Promise<keyof Recovered> {
  const { parts, writer, turns, messages, ends } = recovery;
  const { number, holdId } = found;
  const hold = parts.ledger.hold(holdId);
  let turn = found;
  if (found.state === 'starting') {
    if (hold === undefined) {
      await writer.casually(() => {
        messages.forget(number);
        turns.forget(number);
      });
      return 'forgotten';
    }
    turn = await writer.durably(() => {
      if (found.replaces !== null) turns.remove(found.replaces, parts.clock.now());
      turns.run(number, termsOf(hold), hold.expiresAt);
      return turns.byNumber(number) ?? found;
    });
  }
  const isOver = hold?.status !== 'open';
  if (turn.ending === null && !isOver && turn.meteredBy !== 'gateway') return 'resumed';
  const ending = isEnding(turn)
    ? turn
    : await writer.durably(() => ends.decide(turn, ORPHANED, parts.clock.now()));
  if (ending !== null) await ends.finish(ending);
  return 'ended';
}

/** What the ledger knows of the terms of a hold whose answer never came. */
function termsOf({ authorized, labels, openedSequence }: HoldView): HeldTerms {
  const { tier, model, policy } = labels;
  return {
    decisionId: `dec-${openedSequence}`,
    held: authorized,
    ...(policy === undefined ? {} : { policy: Number(policy) }),
    ...(tier === undefined ? {} : { tier }),
    ...(model === undefined ? {} : { model }),
  };
}
