// Holds and spend over HTTP.

import type { FastifyInstance } from 'fastify';
import { labelsOfCall } from '../access/labels.js';
import {
  authorizeIn,
  correctIn,
  creditIn,
  extendIn,
  type On,
  releaseIn,
  reverseIn,
  settleIn,
  spendIn,
} from '../budgets/hold-commands.js';
import { HOLD_ROUTES } from '../budgets/holds-routes.js';
import { verdictOut } from '../budgets/outcomes-out.js';
import { holdOut } from '../budgets/views-out.js';
import { amountsIn } from '../kit/amounts.js';
import { type Api, type Request, statedIn } from './api.js';
import { runBatch } from './batch.js';
import { commandIdIn, decide } from './decide.js';
import { listHolds } from './lists.js';
import { serve } from './serve.js';

export function holdRoutes(app: FastifyInstance, api: Api): void {
  serve(app, 'authorize', HOLD_ROUTES.authorize, (request, reply) =>
    decide(api, request, reply, authorizeIn(request.body, commandIdIn(request), statedIn(api, request))),
  );
  serve(app, 'listHolds', HOLD_ROUTES.listHolds, (request) => listHolds(api, request.caller, request.query));
  serve(app, 'getHold', HOLD_ROUTES.getHold, ({ caller, params }) =>
    api.ledger.whenDurable(() => holdOut(api.tenancy.hold(caller, params.id), api.scales)),
  );
  serve(app, 'extend', HOLD_ROUTES.extend, (request, reply) =>
    decide(api, request, reply, extendIn(request.body, on(request, request.params), statedIn(api, request))),
  );
  serve(app, 'release', HOLD_ROUTES.release, (request, reply) =>
    decide(api, request, reply, releaseIn(request.body, on(request, request.params), statedIn(api, request))),
  );
  serve(app, 'reverse', HOLD_ROUTES.reverse, (request, reply) =>
    decide(api, request, reply, reverseIn(request.body, on(request, request.params))),
  );
  serve(app, 'settle', HOLD_ROUTES.settle, (request, reply) =>
    decide(api, request, reply, settleIn(request.body, on(request, request.params), statedIn(api, request))),
  );
  serve(app, 'correct', HOLD_ROUTES.correct, (request, reply) =>
    decide(api, request, reply, correctIn(request.body, on(request, request.params), statedIn(api, request))),
  );
  serve(app, 'recordSpend', HOLD_ROUTES.recordSpend, (request, reply) =>
    decide(api, request, reply, spendIn(request.body, commandIdIn(request), statedIn(api, request))),
  );
  serve(app, 'creditSpend', HOLD_ROUTES.creditSpend, (request, reply) =>
    decide(api, request, reply, creditIn(request.body, commandIdIn(request), statedIn(api, request))),
  );
  serve(app, 'check', HOLD_ROUTES.check, (request) => {
    const { amounts } = request.body;
    const labels = labelsOfCall(request.caller, request.body.labels);
    api.goals.assertUsable(request.caller, labels);
    const verdict = api.ledger.check({
      labels,
      ...(amounts === undefined ? {} : { amounts: amountsIn(amounts, 'amounts', statedIn(api, request)) }),
    });
    return verdictOut(api.tenancy.verdict(request.caller, verdict), api.scales);
  });
  serve(app, 'batch', HOLD_ROUTES.batch, (request, reply) => runBatch(api, request, reply, request.body));
}

function on(request: Request, { id }: { readonly id: string }): On {
  return { holdId: id, commandId: commandIdIn(request) };
}
