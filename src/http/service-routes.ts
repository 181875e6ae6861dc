// The routes of evidence, access keys and prices, and of the server itself.

import { Type } from 'typebox';
import {
  Certificate,
  EventList,
  EventQuery,
  EventStreamQuery,
  Explanation,
  Head,
  VerifyReport,
} from '../budgets/evidence-schema.js';
import { ADMINS, ID_PARAMS, PLATFORM, READERS, routes, SPENDERS_AND_READERS } from '../kit/route.js';
import { CLOSED } from '../kit/schema-parts.js';
import {
  KeyIssued,
  KeyList,
  KeyRequest,
  KeyRotateRequest,
  KeyView,
  PageQuery,
  PriceList,
  PriceQuery,
  Reloaded,
} from './service-schema.js';

/** For commands that have nothing to say. */
const Nothing = Type.Object({}, CLOSED);

export const EVIDENCE_ROUTES = routes({
  listEvents: {
    method: 'GET',
    path: '/v1/events',
    tag: 'evidence',
    summary: 'Events, in the journal’s order',
    scopes: READERS,
    query: EventQuery,
    answers: { 200: EventList },
  },
  streamEvents: {
    method: 'GET',
    path: '/v1/events/stream',
    tag: 'evidence',
    summary: 'Events as they become durable, as server-sent events; resumes after Last-Event-ID',
    scopes: READERS,
    query: EventStreamQuery,
    answers: {},
  },
  explainDecision: {
    method: 'GET',
    path: '/v1/decisions/:id',
    tag: 'evidence',
    summary: 'A decision, the holds and spend behind each of its lines, and whether they add up',
    scopes: SPENDERS_AND_READERS,
    params: ID_PARAMS,
    answers: { 200: Explanation },
  },
  verify: {
    method: 'POST',
    path: '/v1/verify',
    tag: 'evidence',
    summary: 'Decide every command of the journal again and compare, byte for byte',
    scopes: PLATFORM,
    platformOnly: true,
    body: Nothing,
    answers: { 200: VerifyReport },
  },
  certify: {
    method: 'POST',
    path: '/v1/certificates',
    tag: 'evidence',
    summary: 'A proof over a fresh snapshot of the books',
    scopes: PLATFORM,
    platformOnly: true,
    body: Nothing,
    answers: { 201: Certificate },
  },
  getHead: {
    method: 'GET',
    path: '/v1/head',
    tag: 'evidence',
    summary: 'The last sequence number of the journal, and its hash',
    scopes: READERS,
    platformOnly: true,
    answers: { 200: Head },
  },
});

export const SERVICE_ROUTES = routes({
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
  listPrices: {
    method: 'GET',
    path: '/v1/prices',
    tag: 'prices',
    summary: 'The price in force of a provider’s model; without both, the prices of your own',
    scopes: READERS,
    query: PriceQuery,
    answers: { 200: PriceList },
  },
  reload: {
    method: 'POST',
    path: '/v1/reload',
    tag: 'service',
    summary: 'Read the configuration file again and put it in force, or refuse all of it',
    scopes: PLATFORM,
    platformOnly: true,
    body: Nothing,
    answers: { 200: Reloaded },
  },
});
