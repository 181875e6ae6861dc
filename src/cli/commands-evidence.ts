// The commands that prove: verify, snapshot, certify. Verifying only reads; the other two write their result into the
// journal, so they need the ledger for themselves.

import type { Command } from 'commander';
import type { Ledger } from '../authority/api.js';
import { detailsOut } from '../budgets/details-out.js';
import type { Certificate, Head, VerifyReport } from '../budgets/evidence-api.js';
import { figuresOut } from '../budgets/views-out.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { grouped } from '../kit/text-table.js';
import type { CliReads } from './cli-ledger.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { amountsText, figureTable, iso } from './output.js';
import { showProgress } from './progress.js';

export function addEvidenceCommands(program: Command, cli: CliContext): void {
  addVerify(program, cli);
  addSnapshot(program, cli);
  addCertify(program, cli);
}

function addVerify(program: Command, cli: CliContext): void {
  program
    .command('verify')
    .description(
      'walk the chain, decide every command again, recompute every figure; names the first position that is wrong',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await cli.withReader(options, async (reader) => {
        const report = await verifyShown(cli, reader);
        cli.answer(options, report, () => verifyText(report));
        if (!report.ok) cli.exitCode = EXIT.error;
      });
      await verifyViews(cli, options);
    });
}

/** Of the data folder that the ledger file is in, if it is in one. */
async function verifyViews(cli: CliContext, options: GlobalOptions): Promise<void> {
  const place = cli.placeOf(options);
  const verdict = 'url' in place ? null : await cli.parts.verifyViews(place.ledger);
  if (verdict === null) return;
  if (!verdict.ok) cli.exitCode = EXIT.error;
  // Beside the report: `--json` has that alone on stdout.
  cli.note(verdict.text);
}

/** Verifies with a progress bar; also what a backtest ends with. */
export async function verifyShown(cli: CliContext, reader: Pick<CliReads, 'verify'>): Promise<VerifyReport> {
  const progress = showProgress('verify', cli.parts.stderr);
  try {
    return await reader.verify(progress.report);
  } finally {
    progress.end();
  }
}

export function verifyText(report: VerifyReport): string {
  const size = `${grouped(report.commands)} commands in ${grouped(report.batches)} batches`;
  const lines = [
    report.failure === null
      ? `verified: ${size}; the chain holds, every decision and every figure is as recorded`
      : `WRONG at position ${report.failure.sequence}: ${report.failure.what} (${size} looked at)`,
    headText(report.head),
    `state digest ${report.stateDigest}`,
  ];
  return lines.join('\n');
}

export function headText(head: Head): string {
  return `head #${head.sequence} ${head.hash}`;
}

function addSnapshot(program: Command, cli: CliContext): void {
  program
    .command('snapshot')
    .description('the books at this moment, with a version and a digest')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await cli.withLocalLedger(options, async (ledger) => {
        const snapshot = snapshotOut(ledger);
        cli.answer(options, snapshot, () => {
          const title = `snapshot ${snapshot.version} at ${iso(snapshot.at)}, ${grouped(snapshot.openHolds)} open holds`;
          return `${title}\n${headText(snapshot.head)}\ndigest ${snapshot.digest}\n\n${figureTable(snapshot.balances)}`;
        });
      });
    });
}

function addCertify(program: Command, cli: CliContext): void {
  program
    .command('certify')
    .description(
      'a proof over a fresh snapshot: whether the books balance, their digest, and what was spent since the last',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await cli.withLedger(options, async (ledger) => {
        const certificate = await ledger.certify();
        cli.answer(options, certificate, () => certificateText(certificate));
        if (certificate.status !== 'balanced') cli.exitCode = EXIT.error;
      });
    });
}

function certificateText(certificate: Certificate): string {
  const { failure } = certificate;
  const spent = amountsText(certificate.spentSinceLast);
  const lines = [
    `${certificate.status} · version ${certificate.version} at ${iso(certificate.at)}`,
    ...(failure === null ? [] : [failureText(failure)]),
    `spent since the last certificate: ${spent === '' ? 'nothing' : spent}`,
    headText(certificate.head),
    `digest ${certificate.digest}`,
  ];
  return lines.join('\n');
}

function failureText(failure: NonNullable<Certificate['failure']>): string {
  const { kind, balanceId, by, unit } = failure;
  switch (kind) {
    case 'unbalanced':
      return `balance ${balanceId} does not add up: off by ${by} steps`;
    case 'negative_remaining':
      return `balance ${balanceId} is below zero by ${by} steps, which its policies forbid`;
    default:
      return `the sum of ${unit} passes 2^63−1 steps`;
  }
}

/** The books, as the wire would have them. */
function snapshotOut(ledger: Ledger) {
  const snapshot = ledger.snapshot();
  const scales = new Map(ledger.units().map(({ name, scale }) => [name, scale]));
  const { version, head, at, digest, openHolds, balances, accounts, ...books } = snapshot;
  return {
    ...{ version, head, digest, openHolds, at: instantOut(at) },
    ...detailsOut(books, null, scales),
    accounts: accounts.map(({ exhaustedUntil, ...account }) => ({
      ...detailsOut(account, null, scales),
      exhaustedUntil: instantOutOrNull(exhaustedUntil),
    })),
    balances: balances.map((row) => ({ ...figuresOut(row, scales), mayBeNegative: row.mayBeNegative })),
  };
}
