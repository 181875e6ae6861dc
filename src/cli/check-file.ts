// `bursar check [FILE]`: a configuration, looked through without a server. What is wrong with it goes to the standard error and
// ends with 1; what only looks wrong is a warning there, and ends with 0.

import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';

export interface CheckedFile {
  /** Null: there is none, and the built-in demonstration would run. */
  readonly file: string | null;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

export async function checkFile(
  cli: CliContext,
  options: GlobalOptions,
  file: string | undefined,
): Promise<void> {
  const checked = await cli.parts.checkConfig(file);
  const { problems, warnings } = checked;
  const name = checked.file ?? 'the built-in demonstration (there is no bursar.yaml here)';
  if (problems.length > 0) cli.exitCode = EXIT.error;
  if (options.json === true) return cli.print(JSON.stringify(checked, null, 2));
  for (const problem of problems) cli.note(`error: ${problem}`);
  for (const warning of warnings) cli.note(`warning: ${warning}`);
  const found =
    warnings.length === 0
      ? ''
      : `, with ${warnings.length} ${warnings.length === 1 ? 'warning' : 'warnings'}`;
  cli.print(problems.length === 0 ? `${name} is sound${found}` : `${name} is wrong`);
}
