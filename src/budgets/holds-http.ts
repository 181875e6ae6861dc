// Holds and spend over HTTP.

import { labelsOfCall } from '../access/labels.js';
import { amountsIn } from '../kit/amounts.js';
import { commandIdIn } from '../kit/idempotency-key.js';
import type { RouteHost, RouteRequest } from '../kit/route.js';
import {
  authorizeIn,
  correctIn,
  creditIn,
  extendIn,
  HOLD_ROUTES,
  type On,
  releaseIn,
  reverseIn,
  settleIn,
  spendIn,
} from './holds-api.js';
import type { GoalCheck, LedgerParts } from './ledger-parts.js';
import { listHolds } from './lists.js';
import { verdictOut } from './outcomes-out.js';
import { holdOut } from './views-out.js';

export interface HoldParts extends LedgerParts {
  readonly assertGoalUsable: GoalCheck;
}

/** All but the batch, whose commands http/ hands to the ledger by itself. */
export function holdRoutes(host: RouteHost, parts: HoldParts): void {
  host.serve('authorize', HOLD_ROUTES.authorize, (request, reply) =>
    host.decide(request, reply, authorizeIn(request.body, commandIdIn(request), host.stated(request))),
  );
  host.serve('listHolds', HOLD_ROUTES.listHolds, (request) =>
    listHolds(parts, request.caller, request.query),
  );
  host.serve('getHold', HOLD_ROUTES.getHold, ({ caller, params }) =>
    parts.ledger.whenDurable(() => holdOut(parts.tenancy.hold(caller, params.id), host.scales)),
  );
  host.serve('extend', HOLD_ROUTES.extend, (request, reply) =>
    host.decide(request, reply, extendIn(request.body, on(request, request.params), host.stated(request))),
  );
  host.serve('release', HOLD_ROUTES.release, (request, reply) =>
    host.decide(request, reply, releaseIn(request.body, on(request, request.params), host.stated(request))),
  );
  host.serve('reverse', HOLD_ROUTES.reverse, (request, reply) =>
    host.decide(request, reply, reverseIn(request.body, on(request, request.params))),
  );
  host.serve('settle', HOLD_ROUTES.settle, (request, reply) =>
    host.decide(request, reply, settleIn(request.body, on(request, request.params), host.stated(request))),
  );
  host.serve('correct', HOLD_ROUTES.correct, (request, reply) =>
    host.decide(request, reply, correctIn(request.body, on(request, request.params), host.stated(request))),
  );
  host.serve('recordSpend', HOLD_ROUTES.recordSpend, (request, reply) =>
    host.decide(request, reply, spendIn(request.body, commandIdIn(request), host.stated(request))),
  );
  host.serve('creditSpend', HOLD_ROUTES.creditSpend, (request, reply) =>
    host.decide(request, reply, creditIn(request.body, commandIdIn(request), host.stated(request))),
  );
  host.serve('check', HOLD_ROUTES.check, (request) => {
    const { amounts } = request.body;
    const labels = labelsOfCall(request.caller, request.body.labels);
    parts.assertGoalUsable(request.caller, labels);
    const verdict = parts.ledger.check({
      labels,
      ...(amounts === undefined ? {} : { amounts: amountsIn(amounts, 'amounts', host.stated(request)) }),
    });
    return verdictOut(parts.tenancy.verdict(request.caller, verdict), host.scales);
  });
}

function on(request: RouteRequest, { id }: { readonly id: string }): On {
  return { holdId: id, commandId: commandIdIn(request) };
}
