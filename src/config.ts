// The one place that reads the environment. Called by main.ts.

export interface Config {
  /** The ledger file where the command line names none. */
  readonly ledgerPath: string;
}

export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const ledgerPath = environment.BURSAR_LEDGER;
  return { ledgerPath: ledgerPath === undefined || ledgerPath === '' ? 'bursar.db' : ledgerPath };
}
