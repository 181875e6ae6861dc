// Who calls: the key of a request, from `Authorization: Bearer`, `x-api-key` or `api-key`. Whether the key may use a route is
// decided in serve.ts, and whose things it sees in access/tenancy.ts.

import type { AccessKeys } from '../access/access-keys.js';
import type { KeyRing } from '../access/key-ring.js';
import { keyRefused, keyTextIn } from '../access/key-text.js';
import type { Caller } from '../kit/caller.js';
import type { Reply, Request } from './api.js';

/** A hook that finds the caller, or refuses. */
export function authenticate({ keyRing, keys }: { readonly keyRing: KeyRing; readonly keys: AccessKeys }) {
  return (request: Request, _reply: Reply, done: (error?: Error) => void): void => {
    let text: string | undefined;
    try {
      text = keyTextIn(request.headers);
    } catch (error) {
      done(error as Error);
      return;
    }
    const known = keyRing.authenticate(text);
    if (known !== null) {
      request.caller = known;
      done();
      return;
    }
    const answer = (caller: Caller | null) => {
      if (caller !== null) request.caller = caller;
      done(caller === null ? keyRefused(text) : undefined);
    };
    keys.authenticate(text).then(answer, done);
  };
}
