// What applying a budget file would change in a ledger, as data, as a request and as text for people. Changes nothing
// itself; a plan made again after it was applied is empty. Called by the surfaces that apply budgets.

import { BUILT_IN_UNITS, formatAmount, type Unit } from '../core/amount.js';
import {
  BUDGET_FIELD_LIST,
  BUDGET_FIELDS,
  type BudgetFieldKind,
  type BudgetFieldName,
} from '../core/budget-fields.js';
import { WARN_AT_PERCENT_DEFAULT } from '../core/budgets.js';
import type { BudgetView } from '../core/outcomes.js';
import type { Aliases, BudgetSpec, Labels, PutDefinitions, WindowInput } from '../core/requests.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import { parseWindow, windowLabel } from '../core/window.js';
import type { BudgetFile } from './budget-file.js';

/** What a ledger has now: `units()`, `aliases()` and `budgets()` of it. */
export interface InForce {
  readonly units: readonly Unit[];
  readonly aliases: Aliases;
  readonly budgets: readonly BudgetInForce[];
}

export type BudgetInForce = BudgetSpec & Pick<BudgetView, 'status'>;

export interface FieldChange {
  readonly field: string;
  /** Both as people read them: amounts in the unit's natural scale, windows as their label. */
  readonly from: string;
  readonly to: string;
}

interface About {
  readonly subject: 'budget' | 'unit' | 'alias';
  /** The budget's id, the unit's name, or `key name` of an alias. */
  readonly id: string;
}

export type Change = About &
  (
    | { readonly kind: 'create'; readonly summary: string }
    | { readonly kind: 'change'; readonly fields: readonly FieldChange[] }
    /** A budget is closed, an alias taken away: only when pruning. */
    | { readonly kind: 'remove'; readonly summary: string }
    /** In force, not in the file, and not pruned. */
    | { readonly kind: 'left_alone' }
    /** Cannot be applied; `problem` says why and what to do. */
    | { readonly kind: 'conflict'; readonly fields: readonly FieldChange[]; readonly problem: string }
  );

export interface ApplyPlan {
  readonly changes: readonly Change[];
  /** How many budgets of the file are in force exactly as they stand there. */
  readonly unchangedBudgets: number;
  /** What to put; null when nothing changes, and when a conflict stands in the way. */
  readonly request: PutDefinitions | null;
}

/** Budgets, aliases that are in force and not in the file are left alone unless `prune`. */
export function planApply(file: BudgetFile, inForce: InForce, options: { prune?: boolean } = {}): ApplyPlan {
  const prune = options.prune ?? false;
  const scales = new Map(
    [...BUILT_IN_UNITS, ...inForce.units, ...file.units].map(({ name, scale }) => [name, scale]),
  );
  const units = planUnits(file.units, inForce.units);
  const aliases = planAliases(file.aliases, inForce.aliases, prune);
  const budgets = planBudgets(file.budgets, inForce.budgets, scales, prune);
  const changes = [...units.changes, ...aliases.changes, ...budgets.changes];
  const blocked = changes.some(({ kind }) => kind === 'conflict');
  const request: PutDefinitions = {
    ...(units.put.length === 0 ? {} : { units: units.put }),
    ...(aliases.changes.every(({ kind }) => kind === 'left_alone') ? {} : { aliases: aliases.table }),
    ...(budgets.put.length === 0 ? {} : { budgets: budgets.put }),
    ...(budgets.close.length === 0 ? {} : { close: budgets.close }),
  };
  const empty = Object.keys(request).length === 0;
  return { changes, unchangedBudgets: budgets.unchanged, request: blocked || empty ? null : request };
}

function planUnits(wanted: readonly Unit[], inForce: readonly Unit[]): { changes: Change[]; put: Unit[] } {
  const changes: Change[] = [];
  const put: Unit[] = [];
  const scales = new Map(inForce.map(({ name, scale }) => [name, scale]));
  for (const unit of wanted) {
    const about = { subject: 'unit', id: unit.name } as const;
    const scale = scales.get(unit.name);
    if (scale === undefined) {
      put.push(unit);
      changes.push({ ...about, kind: 'create', summary: `scale ${unit.scale}` });
    } else if (scale !== unit.scale) {
      const fields = [{ field: 'scale', from: String(scale), to: String(unit.scale) }];
      const problem = 'amounts in the journal have the old scale; declare a unit of another name';
      changes.push({ ...about, kind: 'conflict', fields, problem });
    }
  }
  return { changes, put };
}

// A ledger takes the alias table as a whole, so the plan carries over what it leaves alone.
function planAliases(
  wanted: Aliases,
  inForce: Aliases,
  prune: boolean,
): { changes: Change[]; table: Aliases } {
  const changes: Change[] = [];
  const from = flatAliases(inForce);
  const to = flatAliases(wanted);
  for (const [id, canonical] of to) {
    const about = { subject: 'alias', id } as const;
    const known = from.get(id);
    if (known === undefined) changes.push({ ...about, kind: 'create', summary: `→ ${canonical}` });
    else if (known !== canonical) {
      changes.push({ ...about, kind: 'change', fields: [{ field: 'name', from: known, to: canonical }] });
    }
  }
  for (const [id, canonical] of from) {
    if (!to.has(id)) changes.push(notInFile({ subject: 'alias', id }, prune && `→ ${canonical}`));
  }
  const kept = prune ? to : new Map([...from, ...to]);
  const table: Record<string, Record<string, string>> = {};
  for (const [id, canonical] of kept) {
    const key = id.slice(0, id.indexOf(' '));
    table[key] ??= {};
    table[key][id.slice(key.length + 1)] = canonical;
    // Within the file no alias leads to an alias; one that is left alone still may.
    if (!kept.has(`${key} ${canonical}`)) continue;
    const problem = `→ ${canonical} is itself an alias now; state both in the file, or prune`;
    changes.push({ subject: 'alias', id, kind: 'conflict', fields: [], problem });
  }
  return { changes, table };
}

/** The canonical name of each alias, by `key name`. Label keys contain no space, so each id is one alias. */
function flatAliases(aliases: Aliases): Map<string, string> {
  return new Map(
    Object.entries(aliases).flatMap(([key, names]) =>
      Object.entries(names).map(([name, canonical]) => [`${key} ${name}`, canonical] as const),
    ),
  );
}

/** What is in force and not in the file; `removal` says how it is removed, false: it is left alone. */
function notInFile(about: About, removal: string | false): Change {
  return removal === false
    ? { ...about, kind: 'left_alone' }
    : { ...about, kind: 'remove', summary: removal };
}

interface BudgetsPlan {
  readonly changes: Change[];
  readonly put: BudgetSpec[];
  readonly close: string[];
  unchanged: number;
}

function planBudgets(
  wanted: readonly BudgetSpec[],
  inForce: readonly BudgetInForce[],
  scales: ReadonlyMap<string, number>,
  prune: boolean,
): BudgetsPlan {
  const plan: BudgetsPlan = { changes: [], put: [], close: [], unchanged: 0 };
  const known = new Map(inForce.map((view) => [view.id, view]));
  for (const spec of wanted) planBudget(plan, spec, known.get(spec.id), scales);
  const inFile = new Set(wanted.map(({ id }) => id));
  for (const { id, status } of inForce) {
    if (inFile.has(id) || status === 'closed' || id.startsWith(GRANT_BUDGET_PREFIX)) continue;
    if (prune) plan.close.push(id);
    plan.changes.push(notInFile({ subject: 'budget', id }, prune && 'not in the file: closed'));
  }
  return plan;
}

function planBudget(
  plan: BudgetsPlan,
  spec: BudgetSpec,
  view: BudgetInForce | undefined,
  scales: ReadonlyMap<string, number>,
): void {
  const about = { subject: 'budget', id: spec.id } as const;
  const texts = textsOf(spec, scales);
  if (view === undefined) {
    plan.put.push(spec);
    plan.changes.push({ ...about, kind: 'create', summary: summaryOf(texts) });
    return;
  }
  const before = textsOf(view, scales);
  const fields = Object.keys(texts)
    .filter((field) => before[field] !== texts[field])
    .map((field) => ({ field, from: before[field], to: texts[field] }));
  const problem = conflictOf(view, fields);
  if (problem !== null) plan.changes.push({ ...about, kind: 'conflict', fields, problem });
  else if (fields.length === 0) plan.unchanged += 1;
  else {
    plan.put.push(spec);
    plan.changes.push({ ...about, kind: 'change', fields });
  }
}

function conflictOf(view: BudgetInForce, fields: readonly FieldChange[]): string | null {
  if (view.status === 'closed')
    return 'it is closed for good; give the budget another id, or take it out of the file';
  const isFixed = (field: string) => BUDGET_FIELDS[field as BudgetFieldName].change === 'fixed';
  const fixed = fields.map(({ field }) => field).filter(isFixed);
  if (fixed.length === 0) return null;
  return `${fixed.join(' and ')} cannot change in a budget with a history; give the new budget another id`;
}

/** The fields of a budget but its id, in the order of the table. */
const COMPARED_FIELDS = BUDGET_FIELD_LIST.filter(([, { change }]) => change !== 'identity');

type BudgetTexts = Readonly<Record<string, string>>;

// Defaults are filled in and each text is canonical, so two budgets are the same exactly when their texts are.
function textsOf(spec: BudgetSpec, scales: ReadonlyMap<string, number>): BudgetTexts {
  const scale = scales.get(spec.unit) ?? 0;
  return Object.fromEntries(
    COMPARED_FIELDS.map(([name, { kind, absent }]) => [name, TEXTS[kind](spec[name] ?? absent, scale)]),
  );
}

const NO_CAP = 'none';
const METERED = 'metered only';

/** A value of each kind as people read it; undefined stands for a field that is left out. */
const TEXTS: Record<BudgetFieldKind, (value: unknown, scale: number) => string> = {
  id: String,
  match: (match) => matchText(match as Labels),
  unit: String,
  limit: (limit, scale) => (typeof limit === 'bigint' ? formatAmount(limit, scale) : METERED),
  window: (window) => windowLabel(parseWindow(window as WindowInput, 'window')),
  cap: (cap, scale) => (cap === undefined ? NO_CAP : formatAmount(cap as bigint, scale)),
  cap_above_zero: (cap, scale) => (cap === 0n ? NO_CAP : formatAmount(cap as bigint, scale)),
  percent: (percent) => String(percent ?? WARN_AT_PERCENT_DEFAULT),
  choice: String,
};

function summaryOf(texts: BudgetTexts): string {
  const { match, unit, limit, window } = texts;
  const money = limit === METERED ? `${unit} metered only` : `${limit} ${unit}`;
  const every = window === 'lifetime' ? 'for its lifetime' : `each ${window.replace(/^every /, '')}`;
  const others = COMPARED_FIELDS.filter(
    ([name, { required, kind, absent }]) => !required && texts[name] !== TEXTS[kind](absent, 0),
  );
  return [`${match}: ${money} ${every}`, ...others.map(([name]) => `${name} ${texts[name]}`)].join(', ');
}

function matchText(match: Labels): string {
  const keys = Object.keys(match).sort();
  if (keys.length === 0) return 'every hold';
  return keys.map((key) => `${key}=${bareOrQuoted(match[key])}`).join(' ');
}

function bareOrQuoted(value: string): string {
  return /^[\w.*:@/+-]+$/.test(value) ? value : JSON.stringify(value);
}

/** The plan for people, one line a change; budgets that stay as they are are counted. */
export function renderPlan(plan: ApplyPlan): string {
  const lines = plan.changes.map(lineOf);
  const changing = plan.changes.some(({ kind }) => kind !== 'left_alone');
  if (!changing) lines.push('= no change');
  else if (plan.unchangedBudgets > 0) {
    lines.push(`= ${plan.unchangedBudgets} ${plan.unchangedBudgets === 1 ? 'budget' : 'budgets'} unchanged`);
  }
  return lines.join('\n');
}

function lineOf(change: Change): string {
  const name = change.subject === 'budget' ? change.id : `${change.subject} ${change.id}`;
  switch (change.kind) {
    case 'create':
      return `+ ${name}  ${change.summary}`;
    case 'change':
      return `~ ${name}  ${fieldsText(change.fields)}`;
    case 'remove':
      return `- ${name}  ${change.summary}`;
    case 'left_alone':
      return `? ${name}  not in the file, left alone`;
    case 'conflict':
      return `! ${[name, fieldsText(change.fields), change.problem].filter((text) => text !== '').join('  ')}`;
  }
}

function fieldsText(fields: readonly FieldChange[]): string {
  return fields.map(({ field, from, to }) => `${field} ${from} → ${to}`).join(', ');
}
