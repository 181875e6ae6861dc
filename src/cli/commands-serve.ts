// The command `serve`: reads its options and hands over to the server, which main.ts puts in.

import type { Command } from 'commander';
import type { CliContext, ServeOptions } from './context.js';
import { durationOption, UsageError, wholeOption } from './options.js';

/** Longer than any stream lasts; an orchestrator kills much earlier. */
const DRAIN_MAX_MS = 3_600_000;
const PORT_MAX = 65_535;

export function addServeCommand(program: Command, cli: CliContext): void {
  program
    .command('serve')
    .description('the HTTP API and the gateway for OpenAI and Anthropic clients, on a ledger of its own')
    .option(
      '--config <file>',
      'the configuration (default bursar.yaml, if there is one; else a demonstration)',
    )
    .option('--data <dir>', `folder of ledger and keys (default ${JSON.stringify(cli.parts.dataPath)})`)
    .option('--host <host>', 'where to listen, before the configuration (default 127.0.0.1)')
    .option(
      '--port <port>',
      'and on which port; 0 takes a free one (default 8420)',
      wholeOption('--port', { min: 0, max: PORT_MAX }),
    )
    .option(
      '--drain <duration>',
      'how long open calls may take to end after SIGTERM (default 30s)',
      drainOption,
    )
    .option('--accept-loss', 'go on although a file of the folder is missing or older than another')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ServeOptions & { ledger?: string; url?: string }>();
      if (options.ledger !== undefined || options.url !== undefined)
        throw new UsageError('serve', 'takes no --ledger or --url: its ledger is in the folder --data');
      await cli.parts.serve(options);
    });
}

function drainOption(text: string): number {
  const ms = durationOption('--drain')(text);
  if (ms <= DRAIN_MAX_MS) return ms;
  throw new UsageError('--drain', `${JSON.stringify(text)} is longer than an hour`);
}
