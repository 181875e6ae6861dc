// The commands on notices, behind a server: thresholds of budgets, webhooks, and what became of each notice.

import type { Command } from 'commander';
import type { BursarClient } from '../client/index.js';
import { textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { durationOption, wholeOption } from './options.js';

/** Rows shown unless told otherwise. */
const ROWS_DEFAULT = 100;
const ROWS_MAX = 1_000_000;

type NoticeRow = Awaited<ReturnType<BursarClient['notices']['redeliver']>>;
type WebhookRow = Awaited<ReturnType<BursarClient['webhooks']['list']>>[number];

export function addNoticeCommands(program: Command, cli: CliContext): void {
  const notices = program
    .command('notices')
    .description('notices that a server sends when budgets reach thresholds; needs --url');
  addList(notices, cli);
  addThresholds(notices, cli);
  addRedeliver(notices, cli);
  const webhooks = program.command('webhooks').description('where a server sends notices; needs --url');
  addWebhookCommands(webhooks, cli);
}

function addList(notices: Command, cli: CliContext): void {
  notices
    .command('list', { isDefault: true })
    .description('notices, the newest first, and what became of each')
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { max: number }>();
      const rows: NoticeRow[] = [];
      for await (const row of cli.client(options).notices.all()) {
        rows.push(row);
        if (rows.length >= options.max) break;
      }
      cli.answer(options, rows, () => noticeTable(rows));
    });
}

function addThresholds(notices: Command, cli: CliContext): void {
  notices
    .command('thresholds')
    .description('show the thresholds; with a budget, state its thresholds instead of those before')
    .argument('[budget]', 'id of the budget')
    .argument('[percents...]', 'shares of what is granted, such as 50 80 100; none: no notices any more')
    .action(
      async (budget: string | undefined, texts: readonly string[], _options: unknown, command: Command) => {
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
      },
    );
}

function addRedeliver(notices: Command, cli: CliContext): void {
  notices
    .command('redeliver')
    .description('send a notice again, to every webhook there is now')
    .argument('<notice>', 'id of the notice')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const row = await cli.client(options).notices.redeliver(id);
      cli.answer(options, row, () => noticeTable([row]));
    });
}

function addWebhookCommands(webhooks: Command, cli: CliContext): void {
  webhooks
    .command('list', { isDefault: true })
    .description('webhooks')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const rows = await cli.client(options).webhooks.list();
      cli.answer(options, rows, () => webhookTable(rows));
    });
  webhooks
    .command('create')
    .description('a webhook for all notices from now on; its secret is shown once')
    .argument('<url>', 'where to send them')
    .action(async (url: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const row = await cli.client(options).webhooks.create({ url });
      cli.answer(options, row, () => `${webhookTable([row])}\n\nsecret ${row.secret} (shown once)`);
    });
  webhooks
    .command('rotate')
    .description('a new secret, shown once; the one before signs too for the overlap')
    .argument('<webhook>', 'id of the webhook')
    .option(
      '--overlap <duration>',
      'how long both sign, for example 1h (default 24h)',
      durationOption('--overlap'),
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { overlap?: number }>();
      const request = options.overlap === undefined ? {} : { overlapMs: options.overlap };
      const row = await cli.client(options).webhooks.rotate(id, request);
      cli.answer(options, row, () => `${webhookTable([row])}\n\nsecret ${row.secret} (shown once)`);
    });
  webhooks
    .command('test')
    .description('send it a test message now, signed like the others')
    .argument('<webhook>', 'id of the webhook')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const tested = await cli.client(options).webhooks.test(id);
      cli.answer(options, tested, () =>
        tested.delivered ? 'delivered' : `not delivered: ${tested.problem}`,
      );
    });
  webhooks
    .command('delete')
    .description('delete a webhook, with what is on its way to it')
    .argument('<webhook>', 'id of the webhook')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await cli.client(options).webhooks.delete(id);
      cli.answer(options, {}, () => 'deleted');
    });
}

function rowsOption(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
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
