// The commands on notices, behind a server: thresholds of budgets, webhooks, and what became of each notice.

import type { Command } from 'commander';
import type { Answer } from '../client/calls.js';
import type { ItemOf } from '../client/pages.js';
import { textTable } from '../kit/text-table.js';
import { addListCommand, addRouteCommand, field } from './command-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { DURATION, wholeOption } from './options.js';

const ROWS_DEFAULT = 100;

type NoticeRow = ItemOf<'listNotices'>;
type WebhookRow = Answer<'listWebhooks'>['items'][number];

const NOTICE = { id: { shown: 'notice', help: 'id of the notice' } };
const WEBHOOK = { id: { shown: 'webhook', help: 'id of the webhook' } };

export function addNoticeCommands(program: Command, cli: CliContext): void {
  const notices = program
    .command('notices')
    .description('notices that a server sends when budgets reach thresholds; needs --url');
  addListCommand(notices, cli, {
    name: 'list',
    isDefault: true,
    route: 'listNotices',
    about: 'notices, the newest first, and what became of each',
    rows: ROWS_DEFAULT,
    text: noticeTable,
  });
  addThresholds(notices, cli);
  addRouteCommand(notices, cli, {
    name: 'redeliver',
    route: 'redeliverNotice',
    about: 'send a notice again, to every webhook there is now',
    args: NOTICE,
    text: (row) => noticeTable([row]),
  });
  addWebhookCommands(program, cli);
}

function addThresholds(notices: Command, cli: CliContext): void {
  const command = notices
    .command('thresholds')
    .description('show the thresholds; with a budget, state its thresholds instead of those before')
    .argument('[budget]', 'id of the budget')
    .argument('[percents...]', 'shares of what is granted, such as 50 80 100; none: no notices any more');
  command.action(async (budget: string | undefined, texts: readonly string[]) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    const client = cli.client(options).notices;
    if (budget !== undefined)
      await client.putThresholds(budget, texts.map(wholeOption('percents', { min: 1, max: 100 })));
    const rows = await client.thresholds();
    cli.answer(options, rows, () =>
      rows.length === 0
        ? 'no thresholds'
        : textTable(
            ['budget', 'percent'],
            rows.map(({ budgetId, percents }) => [budgetId, percents.join(', ')]),
          ),
    );
  });
}

function addWebhookCommands(program: Command, cli: CliContext): void {
  const webhooks = program.command('webhooks').description('where a server sends notices; needs --url');
  const withSecret = (row: Answer<'createWebhook'>) =>
    `${webhookTable([row])}\n\nsecret ${row.secret} (shown once)`;
  addRouteCommand(webhooks, cli, {
    name: 'list',
    isDefault: true,
    route: 'listWebhooks',
    about: 'webhooks',
    json: ({ items }) => items,
    text: ({ items }) => webhookTable(items),
  });
  addRouteCommand(webhooks, cli, {
    name: 'create',
    route: 'createWebhook',
    about: 'a webhook for all notices from now on; its secret is shown once',
    args: { url: 'where to send them' },
    text: withSecret,
  });
  addRouteCommand(webhooks, cli, {
    name: 'rotate',
    route: 'rotateWebhook',
    about: 'a new secret, shown once; the one before signs too for the overlap',
    args: WEBHOOK,
    body: {
      overlapMs: field('--overlap <duration>', 'how long both sign, for example 1h (default 24h)', DURATION),
    },
    text: withSecret,
  });
  addRouteCommand(webhooks, cli, {
    name: 'test',
    route: 'testWebhook',
    about: 'send it a test message now, signed like the others',
    args: WEBHOOK,
    text: ({ delivered, problem }) => (delivered ? 'delivered' : `not delivered: ${problem}`),
  });
  addRouteCommand(webhooks, cli, {
    name: 'delete',
    route: 'deleteWebhook',
    about: 'delete a webhook, with what is on its way to it',
    args: WEBHOOK,
    text: () => 'deleted',
  });
}

function webhookTable(rows: readonly WebhookRow[]): string {
  if (rows.length === 0) return 'no webhooks';
  return textTable(
    ['webhook', 'url', 'created at', 'old secret signs until'],
    rows.map(({ id, url, createdAt, overlapUntil }) => [id, url, createdAt, overlapUntil ?? '']),
  );
}

/** One row for each webhook that a notice went to, or one without. */
function noticeTable(rows: readonly NoticeRow[]): string {
  if (rows.length === 0) return 'no notices';
  return textTable(
    ['notice', 'budget', 'of', 'percent', 'window', 'at', 'webhook', 'state', 'failed', 'next attempt'],
    rows.flatMap((row) => {
      const values = Object.entries(row.values).map(([name, value]) => `${name}=${value}`);
      const about = [
        row.id,
        row.budgetId,
        values.join(', '),
        `${row.percent} %`,
        row.window.start ?? 'lifetime',
        row.at,
      ];
      if (row.deliveries.length === 0) return [[...about, '', 'no webhook', '', '']];
      return row.deliveries.map(({ url, state, failedAttempts, nextAttemptAt }) => [
        ...about,
        url,
        state,
        String(failedAttempts),
        nextAttemptAt ?? '',
      ]);
    }),
  );
}
