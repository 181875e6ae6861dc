// Notices: thresholds on budgets, found in the journal, sent to webhooks signed, and listed with what became of
// them. Each tenant has its own thresholds and webhooks, and the platform has; nobody's notices go to another. Put together
// here; used by the HTTP API; started and closed by the composition root, closed before the ledger and the file are.

import { randomUUID } from 'node:crypto';
import { BudgetTenants } from '../access/budget-tenants.js';
import { findableId } from '../access/tenant-ids.js';
import type { Clock, Ledger } from '../authority/api.js';
import { quoted } from '../core/labels.js';
import type { Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore } from '../kit/service-store.js';
import { Follower } from './follower.js';
import {
  type Notice,
  type NoticeSettings,
  OVERLAP_DEFAULT_MS,
  OVERLAP_MAX_MS,
  PERCENTS_MAX,
  SECRETS_MAX,
  THRESHOLDS_MAX,
  type Thresholds,
  WEBHOOKS_MAX,
  type Webhook,
} from './notice.js';
import { testBody } from './notice-body.js';
import { type NoticeRow, NoticeTable } from './notice-table.js';
import { Sender, type SendWebhook } from './sender.js';
import { newSecret } from './signing.js';
import { ThresholdTable } from './threshold-table.js';
import { webhookUrlProblem } from './webhook-address.js';
import { type WebhookRow, WebhookTable } from './webhook-table.js';

export interface NoticeParts {
  readonly store: ServiceStore;
  readonly ledger: Pick<
    Ledger,
    'budget' | 'budgets' | 'events' | 'head' | 'units' | 'balances' | 'check' | 'whenDurable'
  >;
  readonly clock: Clock;
  readonly settings: () => NoticeSettings;
  readonly send: SendWebhook;
  /** Told of what nobody asked for and that went wrong: for the log. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** The secret is here and nowhere else. */
export interface NewWebhook extends Webhook {
  readonly secret: string;
}

export class Notices {
  readonly follower: Follower;
  readonly sender: Sender;
  readonly #parts: NoticeParts;
  readonly #budgets: BudgetTenants;
  readonly #thresholds: ThresholdTable;
  readonly #webhooks: WebhookTable;
  readonly #notices: NoticeTable;

  constructor(parts: NoticeParts) {
    const { store, ledger } = parts;
    this.#parts = parts;
    this.#budgets = new BudgetTenants(ledger);
    this.#thresholds = new ThresholdTable(store);
    this.#webhooks = new WebhookTable(store);
    this.#notices = new NoticeTable(store);
    const tables = { thresholds: this.#thresholds, webhooks: this.#webhooks, notices: this.#notices };
    this.sender = new Sender({ ...parts, ...tables });
    this.follower = new Follower({
      ...parts,
      ...tables,
      scales: new LedgerScales(ledger),
      tenantOf: (account) => this.#budgets.tenantOf(account),
      matchOf: (budgetId) => this.#budgets.matchOf(budgetId),
      onNotices: () => this.sender.look(),
    });
  }

  async start(): Promise<void> {
    this.sender.start();
    await this.follower.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.follower.stop(), this.sender.stop()]);
  }

  /**
   * States the thresholds of a budget, instead of those before; none: no notices any more. A balance that has passed one
   * already is told of at once.
   * @throws RefusedError not_found, forbidden for a budget of everybody's, invalid_request, conflict
   */
  async putThresholds(caller: Caller, id: string, percents: readonly number[]): Promise<Thresholds> {
    const { tenant } = caller;
    const budgetId = this.#budgetNamed(caller, id);
    const ascending = [...new Set(percents)].sort((left, right) => left - right);
    const isWrong = (percent: number) => !Number.isInteger(percent) || percent < 1 || percent > 100;
    if (ascending.length > PERCENTS_MAX || ascending.some(isWrong))
      throw invalid('percents', `are at most ${PERCENTS_MAX} whole numbers from 1 to 100`);
    const stated = { tenant, budgetId, percents: ascending };
    const before = this.#thresholds.ofTenant(tenant);
    const known = before.find((one) => one.budgetId === budgetId);
    // Said before: every account was looked at then, and is with each of its events.
    if (known !== undefined && known.percents.join() === ascending.join()) return stated;
    if (known === undefined && ascending.length > 0 && before.length >= THRESHOLDS_MAX)
      throw new RefusedError('conflict', `${THRESHOLDS_MAX} budgets have thresholds, and no more can`);
    const { sequence } = this.#parts.ledger.head();
    this.#parts.store.transaction(() => {
      // While there were none, nobody read the journal.
      if (this.#thresholds.all().length === 0) this.#thresholds.setPosition(sequence);
      this.#thresholds.put(stated);
    });
    await this.follower.start();
    return stated;
  }

  listThresholds({ tenant }: Caller): readonly Thresholds[] {
    return this.#thresholds.ofTenant(tenant);
  }

  // The caller's own, or the platform's that has an account for the caller's tenant.
  #budgetNamed(caller: Caller, id: string): string {
    const { tenant } = caller;
    const own = findableId(caller, id);
    if (own !== null && this.#budgets.matchOf(own) !== undefined) return own;
    if (tenant !== null && own !== null && this.#budgets.matchOf(id) !== undefined) {
      if (this.#budgets.appliesTo(id, tenant)) return id;
      throw new RefusedError('forbidden', 'the figures of this budget are of more than your tenant');
    }
    throw new RefusedError('not_found', `there is no budget ${quoted(id)}`, { field: 'budgetId' });
  }

  /** A webhook for all notices of the caller's tenant, or of the platform, from now on. @throws RefusedError */
  createWebhook({ tenant }: Caller, url: string): NewWebhook {
    const problem = webhookUrlProblem(url, this.#parts.settings().reach);
    if (problem !== null) throw invalid('url', problem);
    if (this.#webhooks.ofTenant(tenant).length >= WEBHOOKS_MAX)
      throw new RefusedError('conflict', `${WEBHOOKS_MAX} webhooks are the most: delete one first`);
    const secret = newSecret();
    const webhook = { id: `whk_${randomUUID()}`, tenant, url, createdAt: this.#parts.clock.now() };
    this.#parts.store.transaction(() => this.#webhooks.insert(webhook, secret));
    return { ...webhook, overlapUntil: null, secret };
  }

  listWebhooks({ tenant }: Caller): readonly Webhook[] {
    return this.#webhooks.ofTenant(tenant).map((row) => this.#withoutSecret(row));
  }

  /**
   * A new secret, which signs at once. Those before sign too until `overlapMs` (0 … 30 days) from now at most: a receiver
   * takes a message that one of its secrets has signed. 0 ends them, for a secret that others have learnt.
   * @throws RefusedError not_found; conflict where too many sign already
   */
  rotateWebhook(caller: Caller, id: string, overlapMs = OVERLAP_DEFAULT_MS): NewWebhook {
    if (!Number.isInteger(overlapMs) || overlapMs < 0 || overlapMs > OVERLAP_MAX_MS)
      throw invalid('overlapMs', `${overlapMs} is not 0 … ${OVERLAP_MAX_MS}`);
    const secret = newSecret();
    const webhook = this.#parts.store.transaction(() => {
      const row = this.#webhookNamed(caller, id);
      const now = this.#parts.clock.now();
      const before = [{ secret: row.secret, until: now + overlapMs }, ...row.before]
        .map((one) => ({ ...one, until: Math.min(one.until, now + overlapMs) }))
        .filter(({ until }) => until > now);
      if (before.length >= SECRETS_MAX)
        throw new RefusedError(
          'conflict',
          `${SECRETS_MAX} secrets sign already; wait until an overlap is over, or end them all with overlapMs 0`,
        );
      this.#webhooks.rotate(row.number, secret, before);
      return { ...row, before };
    });
    return { ...this.#withoutSecret(webhook), secret };
  }

  /**
   * Sends a webhook a message that says nothing, signed like the others, once and now.
   * @returns what went wrong; null when it was taken
   * @throws RefusedError not_found; conflict while another is on its way
   */
  testWebhook(caller: Caller, id: string): Promise<string | null> {
    const webhook = this.#webhookNamed(caller, id);
    const messageId = `tst_${randomUUID()}`;
    const body = testBody(messageId, webhook.id, this.#parts.clock.now());
    return this.sender.test(webhook, { id: messageId, body });
  }

  /** With what is on its way to it. @throws RefusedError not_found */
  removeWebhook(caller: Caller, id: string): void {
    const { number } = this.#webhookNamed(caller, id);
    this.#parts.store.transaction(() => this.#webhooks.remove(number));
  }

  #webhookNamed({ tenant }: Caller, id: string): WebhookRow {
    const webhook = this.#webhooks.find(id);
    if (webhook === undefined || webhook.tenant !== tenant)
      throw new RefusedError('not_found', `there is no webhook ${quoted(id)}`, { field: 'id' });
    return webhook;
  }

  /** Newest first; of the caller's tenant, or of all for the platform. */
  list(
    { tenant }: Caller,
    page: { readonly before: number | null; readonly max: number },
  ): { readonly notices: readonly Notice[]; readonly next: number | null } {
    const rows = this.#notices.page(tenant, page.before ?? Number.MAX_SAFE_INTEGER, page.max + 1);
    const taken = rows.slice(0, page.max);
    return {
      notices: taken.map((row) => this.#withDeliveries(row)),
      next: rows.length > page.max ? taken[page.max - 1].number : null,
    };
  }

  /** Sends a notice again, to every webhook that there is now for it. @throws RefusedError not_found */
  redeliver({ tenant }: Caller, id: string): Notice {
    const notice = this.#notices.find(id);
    if (notice === undefined || (tenant !== null && notice.tenant !== tenant))
      throw new RefusedError('not_found', `there is no notice ${quoted(id)}`, { field: 'id' });
    const now = this.#parts.clock.now();
    this.#parts.store.transaction(() => {
      for (const { number } of this.#webhooks.ofTenant(notice.tenant))
        this.#notices.ask(notice.number, number, now);
    });
    this.sender.look();
    return this.#withDeliveries(notice);
  }

  #withoutSecret({ id, tenant, url, createdAt, before }: WebhookRow): Webhook {
    const last = Math.max(0, ...before.map(({ until }) => until));
    const overlapUntil = last > this.#parts.clock.now() ? last : null;
    return { id, tenant, url, createdAt, overlapUntil };
  }

  #withDeliveries({ number, ...notice }: NoticeRow): Notice {
    return { ...notice, deliveries: this.#notices.deliveries(number) };
  }
}

/** Scales of the ledger's units, which never change; asked for once each. */
class LedgerScales implements Scales {
  readonly #scales = new Map<string, number>();

  constructor(private readonly ledger: Pick<Ledger, 'units'>) {}

  get(unit: string): number | undefined {
    if (!this.#scales.has(unit))
      for (const { name, scale } of this.ledger.units()) this.#scales.set(name, scale);
    return this.#scales.get(unit);
  }
}

function invalid(field: string, problem: string): RefusedError {
  return new RefusedError('invalid_request', `${field}: ${problem}`, { field });
}
