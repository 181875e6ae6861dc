// Who calls: the key of a request, from `Authorization: Bearer`, `x-api-key` or `api-key`. What the key may do is each route's to
// say (serve.ts), whose things it sees the tenancy's.

import type { KeyRing } from '../access/key-ring.js';
import { keyRefused, keyTextIn } from '../access/key-text.js';
import type { Reply, Request } from './api.js';

/** A hook that finds the caller, or refuses. */
export function authenticate(keyRing: KeyRing) {
  return (request: Request, _reply: Reply, done: (error?: Error) => void): void => {
    let refused: Error | undefined;
    try {
      const text = keyTextIn(request.headers);
      const caller = keyRing.authenticate(text);
      if (caller === null) throw keyRefused(text);
      request.caller = caller;
    } catch (error) {
      refused = error as Error;
    }
    done(refused);
  };
}
