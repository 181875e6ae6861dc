// Providers over HTTP: their schemas, their routes, and a provider's verdict as the wire has it. For the platform's keys.

import { type Static, Type } from 'typebox';
import type { Scales } from '../kit/amounts.js';
import { instantOutOrNull } from '../kit/instants.js';
import { PLATFORM, READERS, routes } from '../kit/route.js';
import {
  AmountIn,
  CLOSED,
  Id,
  InstantIn,
  InstantOut,
  LabelsIn,
  listOf,
  orNull,
  PageQuery,
} from '../kit/schema-parts.js';
import { lineOut } from './outcomes-out.js';
import { Line, SettledRef, VerdictWord } from './outcomes-schema.js';
import type { ProviderVerdict } from './providers.js';

const NAME_PARAMS = Type.Object({ name: Id });

const LineOrNull = Type.Unsafe<Static<typeof Line> | null>({ ...Line, type: ['object', 'null'] });
export const ProviderView = Type.Object({
  provider: Type.String(),
  verdict: VerdictWord,
  window: Type.Unsafe<'hour' | 'day' | null>({ type: ['string', 'null'] }),
  resetsAt: orNull(InstantOut),
  open: Type.Boolean(),
  hour: LineOrNull,
  day: LineOrNull,
});
export type ProviderView = Static<typeof ProviderView>;
export const ProviderList = listOf(ProviderView);
export type ProviderList = Static<typeof ProviderList>;

export const ProviderExhaustRequest = Type.Object({ until: Type.Optional(InstantIn) }, CLOSED);
export type ProviderExhaustRequest = Static<typeof ProviderExhaustRequest>;
export const ProviderSpendRequest = Type.Object(
  { usd: AmountIn, labels: Type.Optional(LabelsIn), occurredAt: Type.Optional(InstantIn) },
  CLOSED,
);
export type ProviderSpendRequest = Static<typeof ProviderSpendRequest>;

export const PROVIDER_ROUTES = routes({
  listProviders: {
    method: 'GET',
    path: '/v1/providers',
    tag: 'providers',
    summary: 'Providers with a cap, and how they stand',
    scopes: READERS,
    platformOnly: true,
    query: PageQuery,
    answers: { 200: ProviderList },
  },
  getProvider: {
    method: 'GET',
    path: '/v1/providers/:name',
    tag: 'providers',
    summary: 'How a provider stands; one without caps is uncapped',
    scopes: READERS,
    platformOnly: true,
    params: NAME_PARAMS,
    answers: { 200: ProviderView },
  },
  exhaustProvider: {
    method: 'POST',
    path: '/v1/providers/:name/exhaust',
    tag: 'providers',
    summary: 'Trip every capped window of a provider until it rolls, or until an instant',
    scopes: PLATFORM,
    platformOnly: true,
    params: NAME_PARAMS,
    body: ProviderExhaustRequest,
    answers: { 200: ProviderView },
  },
  recordProviderSpend: {
    method: 'POST',
    path: '/v1/providers/:name/spend',
    tag: 'providers',
    summary: 'Book what a provider cost, to every budget that it counts towards',
    scopes: PLATFORM,
    platformOnly: true,
    idempotencyKey: 'required',
    params: NAME_PARAMS,
    body: ProviderSpendRequest,
    answers: { 201: SettledRef },
  },
});

/** For the platform alone: its lines have their figures. */
export function providerOut(verdict: ProviderVerdict, scales: Scales): ProviderView {
  const line = (one: ProviderVerdict['hour']) =>
    one === null ? null : lineOut({ ...one, scope: 'platform' }, scales);
  return {
    ...verdict,
    resetsAt: instantOutOrNull(verdict.resetsAt),
    hour: line(verdict.hour),
    day: line(verdict.day),
  };
}
