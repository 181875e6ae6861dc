// Budgets as code: a YAML or JSON file of units, aliases, budgets and providers, read into what a ledger is told.
// A file with problems gives nothing but all its problems. Format: docs/budgets.md. Called by every surface that
// applies budgets; what applying a file would change is in budget-diff.ts.

import { readFields, readLocated } from '../kit/located-values.js';
import { type BudgetFile, DefinitionsReader } from './budget-file-reader.js';

/** @throws BudgetFileError listing everything that is wrong, by line and field */
export function parseBudgetFile(text: string, fileName: string): BudgetFile {
  const { root, findings } = readLocated(text, fileName);
  const sections = readFields(root, '', ['units', 'aliases', 'budgets', 'providers'], findings);
  if (sections?.size === 0) findings.add(root.offset, '', 'the file states nothing; begin with budgets:');
  const reader = new DefinitionsReader(findings, {});
  reader.readDefinitions(sections ?? new Map());
  const providers = sections?.get('providers')?.value;
  if (providers !== undefined) reader.readProviders(providers);
  findings.throwIfAny();
  return reader.definitions();
}
