// The scenario runner itself: what it must not let pass.

import { describe, expect, test } from 'vitest';
import { memoryPlace, onStage, scenario } from './scenario.js';

const play = (table: string) => onStage(memoryPlace, (stage) => stage.play(table));

describe('scenario tables', () => {
  scenario(
    'scenario: the example of the style guide → a hold expires and is settled late',
    `
    budget  B1 match tenant=acme unit usd limit 100 window day
    hold    H1 tenant=acme usd 40 ttl 10s      -> authorized remaining 60
    tick    11s
    balance B1                                 -> held 0 spent 0 remaining 100
    settle  H1 usd 35                          -> settled late
    balance B1                                 -> held 0 spent 35 remaining 65
    `,
  );

  test.each([
    [
      'budgit B1 match all unit usd limit 1',
      'line 1: budgit B1 match all unit usd limit 1\n  "budgit" is no verb',
    ],
    [
      '\n\nhold H1 tenant=acme usd 1 tll 5s',
      'line 3: hold H1 tenant=acme usd 1 tll 5s\n  Error: "tll" is not understood',
    ],
    ['hold H1 a=b usd 1 -> authorised', '"authorised" is neither so nor a figure here'],
    ['hold H1 a=b usd 1 -> denied', '"denied" is neither so nor a figure here'],
    [
      'budget B match all unit usd limit 5 window day\nhold H a=b usd 6',
      'line 2: hold H a=b usd 6\n  it is denied',
    ],
    [
      'budget B match all unit usd limit 5 window day\nhold H a=b usd 2 -> remaining 4',
      'remaining is 3, not 4',
    ],
    ['tick 5', '"5" is no duration'],
    ['settle H1 usd 1', 'it is rejected'],
    ['hold H1 a=b usd 1.2.3', '"1.2.3" is no amount'],
    ['balance B1', 'it is none'],
    ['hold H1 a=b pounds 1', '"pounds" is not understood'],
  ])('scenario: %j → fails and names the line', async (table, message) => {
    await expect(play(table)).rejects.toThrow(message.replace('  "budgit"', '  Error: "budgit"'));
  });
});
