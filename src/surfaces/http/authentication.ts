// Who calls: the key of a request, from `Authorization: Bearer` or `x-api-key`. What the key may do is each route's to
// say (serve.ts), whose things it sees the tenancy's.

import type { KeyRing } from '../../service/access/key-ring.js';
import { keyTextIn } from '../../service/access/key-text.js';
import { RefusedError } from '../../service/refusals.js';
import type { Reply, Request } from './api.js';

/** A hook that finds the caller, or refuses. */
export function authenticate(keyRing: KeyRing) {
  return (request: Request, _reply: Reply, done: (error?: Error) => void): void => {
    const caller = keyRing.authenticate(keyTextIn(request.headers));
    if (caller === null) {
      done(new RefusedError('invalid_api_key', 'the key is missing, unknown, revoked or expired'));
      return;
    }
    request.caller = caller;
    done();
  };
}
