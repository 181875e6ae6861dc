// Ids of chats and turns: version 7, whose order is that of their time.

import { expect, test } from 'vitest';
import { newId } from '#bursar/kit/new-id.js';

test('id: is a UUID of version 7 that begins with its time, and one of a later time sorts after it', () => {
  const times = [0, 1, 255, 1_795_000_000_000, 1_795_000_000_001, 2 ** 48 - 1];
  const ids = times.map(newId);
  for (const [index, id] of ids.entries()) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(times[index]);
  }
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(Array.from({ length: 1_000 }, () => newId(1))).size).toBe(1_000);
});
