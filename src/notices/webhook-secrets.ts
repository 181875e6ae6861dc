// The secrets of webhooks, which stand in the vault as they are, since messages are signed with them. Each set has an id of its
// own: a rotation puts the new set beside the old one, the fact of the rotation names the new one, and then the old one goes.
// So a crash between two of these steps leaves a set that the webhook's fact names. Used by notices.ts and the sender.

import { digestOf } from '../kit/facts.js';
import { RefusedError } from '../kit/refusals.js';
import type { Vault } from '../vault/vault.js';
import type { WebhookRecord } from './notices-facts.js';

export const SECRETS_PREFIX = 'notices/';

/** A secret from before a rotation. */
export interface SecretBefore {
  readonly secret: string;
  readonly until: number;
}

export interface SecretSet {
  readonly secret: string;
  /** The newest first; those whose time is over among them. */
  readonly before: readonly SecretBefore[];
}

type Reference = Pick<WebhookRecord, 'secretsId' | 'secretsDigest'>;

export class WebhookSecrets {
  constructor(private readonly vault: Pick<Vault, 'put' | 'get' | 'delete'>) {}

  /** Resolves once the set is on disk. */
  async put(webhookId: string, set: SecretSet): Promise<Reference> {
    const body = JSON.stringify(set);
    const secretsDigest = digestOf(body);
    const secretsId = `${SECRETS_PREFIX}${webhookId}/${secretsDigest}`;
    await this.vault.put([{ id: secretsId, body }]);
    return { secretsId, secretsDigest };
  }

  /** @throws RefusedError store_unavailable where the vault does not have what the journal names */
  async get({ secretsId, secretsDigest }: Reference): Promise<SecretSet> {
    const body = (await this.vault.get([secretsId])).get(secretsId);
    if (body === undefined || digestOf(body) !== secretsDigest)
      throw new RefusedError('store_unavailable', 'the vault does not have the secrets of this webhook');
    return JSON.parse(body);
  }

  /** Those that sign at an instant, the newest first. */
  async at(reference: Reference, now: number): Promise<readonly string[]> {
    const { secret, before } = await this.get(reference);
    return [secret, ...before.filter(({ until }) => until > now).map((one) => one.secret)];
  }

  forget({ secretsId }: Pick<WebhookRecord, 'secretsId'>): Promise<void> {
    return this.vault.delete([secretsId]);
  }
}
