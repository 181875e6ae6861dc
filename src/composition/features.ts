// The features on top of the ledger, put together: quotas, chats, agents, goals, notices and reconciliations. Whatever a
// crash cut is finished before anybody calls. Called by serve.ts, which hands the parts to the surfaces.

import type { Logger } from 'pino';
import { lastUseSweep } from '../access/keys-in-vault.js';
import { LimitSetters } from '../access/limit-setters.js';
import { Agents } from '../agents/agents.js';
import type { Clock } from '../authority/api.js';
import { RETENTION_DEFAULT_MS } from '../authority/open.js';
import { Chats } from '../chats/chats.js';
import { Goals } from '../goals/goals.js';
import { Notices } from '../notices/notices.js';
import type { SendWebhook } from '../notices/sender.js';
import { Quotas } from '../quotas/quotas.js';
import { Reconciliations } from '../reconciliation/reconciliations.js';
import { type SweepRule, sweepVault } from '../vault/vault.js';
import type { CloseStack } from './close-stack.js';
import type { DataFolder } from './data-folder.js';
import type { Settings } from './settings/settings-file.js';

export interface Features {
  readonly quotas: Quotas;
  readonly chats: Chats;
  readonly goals: Goals;
  readonly notices: Notices;
  readonly agents: Agents;
  readonly reconciliations: Reconciliations;
}

export interface FeatureNeeds extends DataFolder {
  readonly settings: () => Settings;
  /** Environment variables, which the configuration names. */
  readonly secrets: (name: string) => string | undefined;
  readonly logger: Pick<Logger, 'info' | 'error'>;
  readonly clock: Clock;
  readonly opened: CloseStack;
  /** How a notice goes out to a webhook. */
  readonly send: SendWebhook;
}

export async function openFeatures(needs: FeatureNeeds): Promise<Features> {
  const { views, ledger, logger, clock } = needs;
  const onAlert = (what: string) => logger.error({ alert: true }, what);
  const quotas = new Quotas({ ledger, views, clock, onAlert });
  const chats = await openChats(needs, quotas);
  const agents = await openAgents(needs);
  const goals = openGoals(needs);
  const notices = await openNotices(needs);
  const reconciliations = openReconciliations(needs);
  sweep(needs, [chats.sweepRule, goals.sweepRule, notices.sweepRule, lastUseSweep(needs.keyRing)]);
  return { quotas, chats, agents, goals, notices, reconciliations };
}

/** Deletes what a crash left in the vault, beside everything else. */
function sweep({ vault, clock, logger }: FeatureNeeds, rules: readonly SweepRule[]): void {
  sweepVault(vault, rules, clock.now()).then(
    (texts) => texts > 0 && logger.info({ texts }, 'texts that nothing names were deleted from the vault'),
    (error) => logger.error({ err: error }, 'the vault could not be swept'),
  );
}

function openReconciliations({
  ledger,
  views,
  clock,
  settings,
  secrets,
  opened,
}: FeatureNeeds): Reconciliations {
  const reconciliations = new Reconciliations({
    ledger,
    views,
    clock,
    settings: () => settings().reconciliation,
    secrets,
  });
  return opened.add('the reconciliations', reconciliations, (held) => held.close());
}

async function openChats(needs: FeatureNeeds, quotas: Quotas): Promise<Chats> {
  const { vault, views, ledger, settings, logger, clock, opened } = needs;
  const chats = new Chats({
    ...{ ledger, views, vault, clock },
    quotas: quotas.turns,
    settings: () => settings().chats,
    onFault: (what, error) => logger.error({ err: error }, what),
  });
  opened.add('the chats', chats, (held) => held.close());
  const orphaned = await chats.start();
  if (orphaned > 0) logger.info({ turns: orphaned }, 'turns ended that nobody could end any more');
  return chats;
}

async function openAgents(needs: FeatureNeeds): Promise<Agents> {
  const { views, keys, ledger, logger, clock, opened } = needs;
  const agents = new Agents({
    views,
    setters: new LimitSetters(views),
    ledger,
    keys,
    clock,
    retentionMs: RETENTION_DEFAULT_MS,
    onFault: (what, error) => logger.error({ err: error }, what),
  });
  await agents.sweep();
  agents.start();
  return opened.add('the agents', agents, (held) => held.stop());
}

function openGoals({ views, vault, ledger, settings, logger, clock }: FeatureNeeds): Goals {
  return new Goals({
    ...{ views, vault, ledger, clock },
    settings: () => settings().goals,
    onFault: (what, error) => logger.error({ err: error }, what),
  });
}

async function openNotices({
  views,
  vault,
  ledger,
  settings,
  logger,
  clock,
  opened,
  send,
}: FeatureNeeds): Promise<Notices> {
  const notices = new Notices({
    views,
    vault,
    ledger,
    clock,
    send,
    settings: () => settings().notices,
    onFault: (what, error) => logger.error({ err: error }, what),
  });
  opened.add('the notices', notices, (held) => held.close());
  await notices.start();
  return notices;
}
