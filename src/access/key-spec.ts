// What a key may be, and who may make it: every field checked, and nobody makes a key that can more than its maker's.
// Called by key-ring.ts for each new key and each rotation.

import { AMOUNT_MAX } from '../core/amount.js';
import { LABEL_VALUE_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { type Caller, SCOPES, type Scope } from '../kit/caller.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import { CALLER_LABEL_NAME, containsLabels, KEY_LABELS_MAX, LABELS_OF_THE_SERVICE } from './labels.js';
import { AMOUNT_MAX_USD_DEFAULT, amountMaxUsdOf, hasScope } from './scopes.js';
import { tenantProblem } from './tenant-ids.js';

/** Room for what it is for and who has it. */
export const KEY_NAME_LENGTH_MAX = 200;
/** The last instant that a JavaScript date has. */
const INSTANT_MAX_MS = 8_640_000_000_000_000;

/** A key as its maker states it. */
export interface NewKey {
  /** For people; 1 … 200 characters. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Labels of every call with the key; `tenant` says whose key it is, without it it is the platform's. */
  readonly labels?: Labels;
  /** Names of labels that the caller may add. */
  readonly callerLabels?: readonly string[];
  /** Epoch ms; null: never. */
  readonly expiresAt?: number | null;
  /** The most that one command may state in USD, in steps; 1,000,000 USD unless stated, without a bound for an admin. */
  readonly amountMaxUsd?: bigint;
}

/** What a key can do, as far as two keys are compared by it. */
export interface Powers {
  readonly scopes: readonly Scope[];
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly expiresAt: number | null;
  readonly amountMaxUsd?: bigint | undefined;
}

export interface CheckedKey extends Powers {
  readonly name: string;
}

/** The key stated, checked by itself. @throws RefusedError invalid_request naming the field */
export function checkNewKey(stated: NewKey, now: number): CheckedKey {
  const { name, scopes, labels = {}, callerLabels = [], expiresAt = null, amountMaxUsd } = stated;
  const problem = textProblem(name, KEY_NAME_LENGTH_MAX);
  if (problem !== null) throw invalid('name', `${quoted(name)} ${problem}`);
  checkScopes(scopes);
  checkLabels(labels);
  checkCallerLabels(callerLabels, labels);
  checkTenant(scopes, labels);
  if (expiresAt !== null && !(Number.isInteger(expiresAt) && expiresAt > now && expiresAt <= INSTANT_MAX_MS))
    throw invalid('expiresAt', `${quoted(expiresAt)} is no instant after now (${now}), in epoch ms`);
  if (amountMaxUsd !== undefined && !(amountMaxUsd > 0n && amountMaxUsd <= AMOUNT_MAX))
    throw invalid('amountMaxUsd', `${amountMaxUsd} steps are not from 1 to ${AMOUNT_MAX}`);
  return {
    name,
    amountMaxUsd,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    labels: Object.freeze({ ...labels }),
    callerLabels: [...callerLabels],
    expiresAt,
  };
}

function checkScopes(scopes: readonly Scope[]): void {
  if (!Array.isArray(scopes) || scopes.length === 0) throw invalid('scopes', 'at least one is needed');
  for (const scope of scopes) {
    if (!SCOPES.includes(scope)) throw invalid('scopes', `${quoted(scope)} is none of ${SCOPES.join(', ')}`);
  }
}

function checkLabels(labels: Labels): void {
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels))
    throw invalid('labels', `expected an object of names and values, got ${quoted(labels)}`);
  const names = Object.keys(labels);
  checkCount('labels', names.length);
  for (const name of names) {
    checkName('labels', name);
    const value = labels[name];
    const problem =
      textProblem(value, LABEL_VALUE_LENGTH_MAX) ?? (name === 'tenant' ? tenantProblem(value) : null);
    if (problem !== null) throw invalid(`labels.${name}`, `${quoted(value)} ${problem}`);
    if (name !== 'tenant' && LABELS_OF_THE_SERVICE.has(name))
      throw invalid(`labels.${name}`, 'is decided for each call, not by the key');
  }
}

function checkCallerLabels(names: readonly string[], labels: Labels): void {
  if (!Array.isArray(names)) throw invalid('callerLabels', `expected a list of names, got ${quoted(names)}`);
  checkCount('callerLabels', names.length + Object.keys(labels).length);
  for (const name of names) {
    checkName('callerLabels', name);
    if (LABELS_OF_THE_SERVICE.has(name))
      throw invalid('callerLabels', `${quoted(name)} is never its caller's to state`);
    if (Object.hasOwn(labels, name)) throw invalid('callerLabels', `${quoted(name)} is fixed by the key`);
  }
  if (new Set(names).size !== names.length) throw invalid('callerLabels', 'a name stands there twice');
}

function checkCount(field: string, count: number): void {
  if (count > KEY_LABELS_MAX)
    throw invalid(field, `a key has ${count} labels and names of labels; at most ${KEY_LABELS_MAX}`);
}

function checkName(field: string, name: unknown): void {
  if (typeof name !== 'string' || !CALLER_LABEL_NAME.test(name))
    throw invalid(field, `${quoted(name)} is no name: a lower-case letter, then up to 62 of a-z 0-9 _ . -`);
}

function checkTenant(scopes: readonly Scope[], labels: Labels): void {
  const isTenants = Object.hasOwn(labels, 'tenant');
  if (isTenants && scopes.includes('admin'))
    throw invalid('scopes', 'a key of a tenant cannot have the scope admin, which is for all tenants');
  if (isTenants || scopes.includes('admin')) return;
  for (const scope of ['tenant_admin', 'spend', 'correct'] as const) {
    if (scopes.includes(scope))
      throw invalid('labels.tenant', `is missing: a key with the scope ${scope} states it`);
  }
}

/** Whether the caller may see and revoke a key: an admin any, a tenant's admin those with all labels that its own has. */
export function manages(actor: Caller, key: { readonly labels: Labels }): boolean {
  if (hasScope(actor, 'admin')) return true;
  if (!hasScope(actor, 'tenant_admin') || actor.tenant === null) return false;
  return containsLabels(key.labels, actor.labels);
}

/**
 * Refuses to give the actor a key that can more than its own: a wider scope, labels it cannot state, a longer life.
 * @throws RefusedError forbidden, naming what is wider
 */
export function assertWithin(actor: Caller, key: Powers, actorExpiresAt: number | null): void {
  if (hasScope(actor, 'admin')) return;
  if (!manages(actor, key))
    throw forbidden('labels', "a tenant's admin makes keys with all labels that its own key has");
  for (const scope of key.scopes) {
    if (!hasScope(actor, scope)) throw forbidden('scopes', `${scope} is more than the key that makes it has`);
  }
  for (const name of [...Object.keys(key.labels), ...key.callerLabels]) {
    if (!Object.hasOwn(actor.labels, name) && !actor.callerLabels.has(name))
      throw forbidden(`labels.${name}`, 'is no label that the key that makes it could state');
  }
  const most = amountMaxUsdOf(actor);
  if (most !== null && key.amountMaxUsd !== undefined && key.amountMaxUsd > most)
    throw forbidden('amountMaxUsd', 'is above that of the key that makes it');
  if (actorExpiresAt !== null && (key.expiresAt === null || key.expiresAt > actorExpiresAt))
    throw forbidden('expiresAt', `must be at most ${actorExpiresAt}, when the key that makes it expires`);
}

/** A key that states no bound has that of the key that makes it, where that is lower than every key's. */
export function boundedAs(key: CheckedKey, { amountMaxUsd }: Pick<Caller, 'amountMaxUsd'>): CheckedKey {
  if (key.amountMaxUsd !== undefined || amountMaxUsd === undefined || amountMaxUsd >= AMOUNT_MAX_USD_DEFAULT)
    return key;
  return { ...key, amountMaxUsd };
}

function forbidden(field: string, problem: string): RefusedError {
  return new RefusedError('forbidden', `${field}: ${problem}`, { field });
}
