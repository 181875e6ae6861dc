// Access keys over HTTP.

import { amountIn } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { instantIn } from '../kit/instants.js';
import { cursorOf, limitOf, readCursor } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import type { AccessKeys, IssuedKey } from './access-keys.js';
import { KEY_ROUTES, type KeyIssued, keyOut } from './keys-api.js';

export interface KeyParts {
  readonly keys: AccessKeys;
  /** Ends what a key belongs to, an agent, together with the key. Does nothing for any other key. */
  readonly revokeOwner: (caller: Caller, keyId: string) => Promise<void>;
}

export function keyRoutes(host: RouteHost, { keys, revokeOwner }: KeyParts): void {
  host.serve('listKeys', KEY_ROUTES.listKeys, ({ caller, query }) => {
    const after = readCursor(query);
    const page = keys.list(caller, { max: limitOf(query), ...(after === undefined ? {} : { after }) });
    return { items: page.keys.map(keyOut), nextCursor: page.next === null ? null : cursorOf(page.next) };
  });
  host.serve('createKey', KEY_ROUTES.createKey, async (request, reply) => {
    const { expiresAt, amountMaxUsd, ...key } = request.body;
    const issued = await keys.create(request.caller, {
      ...key,
      ...(expiresAt === undefined ? {} : { expiresAt: instantIn(expiresAt, 'expiresAt') }),
      ...(amountMaxUsd === undefined
        ? {}
        : { amountMaxUsd: amountIn(amountMaxUsd, 'usd', 'amountMaxUsd', host.stated(request)) }),
    });
    reply.code(201);
    return issuedOut(issued);
  });
  host.serve('getKey', KEY_ROUTES.getKey, ({ caller, params }) => keyOut(keys.get(caller, params.id)));
  host.serve('rotateKey', KEY_ROUTES.rotateKey, async ({ caller, params, body }) =>
    issuedOut(await keys.rotate(caller, params.id, body)),
  );
  host.serve('revokeKey', KEY_ROUTES.revokeKey, async ({ caller, params }) => {
    const { id } = keys.get(caller, params.id);
    await revokeOwner(caller, id);
    return keyOut(await keys.revoke(caller, id));
  });
}

function issuedOut({ key, secret }: IssuedKey): KeyIssued {
  return { key: secret, ...keyOut(key) };
}
