// The sections `goals` and `notices` of the configuration, with their defaults and bounds. Called by settings-file.ts;
// docs/configuration.md lists them.

import type { Findings, Located } from '../kit/located-values.js';
import { Section } from '../kit/settings-section.js';
import { type NoticeSettings, REACHES } from '../notices/notice.js';
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

export function readNotices(node: Located | undefined, findings: Findings): NoticeSettings {
  const section = Section.read(node, 'notices', ['reach'], findings);
  const isStated = section.node('reach') !== undefined;
  return { reach: (isStated ? section.oneOf('reach', REACHES) : null) ?? 'public' };
}
