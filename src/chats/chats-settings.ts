// The section `conversations` of the configuration: when the watchdog takes a turn for orphaned (rule T6). Owns its
// defaults and bounds. docs/configuration.md lists the fields.

import { duration, setting, type ValuesOf } from '../kit/file-value.js';

const MINUTE_MS = 60_000;

/** Rule T6. Less would end turns that still think; more would tie their quota up after a crash of the caller. */
const timeout = duration(MINUTE_MS, 60 * MINUTE_MS);

export const CHAT_SETTINGS = {
  /** A running turn that shows no progress for so long is ended by the watchdog. */
  turnTimeoutMs: setting(timeout, 5 * MINUTE_MS),
  /** How often the watchdog looks. */
  watchdogIntervalMs: setting(timeout, MINUTE_MS),
};
export type ChatsSettings = ValuesOf<typeof CHAT_SETTINGS>;
