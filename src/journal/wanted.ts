// How much of a record its reader wants: deciding it again, applying it and showing it take different parts.

import { NOTHING_STATED, type SettleHold } from '../core/commands.js';
import { UnitTable } from '../core/units.js';

/**
 * What is read of each record: all of it; only what deciding it again takes (its command); or only what applying it
 * takes (its outcome, and its command unless it is a settlement or an expiry, whose outcome says all).
 */
export type Wanted = 'all' | 'command' | 'outcome';

/** Stands for the command of a settlement whose outcome alone is read. */
export const UNREAD_SETTLEMENT: SettleHold = {
  kind: 'settle_hold',
  commandId: null,
  holdId: '',
  stated: NOTHING_STATED,
  amounts: { set: new UnitTable().set(0), steps: [] },
  exposure: null,
  usage: null,
  ending: 0,
  note: null,
};
