// Rule P8: the examples of the rule book for providers.

import { describe } from 'vitest';
import { scenario } from '../scenario/scenario.js';

const HOUR = 'budget provider/p/hour match provider=p unit usd limit 1 window hour';
const DAY = 'budget provider/p/day match provider=p unit usd limit 1.5 window day';

describe('P8: examples', () => {
  scenario(
    'example: cap 1.00 an hour: 0.50 within, +0.30 near, +0.30 exhausted, next hour within',
    `
    ${HOUR}
    record provider=p usd 0.50     -> verdict within
    record provider=p usd 0.30     -> verdict near
    record provider=p usd 0.30     -> verdict exhausted
    tick   1h
    check  provider=p              -> within
    `,
  );

  scenario(
    'example: 1.00 an hour and 1.50 a day: 0.90 at ten near, 0.70 more at eleven exhausted, by the day',
    `
    ${HOUR}
    ${DAY}
    goto   2026-01-15T10:00:00Z
    record provider=p usd 0.90     -> verdict near
    check  provider=p              -> near worst provider/p/hour
    goto   2026-01-15T11:00:00Z
    record provider=p usd 0.70     -> verdict exhausted
    check  provider=p              -> exhausted worst provider/p/day provider/p/hour.verdict within
    `,
  );

  scenario(
    'example: 1.23 survives a restart in both windows',
    `
    budget provider/p/hour match provider=p unit usd limit 5 window hour
    budget provider/p/day match provider=p unit usd limit 9 window day
    record provider=p usd 1.23
    reopen
    check  provider=p              -> provider/p/hour.spent 1.23 provider/p/day.spent 1.23
    `,
  );
});
