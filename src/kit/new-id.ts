// The ids of chats and turns: UUIDs of version 7 (RFC 9562, section 5.7), which begin with the time. Those made one after
// the other lie side by side in an index, so that making one touches the page that the last one touched, however many
// there are.

import { randomUUID } from 'node:crypto';

/** @param at epoch ms; 48 bits of it are kept */
export function newId(at: number): string {
  const time = at.toString(16).padStart(12, '0').slice(-12);
  // Of version 4, whose variant and random bits are those of version 7 too.
  const random = randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
