// A budget file, YAML or JSON, read into the definitions that a ledger takes: units, aliases, budgets and the caps of providers.
// Reading goes on after a problem, so that one run finds them all; a file with problems gives nothing else. docs/budgets.md
// states the format. The configuration has the same sections. What applying a file would change is in budget-diff.ts.

import { assertTimeZone } from '../authority/time-zones.js';
import { BUILT_IN_UNITS, UNIT_SCALE_MAX, type Unit } from '../core/amount.js';
import { BUDGET_FIELD_LIST, BUDGET_FIELDS, type BudgetFieldKind } from '../core/budget-fields.js';
import { InvalidInputError } from '../core/errors.js';
import {
  ID_LENGTH_MAX,
  LABEL_VALUE_LENGTH_MAX,
  LABELS_MAX,
  labelKeyProblem,
  quoted,
} from '../core/labels.js';
import type { Aliases, BudgetSpec, Labels, WindowInput } from '../core/requests.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import { UNITS_MAX } from '../core/units.js';
import { parseWindow, windowInputOf } from '../core/window.js';
import {
  amount,
  type FileValue,
  nameOf,
  oneOf,
  type Reader,
  readFile,
  type Section,
  text,
  whole,
} from '../kit/file-value.js';
import type { Located } from '../kit/located-values.js';
import {
  canonicalProvider,
  PROVIDER_WINDOWS,
  type ProviderCaps,
  providerBudget,
  providerBudgetId,
} from './providers.js';

/** What a budget file states; windows in their shortest form, providers as the budgets they stand for. */
export interface BudgetFile {
  /** The declared units, without those that every ledger has. */
  readonly units: readonly Unit[];
  readonly aliases: Aliases;
  readonly budgets: readonly BudgetSpec[];
}

/** What one definition command carries within its time-out, and what a ledger is measured with. */
export const BUDGETS_MAX = 100_000;
/** Alias tables are compared and journalled whole at each change. */
export const ALIASES_MAX = 10_000;

const UNIT_NAME_PROBLEM = 'a unit name has letters, digits and _ . : -, begins with a letter or _';

/** @throws BudgetFileError listing everything that is wrong, by line and field */
export function parseBudgetFile(text: string, fileName: string): BudgetFile {
  const file = readFile(text, fileName);
  const sections = file.section(['units', 'aliases', 'budgets', 'providers']);
  if (file.node.kind === 'map' && file.node.entries.size === 0)
    file.problem('the file states nothing; begin with budgets:');
  const reader = new DefinitionsReader({});
  reader.readDefinitions(sections);
  sections.read('providers', (value) => reader.readProviders(value));
  file.findings.throwIfAny();
  return reader.definitions();
}

/** Reads section by section, units and aliases before what is said in terms of them. */
export class DefinitionsReader {
  readonly #units = new Map<string, number>(BUILT_IN_UNITS.map(({ name, scale }) => [name, scale]));
  readonly #budgets: BudgetSpec[] = [];
  /** Where each budget id was first stated. */
  readonly #idOffsets = new Map<string, number>();
  #aliases: Aliases;

  /** @param aliasesUnlessStated in force when the file has no section for them */
  constructor(aliasesUnlessStated: Aliases) {
    this.#aliases = aliasesUnlessStated;
  }

  readDefinitions(sections: Section): void {
    sections.read('units', (value) => this.#readUnits(value));
    this.#aliases = sections.read('aliases', aliasTables) ?? this.#aliases;
    sections.read('budgets', (value) => this.#readBudgets(value));
  }

  /** What has been read so far. */
  definitions(): BudgetFile {
    const builtIn = new Set(BUILT_IN_UNITS.map(({ name }) => name));
    const declared = [...this.#units].filter(([name]) => !builtIn.has(name));
    return {
      units: declared.map(([name, scale]) => ({ name, scale })),
      aliases: this.#aliases,
      budgets: this.#budgets,
    };
  }

  #readUnits(value: FileValue): void {
    for (const [name, entry] of value.entries() ?? []) {
      if (labelKeyProblem(name) !== null) entry.nameProblem(UNIT_NAME_PROBLEM);
      const section = entry.section(['scale']);
      const scale = section.required('scale', whole(0, UNIT_SCALE_MAX));
      const known = BUILT_IN_UNITS.find((unit) => unit.name === name);
      if (known !== undefined && scale !== undefined && scale !== known.scale)
        section.problem('scale', `${name} always has scale ${known.scale}, not ${scale}`);
      // A unit whose scale is wrong is still known, so that its budgets are not reported as well.
      this.#units.set(name, known?.scale ?? scale ?? UNIT_SCALE_MAX);
    }
    const { size } = this.#units;
    if (size > UNITS_MAX)
      value.problem(`${size} units with usd, tokens and calls; a ledger has at most ${UNITS_MAX}`);
  }

  #readBudgets(value: FileValue): void {
    const items = value.items();
    if (items === undefined) value.problem(`${value.described} is not a list of budgets`);
    else if (items.length > BUDGETS_MAX)
      value.problem(`${items.length} budgets; a file has at most ${BUDGETS_MAX}`);
    else for (const item of items) this.#readBudget(item);
  }

  #readBudget(value: FileValue): void {
    const section = value.section(BUDGET_FIELD_NAMES);
    const units = [...this.#units.keys()];
    const hint = `declare it under units, or take one of ${units.join(', ')}`;
    const unitName = nameOf(units, (name) => `${name} is no unit known here`, hint);
    // Without its unit an amount cannot be read; the unit is what has been reported.
    const scale = this.#units.get(section.at('unit')?.text ?? '');
    const inSteps: Reader<bigint> = scale === undefined ? () => undefined : amount(scale);
    const readers: Record<Exclude<BudgetFieldKind, 'choice'>, Reader<unknown>> = {
      id: (id) => this.#budgetId(id),
      match: matchLabels,
      unit: unitName,
      limit: (limit) => (limit.scalar === null ? null : inSteps(limit)),
      window: budgetWindow,
      cap: inSteps,
      cap_above_zero: inSteps,
      percent: PERCENT,
    };
    const spec: Record<string, unknown> = {};
    for (const [name, field] of BUDGET_FIELD_LIST) {
      const read = field.kind === 'choice' ? oneOf(field.choices) : readers[field.kind];
      const stated = field.required
        ? section.required(name, read, REQUIRED_HINTS[name])
        : section.read(name, read);
      if (stated !== undefined) spec[name] = stated;
    }
    // Where a field is missing the file has a problem, and its definitions are never used.
    this.#budgets.push(spec as unknown as BudgetSpec);
  }

  #budgetId(value: FileValue): string | undefined {
    const id = text()(value);
    if (id !== undefined) this.#claimId(id, value, value.node.offset);
    return id;
  }

  /** The section of a budget file: providers by their canonical name, with nothing but their caps. */
  readProviders(value: FileValue): void {
    for (const entry of value.entries()?.values() ?? []) {
      if (!this.checkProviderName(entry, 'canonical')) continue;
      this.readProviderCaps(entry, entry.section(PROVIDER_CAP_FIELDS));
      if (this.#budgets.length > BUDGETS_MAX) {
        const problem = `more than ${BUDGETS_MAX} budgets with those of the providers`;
        value.findings.add(entry.keyOffset, value.path, problem);
        return;
      }
    }
  }

  /**
   * A provider's hour and day caps (rule P1): each stands for a budget on the label `provider`, by its canonical name. `none`
   * meters only and lifts a cap that is in force. An empty value must not do that by mistake.
   */
  readProviderCaps(provider: FileValue, section: Section): ProviderCaps {
    const canonical = canonicalProvider(this.#aliases, provider.name);
    const warnAtPercent = section.read('warnAtPercent', PERCENT);
    const caps: { hourLimit?: bigint | null; dayLimit?: bigint | null } = {};
    for (const window of PROVIDER_WINDOWS) {
      const limit = section.read(`${window}Limit`, capOrNone);
      if (section.at(`${window}Limit`) !== undefined)
        this.#claimId(providerBudgetId(canonical, window), provider, provider.keyOffset);
      if (limit === undefined) continue;
      caps[`${window}Limit`] = limit;
      this.#budgets.push(providerBudget(canonical, window, limit, warnAtPercent));
    }
    return { ...caps, ...(warnAtPercent === undefined ? {} : { warnAtPercent }) };
  }

  /** Rule P6: the caps of a budget file stand under the one name that all of a provider's aliases lead to. */
  checkProviderName(provider: FileValue, kind: 'canonical' | 'any'): boolean {
    const { name } = provider;
    if (text(ID_LENGTH_MAX - 'provider//hour'.length)(provider.nameValue()) === undefined) return false;
    const table = Object.hasOwn(this.#aliases, 'provider') ? this.#aliases.provider : {};
    const canonical = Object.hasOwn(table, name) ? table[name] : name;
    if (kind === 'canonical' && canonical !== name) {
      provider.nameProblem(`${quoted(name)} is an alias of ${quoted(canonical)}; state the caps there`);
    } else if (name.includes('/')) {
      const vendor = quoted(name.slice(0, name.indexOf('/')));
      provider.nameProblem(`${quoted(name)} names a model of ${vendor}; state the caps there`);
    } else if (name === '*') {
      provider.nameProblem('caps are for one provider each; for every one, write a budget that matches "*"');
    } else return true;
    return false;
  }

  /** Reports an id that another budget of the file has, at the place that states it or stands for it. */
  #claimId(id: string, { findings, path }: FileValue, offset: number): void {
    const first = this.#idOffsets.get(id);
    if (first !== undefined) {
      const lines = `lines ${findings.lineOf(first)} and ${findings.lineOf(offset)}`;
      findings.add(offset, path, `the id ${quoted(id)} stands on ${lines}; each budget has its own`);
    } else if (id.startsWith(GRANT_BUDGET_PREFIX)) {
      const problem = `${quoted(id)}: ids that begin with ${GRANT_BUDGET_PREFIX} are the ledger's own`;
      findings.add(offset, path, problem);
    }
    this.#idOffsets.set(id, first ?? offset);
  }
}

const BUDGET_FIELD_NAMES = Object.keys(BUDGET_FIELDS);

/** What a provider's caps consist of. */
export const PROVIDER_CAP_FIELDS = [
  'hourLimit',
  'dayLimit',
  'warnAtPercent',
] as const satisfies readonly (keyof ProviderCaps)[];

const USD_SCALE = 8;
const PERCENT = whole(1, 100);

const REQUIRED_HINTS: Readonly<Record<string, string>> = {
  limit: 'is required; state an amount for each window, or null to meter only',
  match: 'is required; {} matches every hold',
};

const capOrNone: Reader<bigint | null> = (value) =>
  value.scalar === 'none' ? null : amount(USD_SCALE)(value);

const labelValue = text(LABEL_VALUE_LENGTH_MAX);

const aliasTables: Reader<Aliases> = (value) => {
  const tables: Record<string, Record<string, string>> = {};
  let count = 0;
  for (const [key, entry] of value.entries() ?? []) {
    const problem = labelKeyProblem(key);
    if (problem !== null) entry.nameProblem(`the label key ${problem}`);
    const names = entry.entries() ?? new Map();
    count += names.size;
    if (count > ALIASES_MAX) {
      value.findings.add(entry.keyOffset, value.path, `more than ${ALIASES_MAX} names in all`);
      break;
    }
    tables[key] = aliasNames(key, names);
  }
  return tables;
};

function aliasNames(key: string, names: ReadonlyMap<string, FileValue>): Record<string, string> {
  const table: Record<string, string> = {};
  for (const [name, entry] of names) {
    labelValue(entry.nameValue());
    const canonical = labelValue(entry);
    if (canonical === undefined) continue;
    // One step leads to the canonical name; chains would make the order of look-ups matter.
    if (names.has(canonical))
      entry.problem(`${quoted(canonical)} is itself an alias; state the name that it stands for`);
    else if (name === '*' || canonical === '*') entry.problem('"*" stands for every value and has no alias');
    else if (key === 'provider' && canonical.includes('/'))
      entry.problem(`${quoted(canonical)} names a model; state the provider before the "/"`);
    table[name] = canonical;
  }
  return table;
}

const matchLabels: Reader<Labels> = (value) => {
  const entries = value.entries();
  if (entries === undefined) return undefined;
  if (entries.size > LABELS_MAX) return value.problem(`has ${entries.size} labels; at most ${LABELS_MAX}`);
  const labels: Record<string, string> = {};
  for (const [key, entry] of entries) {
    const problem = labelKeyProblem(key);
    if (problem !== null) entry.nameProblem(`the label key ${problem}`);
    const read = labelValue(entry);
    if (read !== undefined) labels[key] = read;
  }
  return labels;
};

const budgetWindow: Reader<WindowInput> = ({ node, path, findings }) => {
  try {
    const spec = parseWindow(plainOf(node) as WindowInput, path);
    if (spec.kind === 'calendar' && spec.timeZone !== 'UTC')
      assertTimeZone(spec.timeZone, `${path}.timeZone`);
    return windowInputOf(spec);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const part = error.field.slice(path.length + 1);
    const place = node.kind === 'map' ? (node.entries.get(part)?.value ?? node) : node;
    return findings.add(place.offset, error.field, error.message.slice(error.field.length + 2));
  }
};

/** A value without its places, one level deep: what lies below is an empty list or map. */
function plainOf(node: Located): unknown {
  const flat = (each: Located) => (each.kind === 'scalar' ? each.value : each.kind === 'list' ? [] : {});
  if (node.kind === 'list') return node.items.map(flat);
  if (node.kind === 'scalar') return node.value;
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, flat(value)]));
}
