// The labels of a call, which decide what budgets count it, and the labels that make a hold a key's own. Only labels that
// the key allows pass here, so that no caller can forge its way round a budget.

import { LABEL_VALUE_LENGTH_MAX, LABELS_MAX, quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import { hasScope } from './scopes.js';

/**
 * Names of labels on keys and on calls with them. Lower-case ASCII, as headers carry it, so that no name looks like
 * another. The ledger itself also takes names of 64 characters, for programs that embed it.
 */
export const CALLER_LABEL_NAME = /^[a-z][a-z0-9_.-]{0,62}$/;

/** Labels that no caller states: the key says whose the call is, and the gateway says where it goes. */
export const LABELS_OF_THE_SERVICE: ReadonlySet<string> = new Set([
  'tenant',
  'provider',
  'model',
  'requested_model',
]);

/** Leaves room for `provider`, `model` and `requested_model`, which the gateway adds to every call. */
export const KEY_LABELS_MAX = LABELS_MAX - 3;

const NONE: Labels = Object.freeze({});

/**
 * The labels of a call on the native API: those of the key, and those that the caller adds. A key with the scope admin may
 * add any label that it does not fix, every other key only its `callerLabels`. Values are compared by code points.
 * @throws RefusedError label_forbidden naming the label; invalid_request for a value that no label can have
 */
export function labelsOfCall(caller: Caller, added: Labels = NONE): Labels {
  const names = Object.keys(added);
  if (names.length === 0) return caller.labels;
  const isAdmin = hasScope(caller, 'admin');
  for (const name of names) assertMayAdd(caller, name, added[name]);
  return isAdmin ? { ...added, ...caller.labels } : merged(added, caller.labels);
}

// Name by name: this is on the path of every call, where spreading one object over another costs ten times as much. Safe
// only because no key allows the name `__proto__`.
function merged(added: Labels, fixed: Labels): Labels {
  const labels: Record<string, string> = {};
  for (const name of Object.keys(added)) labels[name] = added[name];
  for (const name of Object.keys(fixed)) labels[name] = fixed[name];
  return labels;
}

/**
 * The labels of a gateway call before the gateway adds its own. As `labelsOfCall`, but no caller states the labels of the
 * service, whatever its scope. @throws RefusedError as `labelsOfCall`
 */
export function labelsOfGatewayCall(caller: Caller, added: Labels = NONE): Labels {
  for (const name of Object.keys(added)) {
    if (LABELS_OF_THE_SERVICE.has(name) && !fixes(caller, name))
      throw labelForbidden(name, 'is set by the gateway, never by its caller');
  }
  return labelsOfCall(caller, added);
}

/** Whether a caller may choose the value of a label: the key does not fix it, and lets its caller add it. */
export function mayState(caller: Caller, name: string): boolean {
  return !fixes(caller, name) && (caller.callerLabels.has(name) || hasScope(caller, 'admin'));
}

function fixes(caller: Caller, name: string): boolean {
  return Object.hasOwn(caller.labels, name);
}

function assertMayAdd(caller: Caller, name: string, value: unknown): void {
  if (fixes(caller, name)) {
    // The message goes to logs, so it does not repeat the value that the key fixes.
    if (value !== caller.labels[name]) throw labelForbidden(name, 'is fixed by the key to another value');
    return;
  }
  if (!mayState(caller, name))
    throw labelForbidden(
      name,
      'is not one that the key lets its caller state; leave it out, or allow it on the key',
    );
  const problem = textProblem(value, LABEL_VALUE_LENGTH_MAX);
  if (problem !== null) {
    const field = fieldOf(name);
    throw new RefusedError('invalid_request', `${field}: ${quoted(value)} ${problem}`, { field });
  }
}

export function labelForbidden(name: string, why: string): RefusedError {
  return new RefusedError('label_forbidden', `the label ${quoted(name)} ${why}`, { field: fieldOf(name) });
}

// A hostile name is not repeated at length.
function fieldOf(name: string): string {
  return CALLER_LABEL_NAME.test(name) ? `labels.${name}` : 'labels';
}

/** Labels of a command, and of the candidates among which an authorisation chooses. */
interface CountedBy {
  readonly labels: Labels;
  readonly candidates?: readonly { readonly labels?: Labels }[] | undefined;
}

/**
 * Every set of labels that a command may be counted by: its own, and for each candidate its own with the candidate's laid
 * over them. A check of a call's labels is a check of each of these sets.
 */
export function labelSetsOf({ labels, candidates = [] }: CountedBy): readonly Labels[] {
  const sets = [labels];
  for (const candidate of candidates)
    if (candidate.labels !== undefined) sets.push({ ...labels, ...candidate.labels });
  return sets;
}

/** These labels of an agent say whose money a call spends. Agents below it may carry others, so they do not bound its own. */
const OF_OWN_MONEY = 'agent.own.';

/**
 * The labels that make a hold or spend the key's own: all that the key fixes. A key that fixes a user sees and ends that
 * user's holds alone, an agent's key its own and those of agents below it. None for an admin, who sees everything.
 */
export function ownLabels(caller: Caller): Labels {
  if (hasScope(caller, 'admin')) return NONE;
  const names = Object.keys(caller.labels);
  if (!names.some((name) => name.startsWith(OF_OWN_MONEY))) return caller.labels;
  return Object.fromEntries(
    names.filter((name) => !name.startsWith(OF_OWN_MONEY)).map((name) => [name, caller.labels[name]]),
  );
}

/** Whether something with these labels is the caller's own. */
export function carriesOwn(caller: Caller, labels: Labels): boolean {
  return containsLabels(labels, ownLabels(caller));
}

/** Whether the key stands for a part of its tenant. Then the id of a hold alone does not say that it is the key's own. */
export function isOfPart(caller: Caller): boolean {
  return Object.keys(ownLabels(caller)).some((name) => name !== 'tenant');
}

/** Whether `labels` have every one of `wanted`, with the same values. */
export function containsLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
  );
}
