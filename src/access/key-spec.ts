// What a key may be, and who may make it. Every field is checked, and nobody makes a key that can do more than their own.
// Called by access-keys.ts for each new key and each rotation, and by agents for the keys of agents.

import { AMOUNT_MAX } from '../core/amount.js';
import { LABEL_VALUE_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { type Caller, SCOPES, type Scope } from '../kit/caller.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import { CALLER_LABEL_NAME, containsLabels, KEY_LABELS_MAX, LABELS_OF_THE_SERVICE } from './labels.js';
import { AMOUNT_MAX_USD_DEFAULT, amountMaxUsdOf, hasScope } from './scopes.js';
import { tenantProblem } from './tenant-ids.js';

/** Room to say who has the key and for what. */
export const KEY_NAME_LENGTH_MAX = 200;
/** The last instant that a JavaScript date has. */
const INSTANT_MAX_MS = 8_640_000_000_000_000;

/** A new key as its maker describes it. */
export interface NewKey {
  /** For people; 1 … 200 characters. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Labels of every call with the key. `tenant` says whose key it is; a key without it is the platform's. */
  readonly labels?: Labels;
  /** Names of labels that the caller may add. */
  readonly callerLabels?: readonly string[];
  /** Epoch ms; null: never. */
  readonly expiresAt?: number | null;
  /** The most that one command may state in USD, in steps. By default 1,000,000 USD, and no bound for an admin. */
  readonly amountMaxUsd?: bigint;
}

/** What a key can do, as two keys are compared by it. */
export interface KeyPowers {
  readonly scopes: readonly Scope[];
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly expiresAt: number | null;
  readonly amountMaxUsd?: bigint | undefined;
}

/** A new key after the checks, with every field. */
export interface KeySpec extends KeyPowers {
  readonly name: string;
}

/** Checks each field of a new key by itself. @throws RefusedError invalid_request naming the field */
export function checkNewKey(key: NewKey, now: number): KeySpec {
  const { name, scopes, labels = {}, callerLabels = [], expiresAt = null, amountMaxUsd } = key;
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

/** Whether the caller may see and revoke a key: an admin every key, a tenant's admin those with all labels of its own. */
export function manages(caller: Caller, key: { readonly labels: Labels }): boolean {
  if (hasScope(caller, 'admin')) return true;
  if (!hasScope(caller, 'tenant_admin') || caller.tenant === null) return false;
  return containsLabels(key.labels, caller.labels);
}

/**
 * Refuses to give the caller a key that can do more than its own: a wider scope, labels that it cannot state, a longer life.
 * @throws RefusedError forbidden, naming what is wider
 */
export function assertWithin(caller: Caller, key: KeyPowers, callerExpiresAt: number | null): void {
  if (hasScope(caller, 'admin')) return;
  if (!manages(caller, key))
    throw forbidden('labels', "a tenant's admin makes keys with all labels that its own key has");
  for (const scope of key.scopes) {
    if (!hasScope(caller, scope))
      throw forbidden('scopes', `${scope} is more than the key that makes it has`);
  }
  for (const name of [...Object.keys(key.labels), ...key.callerLabels]) {
    if (!Object.hasOwn(caller.labels, name) && !caller.callerLabels.has(name))
      throw forbidden(`labels.${name}`, 'is no label that the key that makes it could state');
  }
  const most = amountMaxUsdOf(caller);
  if (most !== null && key.amountMaxUsd !== undefined && key.amountMaxUsd > most)
    throw forbidden('amountMaxUsd', 'is above that of the key that makes it');
  if (callerExpiresAt !== null && (key.expiresAt === null || key.expiresAt > callerExpiresAt))
    throw forbidden('expiresAt', `must be at most ${callerExpiresAt}, when the key that makes it expires`);
}

/** A new key without a bound gets the bound of the key that makes it, where that is lower than the default. */
export function boundedAs(key: KeySpec, { amountMaxUsd }: Pick<Caller, 'amountMaxUsd'>): KeySpec {
  if (key.amountMaxUsd !== undefined || amountMaxUsd === undefined || amountMaxUsd >= AMOUNT_MAX_USD_DEFAULT)
    return key;
  return { ...key, amountMaxUsd };
}

function forbidden(field: string, problem: string): RefusedError {
  return new RefusedError('forbidden', `${field}: ${problem}`, { field });
}
