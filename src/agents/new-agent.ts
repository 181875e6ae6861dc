// Checks a new agent as its maker states it: a root is made by an administrator of its tenant, a child by its parent's key.
// Nothing that a child is given is wider than what its parent has: units, limits, labels, scopes, life, depth. Called by
// agents.ts.

import { assertWithin, type NewKey } from '../access/key-spec.js';
import { labelsOfCall } from '../access/labels.js';
import { hasScope } from '../access/scopes.js';
import type { Amounts } from '../core/amount.js';
import { quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import type { Caller, Scope } from '../kit/caller.js';
import { requestDigest } from '../kit/facts.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import {
  AGENT_UNITS_MAX,
  type Agent,
  type AgentDraft,
  type AgentRequestKey,
  type ChildMode,
  DEPTH_MAX,
  depthOf,
  poolOf,
} from './agent.js';
import { AGENT_LABEL_PREFIX, treeLabels, UNITS_SEPARATOR } from './agent-budgets.js';
import { newAgentId } from './agents-facts.js';

/** The longest life of an agent. Whoever needs more makes one without an end. 10 years, ms */
export const TTL_MAX_MS = 10 * 366 * 86_400_000;

export interface NewAgent {
  /** For people; 1 … 200 characters. */
  readonly name: string;
  /** Stated for a child, and only for a child. */
  readonly mode?: ChildMode;
  /** Steps by unit, each above 0. A root's units are its tree's. A carved child states all of them, a shared one need not. */
  readonly limits?: Amounts;
  /** One of these or neither. A child ends with its parent at the latest, and then when neither is stated. */
  readonly ttlMs?: number;
  readonly expiresAt?: number;
  /** Of `spend` and `read`. Default `spend` for a root, its parent's for a child. */
  readonly scopes?: readonly Scope[];
  /** Labels of all its calls, of those that its maker may state. */
  readonly labels?: Labels;
  /** Names of labels that it may add to a call. A child's are among its parent's, and the same by default. */
  readonly callerLabels?: readonly string[];
  /** A repeat with the same id makes no second agent: it is answered with the one that the first made. */
  readonly requestId?: string;
}

/** What an agent may do, wherever it has its place in a tree. */
type Powers = Pick<AgentDraft, 'labels' | 'callerLabels' | 'scopes' | 'expiresAt'>;

/**
 * A root, made by an administrator of its tenant or by the platform.
 * @param makerExpiresAt when the key of its maker expires: the root lives no longer
 * @throws RefusedError invalid_request, forbidden, label_forbidden
 */
export function newRoot(
  maker: Caller,
  stated: NewAgent,
  { now, makerExpiresAt }: { readonly now: number; readonly makerExpiresAt: number | null },
): AgentDraft {
  if (!hasScope(maker, 'tenant_admin'))
    throw new RefusedError(
      'forbidden',
      'a root needs a key with the scope tenant_admin, a child its parent’s key',
    );
  if (stated.mode !== undefined) throw invalid('mode', 'is a child’s; the key that asks is no agent’s');
  const labels = labelsOfCall(maker, stated.labels);
  if (!Object.hasOwn(labels, 'tenant'))
    throw invalid('labels.tenant', 'says whose the root is, and is missing');
  const { scopes = ['spend'], callerLabels = [] } = stated;
  const expiresAt = expiryOf(stated, now) ?? makerExpiresAt;
  const powers = { labels, callerLabels, scopes, expiresAt };
  assertPowers(powers);
  assertWithin(maker, powers, makerExpiresAt);
  const limits = stated.limits ?? {};
  const units = Object.keys(limits).sort();
  if (units.length === 0 || units.length > AGENT_UNITS_MAX)
    throw invalid('limits', `a root has limits in 1 … ${AGENT_UNITS_MAX} units; ${units.length} are stated`);
  assertLimits(limits, units);
  const id = newAgentId(now);
  return {
    ...placed(stated, null, now),
    ...powers,
    id,
    mode: 'root',
    chain: [id],
    drawsOn: 0,
    units,
    limits,
    tenant: labels.tenant,
  };
}

/** A child, made with its parent's key. @throws RefusedError invalid_request, forbidden, label_forbidden, conflict */
export function newChild(maker: Caller, parent: Agent, stated: NewAgent, now: number): AgentDraft {
  const { mode, limits = {} } = stated;
  if (mode === undefined) throw invalid('mode', 'of a child is carved or shared');
  if (depthOf(parent) === DEPTH_MAX)
    throw new RefusedError('conflict', `agents: a tree has at most ${DEPTH_MAX} levels below its root`);
  const labels = withoutTree(labelsOfCall(maker, stated.labels), parent);
  const powers = {
    labels,
    callerLabels: stated.callerLabels ?? parent.callerLabels.filter((name) => !Object.hasOwn(labels, name)),
    scopes: stated.scopes ?? parent.scopes,
    expiresAt: expiryOf(stated, now) ?? parent.expiresAt,
  };
  assertPowers(powers);
  assertNarrower(powers, parent);
  const { units } = parent;
  const other = Object.keys(limits).find((unit) => !units.includes(unit));
  if (other !== undefined)
    throw invalid(`limits.${quoted(other)}`, `is no unit of the tree: ${units.join(', ')}`);
  const missing = mode === 'carved' ? units.find((unit) => !Object.hasOwn(limits, unit)) : undefined;
  if (missing !== undefined)
    throw invalid(`limits.${missing}`, 'is missing: what is carved is stated in each unit');
  assertLimits(limits, Object.keys(limits));
  const id = newAgentId(now);
  const place = { chain: [...parent.chain, id], drawsOn: poolOf(parent), units, tenant: parent.tenant };
  return { ...placed(stated, parent, now), ...powers, ...place, id, mode, limits };
}

/** The key of an agent. */
export function keyOf(agent: AgentDraft): NewKey {
  const { name, scopes, labels, callerLabels, expiresAt } = agent;
  return { name, scopes, labels: { ...labels, ...treeLabels(agent) }, callerLabels, expiresAt };
}

function placed(stated: NewAgent, parent: Agent | null, now: number) {
  return { name: stated.name, request: requestOf(stated, parent), createdAt: now };
}

function requestOf({ requestId, ...stated }: NewAgent, parent: Agent | null): AgentRequestKey | null {
  if (requestId === undefined) return null;
  const problem = textProblem(requestId, REQUEST_ID_LENGTH_MAX);
  if (problem !== null) throw invalid('requestId', `${quoted(requestId)} ${problem}`);
  // A stated id has no line break, so no root's id is a child's.
  const id = parent === null ? requestId : `${parent.id}\n${requestId}`;
  return { id, digest: requestDigest(stated) };
}

/** The most that an Idempotency-Key has. */
const REQUEST_ID_LENGTH_MAX = 255;

function expiryOf({ ttlMs, expiresAt }: NewAgent, now: number): number | null {
  if (ttlMs === undefined) return expiresAt ?? null;
  if (expiresAt !== undefined) throw invalid('ttlMs', 'is stated, and expiresAt too: one says when it ends');
  if (!Number.isInteger(ttlMs) || ttlMs < 1 || ttlMs > TTL_MAX_MS)
    throw invalid('ttlMs', `${quoted(ttlMs)} is not 1 … ${TTL_MAX_MS}`);
  return now + ttlMs;
}

function assertPowers({ scopes, labels, callerLabels }: Powers): void {
  const wide = scopes.find((scope) => scope !== 'spend' && scope !== 'read');
  if (wide !== undefined) throw invalid('scopes', `an agent spends and reads; ${quoted(wide)} is more`);
  for (const name of [...Object.keys(labels), ...callerLabels]) {
    if (String(name).startsWith(AGENT_LABEL_PREFIX))
      throw invalid(
        `labels`,
        `names that begin with ${AGENT_LABEL_PREFIX} are the tree’s, and ${quoted(name)} is one`,
      );
  }
}

function assertNarrower({ scopes, callerLabels, expiresAt }: Powers, parent: Agent): void {
  const scope = scopes.find((one) => !parent.scopes.includes(one));
  if (scope !== undefined) throw wider('scopes', `${scope} is no scope of the parent’s`);
  const name = callerLabels.find((one) => !parent.callerLabels.includes(one));
  if (name !== undefined)
    throw wider('callerLabels', `${quoted(name)} is no label that the parent may state`);
  const end = parent.expiresAt;
  if (end !== null && (expiresAt === null || expiresAt > end))
    throw wider('expiresAt', `the parent ends at ${end}`);
}

/** A parent's key fixes the labels of the parent's place in the tree. Its child has other ones. */
function withoutTree(labels: Labels, parent: Agent): Labels {
  const tree = treeLabels(parent);
  return Object.fromEntries(
    Object.entries(labels).filter(([name]) => name === 'tenant' || !Object.hasOwn(tree, name)),
  );
}

/** @throws RefusedError invalid_request */
export function assertLimits(limits: Amounts, units: readonly string[]): void {
  for (const unit of units) {
    if (/[/+]/.test(unit))
      throw invalid(`limits.${unit}`, `a unit with / or ${UNITS_SEPARATOR} in its name has no agents`);
    if (limits[unit] <= 0n) throw invalid(`limits.${unit}`, `${limits[unit]} is not above 0`);
  }
}

function wider(field: string, problem: string): RefusedError {
  return new RefusedError('forbidden', `${field}: ${problem}; a child is never wider than its parent`, {
    field,
  });
}
