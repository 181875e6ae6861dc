// The section `conversations` of the configuration: when the watchdog takes a turn for orphaned (rule T6). Owns its
// defaults and bounds. Called by settings-file.ts; docs/configuration.md lists them.

import type { Findings, Located } from '../kit/located-values.js';
import { Section } from '../kit/settings-section.js';
import type { TurnSettings } from './turn-parts.js';

const MINUTE_MS = 60_000;

/** Rule T6. Shorter would end turns that think; longer would tie their quota up after a crash of the caller. */
const BOUNDS = { min: MINUTE_MS, max: 60 * MINUTE_MS };

export function readConversations(node: Located | undefined, findings: Findings): TurnSettings {
  const section = Section.read(node, 'conversations', ['turnTimeout', 'watchdogInterval'], findings);
  return {
    turnTimeoutMs: section.durationMs('turnTimeout', { ...BOUNDS, unlessStated: 5 * MINUTE_MS }),
    watchdogIntervalMs: section.durationMs('watchdogInterval', { ...BOUNDS, unlessStated: MINUTE_MS }),
  };
}
