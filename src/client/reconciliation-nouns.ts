// Reconciliations: the ledger beside what a provider says that it billed.

import type {
  ReconciliationList,
  ReconciliationQuery,
  ReconciliationRequest,
  ReconciliationSummary,
  ReconciliationView,
} from '../reconciliation/reconciliation-api.js';
import { List } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

export class Reconciliations extends List<ReconciliationQuery, ReconciliationSummary, ReconciliationList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/reconciliations');
    this.#transport = transport;
  }

  get(id: string, options?: CallOptions): Promise<ReconciliationView> {
    return this.#transport.read(path`/v1/reconciliations/${id}`, options);
  }

  /**
   * Compares the ledger with a provider's report, and with `post` books the difference, which the same report does once.
   * It reads the journal and the provider's pages: state a longer `timeoutMs`.
   */
  run(request: ReconciliationRequest, options?: CallOptions): Promise<ReconciliationView> {
    return this.#transport.json({
      method: 'POST',
      path: '/v1/reconciliations',
      body: request,
      repeat: 'once',
      options,
    });
  }
}
