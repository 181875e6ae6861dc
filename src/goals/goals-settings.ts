// The section `goals` of the configuration, with its defaults and bounds. Called by settings-file.ts;
// docs/configuration.md lists them.

import type { Findings, Located } from '../kit/located-values.js';
import { Section } from '../kit/settings-section.js';
import { type GoalSettings, TEXT_LENGTH_DEFAULT, TEXT_LENGTH_MAX } from './goal.js';

export function readGoals(node: Located | undefined, findings: Findings): GoalSettings {
  const section = Section.read(node, 'goals', ['textLengthMax'], findings);
  return {
    textLengthMax: section.whole('textLengthMax', {
      min: 1,
      max: TEXT_LENGTH_MAX,
      unlessStated: TEXT_LENGTH_DEFAULT,
    }),
  };
}
