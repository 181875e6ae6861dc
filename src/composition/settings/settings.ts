// The configuration in force, as its file states it once checked. Read by settings-file.ts; every part of the service is
// given the part that it needs. Secrets are not here: a provider names the environment variable that holds its key.

import type { BudgetFile } from '../../budgets/budget-file.js';
import type { ChatsSettings } from '../../chats/chats-settings.js';
import type { Aliases } from '../../core/requests.js';
import type { GatewaySettings } from '../../gateway/calls/calls-settings.js';
import type { OwnPrice } from '../../gateway/prices/price.js';
import type { SignatureSettings } from '../../gateway/routing/error-settings.js';
import type { ProviderSettings, RouteSettings } from '../../gateway/routing/route-settings.js';
import type { GoalSettings } from '../../goals/goal.js';
import type { NoticeSettings } from '../../notices/notice.js';
import type { ReportSettings } from '../../reconciliation/report-source.js';

export interface Settings {
  readonly listen: { readonly host: string; readonly port: number };
  /** Units, aliases, budgets and the providers' caps: what the ledger is told at the start and at each reload. */
  readonly definitions: BudgetFile;
  readonly aliases: Aliases;
  readonly prices: readonly OwnPrice[];
  readonly providers: readonly ProviderSettings[];
  readonly routes: readonly RouteSettings[];
  readonly signatures: SignatureSettings;
  readonly gateway: GatewaySettings;
  readonly goals: GoalSettings;
  readonly notices: NoticeSettings;
  readonly chats: ChatsSettings;
  readonly reconciliation: readonly ReportSettings[];
}
