// How much of each record a reader wants. To decide a record again, to apply it and to show it, different parts are
// needed.

import { NO_CLAIMS, type SettleHold } from '../core/commands.js';
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
  stated: NO_CLAIMS,
  amounts: { set: new UnitTable().set(0), steps: [] },
  exposure: null,
  usage: null,
  ending: 0,
  note: null,
};
