// A command from a caller to the ledger and back: the tenancy says what the ledger is asked and what is shown of its
// answer; between them the command is in flight under its Idempotency-Key.

import { labelSetsOf } from '../access/labels.js';
import type { Ledger } from '../authority/api.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
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
    const outcome = await perform(api.ledger, asked);
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

function perform(ledger: Ledger, command: Command): Promise<CommandOutcome> {
  switch (command.command) {
    case 'authorize_hold':
      return ledger.authorize(command);
    case 'settle_hold':
      return ledger.settle(command);
    case 'extend_hold':
      return ledger.extend(command);
    case 'release_hold':
      return ledger.release(command);
    case 'reverse_hold':
      return ledger.reverse(command);
    case 'correct_hold':
      return ledger.correct(command);
    case 'record_spend':
      return ledger.record(command);
    case 'credit_spend':
      return ledger.credit(command);
    case 'top_up':
      return ledger.topUp(command);
    case 'set_budget_status':
      return ledger.setBudgetStatus(command);
    case 'exhaust_budget':
      return ledger.exhaust(command);
    case 'set_balance_limit':
      return ledger.setBalanceLimit(command);
    case 'put_definitions':
      return ledger.putDefinitions(command);
  }
}
