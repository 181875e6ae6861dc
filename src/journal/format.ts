// The constants of the journal's byte format, version 1 (docs/journal-format.md). Numbers once given stay as they are.

import type { CoreCommand } from '../core/commands.js';

/** "BRSR" in the byte order of the format. */
export const MAGIC = 0x52535242;
export const FORMAT_VERSION = 1;

/** By code; appended to, never reordered. */
export const COMMAND_KINDS: readonly CoreCommand['kind'][] = [
  'authorize_hold',
  'settle_hold',
  'expire_hold',
  'record_spend',
  'open_window',
  'extend_hold',
  'release_hold',
  'reverse_hold',
  'correct_hold',
  'top_up',
  'set_budget_status',
  'exhaust_budget',
  'set_balance_limit',
  'put_definitions',
  'restore_snapshot',
  'take_snapshot',
  'open_ledger',
  'credit_spend',
];

/** Record flags. */
export const HAS_COMMAND_ID = 1;
export const CHANGED = 2;
/** The last of the command is its note: a reader that does not know the flag finds the command too long, and stops. */
export const HAS_NOTE = 4;

/** Option bits of an authorisation, above the two bits of its overrun policy. */
export const CHARGE_ON_EXPIRY = 4;
export const CALLS_STATED = 8;
export const HAS_EXTRAS = 16;
export const HAS_CANDIDATES = 32;
export const HAS_REQUIRE = 64;

/** Option bits of a settlement. */
export const HAS_STATED = 1;
export const HAS_EXPOSURE = 2;
export const HAS_USAGE = 4;

/** Option bits of a charge. */
export const IS_LATE = 1;
export const HAS_CAPPED = 2;
export const HAS_PAUSED = 4;

/** Stands for the slot of a balance that does not exist. */
export const NO_SLOT = 0xffffffff;
