// The command line: puts the commands together, runs one, and turns whatever happens into a message and an exit code.
// Called by main.ts with the parts that it needs.

import { Command, CommanderError } from 'commander';
import { addAgentCommands } from './commands-agents.js';
import { addBacktestCommands } from './commands-backtest.js';
import { addBudgetCommands } from './commands-budgets.js';
import { addChatCommands } from './commands-chats.js';
import { addEvidenceCommands } from './commands-evidence.js';
import { addGoalCommands } from './commands-goals.js';
import { addHistoryCommands } from './commands-history.js';
import { addHoldCommands } from './commands-holds.js';
import { addKeyCommands } from './commands-keys.js';
import { addNoticeCommands } from './commands-notices.js';
import { addQuotaCommands } from './commands-quotas.js';
import { addReadCommands } from './commands-reads.js';
import { addReconcileCommand } from './commands-reconcile.js';
import { addServeCommand } from './commands-serve.js';
import { addServerCommands } from './commands-server.js';
import { CliContext, type CliParts } from './context.js';
import { EXIT, type ExitCode } from './exit-codes.js';

/** `argv` as in process.argv. Never throws; the caller sets the exit code. */
export async function runCli(argv: readonly string[], parts: CliParts): Promise<ExitCode> {
  const cli = new CliContext(parts);
  try {
    await buildProgram(cli).parseAsync([...argv]);
    return cli.exitCode;
  } catch (error) {
    // Commander has printed its own message (or the help that was asked for).
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.error;
    cli.note(`bursar: ${messageOf(error)}`);
    return EXIT.error;
  }
}

function buildProgram(cli: CliContext): Command {
  const program = new Command('bursar')
    .description(
      'A budget authority for AI agents and LLM applications: authorise the worst case, settle what it cost, prove it.',
    )
    .option('--ledger <file>', `the ledger file (default ${JSON.stringify(cli.parts.defaultLedger)})`)
    .option('--url <url>', 'a server instead of a file; its key is in BURSAR_KEY')
    .option('--json', 'print JSON, amounts as decimal strings')
    .showHelpAfterError('(bursar COMMAND --help shows the options)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 2 denied by a budget or apart from a report, 1 error (rejected, wrong usage, fault).',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => cli.print(text),
      writeErr: (text) => cli.note(text.trimEnd()),
    });
  addServeCommand(program, cli);
  addBudgetCommands(program, cli);
  addHoldCommands(program, cli);
  addReadCommands(program, cli);
  addHistoryCommands(program, cli);
  addEvidenceCommands(program, cli);
  addReconcileCommand(program, cli);
  addServerCommands(program, cli);
  addQuotaCommands(program, cli);
  addKeyCommands(program, cli);
  addGoalCommands(program, cli);
  addNoticeCommands(program, cli);
  addAgentCommands(program, cli);
  addChatCommands(program, cli);
  addBacktestCommands(program, cli);
  return program;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'AbortError') return 'interrupted';
  if ('code' in error && error.code === 'ENOENT' && 'path' in error)
    return `there is no file ${JSON.stringify(error.path)}`;
  return error.message;
}
