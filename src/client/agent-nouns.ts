// Agents that hand budgets to agents: one method for each route. Put together by client.ts.

import type {
  AgentIssued,
  AgentKeyRequest,
  AgentList,
  AgentMade,
  AgentRaiseRequest,
  AgentRequest,
  AgentView,
} from '../agents/agents-api.js';
import type { PageQuery } from '../kit/schema-parts.js';
import { List } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

export class Agents extends List<PageQuery, AgentView, AgentList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/agents');
    this.#transport = transport;
  }

  /**
   * With an administrator's key a root, with an agent's key a child of it. The agent's key is in the first answer alone:
   * where that was lost and the call was sent again, `key` is null, and `renewKey` gives a new one. Throws a BursarError with code budget_exhausted, request_exceeds_budget
   * or budget_held where a carved child's limits are not there.
   */
  create(request: AgentRequest, options?: CallOptions): Promise<AgentMade> {
    return this.#transport.command({ method: 'POST', path: '/v1/agents', body: request, options });
  }

  /** A new secret for its key, shown once; the one before stays valid for `overlapMs`, a day unless stated. Never sent twice. */
  renewKey(id: string, request: AgentKeyRequest = {}, options?: CallOptions): Promise<AgentIssued> {
    const to = path`/v1/agents/${id}/key`;
    return this.#transport.json({ method: 'POST', path: to, body: request, repeat: 'once', options });
  }

  /** What it was given, has used, holds and has left; `self` is the agent whose key asks. */
  get(id: string, options?: CallOptions): Promise<AgentView> {
    return this.#transport.read(path`/v1/agents/${id}`, options);
  }

  /**
   * Raises its limits to these: a root's with an administrator's key, a child's with that of an agent above it, out of what
   * those have left. Throws a BursarError with the codes of `create` where they have too little.
   */
  raise(id: string, limits: AgentRaiseRequest['limits'], options?: CallOptions): Promise<AgentView> {
    const to = path`/v1/agents/${id}/raise`;
    return this.#transport.command({ method: 'POST', path: to, body: { limits }, options });
  }

  /** Lets nothing new begin and gives back what is left; refused while it has children. */
  close(id: string, options?: CallOptions): Promise<AgentView> {
    return this.#transport.command({ method: 'POST', path: path`/v1/agents/${id}/close`, body: {}, options });
  }

  /** Ends it and all below it at once. */
  revoke(id: string, options?: CallOptions): Promise<AgentView> {
    return this.#transport.command({
      method: 'POST',
      path: path`/v1/agents/${id}/revoke`,
      body: {},
      options,
    });
  }
}
