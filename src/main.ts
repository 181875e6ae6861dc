#!/usr/bin/env node
// The composition root of the program: the environment, the ledger and the command line are put together here.

import { readConfig } from './config.js';
import { openHistory, openLedger, openReader } from './index.js';
import { runCli } from './surfaces/cli/program.js';

process.exitCode = await runCli(process.argv, {
  openLedger,
  openReader,
  openHistory,
  defaultLedger: readConfig().ledgerPath,
  stdout: process.stdout,
  stderr: process.stderr,
});
