// A roster has the members that a set would have, whatever comes and goes.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Roster } from '#bursar/kit/roster.js';

const members = Array.from({ length: 8 }, (_, number) => ({ number, place: -1 }));
type Member = (typeof members)[number];

test('a roster has what was added and not removed since, each once', () => {
  const step = fc.record({ adds: fc.boolean(), member: fc.constantFrom(...members) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      for (const member of members) member.place = -1;
      const roster = new Roster<Member>();
      const model = new Set<Member>();
      for (const { adds, member } of steps) {
        if (!adds) {
          roster.remove(member);
          model.delete(member);
        } else if (model.has(member)) {
          expect(() => roster.add(member)).toThrow('on a roster already');
        } else {
          roster.add(member);
          model.add(member);
        }
        expect(roster.size).toBe(model.size);
        expect(new Set(roster.all())).toEqual(model);
        expect(roster.all()).toHaveLength(model.size);
      }
    }),
  );
});

test('members may leave while the roster is gone through', () => {
  const roster = new Roster<Member>();
  for (const member of members) {
    member.place = -1;
    roster.add(member);
  }
  const seen: number[] = [];
  for (const member of roster.all()) {
    roster.remove(member);
    seen.push(member.number);
  }
  expect(seen).toEqual(members.map(({ number }) => number));
  expect(roster.all()).toEqual([]);
});
