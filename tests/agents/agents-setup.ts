// Agents on real files.

import { expect } from 'vitest';
import { AccessKeys } from '#bursar/access/access-keys.js';
import { KeyRing } from '#bursar/access/key-ring.js';
import { LimitSetters } from '#bursar/access/limit-setters.js';
import type { AgentFigures, AgentView } from '#bursar/agents/agent.js';
import type { AgentLedgerPart } from '#bursar/agents/agent-ledger.js';
import { Agents, type MadeAgent } from '#bursar/agents/agents.js';
import type { NewAgent } from '#bursar/agents/new-agent.js';
import type { Ledger } from '#bursar/index.js';
import type { Caller } from '#bursar/kit/caller.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import { FilesStage, PLATFORM } from '../setup/files-setup.js';

export const USD = 100_000_000n;
const RETENTION_MS = 3 * 86_400_000;

/** An agent with the caller that its key stands for. */
export interface Made {
  readonly id: string;
  readonly secret: string;
  readonly caller: Caller;
}

export class AgentsStage extends FilesStage {
  /** What happens, once, after a change of a tree has begun and before its group is decided. */
  meanwhile: (() => Promise<unknown>) | null = null;
  ring!: KeyRing;
  keys!: AccessKeys;
  agents!: Agents;
  #holds = 0;

  /** With budgets of others that an agent's calls count towards too: of everything, and of each tenant. */
  static async open(): Promise<AgentsStage> {
    const stage = await new AgentsStage().opened();
    await stage.ledger.putDefinitions({
      budgets: [
        { id: 'all', match: {}, unit: 'usd', limit: 1_000_000n * USD, window: 'lifetime' },
        { id: 'each', match: { tenant: '*' }, unit: 'usd', limit: 100_000n * USD, window: 'lifetime' },
      ],
    });
    return stage;
  }

  protected begin(): void {
    this.ring = new KeyRing(this.views, this.clock);
    this.keys = new AccessKeys({ ...this.parts, ring: this.ring });
    const { parts } = this;
    this.agents = new Agents({
      ...parts,
      ledger: this.#withMeanwhile(parts.ledger),
      keys: this.keys,
      setters: new LimitSetters(this.views),
      retentionMs: RETENTION_MS,
    });
  }

  #withMeanwhile(ledger: Ledger): AgentLedgerPart {
    return {
      check: (request) => ledger.check(request),
      budget: (id) => ledger.budget(id),
      run: (command, rider) => ledger.run(command, rider),
      runAll: async (steps, options) => {
        const { meanwhile } = this;
        this.meanwhile = null;
        await meanwhile?.();
        return ledger.runAll(steps, options);
      },
    };
  }

  async restart(): Promise<void> {
    await this.reopened();
    await this.agents.sweep();
  }

  async admin(tenant = 'acme', labels: Record<string, string> = {}): Promise<Caller> {
    const { secret } = await this.keys.create(PLATFORM, {
      name: 'an administrator',
      scopes: ['tenant_admin'],
      labels: { tenant, ...labels },
      callerLabels: ['user', 'task'],
    });
    return this.caller(secret);
  }

  caller(secret: string): Caller {
    const caller = this.ring.authenticate(secret);
    expect(caller).not.toBeNull();
    return caller as Caller;
  }

  async make(maker: Caller, stated: Partial<NewAgent>): Promise<Made> {
    const made = await this.agents.create(maker, { name: 'an agent', ...stated });
    if (made.made === false) throw new Error(`lacking: ${made.line.budgetId} has ${made.line.remaining}`);
    if (made.made === 'before') throw new Error(`made before: ${made.view.agent.id}`);
    return { id: made.view.agent.id, secret: made.secret, caller: this.caller(made.secret) };
  }

  tryToMake(maker: Caller, stated: Partial<NewAgent>): Promise<MadeAgent> {
    return this.agents.create(maker, { name: 'an agent', ...stated });
  }

  /** A root of acme's. */
  async root(usd: bigint, stated: Partial<NewAgent> = {}): Promise<Made> {
    return this.make(await this.admin(), { limits: { usd: usd * USD }, ...stated });
  }

  /** The agent's hold; its id, or why it was denied. */
  async hold({ caller }: Pick<Made, 'caller'>, usd: bigint): Promise<{ id: string; denied: string | null }> {
    this.#holds += 1;
    const id = `hold-${this.#holds}-${this.ledger.head().sequence}`;
    const outcome = await this.ledger.authorize({
      holdId: id,
      labels: caller.labels,
      amounts: { usd: usd * USD },
    });
    if (outcome.outcome === 'authorized') return { id, denied: null };
    return { id, denied: outcome.outcome === 'denied' ? outcome.reason : outcome.code };
  }

  /** A call of the agent's that cost so much; null, or why it was denied. */
  async spend(agent: Pick<Made, 'caller'>, usd: bigint): Promise<string | null> {
    const { id, denied } = await this.hold(agent, usd);
    if (denied === null) await this.ledger.settle({ holdId: id, amounts: { usd: usd * USD } });
    return denied;
  }

  view(id: string): AgentView {
    return this.agents.get(PLATFORM, id);
  }

  figures(id: string): AgentFigures {
    return this.view(id).figures[0];
  }

  /** "limit used held left" in whole dollars. */
  said(id: string): string {
    const { limit, used, held, left } = this.figures(id);
    const dollars = (steps: bigint | null) => (steps === null ? '–' : steps / USD);
    return `${dollars(limit)} = ${dollars(used)} used + ${dollars(held)} held + ${dollars(left)} left`;
  }
}

export async function refused(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    if (error instanceof RefusedError)
      return `${error.code}${error.about.field ? ` ${error.about.field}` : ''}`;
    throw error;
  }
  return 'nothing was refused';
}

/** What adds up wherever one looks: figures at each agent, limits between parent and carved children, and all the books. */
export async function expectConserved(stage: AgentsStage, ids: readonly string[]): Promise<void> {
  const views = ids.map((id) => stage.view(id));
  for (const { agent, figures } of views) {
    for (const { unit, limit, used, held, left, returned } of figures) {
      if (limit !== null)
        expect({ id: agent.id, unit, sum: used + held + (left ?? 0n) + (returned ?? 0n) }).toEqual({
          id: agent.id,
          unit,
          sum: limit,
        });
      const sumOf = (name: 'used' | 'held') =>
        views
          .filter(({ agent: other }) => other.chain.at(-2) === agent.id)
          .reduce(
            (sum, { figures: theirs }) => sum + (theirs.find((one) => one.unit === unit)?.[name] ?? 0n),
            0n,
          );
      expect(used >= sumOf('used'), `${agent.id} used less than its children`).toBe(true);
    }
  }
  const { failure } = stage.ledger.certify();
  expect(failure).toBeNull();
  const report = await stage.ledger.verify();
  expect(report.failure).toBeNull();
}
