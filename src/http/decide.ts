// Runs a caller's command on the ledger: the tenancy turns it into the ledger's command, and its Idempotency-Key is in
// flight until the outcome is there.

import { labelSetsOf } from '../access/labels.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
import { actorOf } from '../kit/caller.js';
import type { RouteRequest } from '../kit/route.js';
import type { Api } from './api.js';
import { noteDecision } from './spans.js';

/** Decides; the outcome is the ledger's own, and what of it may be shown is for `answers.ts`. */
export async function decided(api: Api, request: RouteRequest, command: Command): Promise<CommandOutcome> {
  const asked = askedBy(api, request, command);
  const { commandId } = asked;
  if (commandId !== undefined) api.inFlight.begin(commandId);
  const began = performance.now();
  try {
    const outcome = await api.ledger.run(asked, { actor: actorOf(request.caller) });
    api.metrics.decided(outcome.outcome, performance.now() - began);
    noteDecision(request, outcome);
    return outcome;
  } finally {
    if (commandId !== undefined) api.inFlight.end(commandId);
  }
}

/** What the ledger is asked; `opening` are the holds that come before it in a batch. @throws RefusedError where the command, or the goal that it counts towards, is not the caller's */
export function askedBy(
  api: Api,
  { caller }: RouteRequest,
  command: Command,
  opening?: ReadonlySet<string>,
): Command {
  const asked = api.tenancy.command(caller, command, opening);
  if (asked.command === 'authorize_hold' || asked.command === 'record_spend')
    for (const labels of labelSetsOf(asked)) api.goals.assertUsable(caller, labels);
  return asked;
}
