// The routes of reconciliations: the ledger beside what a provider says that it billed.

import { ID_PARAMS, PLATFORM, routes } from '../kit/route.js';
import {
  CSV_LENGTH_MAX,
  ReconciliationList,
  ReconciliationQuery,
  ReconciliationRequest,
  ReconciliationView,
} from './reconciliation-schema.js';

/** The CSV in JSON, whose line breaks and quotes take two bytes, and the other fields. */
const BODY_BYTES_MAX = 2 * CSV_LENGTH_MAX + 64 * 1024;

export const RECONCILIATION_ROUTES = routes({
  reconcile: {
    method: 'POST',
    path: '/v1/reconciliations',
    tag: 'reconciliations',
    summary:
      'Compare the ledger with a provider’s report, and with `post` book the difference; takes a while',
    scopes: PLATFORM,
    platformOnly: true,
    body: ReconciliationRequest,
    bodyBytesMax: BODY_BYTES_MAX,
    answers: { 201: ReconciliationView },
  },
  listReconciliations: {
    method: 'GET',
    path: '/v1/reconciliations',
    tag: 'reconciliations',
    summary: 'Past reconciliations, the newest first',
    scopes: PLATFORM,
    platformOnly: true,
    query: ReconciliationQuery,
    answers: { 200: ReconciliationList },
  },
  getReconciliation: {
    method: 'GET',
    path: '/v1/reconciliations/:id',
    tag: 'reconciliations',
    summary: 'One past reconciliation',
    scopes: PLATFORM,
    platformOnly: true,
    params: ID_PARAMS,
    answers: { 200: ReconciliationView },
  },
});
