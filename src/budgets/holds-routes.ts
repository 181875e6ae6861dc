// The routes that spend: holds and all their commands, spend, check, batch.

import { CORRECTORS, ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  AuthorizeRequest,
  BatchAnswer,
  BatchRequest,
  CheckAnswer,
  CheckRequest,
  CorrectRequest,
  CreditRequest,
  ExtendRequest,
  HoldList,
  HoldQuery,
  HoldView,
  ReleaseRequest,
  ReverseRequest,
  SettleRequest,
  SpendRequest,
} from './holds-schema.js';
import { AuthorizedRef, DoneRef, SettledRef } from './outcomes-schema.js';

/** 10,000 commands of 1,600 bytes: several times an ordinary one. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;

const onHold = {
  method: 'POST',
  tag: 'holds',
  scopes: SPENDERS,
  idempotencyKey: 'required',
  params: ID_PARAMS,
} as const;

export const HOLD_ROUTES = routes({
  authorize: {
    method: 'POST',
    path: '/v1/holds',
    tag: 'holds',
    summary: 'Hold the worst case of a call in every budget that it counts towards, or nothing',
    scopes: SPENDERS,
    idempotencyKey: 'required',
    body: AuthorizeRequest,
    answers: { 201: AuthorizedRef },
  },
  listHolds: {
    method: 'GET',
    path: '/v1/holds',
    tag: 'holds',
    summary: 'Holds in memory, in the order of their opening',
    scopes: SPENDERS_AND_READERS,
    query: HoldQuery,
    answers: { 200: HoldList },
  },
  getHold: {
    method: 'GET',
    path: '/v1/holds/:id',
    tag: 'holds',
    summary: 'One hold',
    scopes: SPENDERS_AND_READERS,
    params: ID_PARAMS,
    answers: { 200: HoldView },
  },
  extend: {
    ...onHold,
    path: '/v1/holds/:id/extend',
    summary: 'Give a hold a later expiry, a larger amount, or both',
    body: ExtendRequest,
    answers: { 200: DoneRef },
  },
  release: {
    ...onHold,
    path: '/v1/holds/:id/release',
    summary: 'Give back what a hold holds, all of it or a part',
    body: ReleaseRequest,
    answers: { 200: DoneRef },
  },
  reverse: {
    ...onHold,
    path: '/v1/holds/:id/reverse',
    summary: 'Undo an untouched hold as if it had never been, its call count too',
    body: ReverseRequest,
    answers: { 200: DoneRef },
  },
  settle: {
    ...onHold,
    path: '/v1/holds/:id/settle',
    summary: 'Book what a call cost; the rest of the hold goes back',
    body: SettleRequest,
    answers: { 200: SettledRef },
  },
  correct: {
    ...onHold,
    path: '/v1/holds/:id/correct',
    scopes: CORRECTORS,
    summary: 'Set the final amounts of a settled hold, by a posted difference',
    body: CorrectRequest,
    answers: { 200: SettledRef },
  },
  recordSpend: {
    method: 'POST',
    path: '/v1/spend',
    tag: 'spend',
    summary: 'Book spend that nobody authorised; never denied',
    scopes: SPENDERS,
    idempotencyKey: 'required',
    body: SpendRequest,
    answers: { 201: SettledRef },
  },
  creditSpend: {
    method: 'POST',
    path: '/v1/spend/credits',
    tag: 'spend',
    summary: 'Take recorded spend back, off every balance that it counts towards, or nothing',
    scopes: ['admin'],
    idempotencyKey: 'required',
    body: CreditRequest,
    answers: { 200: SettledRef },
  },
  check: {
    method: 'POST',
    path: '/v1/check',
    tag: 'spend',
    summary: 'How the budgets of these labels stand; changes nothing, promises nothing',
    scopes: SPENDERS_AND_READERS,
    body: CheckRequest,
    answers: { 200: CheckAnswer },
  },
  batch: {
    method: 'POST',
    path: '/v1/batch',
    tag: 'spend',
    summary: 'Commands that are decided in order, each with its own outcome',
    scopes: ['spend', 'correct'],
    idempotencyKey: 'required',
    body: BatchRequest,
    bodyBytesMax: BATCH_BYTES_MAX,
    answers: { 200: BatchAnswer },
  },
});
