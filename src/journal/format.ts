// The constants of the journal's byte format (docs/journal-format.md). Numbers once given stay as they are.

import type { CoreCommand } from '../core/commands.js';

/** "BRSR" in the byte order of the format. */
export const MAGIC = 0x52535242;
/** Written in every new batch. Version 1 is read as well, and rewritten as version 1 when it is verified. */
export const FORMAT_VERSION = 2;
export const FORMAT_VERSION_MIN = 1;

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
  'record_facts',
];

/** Record flags. */
export const HAS_COMMAND_ID = 1;
export const CHANGED = 2;
/** A note follows the command. */
export const HAS_NOTE = 4;
/** From version 2: the actor follows, then the facts. */
export const HAS_ACTOR = 8;
export const HAS_FACTS = 16;
/** Where a record's flags stand, counted from its first byte: after two lengths and the kind. */
export const FLAGS_AT = 9;

/** Option bits of an authorisation, above the two bits of its overrun policy. */
export const CHARGE_ON_EXPIRY = 4;
export const CALLS_STATED = 8;
export const HAS_EXTRAS = 16;
export const HAS_CANDIDATES = 32;
export const HAS_REQUIRE = 64;
/** From version 2: extras that state nothing but a charge at expiry. */
export const HAS_EXPIRY_CHARGE = 128;

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
