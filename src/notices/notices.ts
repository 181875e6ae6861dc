// Notices: thresholds on budgets, found in the journal, sent to webhooks signed, and listed with what became of
// them. Each tenant has its own thresholds and webhooks, and the platform has; nobody's notices go to another. What is stated
// is a fact, decided in a queue of its tenant. Used by the HTTP API; started by the composition, and closed before the ledger.

import { randomUUID } from 'node:crypto';
import { BudgetTenants } from '../access/budget-tenants.js';
import { findableId } from '../access/tenant-ids.js';
import type { Clock, Ledger } from '../authority/api.js';
import type { Fact } from '../core/facts.js';
import type { Scales } from '../kit/amounts.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { invalid, notFound, RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { SweepRule, Vault } from '../vault/vault.js';
import type { ViewDatabase } from '../views/view.js';
import {
  type Delivery,
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
import {
  type DeliveryRow,
  type NoticeRow,
  NoticeTable,
  ThresholdTable,
  type WebhookRow,
  WebhookTable,
} from './notice-tables.js';
import {
  journalRead,
  noticeAskedFor,
  thresholdsStated,
  type WebhookRecord,
  webhookDeleted,
  webhookPut,
} from './notices-facts.js';
import { Sender, type SendWebhook } from './sender.js';
import { newSecret } from './signing.js';
import { ThresholdFinder } from './threshold-finder.js';
import { webhookUrlProblem } from './webhook-address.js';
import { SECRETS_PREFIX, WebhookSecrets } from './webhook-secrets.js';

export interface NoticeParts {
  readonly views: ViewDatabase;
  readonly vault: Pick<Vault, 'put' | 'get' | 'delete'>;
  readonly ledger: Pick<
    Ledger,
    'run' | 'budget' | 'budgets' | 'events' | 'head' | 'units' | 'balances' | 'check' | 'whenDurable'
  >;
  readonly clock: Clock;
  readonly settings: () => NoticeSettings;
  readonly send: SendWebhook;
  /** Called for errors of background work, which no caller waits for: they go to the log. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** The secret is shown in this one answer. */
export interface NewWebhook extends Webhook {
  readonly secret: string;
}

export class Notices {
  readonly finder: ThresholdFinder;
  readonly sender: Sender;
  readonly #parts: NoticeParts;
  readonly #budgets: BudgetTenants;
  readonly #thresholds: ThresholdTable;
  readonly #webhooks: WebhookTable;
  readonly #notices: NoticeTable;
  readonly #secrets: WebhookSecrets;
  /** Changes of one tenant, or of the platform, are made one after the other, so that bounds are checked on what is there. */
  readonly #queue = new SerialQueue();

  constructor(parts: NoticeParts) {
    const { views, ledger } = parts;
    this.#parts = parts;
    this.#budgets = new BudgetTenants(ledger);
    this.#thresholds = new ThresholdTable(views);
    this.#webhooks = new WebhookTable(views);
    this.#notices = new NoticeTable(views);
    const tables = { thresholds: this.#thresholds, webhooks: this.#webhooks, notices: this.#notices };
    this.#secrets = new WebhookSecrets(parts.vault);
    this.sender = new Sender({ ...parts, ...tables, secrets: this.#secrets });
    this.finder = new ThresholdFinder({
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
    await this.finder.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.finder.stop(), this.sender.stop()]);
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
    const wanted = { tenant, budgetId, percents: ascending };
    const isNew = await this.#inTurn(tenant, async () => {
      const before = this.#thresholds.ofTenant(tenant);
      const known = before.find((one) => one.budgetId === budgetId);
      // The same as before: every account was looked at then, and is with each of its events.
      if (known !== undefined && known.percents.join() === ascending.join()) return false;
      if (known === undefined && ascending.length > 0 && before.length >= THRESHOLDS_MAX)
        throw new RefusedError('conflict', `${THRESHOLDS_MAX} budgets have thresholds, and no more can`);
      // While there were none, nobody read the journal.
      const isFirst = this.#thresholds.all().length === 0;
      const from = isFirst ? [journalRead(this.#parts.ledger.head().sequence)] : [];
      await this.#note(caller, ...from, thresholdsStated(wanted));
      return true;
    });
    if (isNew) await this.finder.start();
    return wanted;
  }

  async #note(caller: Caller, ...facts: readonly Fact[]): Promise<void> {
    await this.#parts.ledger.run({ command: 'record_facts' }, { actor: actorOf(caller), facts });
  }

  #inTurn<T>(tenant: string | null, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(tenant ?? '', work);
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
    throw notFound('budgetId', 'budget', id);
  }

  /** A webhook for all notices of the caller's tenant, or of the platform, from now on. @throws RefusedError */
  async createWebhook(caller: Caller, url: string): Promise<NewWebhook> {
    const { tenant } = caller;
    const problem = webhookUrlProblem(url, this.#parts.settings().reach);
    if (problem !== null) throw invalid('url', problem);
    return this.#inTurn(tenant, async () => {
      if (this.#webhooks.ofTenant(tenant).length >= WEBHOOKS_MAX)
        throw new RefusedError('conflict', `${WEBHOOKS_MAX} webhooks are the most: delete one first`);
      const secret = newSecret();
      const id = `whk_${randomUUID()}`;
      const reference = await this.#secrets.put(id, { secret, before: [] });
      const webhook = { id, tenant, url, createdAt: this.#parts.clock.now(), overlapUntil: null };
      await this.#note(caller, webhookPut('webhook_created', { ...webhook, ...reference }));
      return { ...webhook, secret };
    });
  }

  listWebhooks({ tenant }: Caller): readonly Webhook[] {
    return this.#webhooks.ofTenant(tenant).map((row) => this.#webhookOut(row));
  }

  /**
   * A new secret, which signs at once. Those before sign too until `overlapMs` (0 … 30 days) from now at most: a receiver
   * takes a message that one of its secrets has signed. 0 ends them, for a secret that others have learnt.
   * @throws RefusedError not_found; conflict where too many sign already
   */
  async rotateWebhook(caller: Caller, id: string, overlapMs = OVERLAP_DEFAULT_MS): Promise<NewWebhook> {
    if (!Number.isInteger(overlapMs) || overlapMs < 0 || overlapMs > OVERLAP_MAX_MS)
      throw invalid('overlapMs', `${overlapMs} is not 0 … ${OVERLAP_MAX_MS}`);
    return this.#inTurn(caller.tenant, async () => {
      const { number: _number, ...webhook } = this.#webhookNamed(caller, id);
      const current = await this.#secrets.get(webhook);
      const now = this.#parts.clock.now();
      const before = [{ secret: current.secret, until: now + overlapMs }, ...current.before]
        .map((one) => ({ ...one, until: Math.min(one.until, now + overlapMs) }))
        .filter(({ until }) => until > now);
      if (before.length >= SECRETS_MAX)
        throw new RefusedError(
          'conflict',
          `${SECRETS_MAX} secrets sign already; wait until an overlap is over, or end them all with overlapMs 0`,
        );
      const secret = newSecret();
      const reference = await this.#secrets.put(id, { secret, before });
      const overlapUntil = before.length === 0 ? null : Math.max(...before.map(({ until }) => until));
      const rotated = { ...webhook, ...reference, overlapUntil };
      await this.#note(caller, webhookPut('webhook_rotated', rotated));
      await this.#secrets.forget(webhook);
      return { ...this.#webhookOut(rotated), secret };
    });
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
  async removeWebhook(caller: Caller, id: string): Promise<void> {
    await this.#inTurn(caller.tenant, async () => {
      const webhook = this.#webhookNamed(caller, id);
      await this.#note(caller, webhookDeleted(webhook));
      await this.#secrets.forget(webhook);
    });
  }

  #webhookNamed({ tenant }: Caller, id: string): WebhookRow {
    const webhook = this.#webhooks.find(id);
    if (webhook === undefined || webhook.tenant !== tenant) throw notFound('id', 'webhook', id);
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
  async redeliver(caller: Caller, id: string): Promise<Notice> {
    const { tenant } = caller;
    const notice = this.#notices.find(id);
    if (notice === undefined || (tenant !== null && notice.tenant !== tenant))
      throw notFound('id', 'notice', id);
    await this.#note(caller, noticeAskedFor(notice));
    for (const { number } of this.#notices.deliveries(notice.number)) this.sender.forgetAttempts(number);
    this.sender.look();
    return this.#withDeliveries(notice);
  }

  /** The secrets in the vault that webhooks still need. */
  get sweepRule(): SweepRule {
    const isNamed = (secretsId: string) => {
      const id = secretsId.slice(SECRETS_PREFIX.length).split('/')[0];
      return this.#webhooks.find(id)?.secretsId === secretsId;
    };
    return { prefix: SECRETS_PREFIX, isNamed };
  }

  #webhookOut({ id, tenant, url, createdAt, overlapUntil }: WebhookRecord): Webhook {
    const isOver = overlapUntil !== null && overlapUntil <= this.#parts.clock.now();
    return { id, tenant, url, createdAt, overlapUntil: isOver ? null : overlapUntil };
  }

  #withDeliveries({ number, ...notice }: NoticeRow): Notice {
    return { ...notice, deliveries: this.#notices.deliveries(number).map((row) => this.#deliveryOf(row)) };
  }

  #deliveryOf({ number, ...delivery }: DeliveryRow): Delivery {
    if (delivery.state !== 'pending') return { ...delivery, nextAttemptAt: null };
    const attempts = this.sender.attemptsOf(number);
    const { failed = 0, problem = null, nextAt = this.#parts.clock.now() } = attempts ?? {};
    return { ...delivery, failedAttempts: failed, problem, nextAttemptAt: nextAt };
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
