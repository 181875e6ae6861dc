// Access keys over HTTP: their schemas, their routes, and a key as the wire has it.

import { type Static, Type } from 'typebox';
import { formatAmount } from '../core/amount.js';
import { SCOPES } from '../kit/caller.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { ADMINS, ID_PARAMS, routes } from '../kit/route.js';
import {
  AmountIn,
  AmountOut,
  CLOSED,
  InstantIn,
  InstantOut,
  issuedOf,
  LabelsIn,
  LabelsOut,
  listOf,
  Nothing,
  oneOf,
  orNull,
  PageQuery,
} from '../kit/schema-parts.js';
import type { KeyView as RingKey } from './access-keys.js';

const ScopeList = Type.Array(oneOf(SCOPES), { minItems: 1, maxItems: SCOPES.length });
export const KeyRequest = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    scopes: ScopeList,
    labels: Type.Optional(LabelsIn),
    callerLabels: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 32 })),
    expiresAt: Type.Optional(InstantIn),
    amountMaxUsd: Type.Optional(AmountIn),
  },
  CLOSED,
);
export type KeyRequest = Static<typeof KeyRequest>;
export const KeyRotateRequest = Type.Object(
  {
    overlapMs: Type.Optional(
      Type.Integer({ minimum: 0, description: 'How long the secret before stays valid.' }),
    ),
  },
  CLOSED,
);
export type KeyRotateRequest = Static<typeof KeyRotateRequest>;

export const KeyView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  tenant: orNull(Type.String()),
  scopes: Type.Array(oneOf(SCOPES)),
  labels: LabelsOut,
  callerLabels: Type.Array(Type.String()),
  createdAt: InstantOut,
  expiresAt: orNull(InstantOut),
  revokedAt: orNull(InstantOut),
  createdBy: orNull(Type.String({ description: 'The key that made it; null: the command line.' })),
  overlapUntil: orNull(InstantOut),
  lastUsedAt: orNull(InstantOut),
  amountMaxUsd: orNull({
    ...AmountOut,
    description: 'The most that one command may state in USD; null: as much as the ledger takes.',
  }),
});
export type KeyView = Static<typeof KeyView>;
export const KeyIssued = issuedOf(KeyView);
export type KeyIssued = Static<typeof KeyIssued>;
export const KeyList = listOf(KeyView);
export type KeyList = Static<typeof KeyList>;

export const KEY_ROUTES = routes({
  listKeys: {
    method: 'GET',
    path: '/v1/keys',
    tag: 'keys',
    summary: 'Access keys, without their secrets',
    scopes: ADMINS,
    query: PageQuery,
    answers: { 200: KeyList },
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    tag: 'keys',
    summary: 'Issue a key; the answer is the only one that shows it',
    scopes: ADMINS,
    body: KeyRequest,
    answers: { 201: KeyIssued },
  },
  getKey: {
    method: 'GET',
    path: '/v1/keys/:id',
    tag: 'keys',
    summary: 'One key, without its secret',
    scopes: ADMINS,
    params: ID_PARAMS,
    answers: { 200: KeyView },
  },
  rotateKey: {
    method: 'POST',
    path: '/v1/keys/:id/rotate',
    tag: 'keys',
    summary: 'Give a key a new secret; the one before stays valid for the overlap',
    scopes: ADMINS,
    params: ID_PARAMS,
    body: KeyRotateRequest,
    answers: { 200: KeyIssued },
  },
  revokeKey: {
    method: 'POST',
    path: '/v1/keys/:id/revoke',
    tag: 'keys',
    summary: 'End a key at once',
    scopes: ADMINS,
    params: ID_PARAMS,
    body: Nothing,
    answers: { 200: KeyView },
  },
});

/** A built-in unit's, which never changes. */
const USD_SCALE = 8;

export function keyOut(key: RingKey): KeyView {
  const { id, name, scopes, labels, callerLabels, createdAt, createdBy } = key;
  return {
    id,
    name,
    tenant: Object.hasOwn(labels, 'tenant') ? labels.tenant : null,
    scopes: [...scopes],
    labels: { ...labels },
    callerLabels: [...callerLabels],
    createdAt: instantOut(createdAt),
    createdBy,
    expiresAt: instantOutOrNull(key.expiresAt),
    revokedAt: instantOutOrNull(key.revokedAt),
    overlapUntil: instantOutOrNull(key.overlapUntil),
    lastUsedAt: instantOutOrNull(key.lastUsedAt),
    amountMaxUsd: key.amountMaxUsd === null ? null : formatAmount(key.amountMaxUsd, USD_SCALE),
  };
}
