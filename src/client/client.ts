// The client of Bursar's HTTP API. It needs fetch and nothing else. Expected answers, denials among them, are returned;
// what is no answer is thrown as a BursarError.

import type {
  BalanceList,
  BalanceQuery,
  BalanceView,
  Definitions,
  DefinitionsRequest,
  UnitList,
} from '../budgets/budgets-api.js';
import type { Certificate, Head, VerifyReport } from '../budgets/evidence-api.js';
import type {
  BatchAnswer,
  BatchCommand,
  CheckAnswer,
  CheckRequest,
  CreditRequest,
  SpendRequest,
} from '../budgets/holds-api.js';
import type { Problem } from '../budgets/outcomes-schema.js';
import type { Reloaded } from '../http/service-api.js';
import type { PageQuery } from '../kit/schema-parts.js';
import { Agents } from './agent-nouns.js';
import { Chats } from './chat-nouns.js';
import { Goals } from './goal-nouns.js';
import { Budgets, Decisions, Events, Holds } from './ledger-nouns.js';
import { Notices, Webhooks } from './notice-nouns.js';
import { type CommandOutcome, type Outcome, outcomeOf, type Settlement } from './outcomes.js';
import { List } from './pages.js';
import { Policies, UserQuotas } from './quota-nouns.js';
import { Reconciliations } from './reconciliation-nouns.js';
import { Keys, Prices, Providers } from './service-nouns.js';
import { type CallOptions, type ClientOptions, Transport } from './transport.js';

export class BursarClient {
  readonly budgets: Budgets;
  readonly balances: List<BalanceQuery, BalanceView, BalanceList>;
  /** Figures of the grants that requests brought. */
  readonly grants: List<PageQuery, BalanceView, BalanceList>;
  readonly holds: Holds;
  readonly events: Events;
  readonly decisions: Decisions;
  readonly providers: Providers;
  readonly keys: Keys;
  readonly goals: Goals;
  readonly notices: Notices;
  readonly webhooks: Webhooks;
  readonly agents: Agents;
  readonly chats: Chats;
  readonly prices: Prices;
  readonly policies: Policies;
  /** Users under the policy in force. */
  readonly quotas: UserQuotas;
  readonly reconciliations: Reconciliations;
  readonly #transport: Transport;

  /** @throws TypeError, RangeError for an option that is wrong */
  constructor(options: ClientOptions) {
    const transport = new Transport(options);
    this.#transport = transport;
    this.budgets = new Budgets(transport);
    this.balances = new List(transport, '/v1/balances');
    this.grants = new List(transport, '/v1/grants');
    this.holds = new Holds(transport);
    this.events = new Events(transport);
    this.decisions = new Decisions(transport);
    this.providers = new Providers(transport);
    this.keys = new Keys(transport);
    this.goals = new Goals(transport);
    this.notices = new Notices(transport);
    this.webhooks = new Webhooks(transport);
    this.agents = new Agents(transport);
    this.chats = new Chats(transport);
    this.prices = new Prices(transport);
    this.policies = new Policies(transport);
    this.quotas = new UserQuotas(transport);
    this.reconciliations = new Reconciliations(transport);
  }

  /** Takes recorded spend back; needs a key with the scope `admin`. */
  creditSpend(request: CreditRequest, options?: CallOptions): Promise<Settlement> {
    return this.#transport.outcome({ method: 'POST', path: '/v1/spend/credits', body: request, options });
  }

  /** Books spend that nobody authorised; never denied. */
  spend(request: SpendRequest, options?: CallOptions): Promise<Settlement> {
    return this.#transport.outcome({ method: 'POST', path: '/v1/spend', body: request, options });
  }

  /** Whether these amounts would be authorised now. Advice for this moment; holds nothing. */
  check(request: CheckRequest, options?: CallOptions): Promise<CheckAnswer> {
    return this.#transport.json({
      method: 'POST',
      path: '/v1/check',
      body: request,
      repeat: 'read',
      options,
    });
  }

  /** Units, aliases and budgets in one step. */
  define(definitions: DefinitionsRequest, options?: CallOptions): Promise<Outcome> {
    return this.#transport.outcome({ method: 'POST', path: '/v1/definitions', body: definitions, options });
  }

  /**
   * Commands in one durable group, decided in order, at most 10,000; each has an outcome of its own.
   * A command that no outcome can be given to makes all of them fail.
   */
  async batch(commands: readonly BatchCommand[], options?: CallOptions): Promise<readonly CommandOutcome[]> {
    const call = { method: 'POST', path: '/v1/batch', body: { commands, answer: 'full' }, options } as const;
    const { outcomes } = await this.#transport.command<BatchAnswer>(call);
    return outcomes.map(({ body }) => outcomeOf(body as Problem) ?? (body as CommandOutcome));
  }

  /** Units and aliases in force; for keys of the platform. */
  definitions(options?: CallOptions): Promise<Definitions> {
    return this.#transport.read('/v1/definitions', options);
  }

  async units(options?: CallOptions): Promise<UnitList['items']> {
    return (await this.#transport.read<UnitList>('/v1/units', options)).items;
  }

  /** The last position of the journal and the hash of all before it. */
  head(options?: CallOptions): Promise<Head> {
    return this.#transport.read('/v1/head', options);
  }

  /** Decides every command of the journal again and recomputes every figure; on a long journal, state a longer `timeoutMs`. */
  verify(options?: CallOptions): Promise<VerifyReport> {
    return this.#transport.json({ method: 'POST', path: '/v1/verify', body: {}, repeat: 'read', options });
  }

  /** A proof over the books at this moment; it is journalled. */
  certify(options?: CallOptions): Promise<Certificate> {
    return this.#transport.command({ method: 'POST', path: '/v1/certificates', body: {}, options });
  }

  /** Makes the server read its configuration again. */
  reload(options?: CallOptions): Promise<Reloaded> {
    return this.#transport.json({ method: 'POST', path: '/v1/reload', body: {}, repeat: 'read', options });
  }
}
