// What is a key's own: holds and spend that carry every label that the key fixes. A key that fixes a user sees and ends
// that user's alone, an agent's key its own and those below it. Called by the tenancy's parts.

import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { hasScope } from './scopes.js';

/** Of an agent's labels these say whose money a call spends: those of agents below it carry them or not. */
const OF_OWN_MONEY = 'agent.own.';

/** The labels that make a thing the key's own; none for an admin, who sees all. */
export function ownLabels(caller: Caller): Labels {
  if (hasScope(caller, 'admin')) return {};
  const names = Object.keys(caller.labels);
  if (!names.some((name) => name.startsWith(OF_OWN_MONEY))) return caller.labels;
  return Object.fromEntries(
    names.filter((name) => !name.startsWith(OF_OWN_MONEY)).map((name) => [name, caller.labels[name]]),
  );
}

export function carriesOwn(caller: Caller, labels: Labels): boolean {
  return Object.entries(ownLabels(caller)).every(
    ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
  );
}

/** Whether the key is of a part of its tenant: then a hold's id alone does not say that it is the key's own. */
export function isOfPart(caller: Caller): boolean {
  return Object.keys(ownLabels(caller)).some((name) => name !== 'tenant');
}
