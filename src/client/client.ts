// The client of Bursar's HTTP API. It needs fetch and nothing else. Expected answers, denials among them, are returned;
// what is no answer is thrown as a BursarError.

import type { Problem } from '../budgets/outcomes-schema.js';
import { Agents } from './agent-nouns.js';
import { type Answer, type Body, type CallName, type CallParts, type Query, ROUTE_CALLS } from './calls.js';
import { Chats } from './chat-nouns.js';
import { Goals } from './goal-nouns.js';
import { Budgets, Decisions, Events, Holds } from './ledger-nouns.js';
import { Notices, Webhooks } from './notice-nouns.js';
import { type CommandOutcome, type OutcomeName, type OutcomeOf, outcomeOf } from './outcomes.js';
import { type ItemOf, List, type ListName } from './pages.js';
import { Policies, UserQuotas } from './quota-nouns.js';
import { Keys, Providers, Reconciliations } from './service-nouns.js';
import { type CallOptions, type ClientOptions, Transport } from './transport.js';

/** An answer, or the outcome of a command. */
export type AnyAnswer<Name extends CallName> = Name extends OutcomeName ? OutcomeOf<Name> : Answer<Name>;

type AnyIds = { readonly holdId?: string; readonly budgetId?: string };

const CALL_OF_COMMAND: Readonly<Record<Body<'batch'>['commands'][number]['command'], OutcomeName>> = {
  authorize_hold: 'authorize',
  extend_hold: 'extend',
  release_hold: 'release',
  reverse_hold: 'reverse',
  settle_hold: 'settle',
  correct_hold: 'correct',
  record_spend: 'recordSpend',
  credit_spend: 'creditSpend',
  top_up: 'topUp',
  set_budget_status: 'setBudgetStatus',
  exhaust_budget: 'exhaust',
  set_balance_limit: 'setBalanceLimit',
};

export class BursarClient {
  readonly budgets: Budgets;
  readonly balances: List<'listBalances'>;
  /** Figures of the grants that requests brought. */
  readonly grants: List<'listGrants'>;
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
  readonly prices: List<'listPrices'>;
  readonly policies: Policies;
  /** Users under the policy in force. */
  readonly quotas: UserQuotas;
  readonly reconciliations: Reconciliations;
  readonly #transport: Transport;

  /**
   * @example const client = new BursarClient({ baseUrl: 'http://127.0.0.1:8420', apiKey: process.env.BURSAR_KEY! });
   * @throws TypeError, RangeError for an option that is wrong
   */
  constructor(options: ClientOptions) {
    const transport = new Transport(options);
    this.#transport = transport;
    this.budgets = new Budgets(transport);
    this.balances = new List(transport, 'listBalances');
    this.grants = new List(transport, 'listGrants');
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
    this.prices = new List(transport, 'listPrices');
    this.policies = new Policies(transport);
    this.quotas = new UserQuotas(transport);
    this.reconciliations = new Reconciliations(transport);
  }

  /**
   * Calls any route by its name in OpenAPI (`operationId`). Denials and rejections of commands are results.
   * @example const hold = await client.call('getHold', { params: { id: 'call-1' } });
   */
  async call<Name extends CallName>(
    name: Name,
    parts: CallParts<Name>,
    options?: CallOptions,
  ): Promise<AnyAnswer<Name>> {
    const [, , repeat] = ROUTE_CALLS[name];
    const answered =
      repeat === 'outcome'
        ? this.#transport.outcome(name as OutcomeName, parts as CallParts<OutcomeName>, options)
        : this.#transport.call(name, parts, options);
    return (await answered) as AnyAnswer<Name>;
  }

  /**
   * Every row of any list, by the name of its route.
   * @example for await (const { id } of client.all('listBudgets')) console.log(id);
   */
  all<Name extends ListName>(
    name: Name,
    query?: Omit<Query<Name>, 'cursor'>,
    options?: CallOptions,
  ): AsyncGenerator<ItemOf<Name>> {
    return new List(this.#transport, name).all(query, options);
  }

  /**
   * Carries out any command of the ledger, given by its word as in a batch.
   * @example await client.run({ command: 'settle_hold', holdId: 'call-1', amounts: { usd: '0.08' } });
   */
  run(request: Body<'batch'>['commands'][number], options?: CallOptions): Promise<CommandOutcome> {
    const { command, ...stated } = request;
    const { holdId, budgetId, ...rest } = stated as AnyIds;
    // A new hold states its id in the body; all else is named in the path.
    const id = command === 'authorize_hold' ? undefined : (holdId ?? budgetId);
    const body = id === undefined ? stated : rest;
    const parts = { params: { id }, body } as unknown as CallParts<OutcomeName>;
    return this.#transport.outcome(CALL_OF_COMMAND[command], parts, options) as Promise<CommandOutcome>;
  }

  /**
   * Books spend that nobody authorised; never denied.
   * @example await client.spend({ labels: { user: 'u1' }, amounts: { usd: '0.02' } });
   */
  spend(request: Body<'recordSpend'>, options?: CallOptions): Promise<OutcomeOf<'recordSpend'>> {
    return this.#transport.outcome('recordSpend', { body: request }, options);
  }

  /**
   * Takes recorded spend back; needs a key with the scope `admin`.
   * @example await client.creditSpend({ amounts: { usd: '0.02' }, reason: 'recorded twice' });
   */
  creditSpend(request: Body<'creditSpend'>, options?: CallOptions): Promise<OutcomeOf<'creditSpend'>> {
    return this.#transport.outcome('creditSpend', { body: request }, options);
  }

  /**
   * Whether these amounts would be authorised now. Advice for this moment; holds nothing.
   * @example const { fits, verdict } = await client.check({ labels: { user: 'u1' }, amounts: { usd: '0.25' } });
   */
  check(request: Body<'check'>, options?: CallOptions): Promise<Answer<'check'>> {
    return this.#transport.call('check', { body: request }, options);
  }

  /**
   * Units, aliases and budgets in one step.
   * @example await client.define({ units: [{ name: 'gpu_seconds', scale: 3 }], close: ['old-budget'] });
   */
  define(definitions: Body<'putDefinitions'>, options?: CallOptions): Promise<OutcomeOf<'putDefinitions'>> {
    return this.#transport.outcome('putDefinitions', { body: definitions }, options);
  }

  /**
   * Commands in one durable group, decided in order, at most 10,000; each has an outcome of its own.
   * A command that no outcome can be given to makes all of them fail.
   * @example
   * const outcomes = await client.batch([
   *   { command: 'reverse_hold', holdId: 'call-1' },
   *   { command: 'record_spend', amounts: { usd: '0.02' } },
   * ]);
   */
  async batch(
    commands: Body<'batch'>['commands'],
    options?: CallOptions,
  ): Promise<readonly CommandOutcome[]> {
    const { outcomes } = await this.#transport.call('batch', { body: { commands, answer: 'full' } }, options);
    return outcomes.map(({ body }) => outcomeOf(body as Problem) ?? (body as CommandOutcome));
  }

  /**
   * Units and aliases in force; for keys of the platform.
   * @example const { aliases } = await client.definitions();
   */
  definitions(options?: CallOptions): Promise<Answer<'getDefinitions'>> {
    return this.#transport.call('getDefinitions', {}, options);
  }

  /**
   * The units and the decimal digits of each.
   * @example for (const { name, scale } of await client.units()) console.log(name, scale);
   */
  async units(options?: CallOptions): Promise<Answer<'listUnits'>['items']> {
    return (await this.#transport.call('listUnits', {}, options)).items;
  }

  /**
   * The last position of the journal and the hash of all before it.
   * @example const { sequence, hash } = await client.head();
   */
  head(options?: CallOptions): Promise<Answer<'getHead'>> {
    return this.#transport.call('getHead', {}, options);
  }

  /**
   * Decides every command of the journal again and recomputes every figure; on a long journal, state a longer `timeoutMs`.
   * @example const { ok, failure } = await client.verify({ timeoutMs: 600_000 });
   */
  verify(options?: CallOptions): Promise<Answer<'verify'>> {
    return this.#transport.call('verify', {}, options);
  }

  /**
   * A proof over the books at this moment; it is journalled.
   * @example const { status, digest } = await client.certify();
   */
  certify(options?: CallOptions): Promise<Answer<'certify'>> {
    return this.#transport.call('certify', {}, options);
  }

  /**
   * Makes the server read its configuration again.
   * @example const { message } = await client.reload();
   */
  reload(options?: CallOptions): Promise<Answer<'reload'>> {
    return this.#transport.call('reload', {}, options);
  }
}
