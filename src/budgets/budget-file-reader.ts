// The sections of a budget file, read into what a ledger is told: units, aliases, budgets and the caps of providers.
// Keeps going after a problem, so that one run finds them all. Called by budget-file.ts, and by settings/settings-file.ts
// for the same sections of the configuration.

import { assertTimeZone } from '../authority/time-zones.js';
import { BUILT_IN_UNITS, UNIT_SCALE_MAX, type Unit } from '../core/amount.js';
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
  described,
  type Findings,
  type Located,
  type LocatedMap,
  nearest,
  pathOf,
  plainOf,
  readAmount,
  readFields,
  readMap,
  readOneOf,
  readText,
  readWholeNumber,
} from '../kit/located-values.js';
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

type Entries = LocatedMap['entries'];

/** Reads section by section, units and aliases before what is said in terms of them. */
export class DefinitionsReader {
  readonly #units = new Map<string, number>(BUILT_IN_UNITS.map(({ name, scale }) => [name, scale]));
  readonly #budgets: BudgetSpec[] = [];
  /** Where each budget id was first stated. */
  readonly #idOffsets = new Map<string, number>();
  #aliases: Aliases;

  constructor(
    readonly findings: Findings,
    /** In force when the file has no section for them. */
    aliasesUnlessStated: Aliases,
  ) {
    this.#aliases = aliasesUnlessStated;
  }

  readDefinitions(sections: Entries): void {
    const [units, aliases, budgets] = ['units', 'aliases', 'budgets'].map(
      (name) => sections.get(name)?.value,
    );
    if (units !== undefined) this.#readUnits(units);
    if (aliases !== undefined) this.#aliases = this.#readAliases(aliases);
    if (budgets !== undefined) this.#readBudgets(budgets);
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

  #readUnits(node: Located): void {
    for (const [name, { value, keyOffset }] of readMap(node, 'units', this.findings) ?? []) {
      const field = pathOf('units', name);
      if (labelKeyProblem(name) !== null) this.findings.add(keyOffset, field, UNIT_NAME_PROBLEM);
      const fields = readFields(value, field, ['scale'], this.findings);
      const scaleNode = required(fields, 'scale', field, value, this.findings);
      const bounds = { min: 0, max: UNIT_SCALE_MAX };
      const scale = scaleNode && readWholeNumber(scaleNode, `${field}.scale`, bounds, this.findings);
      const known = BUILT_IN_UNITS.find((unit) => unit.name === name);
      if (known !== undefined && scale !== undefined && scale !== known.scale) {
        this.findings.add(
          keyOffset,
          `${field}.scale`,
          `${name} always has scale ${known.scale}, not ${scale}`,
        );
      }
      // A unit whose scale is wrong is still known, so that its budgets are not reported as well.
      this.#units.set(name, known?.scale ?? scale ?? UNIT_SCALE_MAX);
    }
    if (this.#units.size > UNITS_MAX) {
      const count = `${this.#units.size} units with usd, tokens and calls; a ledger has at most ${UNITS_MAX}`;
      this.findings.add(node.offset, 'units', count);
    }
  }

  #readAliases(node: Located): Aliases {
    const tables: Record<string, Record<string, string>> = {};
    let count = 0;
    for (const [key, { value, keyOffset }] of readMap(node, 'aliases', this.findings) ?? []) {
      const field = pathOf('aliases', key);
      const problem = labelKeyProblem(key);
      if (problem !== null) this.findings.add(keyOffset, field, `the label key ${problem}`);
      const names = readMap(value, field, this.findings) ?? new Map();
      count += names.size;
      if (count > ALIASES_MAX) {
        this.findings.add(keyOffset, 'aliases', `more than ${ALIASES_MAX} names in all`);
        break;
      }
      tables[key] = this.#readAliasNames(key, names, field);
    }
    return tables;
  }

  #readAliasNames(key: string, names: Entries, field: string): Record<string, string> {
    const table: Record<string, string> = {};
    for (const [name, { value, keyOffset }] of names) {
      const path = pathOf(field, name);
      const nameNode: Located = { kind: 'scalar', value: name, source: name, offset: keyOffset };
      readText(nameNode, path, LABEL_VALUE_LENGTH_MAX, this.findings);
      const canonical = readText(value, path, LABEL_VALUE_LENGTH_MAX, this.findings);
      if (canonical === undefined) continue;
      // One step leads to the canonical name; chains would make the order of look-ups matter.
      if (names.has(canonical)) {
        this.findings.add(
          value.offset,
          path,
          `${quoted(canonical)} is itself an alias; state the name that it stands for`,
        );
      } else if (name === '*' || canonical === '*') {
        this.findings.add(value.offset, path, '"*" stands for every value and has no alias');
      } else if (key === 'provider' && canonical.includes('/')) {
        this.findings.add(
          value.offset,
          path,
          `${quoted(canonical)} names a model; state the provider before the "/"`,
        );
      }
      table[name] = canonical;
    }
    return table;
  }

  #readBudgets(node: Located): void {
    if (node.kind !== 'list') {
      this.findings.add(node.offset, 'budgets', `${described(node)} is not a list of budgets`);
      return;
    }
    if (node.items.length > BUDGETS_MAX) {
      this.findings.add(
        node.offset,
        'budgets',
        `${node.items.length} budgets; a file has at most ${BUDGETS_MAX}`,
      );
      return;
    }
    node.items.forEach((item, index) => {
      this.#readBudget(item, `budgets[${index}]`);
    });
  }

  #readBudget(node: Located, field: string): void {
    const fields = readFields(node, field, BUDGET_FIELDS, this.findings);
    if (fields === undefined) return;
    const need = (name: string) => required(fields, name, field, node, this.findings);
    const idNode = need('id');
    const id = idNode && readText(idNode, `${field}.id`, ID_LENGTH_MAX, this.findings);
    if (idNode !== undefined && id !== undefined) this.#claimId(id, idNode.offset, `${field}.id`);
    const matchNode = need('match');
    const match = matchNode && this.#readMatch(matchNode, `${field}.match`);
    const unitNode = need('unit');
    const unit = unitNode && this.#readUnit(unitNode, `${field}.unit`);
    const windowNode = need('window');
    const window = windowNode && readWindow(windowNode, `${field}.window`, this.findings);
    const limitNode = need('limit');
    // Without a unit, an amount cannot be read; the unit is what has been reported.
    const scale = unit === undefined ? undefined : this.#units.get(unit);
    if (scale === undefined || limitNode === undefined) return;
    const limit = isNull(limitNode) ? null : readAmount(limitNode, `${field}.limit`, scale, this.findings);
    const caps = this.#readCaps(fields, field, scale);
    if (id === undefined || match === undefined || unit === undefined) return;
    if (window === undefined || limit === undefined) return;
    this.#budgets.push({ id, match, unit, limit, window, ...caps });
  }

  #readCaps(fields: Entries, field: string, scale: number) {
    const amount = (name: string) => {
      const node = fields.get(name)?.value;
      return node && readAmount(node, `${field}.${name}`, scale, this.findings);
    };
    const perHoldMax = amount('perHoldMax');
    const heldMax = amount('heldMax');
    const onExhaustedNode = fields.get('onExhausted')?.value;
    const words = ['refuse', 'pause'] as const;
    const onExhausted =
      onExhaustedNode && readOneOf(onExhaustedNode, `${field}.onExhausted`, words, this.findings);
    return {
      ...(perHoldMax === undefined ? {} : { perHoldMax }),
      ...(heldMax === undefined ? {} : { heldMax }),
      ...this.#readWarnAt(fields, field),
      ...(onExhausted === undefined ? {} : { onExhausted }),
    };
  }

  #readWarnAt(fields: Entries, field: string): { warnAtPercent?: number } {
    const node = fields.get('warnAtPercent')?.value;
    const bounds = { min: 1, max: 100 };
    const warnAtPercent = node && readWholeNumber(node, `${field}.warnAtPercent`, bounds, this.findings);
    return warnAtPercent === undefined ? {} : { warnAtPercent };
  }

  #readMatch(node: Located, field: string): Labels | undefined {
    const entries = readMap(node, field, this.findings);
    if (entries === undefined) return undefined;
    if (entries.size > LABELS_MAX) {
      return this.findings.add(node.offset, field, `has ${entries.size} labels; at most ${LABELS_MAX}`);
    }
    const labels: Record<string, string> = {};
    for (const [key, { value, keyOffset }] of entries) {
      const path = pathOf(field, key);
      const problem = labelKeyProblem(key);
      if (problem !== null) this.findings.add(keyOffset, path, `the label key ${problem}`);
      const text = readText(value, path, LABEL_VALUE_LENGTH_MAX, this.findings);
      if (text !== undefined) labels[key] = text;
    }
    return labels;
  }

  #readUnit(node: Located, field: string): string | undefined {
    if (node.kind === 'scalar' && typeof node.value === 'string' && this.#units.has(node.value))
      return node.value;
    const known = [...this.#units.keys()];
    const near = node.kind === 'scalar' ? nearest(String(node.value), known) : null;
    const hint =
      near === null
        ? `declare it under units, or take one of ${known.join(', ')}`
        : `did you mean "${near}"?`;
    return this.findings.add(node.offset, field, `${described(node)} is no unit known here; ${hint}`);
  }

  /** The section of a budget file: providers by their canonical name, with nothing but their caps. */
  readProviders(node: Located): void {
    for (const [name, { value, keyOffset }] of readMap(node, 'providers', this.findings) ?? []) {
      const field = pathOf('providers', name);
      if (!this.readProviderName(name, keyOffset, field, 'canonical')) continue;
      const fields = readFields(value, field, PROVIDER_CAP_FIELDS, this.findings);
      this.readProviderCaps(name, fields ?? new Map(), keyOffset, field);
      if (this.#budgets.length > BUDGETS_MAX) {
        this.findings.add(
          keyOffset,
          'providers',
          `more than ${BUDGETS_MAX} budgets with those of the providers`,
        );
        return;
      }
    }
  }

  /**
   * Sugar (rule P1): a provider's hour and day caps are two budgets on the label `provider`, by its
   * canonical name. `none` meters only: it lifts a cap that is in force, which an empty value must not do by mistake.
   */
  readProviderCaps(name: string, fields: Entries, offset: number, field: string): ProviderCaps {
    const canonical = canonicalProvider(this.#aliases, name);
    const warnAt = this.#readWarnAt(fields, field);
    const caps: { hourLimit?: bigint | null; dayLimit?: bigint | null } = {};
    for (const window of PROVIDER_WINDOWS) {
      const node = fields.get(`${window}Limit`)?.value;
      if (node === undefined) continue;
      const isNone = node.kind === 'scalar' && node.value === 'none';
      const limit = isNone ? null : readAmount(node, `${field}.${window}Limit`, USD_SCALE, this.findings);
      this.#claimId(providerBudgetId(canonical, window), offset, field);
      if (limit === undefined) continue;
      caps[`${window}Limit`] = limit;
      this.#budgets.push(providerBudget(canonical, window, limit, warnAt.warnAtPercent));
    }
    return { ...caps, ...warnAt };
  }

  /** Rule P6: the caps of a budget file stand under the one name that all of a provider's aliases lead to. */
  readProviderName(name: string, offset: number, field: string, kind: 'canonical' | 'any'): boolean {
    const lengthMax = ID_LENGTH_MAX - 'provider//hour'.length;
    const node: Located = { kind: 'scalar', value: name, source: name, offset };
    if (readText(node, field, lengthMax, this.findings) === undefined) return false;
    const table = Object.hasOwn(this.#aliases, 'provider') ? this.#aliases.provider : {};
    const canonical = Object.hasOwn(table, name) ? table[name] : name;
    if (kind === 'canonical' && canonical !== name) {
      this.findings.add(
        offset,
        field,
        `${quoted(name)} is an alias of ${quoted(canonical)}; state the caps there`,
      );
    } else if (name.includes('/')) {
      const vendor = quoted(name.slice(0, name.indexOf('/')));
      this.findings.add(offset, field, `${quoted(name)} names a model of ${vendor}; state the caps there`);
    } else if (name === '*') {
      this.findings.add(
        offset,
        field,
        'caps are for one provider each; for every one, write a budget that matches "*"',
      );
    } else return true;
    return false;
  }

  #claimId(id: string, offset: number, field: string): void {
    const first = this.#idOffsets.get(id);
    if (first !== undefined) {
      const lines = `lines ${this.findings.lineOf(first)} and ${this.findings.lineOf(offset)}`;
      this.findings.add(offset, field, `the id ${quoted(id)} stands on ${lines}; each budget has its own`);
    } else if (id.startsWith(GRANT_BUDGET_PREFIX)) {
      this.findings.add(
        offset,
        field,
        `${quoted(id)}: ids that begin with ${GRANT_BUDGET_PREFIX} are the ledger's own`,
      );
    }
    this.#idOffsets.set(id, first ?? offset);
  }
}

const BUDGET_FIELDS = [
  'id',
  'match',
  'unit',
  'limit',
  'window',
  'perHoldMax',
  'heldMax',
  'warnAtPercent',
  'onExhausted',
] as const satisfies readonly (keyof BudgetSpec)[];

/** What a provider's caps consist of. */
export const PROVIDER_CAP_FIELDS = [
  'hourLimit',
  'dayLimit',
  'warnAtPercent',
] as const satisfies readonly (keyof ProviderCaps)[];

const USD_SCALE = 8;

function readWindow(node: Located, field: string, findings: Findings): WindowInput | undefined {
  try {
    const spec = parseWindow(plainOf(node) as WindowInput, field);
    if (spec.kind === 'calendar' && spec.timeZone !== 'UTC')
      assertTimeZone(spec.timeZone, `${field}.timeZone`);
    return windowInputOf(spec);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const part = error.field.slice(field.length + 1);
    const place = node.kind === 'map' ? (node.entries.get(part)?.value ?? node) : node;
    return findings.add(place.offset, error.field, error.message.slice(error.field.length + 2));
  }
}

const REQUIRED_HINTS: Readonly<Record<string, string>> = {
  limit: 'is required; state an amount for each window, or null to meter only',
  match: 'is required; {} matches every hold',
};

export function required(
  fields: Entries | undefined,
  name: string,
  field: string,
  owner: Located,
  findings: Findings,
): Located | undefined {
  const node = fields?.get(name)?.value;
  if (node !== undefined || fields === undefined) return node;
  return findings.add(owner.offset, `${field}.${name}`, REQUIRED_HINTS[name] ?? 'is required');
}

function isNull(node: Located): boolean {
  return node.kind === 'scalar' && node.value === null;
}
