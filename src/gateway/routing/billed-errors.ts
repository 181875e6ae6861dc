// Errors that a provider bills although it answers nothing (a filter that read the prompt, a proxy's time-out): patterns of
// its profile, which the configuration can state. Every other explicit error before any output costs nothing (rule Q9).

import { RE2JS } from 're2js';
import type { ErrorProfile } from '../profiles/profile.js';
import { MESSAGE_BYTES_MAX, type ProviderError } from './signatures.js';

const COMPILED = new WeakMap<readonly string[], readonly RE2JS[]>();

/** Whether an explicit error is billed. The patterns are matched against `STATUS MESSAGE`, case-insensitive. */
export function isBilledError({ billed }: Pick<ErrorProfile, 'billed'>, error: ProviderError): boolean {
  if (billed.length === 0) return false;
  const subject = `${error.status} ${error.text.slice(0, MESSAGE_BYTES_MAX)}`;
  return patterns(billed).some((pattern) => pattern.test(subject));
}

function patterns(texts: readonly string[]): readonly RE2JS[] {
  const known = COMPILED.get(texts);
  if (known !== undefined) return known;
  const made = texts.map((text) => RE2JS.compile(text, RE2JS.CASE_INSENSITIVE | RE2JS.DOTALL));
  COMPILED.set(texts, made);
  return made;
}
