// Webhooks in the service's file. Their secrets stand there as they are, since messages are signed with them; the file is
// its owner's alone. Called by notices.ts and by the sender.

import type { ServiceStore } from '../kit/service-store.js';
import type { Webhook } from './notice.js';

/** A secret from before a rotation. */
export interface SecretBefore {
  readonly secret: string;
  readonly until: number;
}

export interface WebhookRow extends Omit<Webhook, 'overlapUntil'> {
  readonly number: number;
  readonly secret: string;
  /** The newest first; those whose time is over among them. */
  readonly before: readonly SecretBefore[];
}

/** Those that sign at an instant, the newest first. */
export function secretsAt({ secret, before }: WebhookRow, now: number): readonly string[] {
  return [secret, ...before.filter(({ until }) => until > now).map((one) => one.secret)];
}

interface Row {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly url: string;
  readonly secret: string;
  readonly secrets_before: string;
  readonly created_at: number;
}

const COLUMNS = 'number, id, tenant, url, secret, secrets_before, created_at';

export class WebhookTable {
  readonly #insert;
  readonly #byId;
  readonly #ofTenant;
  readonly #due;
  readonly #rotate;
  readonly #remove;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[string, string, string, string, number]>(
      'INSERT INTO notice_webhooks (id, tenant, url, secret, created_at) VALUES (?, ?, ?, ?, ?)',
    );
    this.#byId = store.prepare<[string], Row>(`SELECT ${COLUMNS} FROM notice_webhooks WHERE id = ?`);
    this.#ofTenant = store.prepare<[string], Row>(
      `SELECT ${COLUMNS} FROM notice_webhooks WHERE tenant = ? ORDER BY number`,
    );
    // Of each webhook only its oldest delivery counts: those behind it wait.
    this.#due = store.prepare<[number], Row>(
      `SELECT ${COLUMNS} FROM notice_webhooks AS e WHERE ? >= (
         SELECT next_at FROM notice_deliveries WHERE webhook = e.number AND state = 'pending'
         ORDER BY number LIMIT 1
       ) ORDER BY number`,
    );
    this.#rotate = store.prepare<[string, string, number]>(
      'UPDATE notice_webhooks SET secret = ?, secrets_before = ? WHERE number = ?',
    );
    this.#remove = store.prepare<[number]>('DELETE FROM notice_webhooks WHERE number = ?');
  }

  insert({ id, tenant, url, createdAt }: Omit<Webhook, 'overlapUntil'>, secret: string): void {
    this.#insert.run(id, tenant ?? '', url, secret, createdAt);
  }

  find(id: string): WebhookRow | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : webhookOf(row);
  }

  /** Oldest first; few (`WEBHOOKS_MAX`). */
  ofTenant(tenant: string | null): WebhookRow[] {
    return this.#ofTenant.all(tenant ?? '').map(webhookOf);
  }

  /** Those that something can be sent to now. */
  due(now: number): WebhookRow[] {
    return this.#due.all(now).map(webhookOf);
  }

  rotate(number: number, secret: string, before: readonly SecretBefore[]): void {
    this.#rotate.run(secret, JSON.stringify(before), number);
  }

  /** With all that was on its way to it. */
  remove(number: number): void {
    this.#remove.run(number);
  }
}

function webhookOf({ created_at: createdAt, secrets_before: before, tenant, ...row }: Row): WebhookRow {
  return { ...row, tenant: tenant === '' ? null : tenant, before: JSON.parse(before), createdAt };
}
