// Holds and spend over HTTP.

import { labelsOfCall } from '../access/labels.js';
import { amountsIn } from '../kit/amounts.js';
import type { RouteHost } from '../kit/route.js';
import { commandRoutes } from './commands-in.js';
import { HOLD_ROUTES } from './holds-api.js';
import type { GoalCheck, LedgerParts } from './ledger-parts.js';
import { listHolds } from './lists.js';
import { verdictOut } from './outcomes-out.js';
import { holdOut } from './views-out.js';

export interface HoldParts extends LedgerParts {
  readonly assertGoalUsable: GoalCheck;
}

/** All but the batch, whose commands http/ hands to the ledger by itself. */
export function holdRoutes(host: RouteHost, parts: HoldParts): void {
  commandRoutes(host, HOLD_ROUTES, { idField: 'holdId', units: parts.units });
  host.serve('listHolds', HOLD_ROUTES.listHolds, (request) =>
    listHolds(parts, request.caller, request.query),
  );
  host.serve('getHold', HOLD_ROUTES.getHold, ({ caller, params }) =>
    parts.ledger.whenDurable(() => holdOut(parts.tenancy.hold(caller, params.id), host.scales)),
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
