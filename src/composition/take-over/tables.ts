// Takes over the tables whose rows are whole: keys, setters of limits, policies, notices, reconciliations, stored responses.

import { keyFact } from '../../access/key-facts.js';
import { lastUseItem } from '../../access/keys-in-vault.js';
import { type LimitHolder, limitSetFact } from '../../access/limit-setters.js';
import { labelsOf } from '../../core/labels.js';
import { responseStored } from '../../gateway/calls/stored-responses.js';
import type { Scope } from '../../kit/caller.js';
import {
  journalRead,
  NO_START,
  noticeDelivered,
  noticeFound,
  noticeGivenUp,
  thresholdsLooked,
  thresholdsStated,
  webhookPut,
} from '../../notices/notices-facts.js';
import { WebhookSecrets } from '../../notices/webhook-secrets.js';
import { definitionsOf } from '../../quotas/buckets.js';
import { rulesOf } from '../../quotas/policy.js';
import { policyFact } from '../../quotas/quotas-facts.js';
import { reconciliationFacts } from '../../reconciliation/reconciliation-facts.js';
import type { Taking } from './fact-writer.js';

interface KeyRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: string;
  readonly labels: string;
  readonly caller_labels: string;
  readonly created_at: number;
  readonly created_by: string | null;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly last_used_at: number | null;
  readonly digest: Buffer;
  readonly previous_digest: Buffer | null;
  readonly previous_until: number | null;
  /** Of a later version. */
  readonly amount_max_usd?: string | null;
}

export async function takeKeys({ file, writer }: Taking): Promise<void> {
  for (const row of file.rows<KeyRow>('access_keys', 'ORDER BY number')) {
    const { id, name, last_used_at: usedAt, previous_digest: digest, previous_until: until } = row;
    const fact = keyFact(row.revoked_at === null ? 'key_created' : 'key_revoked', {
      ...{ id, name },
      scopes: JSON.parse(row.scopes),
      labels: JSON.parse(row.labels),
      callerLabels: JSON.parse(row.caller_labels),
      createdAt: row.created_at,
      createdBy: row.created_by,
      expiresAt: row.expires_at,
      amountMaxUsd: row.amount_max_usd ?? null,
      revokedAt: row.revoked_at,
      digest: row.digest.toString('hex'),
      previous: digest === null || until === null ? null : { digest: digest.toString('hex'), until },
    });
    await writer.write(fact, usedAt === null ? [] : [lastUseItem(id, usedAt)]);
  }
}

interface SetterRow extends LimitHolder {
  readonly scope: Scope;
  readonly labels: string;
}

export async function takeLimitSetters({ file, writer }: Taking): Promise<void> {
  for (const { kind, id, scope, labels } of file.rows<SetterRow>('limit_setters', 'ORDER BY kind, id'))
    await writer.write(limitSetFact({ kind, id }, { scope, labels: JSON.parse(labels) }));
}

interface PolicyRow {
  readonly number: number;
  readonly document: string;
  readonly digest: string;
  readonly author: string;
  readonly created_at: number;
}

interface ActivationRow {
  readonly policy: number;
  readonly at: number;
  /** 0: the earlier version was killed before it knew that the ledger had the policy's budgets. */
  readonly done: number;
}

/** An activation that was not done is finished, as the next start of the earlier version would have. */
export async function takePolicies({ file, writer, ledger, logger }: Taking): Promise<void> {
  for (const row of file.rows<PolicyRow>('quota_policies', 'ORDER BY number'))
    await writer.write(policyFact('policy_put', policyOf(row, null)));
  for (const { policy, at, done } of file.rows<ActivationRow>('quota_activations', 'ORDER BY number')) {
    for (const row of file.rows<PolicyRow>('quota_policies', 'WHERE number = ?', policy)) {
      const activated = policyFact('policy_activated', policyOf(row, at));
      if (done === 1) await writer.write(activated);
      else {
        await writer.flush();
        const rules = rulesOf(policy, JSON.parse(row.document));
        const command = { command: 'put_definitions', ...definitionsOf(rules, ledger.budgets()) } as const;
        const outcome = await ledger.run(command, { facts: [activated] });
        if (outcome.outcome === 'rejected')
          logger.warn(`the policy ${policy} is not put in force: ${outcome.message}`);
      }
    }
  }
}

function policyOf({ created_at: createdAt, document, ...row }: PolicyRow, activatedAt: number | null) {
  return { ...row, document: JSON.parse(document), createdAt, activatedAt };
}

interface ThresholdsRow {
  readonly tenant: string;
  readonly budget_id: string;
  readonly percents: string;
  /** Of a later version. */
  readonly looked?: number;
}

interface WebhookRow {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly url: string;
  readonly secret: string;
  readonly created_at: number;
  /** Of a later version. */
  readonly secrets_before?: string;
}

interface NoticeRow {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly budget_id: string;
  readonly account: string;
  readonly window_start: number;
  readonly window_end: number | null;
  readonly percent: number;
  readonly sequence: number;
  readonly at: number;
  readonly body: string;
}

interface DeliveryRow {
  /** Its number. */
  readonly webhook: number;
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly failed_attempts: number;
  readonly problem: string | null;
  readonly delivered_at: number | null;
}

export async function takeNotices(taking: Taking): Promise<void> {
  const { file, writer } = taking;
  for (const row of file.rows<ThresholdsRow>('notice_thresholds', 'ORDER BY tenant, budget_id')) {
    const thresholds = {
      ...{ tenant: tenantOf(row), budgetId: row.budget_id },
      percents: JSON.parse(row.percents),
    };
    await writer.write(thresholdsStated(thresholds));
    if (row.looked === 1) await writer.write(thresholdsLooked(thresholds));
  }
  for (const { sequence } of file.rows<{ sequence: number }>('notice_position', ''))
    await writer.write(journalRead(sequence));
  const webhooks = await takeWebhooks(taking);
  for (const row of file.rows<NoticeRow>('notices', 'ORDER BY number'))
    await takeNotice(taking, row, webhooks);
}

/** @returns their ids by their numbers: a tenant has 20 at most */
async function takeWebhooks({ file, writer, vault }: Taking): Promise<ReadonlyMap<number, string>> {
  const ids = new Map<number, string>();
  const secrets = new WebhookSecrets(vault);
  for (const row of file.rows<WebhookRow>('notice_webhooks', 'ORDER BY number')) {
    const { number, id, url, secret, created_at: createdAt, secrets_before: text = '[]' } = row;
    ids.set(number, id);
    const before: { secret: string; until: number }[] = JSON.parse(text);
    const overlapUntil = before.length === 0 ? null : Math.max(...before.map(({ until }) => until));
    const reference = await secrets.put(id, { secret, before });
    await writer.write(
      webhookPut('webhook_created', {
        ...{ id, url, createdAt, overlapUntil, ...reference },
        tenant: tenantOf(row),
      }),
    );
  }
  return ids;
}

/** What was still to be delivered is sent at once. */
async function takeNotice(
  { file, writer }: Taking,
  row: NoticeRow,
  webhooks: ReadonlyMap<number, string>,
): Promise<void> {
  const { number, id, percent, sequence, at, body } = row;
  const deliveries: { webhook: string; row: DeliveryRow }[] = [];
  for (const delivery of file.rows<DeliveryRow>(
    'notice_deliveries',
    'WHERE notice = ? ORDER BY number',
    number,
  )) {
    const webhook = webhooks.get(delivery.webhook);
    if (webhook !== undefined) deliveries.push({ webhook, row: delivery });
  }
  const found = noticeFound({
    ...{ id, percent, sequence, at, body },
    tenant: tenantOf(row),
    budgetId: row.budget_id,
    values: labelsOf(row.account),
    windowStart: row.window_start === NO_START ? null : row.window_start,
    windowEnd: row.window_end,
    webhooks: deliveries.map(({ webhook }) => webhook),
  });
  await writer.write(found);
  for (const { webhook, row } of deliveries) {
    const { state, failed_attempts: failedAttempts, problem, delivered_at } = row;
    const end = { notice: id, webhook, at: delivered_at ?? at, failedAttempts, problem };
    if (state === 'delivered') await writer.write(noticeDelivered(end));
    if (state === 'failed') await writer.write(noticeGivenUp(end));
  }
}

function tenantOf({ tenant }: { readonly tenant: string }): string | null {
  return tenant === '' ? null : tenant;
}

export async function takeReconciliations({ file, writer }: Taking): Promise<void> {
  const found = file.rows<{ summary: string; rows: string }>('reconciliations', 'ORDER BY number');
  for (const { summary, rows } of found)
    for (const fact of reconciliationFacts({ ...JSON.parse(summary), ...JSON.parse(rows) }))
      await writer.write(fact);
}

interface ResponseRow {
  readonly id: string;
  readonly provider: string;
  readonly labels: string;
  readonly tokens: number | null;
  readonly created_at: number;
}

export async function takeResponses({ file, writer }: Taking): Promise<void> {
  for (const row of file.rows<ResponseRow>('stored_responses', 'ORDER BY created_at')) {
    const { id, provider, labels, tokens, created_at: at } = row;
    await writer.write(responseStored({ id, provider, labels: JSON.parse(labels), tokens, at }));
  }
}
