// The details of an event: the command's own fields and its outcome's, in the words of the public interface. Slots,
// codes and defaults stay inside.

import type { AuthorizeHold, CoreCommand, HoldCommand } from '../core/commands.js';
import type { Effect, HoldCharged } from '../core/effects.js';
import { HOLD_ENDINGS, OVERRUN_CAP, OVERRUN_FORBID, OVERRUN_RECORD, OVERRUN_REJECT } from '../core/holds.js';
import { labelsOf } from '../core/labels.js';
import type { OverrunPolicy } from '../core/requests.js';
import type { Quantities, UnitTable } from '../core/units.js';

type Details = Record<string, unknown>;

export function detailsOf(command: CoreCommand, effect: Effect, units: UnitTable): Details {
  return withoutEmpty({
    command: command.kind,
    ...commandDetails(command, units),
    ...effectDetails(effect, units),
  });
}

// Fields that are null, undefined or an empty list are left out.
function withoutEmpty(details: Details): Details {
  const said = (value: unknown) =>
    value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(details).filter(([, value]) => said(value)));
}

function commandDetails(command: CoreCommand, units: UnitTable): Details {
  switch (command.kind) {
    case 'authorize_hold':
      return authorizeDetails(command, units);
    case 'settle_hold':
    case 'extend_hold':
    case 'release_hold':
    case 'reverse_hold':
    case 'correct_hold':
      return holdDetails(command, units);
    case 'record_spend': {
      const { labels, amounts, occurredAt, usage, note } = command;
      return { labels: labelsOf(labels), amounts: shown(amounts, units), occurredAt, usage, note };
    }
    case 'credit_spend': {
      const { labels, amounts, occurredAt, reason } = command;
      return { labels: labelsOf(labels), amounts: shown(amounts, units), occurredAt, reason };
    }
    case 'top_up':
      return { budgetId: command.budgetId, values: statedValues(command.values), amount: command.amount };
    case 'set_budget_status':
      return { budgetId: command.budgetId, values: statedValues(command.values), status: command.status };
    case 'exhaust_budget':
      return { budgetId: command.budgetId, values: statedValues(command.values) };
    case 'set_balance_limit':
      // A limit of null means that the account is only metered, so it must not be left out.
      return {
        budgetId: command.budgetId,
        values: statedValues(command.values),
        limit: command.limit ?? 'none',
      };
    case 'put_definitions': {
      const { aliases, budgets, close } = command;
      return { units: command.units, aliases, budgets, close };
    }
    case 'restore_snapshot':
      return { version: command.snapshot.version, digest: command.snapshot.digest };
    case 'take_snapshot':
      return { certify: command.certify };
    case 'open_window':
      return { budgetId: command.budgetId, start: command.start, end: command.end };
    case 'open_ledger': {
      const { authorityId, epoch, retentionMs, endedHoldsMax } = command;
      return { authorityId, epoch, retentionMs, endedHoldsMax };
    }
    case 'expire_hold':
    case 'record_facts':
      return {};
  }
}

function authorizeDetails(command: AuthorizeHold, units: UnitTable): Details {
  const { labels, amounts, ttlMs, overrun, extras, candidates, require, note } = command;
  return {
    labels: labelsOf(labels),
    amounts: shown(amounts, units),
    ttlMs,
    overrun: policyName(overrun, extras.tolerancePercent),
    onExpiry: onExpiry(command, units),
    candidates: candidates?.map((one) => ({
      labels: labelsOf(one.labels),
      amounts: shown(one.amounts, units),
    })),
    require,
    grants: extras.grants,
    authority: extras.lease,
    note,
  };
}

function policyName(overrun: number, tolerancePercent: number): OverrunPolicy {
  switch (overrun) {
    case OVERRUN_RECORD:
      return 'record';
    case OVERRUN_REJECT:
      return 'reject';
    case OVERRUN_FORBID:
      return 'forbid';
    case OVERRUN_CAP:
      return { cap: { tolerancePercent } };
    default:
      throw new Error(`bug: ${overrun} is no overrun policy`);
  }
}

function onExpiry(command: AuthorizeHold, units: UnitTable): unknown {
  if (!command.chargeOnExpiry) return 'release';
  const { expiryCharge } = command.extras;
  return expiryCharge === null ? 'charge' : { charge: shown(expiryCharge, units) };
}

function holdDetails(command: HoldCommand, units: UnitTable): Details {
  const { labels, grant, authority } = command.stated;
  const stated = { labels: labels === null ? null : labelsOf(labels), grant, authority };
  switch (command.kind) {
    case 'settle_hold': {
      const { amounts, exposure, usage, ending, note } = command;
      const exposed = exposure === null ? null : shown(exposure, units);
      return {
        ...stated,
        amounts: shown(amounts, units),
        exposure: exposed,
        usage,
        outcome: HOLD_ENDINGS[ending],
        note,
      };
    }
    case 'extend_hold':
      return {
        ...stated,
        ttlMs: command.ttlMs,
        add: command.add === null ? null : shown(command.add, units),
      };
    case 'release_hold':
      return { ...stated, amounts: command.amounts === null ? null : shown(command.amounts, units) };
    case 'reverse_hold':
      return stated;
    case 'correct_hold':
      return {
        ...stated,
        amounts: shown(command.amounts, units),
        reason: command.reason,
        note: command.note,
      };
  }
}

function shown(amounts: Quantities, units: UnitTable): unknown {
  return units.amounts(amounts.set, amounts.steps);
}

function statedValues(values: string | null): unknown {
  return values === null || values === '' ? null : labelsOf(values);
}

function effectDetails(effect: Effect, units: UnitTable): Details {
  switch (effect.type) {
    case 'hold_authorized':
      return { candidate: effect.candidate === -1 ? null : effect.candidate, expiresAt: effect.expiresAt };
    case 'hold_denied': {
      const { candidate, reason, retryAfterMs, unmet } = effect;
      return {
        candidate: candidate === -1 ? null : candidate,
        reason,
        retryAfterMs: retryAfterMs || null,
        unmet,
      };
    }
    case 'hold_extended':
      return { expiresAt: effect.expiresAt };
    case 'hold_released':
    case 'hold_reversed':
    case 'spend_credited':
      return { returned: units.amounts(effect.set, effect.returned) };
    case 'hold_settled':
    case 'hold_corrected':
    case 'hold_expired':
      return chargeDetails(effect, units);
    case 'spend_recorded':
      return { pausedLines: effect.pausedLines };
    case 'command_rejected':
      return { code: effect.code, value: effect.value || null, bound: effect.bound || null };
    default:
      return { changed: effect.changes, until: effect.until || null };
  }
}

function chargeDetails(effect: HoldCharged, units: UnitTable): Details {
  const { set, charged, returned, late, cappedPlaces, pausedLines } = effect;
  const capped = set.units
    .filter((_unit, place) => (cappedPlaces & (1 << place)) !== 0)
    .map((unit) => units.name(unit));
  return {
    charged: units.amounts(set, charged),
    returned: units.amounts(set, returned),
    late,
    capped,
    pausedLines,
  };
}
