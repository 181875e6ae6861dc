// The labels of a call: those that the key fixes, and those that its caller states. What a budget counts by is decided
// here, so nothing passes that the key does not allow. Called for every authorisation, spend and check, and by key-spec.ts.

import { LABEL_VALUE_LENGTH_MAX, LABELS_MAX, quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import { hasScope } from './scopes.js';

/**
 * Names of labels on keys and on calls with them. Lower-case ASCII, as headers carry it: no name looks like another.
 * The ledger takes 64 characters; its longer spellings are for those who embed it.
 */
export const CALLER_LABEL_NAME = /^[a-z][a-z0-9_.-]{0,62}$/;

/** Where a call goes is the gateway's to say; whose it is, the key's. */
export const LABELS_OF_THE_SERVICE: ReadonlySet<string> = new Set([
  'tenant',
  'provider',
  'model',
  'requested_model',
]);

/** Room for `provider`, `model` and `requested_model`, which the gateway adds to every call. */
export const KEY_LABELS_MAX = LABELS_MAX - 3;

/**
 * The labels of a call on the native API: the key's, and those stated. A key with the scope admin may state any label
 * that it does not fix; any other key only its `callerLabels`. Values are compared by code points.
 * @throws RefusedError label_forbidden naming the label; invalid_request for a value that is no label's
 */
export function labelsOfCall(caller: Caller, stated: Labels = NONE): Labels {
  const names = Object.keys(stated);
  if (names.length === 0) return caller.labels;
  const free = hasScope(caller, 'admin');
  for (const name of names) checkStated(caller, { name, value: stated[name], free });
  return free ? { ...stated, ...caller.labels } : merged(stated, caller.labels);
}

// Name by name: on the path of every call, where spreading one object over another costs ten times as much. Only for names
// that a key allows: `__proto__` is none.
function merged(stated: Labels, fixed: Labels): Labels {
  const labels: Record<string, string> = {};
  for (const name of Object.keys(stated)) labels[name] = stated[name];
  for (const name of Object.keys(fixed)) labels[name] = fixed[name];
  return labels;
}

/**
 * The labels of a gateway call before those of where it goes are added: as `labelsOfCall`, but nobody states those of the
 * service there, whatever the scope.
 * @throws RefusedError label_forbidden naming the label; invalid_request for a value that is no label's
 */
export function labelsOfGatewayCall(caller: Caller, stated: Labels = NONE): Labels {
  for (const name of Object.keys(stated)) {
    if (LABELS_OF_THE_SERVICE.has(name) && !fixes(caller, name))
      throw forbidden(name, 'is set by the gateway, never by its caller');
  }
  return labelsOfCall(caller, stated);
}

/** Whether a caller may say what that label is: the key does not fix it, and lets its caller state it. */
export function mayState(caller: Caller, name: string): boolean {
  return !fixes(caller, name) && (caller.callerLabels.has(name) || hasScope(caller, 'admin'));
}

const NONE: Labels = Object.freeze({});

/**
 * Every set of labels that a command may count by: its own, and for each candidate its own laid over them. What is checked
 * of a call's labels is checked of each of these.
 */
export function labelSetsOf({ labels, candidates = [] }: Counted): readonly Labels[] {
  const sets = [labels];
  for (const candidate of candidates)
    if (candidate.labels !== undefined) sets.push({ ...labels, ...candidate.labels });
  return sets;
}

interface Counted {
  readonly labels: Labels;
  readonly candidates?: readonly { readonly labels?: Labels }[] | undefined;
}

function fixes(caller: Caller, name: string): boolean {
  return Object.hasOwn(caller.labels, name);
}

interface Stated {
  readonly name: string;
  readonly value: unknown;
  /** Whether any name may be stated. */
  readonly free: boolean;
}

function checkStated(caller: Caller, { name, value, free }: Stated): void {
  if (fixes(caller, name)) {
    // The value that the key fixes is not repeated: a message goes to logs.
    if (value !== caller.labels[name]) throw forbidden(name, 'is fixed by the key to another value');
    return;
  }
  if (!free && !caller.callerLabels.has(name))
    throw forbidden(
      name,
      'is not one that the key lets its caller state; leave it out, or allow it on the key',
    );
  const problem = textProblem(value, LABEL_VALUE_LENGTH_MAX);
  if (problem !== null) {
    const field = fieldOf(name);
    throw new RefusedError('invalid_request', `${field}: ${quoted(value)} ${problem}`, { field });
  }
}

function forbidden(name: string, why: string): RefusedError {
  return new RefusedError('label_forbidden', `the label ${quoted(name)} ${why}`, { field: fieldOf(name) });
}

// A hostile name is not repeated at length.
function fieldOf(name: string): string {
  return CALLER_LABEL_NAME.test(name) ? `labels.${name}` : 'labels';
}
