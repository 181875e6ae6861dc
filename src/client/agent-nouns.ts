// Agents that hand budgets to agents: one method for each route. Put together by client.ts.

import type { Answer, Body } from './calls.js';
import { List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

export class Agents extends List<'listAgents'> {
  constructor(transport: Transport) {
    super(transport, 'listAgents');
  }

  /**
   * With an administrator's key a root, with an agent's key a child of it. Only the first answer has the agent's key:
   * where that answer was lost and the call was sent again, `key` is null, and `renewKey` gives a new one. Throws a
   * BursarError with the code budget_exhausted, request_exceeds_budget or budget_held where a carved child's limits are
   * not there.
   * @example const { id, key } = await client.agents.create({ name: 'crawler', limits: { usd: '2.50' } });
   */
  create(request: Body<'createAgent'>, options?: CallOptions): Promise<Answer<'createAgent'>> {
    return this.transport.call('createAgent', { body: request }, options);
  }

  /**
   * A new secret for its key, shown once; the one before stays valid for `overlapMs`, a day unless stated. Never sent
   * twice.
   * @example const { key } = await client.agents.renewKey(id, { overlapMs: 0 });
   */
  renewKey(
    id: string,
    request: Body<'renewAgentKey'> = {},
    options?: CallOptions,
  ): Promise<Answer<'renewAgentKey'>> {
    return this.transport.call('renewAgentKey', { params: { id }, body: request }, options);
  }

  /**
   * What it was given, has used, holds and has left; `self` is the agent whose key asks.
   * @example const { figures } = await client.agents.get('self');
   */
  get(id: string, options?: CallOptions): Promise<Answer<'getAgent'>> {
    return this.transport.call('getAgent', { params: { id } }, options);
  }

  /**
   * Raises its limits to these: a root's with an administrator's key, a child's with that of an agent above it, out of what
   * those have left. Throws a BursarError with the codes of `create` where they have too little.
   * @example await client.agents.raise(id, { usd: '5' });
   */
  raise(
    id: string,
    limits: Body<'raiseAgent'>['limits'],
    options?: CallOptions,
  ): Promise<Answer<'raiseAgent'>> {
    return this.transport.call('raiseAgent', { params: { id }, body: { limits } }, options);
  }

  /**
   * Lets nothing new begin and gives back what is left; refused while it has children.
   * @example await client.agents.close(id);
   */
  close(id: string, options?: CallOptions): Promise<Answer<'closeAgent'>> {
    return this.transport.call('closeAgent', { params: { id } }, options);
  }

  /**
   * Ends it and all below it at once.
   * @example await client.agents.revoke(id);
   */
  revoke(id: string, options?: CallOptions): Promise<Answer<'revokeAgent'>> {
    return this.transport.call('revokeAgent', { params: { id } }, options);
  }
}
