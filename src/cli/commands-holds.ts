// The commands on holds: authorize, extend, settle, release, reverse, record, correct. Each reads its options, calls the
// ledger once, and prints the outcome.

import type { Command } from 'commander';
import type { Unit } from '../core/amount.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Candidate, HoldEnding, Lease, OnHold, OverrunPolicy } from '../core/requests.js';
import type { CliLedger } from './cli-ledger.js';
import type { CliContext, GlobalOptions } from './context.js';
import {
  amountsOf,
  durationOption,
  endingOption,
  grantCapsOf,
  grantOption,
  instantOption,
  labelsOf,
  leaseOption,
  onExpiryOf,
  overrunOption,
  type Pairs,
  pairOption,
  stated,
  textsOption,
  UsageError,
  type UsageOptions,
  usageOf,
  wholeOption,
} from './options.js';
import { Output } from './output.js';

const AMOUNT_HELP = "in the unit's natural scale, for example usd=0.25; repeatable";

export function addHoldCommands(program: Command, cli: CliContext): void {
  addAuthorize(program, cli);
  addExtend(program, cli);
  addSettle(program, cli);
  addRelease(program, cli);
  addReverse(program, cli);
  addRecord(program, cli);
  addCredit(program, cli);
  addCorrect(program, cli);
}

interface AuthorizeOptions extends GlobalOptions {
  readonly hold: string;
  readonly label?: Pairs;
  readonly amount?: Pairs;
  readonly ttl?: number;
  readonly onExpiry?: string;
  readonly charge?: Pairs;
  readonly overrun?: OverrunPolicy;
  readonly require?: readonly string[];
  readonly candidate?: readonly string[];
  readonly grantCaps?: readonly string[];
  readonly authority?: Lease;
  readonly commandId?: string;
}

function addAuthorize(program: Command, cli: CliContext): void {
  program
    .command('authorize')
    .description('hold the worst case of a call in every budget that it counts towards, or nothing')
    .requiredOption('--hold <id>', 'id of the new hold')
    .option('--label <key=value>', 'what the call is for; repeatable', pairOption('--label'))
    .option('--amount <unit=amount>', `worst case, ${AMOUNT_HELP}`, pairOption('--amount'))
    .option(
      '--ttl <duration>',
      'how long it may stay open, for example 10m (the default)',
      durationOption('--ttl'),
    )
    .option('--on-expiry <what>', 'release (the default) or charge')
    .option(
      '--charge <unit=amount>',
      'with --on-expiry charge: the estimate to spend; repeatable',
      pairOption('--charge'),
    )
    .option('--overrun <policy>', 'record (the default), reject, forbid or cap:PERCENT', overrunOption)
    .option('--require <key>', 'a label for which a budget with a limit must exist; repeatable', textsOption)
    .option(
      '--candidate <json>',
      'an alternative, {"labels":{…},"amounts":{…}}, tried in order; repeatable',
      textsOption,
    )
    .option(
      '--grant-caps <caps>',
      'capability=C,grant=G,unit=U[,max-calls=N][,max-per-hold=A][,max-total=A]',
      textsOption,
    )
    .option('--authority <lease>', 'AUTHORITY/LEASE/EPOCH of the caller', leaseOption)
    .option('--command-id <id>', 'makes a repeat give the first answer again')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<AuthorizeOptions>();
      await decideAndPrint(cli, options, (ledger, units) =>
        ledger.authorize({
          holdId: options.hold,
          labels: labelsOf(options.label),
          amounts: amountsOf('--amount', options.amount, units),
          ...stated({
            ttlMs: options.ttl,
            onExpiry: onExpiryOf(
              options.onExpiry,
              options.charge === undefined ? undefined : amountsOf('--charge', options.charge, units),
            ),
            overrun: options.overrun,
            require: options.require,
            candidates: options.candidate?.map((text) => candidateOf(text, units)),
            grants: options.grantCaps?.map((text) => grantCapsOf(text, units)),
            authority: options.authority,
            commandId: options.commandId,
          }),
        }),
      );
    });
}

function candidateOf(text: string, units: readonly Unit[]): Candidate {
  const refuse = (problem: string) => new UsageError('--candidate', `${JSON.stringify(text)} ${problem}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw refuse('is not JSON');
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw refuse('is not an object');
  const candidate: { labels?: Record<string, string>; amounts?: Record<string, bigint> } = {};
  for (const [field, value] of Object.entries(parsed)) {
    if (field !== 'labels' && field !== 'amounts')
      throw refuse(`has ${JSON.stringify(field)}; it may have labels and amounts`);
    const texts = textsOf(value);
    if (texts === null) throw refuse(`${field} must be an object of texts, such as {"usd":"0.25"}`);
    if (field === 'labels') candidate.labels = Object.fromEntries(texts);
    else candidate.amounts = amountsOf('--candidate', texts, units);
  }
  return candidate;
}

function textsOf(value: unknown): Pairs | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const pairs: [string, string][] = [];
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') return null;
    pairs.push([key, text]);
  }
  return pairs;
}

/** Options of every later command on a hold, which are then checked against it (rules H7, H8). */
interface OnHoldOptions extends GlobalOptions {
  readonly label?: Pairs;
  readonly grant?: { capability: string; grant: string };
  readonly authority?: Lease;
  readonly commandId?: string;
}

function onHoldCommand(program: Command, described: { name: string; description: string }): Command {
  return program
    .command(described.name)
    .description(described.description)
    .argument('<hold>', 'id of the hold')
    .option(
      '--label <key=value>',
      'refuse unless the hold has exactly these labels; repeatable',
      pairOption('--label'),
    )
    .option('--grant <grant>', 'CAPABILITY/GRANT: refuse unless the hold has it', grantOption)
    .option('--authority <lease>', 'AUTHORITY/LEASE/EPOCH under which the hold was opened', leaseOption)
    .option('--command-id <id>', 'makes a repeat give the first answer again');
}

function onHold(holdId: string, options: OnHoldOptions): OnHold {
  return {
    holdId,
    ...stated({
      labels: options.label === undefined ? undefined : labelsOf(options.label),
      grant: options.grant,
      authority: options.authority,
      commandId: options.commandId,
    }),
  };
}

function addExtend(program: Command, cli: CliContext): void {
  onHoldCommand(program, {
    name: 'extend',
    description: 'give a hold a later expiry, a larger amount, or both',
  })
    .option('--ttl <duration>', 'the new expiry, from now', durationOption('--ttl'))
    .option('--add <unit=amount>', `what to hold in addition, ${AMOUNT_HELP}`, pairOption('--add'))
    .action(async (holdId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OnHoldOptions & { ttl?: number; add?: Pairs }>();
      await decideAndPrint(cli, options, (ledger, units) => {
        const add = options.add === undefined ? undefined : amountsOf('--add', options.add, units);
        return ledger.extend({ ...onHold(holdId, options), ...stated({ ttlMs: options.ttl, add }) });
      });
    });
}

interface SettleOptions extends OnHoldOptions, UsageOptions {
  readonly amount?: Pairs;
  readonly exposure?: Pairs;
  readonly outcome?: HoldEnding;
}

function addSettle(program: Command, cli: CliContext): void {
  withUsage(
    onHoldCommand(program, {
      name: 'settle',
      description: 'book what a call cost; the rest of the hold goes back',
    }),
  )
    .option('--amount <unit=amount>', `what it cost, ${AMOUNT_HELP}`, pairOption('--amount'))
    .option(
      '--exposure <unit=amount>',
      'refuse unless just this is still held; repeatable',
      pairOption('--exposure'),
    )
    .option('--outcome <how>', 'completed, failed, cancelled or unknown', endingOption)
    .action(async (holdId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SettleOptions>();
      await decideAndPrint(cli, options, (ledger, units) =>
        ledger.settle({
          ...onHold(holdId, options),
          amounts: amountsOf('--amount', options.amount, units),
          ...stated({
            exposure:
              options.exposure === undefined ? undefined : amountsOf('--exposure', options.exposure, units),
            usage: usageOf(options),
            outcome: options.outcome,
          }),
        }),
      );
    });
}

function addRelease(program: Command, cli: CliContext): void {
  onHoldCommand(program, { name: 'release', description: 'give back what a hold holds, all of it or a part' })
    .option(
      '--amount <unit=amount>',
      `what to give back (all, when absent), ${AMOUNT_HELP}`,
      pairOption('--amount'),
    )
    .action(async (holdId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OnHoldOptions & { amount?: Pairs }>();
      await decideAndPrint(cli, options, (ledger, units) => {
        const amounts =
          options.amount === undefined ? undefined : amountsOf('--amount', options.amount, units);
        return ledger.release({ ...onHold(holdId, options), ...stated({ amounts }) });
      });
    });
}

function addReverse(program: Command, cli: CliContext): void {
  onHoldCommand(program, {
    name: 'reverse',
    description: 'undo an untouched hold as if it had never been, its call count too',
  }).action(async (holdId: string, _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<OnHoldOptions>();
    await decideAndPrint(cli, options, (ledger) => ledger.reverse(onHold(holdId, options)));
  });
}

function addCorrect(program: Command, cli: CliContext): void {
  onHoldCommand(program, {
    name: 'correct',
    description: 'set the final amounts of a settled hold, by a posted difference',
  })
    .option('--amount <unit=amount>', `the final amount, ${AMOUNT_HELP}`, pairOption('--amount'))
    .requiredOption('--reason <text>', 'why, for the journal')
    .action(async (holdId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OnHoldOptions & { amount?: Pairs; reason: string }>();
      await decideAndPrint(cli, options, (ledger, units) => {
        const amounts = amountsOf('--amount', options.amount, units);
        return ledger.correct({ ...onHold(holdId, options), amounts, reason: options.reason });
      });
    });
}

interface RecordOptions extends GlobalOptions, UsageOptions {
  readonly label?: Pairs;
  readonly amount?: Pairs;
  readonly occurredAt?: number;
  readonly commandId?: string;
}

function addRecord(program: Command, cli: CliContext): void {
  withUsage(program.command('record').description('book spend that nobody authorised; never denied'))
    .option('--label <key=value>', 'what it was for; repeatable', pairOption('--label'))
    .option('--amount <unit=amount>', `what was spent, ${AMOUNT_HELP}`, pairOption('--amount'))
    .option(
      '--occurred-at <instant>',
      'when, for example 2026-03-01T12:00:00Z; now when absent',
      instantOption('--occurred-at'),
    )
    .option('--command-id <id>', 'makes a repeat give the first answer again')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RecordOptions>();
      await decideAndPrint(cli, options, (ledger, units) =>
        ledger.record({
          labels: labelsOf(options.label),
          amounts: amountsOf('--amount', options.amount, units),
          ...stated({
            occurredAt: options.occurredAt,
            usage: usageOf(options),
            commandId: options.commandId,
          }),
        }),
      );
    });
}

interface CreditOptions extends Omit<RecordOptions, keyof UsageOptions> {
  readonly reason: string;
}

function addCredit(program: Command, cli: CliContext): void {
  program
    .command('credit')
    .description('take recorded spend back, off every balance that its labels match; all of it or nothing')
    .option('--label <key=value>', 'what it was recorded for; repeatable', pairOption('--label'))
    .option('--amount <unit=amount>', `what is taken back, ${AMOUNT_HELP}`, pairOption('--amount'))
    .requiredOption('--reason <text>', 'why, for the journal')
    .option(
      '--occurred-at <instant>',
      'when it was spent, for example 2026-03-01T12:00:00Z; now when absent',
      instantOption('--occurred-at'),
    )
    .option('--command-id <id>', 'makes a repeat give the first answer again')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CreditOptions>();
      await decideAndPrint(cli, options, (ledger, units) =>
        ledger.credit({
          labels: labelsOf(options.label),
          amounts: amountsOf('--amount', options.amount, units),
          reason: options.reason,
          ...stated({ occurredAt: options.occurredAt, commandId: options.commandId }),
        }),
      );
    });
}

function withUsage(command: Command): Command {
  const count = (option: string) => wholeOption(option, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return command
    .option('--usage-input <tokens>', 'tokens read', count('--usage-input'))
    .option('--usage-output <tokens>', 'tokens written', count('--usage-output'))
    .option('--usage-cache-read <tokens>', 'tokens read from a cache', count('--usage-cache-read'))
    .option('--usage-cache-write <tokens>', 'tokens written to a cache', count('--usage-cache-write'))
    .option('--usage-reasoning <tokens>', 'tokens written in reasoning', count('--usage-reasoning'))
    .option('--usage-tools <calls>', 'tool calls', count('--usage-tools'));
}

async function decideAndPrint(
  cli: CliContext,
  options: GlobalOptions,
  decide: (ledger: CliLedger, units: readonly Unit[]) => CommandOutcome | Promise<CommandOutcome>,
): Promise<void> {
  await cli.withLedger(options, async (ledger) => {
    const units = await ledger.units();
    const outcome = await decide(ledger, units);
    new Output(cli, options, units).outcome(outcome);
  });
}
