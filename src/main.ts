#!/usr/bin/env node
// The composition root of the program: the environment, the ledger, the server and the command line are put together here.

import type { CliParts } from './cli/context.js';
import { runCli } from './cli/program.js';
import { type Config, readConfig } from './composition/config.js';
import { openHistory, openLedger, openReader, SYSTEM_CLOCK } from './index.js';

process.exitCode = await run();

async function run(): Promise<number> {
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    process.stderr.write(`bursar: ${(error as Error).message}\n`);
    return 1;
  }
  return runCli(process.argv, partsOf(config));
}

function partsOf(config: Config): CliParts {
  return {
    openLedger,
    openReader,
    openHistory,
    defaultLedger: config.ledgerPath,
    defaultUrl: config.url,
    apiKey: config.apiKey,
    secretOf: config.secretOf,
    clock: SYSTEM_CLOCK,
    dataPath: config.dataPath,
    serve: async ({ data = config.dataPath, drain, ...options }) => {
      // Loaded only here: no other command should wait for the whole server.
      const { serve } = await import('./composition/serve.js');
      await serve({
        ...options,
        config: options.config ?? config.configPath ?? undefined,
        host: options.host ?? config.host ?? undefined,
        port: options.port ?? config.port ?? undefined,
        dataPath: data,
        drainMs: drain,
        logLevel: config.logLevel,
        secretOf: config.secretOf,
        stdout: process.stdout,
        stderr: process.stderr,
        process,
      });
    },
    checkConfig: async (file) => {
      const { checkConfiguration } = await import('./composition/settings-in-force.js');
      const { secretOf, configPath } = config;
      return checkConfiguration(file ?? configPath ?? undefined, { secretOf, now: SYSTEM_CLOCK.now() });
    },
    verifyViews: async (ledgerPath) => {
      const { verifyViews } = await import('./composition/verify-views.js');
      return verifyViews(ledgerPath);
    },
    createKeyIn: async (folder, name) => {
      const { createOfflineKey } = await import('./composition/folder-keys.js');
      return createOfflineKey(folder, { name, clock: SYSTEM_CLOCK });
    },
    keysIn: async (folder) => (await import('./composition/folder-keys.js')).keysIn(folder, SYSTEM_CLOCK),
    stdout: process.stdout,
    stderr: process.stderr,
  };
}
