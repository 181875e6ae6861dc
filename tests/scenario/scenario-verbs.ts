// The verbs of scenario tables. One line is `verb words… -> what it came to`; without an arrow the step must succeed.
//
//   unit NAME scale N · alias KEY NAME CANONICAL · clock: tick 11s, back 5s, goto ISO · reopen · checkpoint · again
//   budget ID match key=value… unit U limit X|none window W [zone Z] [day N] [every D from ISO] [perHold X] [heldMax X]
//          [warnAt N] [onExhausted pause]          (`match all` matches everything)
//   pause|resume|close ID [values] · exhaust ID [values] [until I] · topup ID [values] X · limit ID [values] X|none|default
//   hold ID labels… unit X… [ttl D] [overrun record|reject|forbid|cap:N] [onExpiry release|charge|charge:U:X]
//          [require a,b] [grant CAP/G U [calls N] [perHold X] [total X]]… [lease A/L/N] [id C] [or labels… unit X…]…
//   settle ID unit X… [exposure unit X…] [outcome O] · release ID [unit X…] · reverse ID · extend ID [ttl D] [add unit X…]
//   correct ID unit X… [because R]        (each also: [for labels…] [of CAP/G] [lease A/L/N] [id C])
//   record labels… unit X… [at I] [id C] · credit labels… unit X… [because R] [at I] [id C]
//   check labels… [unit X…] · balance ID [values] [at I] · show HOLD
//   define ID (a budget's view) · snapshot · certify

import type {
  Authorize,
  BudgetSpec,
  BudgetStatus,
  Command,
  GrantCaps,
  Labels,
  Lease,
  OverrunPolicy,
  WindowInput,
} from '#bursar/index.js';
import type { Stage } from './scenario.js';
import type { Result } from './scenario-result.js';
import { durationOf, instantOf, stepsOf, Words } from './scenario-words.js';

type Verb = (stage: Stage, words: Words) => Promise<Result> | Result;

/** Runs one command of a table. */
export async function runVerb(stage: Stage, line: string): Promise<Result> {
  const words = new Words(line);
  const name = words.next('a verb');
  if (name === 'again') {
    words.end();
    return runVerb(stage, stage.lastLine);
  }
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) throw new Error(`"${name}" is no verb; there are ${Object.keys(VERBS).join(', ')}`);
  if (COMMANDS.has(name)) stage.lastLine = line;
  const result = await verb(stage, words);
  words.end();
  return result;
}

const submitted = async (stage: Stage, words: Words, command: Command): Promise<Result> => {
  words.end();
  const [outcome] = await stage.ledger.submit([command]);
  return stage.told(outcome as NonNullable<typeof outcome>);
};

/** An object without the fields that are undefined. */
function given<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

const some = <T extends object>(value: T): T | undefined =>
  Object.keys(value).length > 0 ? value : undefined;

const VERBS: Readonly<Record<string, Verb>> = {
  unit(stage, words) {
    const name = words.next('a name');
    const scale = Number(words.after('scale'));
    return submitted(stage, words, { command: 'put_definitions', units: [{ name, scale }] });
  },
  alias(stage, words) {
    const key = words.next('a label key');
    const name = words.next('a name');
    const before = stage.ledger.aliases();
    const table = { ...before[key], [name]: words.next('the canonical name') };
    return submitted(stage, words, { command: 'put_definitions', aliases: { ...before, [key]: table } });
  },
  budget: (stage, words) =>
    submitted(stage, words, { command: 'put_definitions', budgets: [budgetIn(stage, words)] }),
  pause: (stage, words) => setStatus(stage, words, 'paused'),
  resume: (stage, words) => setStatus(stage, words, 'active'),
  close: (stage, words) => setStatus(stage, words, 'closed'),
  exhaust(stage, words) {
    const account = accountIn(words);
    const until = words.after('until');
    const instant = until === undefined ? undefined : instantOf(until, stage.clock.at);
    return submitted(stage, words, { command: 'exhaust_budget', ...account, ...given({ until: instant }) });
  },
  topup(stage, words) {
    const account = accountIn(words);
    const amount = stepsOf(words.next('an amount'), scaleOf(stage, account.budgetId));
    return submitted(stage, words, { command: 'top_up', ...account, amount, ...commandId(words) });
  },
  limit(stage, words) {
    const account = accountIn(words);
    const word = words.next('a limit');
    const limit =
      word === 'none' ? null : word === 'default' ? word : stepsOf(word, scaleOf(stage, account.budgetId));
    return submitted(stage, words, { command: 'set_balance_limit', ...account, limit });
  },
  hold: (stage, words) =>
    submitted(stage, words, { command: 'authorize_hold', ...authorizeIn(stage, words) }),
  settle(stage, words) {
    const holdId = words.next('a hold');
    const amounts = words.amounts(stage.scales);
    const exposure = words.take('exposure') ? words.amounts(stage.scales) : undefined;
    const outcome = words.after('outcome') as 'completed' | undefined;
    const rest = given({ exposure, outcome });
    return submitted(stage, words, { command: 'settle_hold', holdId, amounts, ...rest, ...statedIn(words) });
  },
  release(stage, words) {
    const holdId = words.next('a hold');
    const amounts = some(words.amounts(stage.scales));
    return submitted(stage, words, {
      command: 'release_hold',
      holdId,
      ...given({ amounts }),
      ...statedIn(words),
    });
  },
  reverse: (stage, words) =>
    submitted(stage, words, {
      command: 'reverse_hold',
      holdId: words.next('a hold'),
      ...statedIn(words),
    }),
  extend(stage, words) {
    const holdId = words.next('a hold');
    const ttl = words.after('ttl');
    const ttlMs = ttl === undefined ? undefined : durationOf(ttl);
    const add = words.take('add') ? words.amounts(stage.scales) : undefined;
    const rest = given({ ttlMs, add });
    return submitted(stage, words, { command: 'extend_hold', holdId, ...rest, ...statedIn(words) });
  },
  correct(stage, words) {
    const holdId = words.next('a hold');
    const amounts = words.amounts(stage.scales);
    const reason = words.after('because') ?? 'invoice';
    return submitted(stage, words, { command: 'correct_hold', holdId, amounts, reason, ...statedIn(words) });
  },
  record(stage, words) {
    const labels = words.labels();
    const amounts = words.amounts(stage.scales);
    const at = words.after('at');
    const occurredAt = at === undefined ? undefined : instantOf(at, stage.clock.at);
    const rest = { ...given({ occurredAt }), ...commandId(words) };
    return submitted(stage, words, { command: 'record_spend', labels, amounts, ...rest });
  },
  credit(stage, words) {
    const labels = words.labels();
    const amounts = words.amounts(stage.scales);
    const reason = words.after('because') ?? 'recorded twice';
    const at = words.after('at');
    const occurredAt = at === undefined ? undefined : instantOf(at, stage.clock.at);
    const rest = { reason, ...given({ occurredAt }), ...commandId(words) };
    return submitted(stage, words, { command: 'credit_spend', labels, amounts, ...rest });
  },
  check(stage, words) {
    const labels = words.labels();
    const amounts = some(words.amounts(stage.scales));
    words.end();
    const verdict = stage.ledger.check({ labels, ...given({ amounts }) });
    const result = stage
      .result()
      .flag(verdict.verdict, verdict.fits ? 'fits' : 'refused')
      .lines(verdict.lines);
    if (verdict.reason !== null) result.flag(verdict.reason);
    return result.value('worst', verdict.worst?.budgetId ?? 'none');
  },
  balance(stage, words) {
    const { budgetId, values } = accountIn(words);
    const at = words.after('at');
    const instant = at === undefined ? stage.clock.at : instantOf(at, stage.clock.at);
    const found = stage.ledger
      .balances({ budgetId, current: false, ...given({ values }) })
      .filter(({ window }) => (window.start ?? instant) <= instant && instant < (window.end ?? instant + 1));
    if (found.length > 1) throw new Error(`${found.length} balances are meant; state the values`);
    return found[0] === undefined ? stage.result().flag('none') : stage.result().balance(found[0]);
  },
  show(stage, words) {
    const view = stage.ledger.hold(words.next('a hold'));
    return view === undefined ? stage.result().flag('unknown') : stage.result().hold(view, stage.clock.at);
  },
  define(stage, words) {
    const id = words.next('a budget');
    const view = stage.ledger.budgets().find((budget) => budget.id === id);
    if (view === undefined) return stage.result().flag('none');
    return stage.result().flag(view.status).value('version', view.version).value('balances', view.balances);
  },
  snapshot(stage) {
    const { version, openHolds, spent, balances } = stage.ledger.snapshot();
    const result = stage.result().value('version', version).value('openHolds', openHolds);
    return result.amounts('spent', spent).value('balances', balances.length);
  },
  certify(stage) {
    const { status, spentSinceLast, version } = stage.ledger.certify();
    return stage.result().flag(status).value('version', version).amounts('since', spentSinceLast);
  },
  tick(stage, words) {
    stage.clock.at += durationOf(words.next('a duration'));
    return stage.result();
  },
  back(stage, words) {
    stage.clock.at -= durationOf(words.next('a duration'));
    return stage.result();
  },
  goto(stage, words) {
    stage.clock.at = instantOf(words.next('an instant'), stage.clock.at);
    return stage.result();
  },
  async reopen(stage) {
    await stage.reopen();
    return stage.result();
  },
  async checkpoint(stage) {
    await stage.ledger.checkpoint();
    return stage.result();
  },
};

/** The verbs that `again` repeats. */
const COMMANDS = new Set(
  'unit alias budget pause resume close exhaust topup limit hold settle release reverse extend correct record credit'.split(
    ' ',
  ),
);

function scaleOf(stage: Stage, budgetId: string): number {
  const unit = stage.ledger.budgets().find((budget) => budget.id === budgetId)?.unit ?? 'usd';
  return stage.scales.get(unit) ?? 0;
}

function accountIn(words: Words): { budgetId: string; values?: Labels } {
  const budgetId = words.next('a budget');
  return { budgetId, ...given({ values: some(words.labels()) }) };
}

function setStatus(stage: Stage, words: Words, status: BudgetStatus): Promise<Result> {
  return submitted(stage, words, { command: 'set_budget_status', ...accountIn(words), status });
}

function commandId(words: Words): { commandId?: string } {
  return given({ commandId: words.after('id') });
}

function leaseIn(words: Words): Lease | undefined {
  const word = words.after('lease');
  if (word === undefined) return undefined;
  const [authorityId, leaseId, epoch] = word.split('/') as [string, string, string];
  return { authorityId, leaseId, epoch: Number(epoch) };
}

function statedIn(words: Words) {
  const labels = words.take('for') ? words.labels() : undefined;
  const [capability, grant] = (words.after('of') ?? '').split('/') as [string, string?];
  const stated = grant === undefined ? undefined : { capability, grant };
  return { ...given({ labels, grant: stated, authority: leaseIn(words) }), ...commandId(words) };
}

function budgetIn(stage: Stage, words: Words): BudgetSpec {
  const id = words.next('an id');
  if (!words.take('match')) throw new Error('"match" comes after the id');
  const match = words.take('all') ? {} : words.labels();
  const unit = words.after('unit') ?? 'usd';
  const steps = (text: string) => stepsOf(text, stage.scales.get(unit) ?? 0);
  const limit = words.after('limit') ?? 'none';
  const window = windowIn(words);
  const perHold = words.after('perHold');
  const heldMax = words.after('heldMax');
  const warnAt = words.after('warnAt');
  return {
    id,
    match,
    unit,
    limit: limit === 'none' ? null : steps(limit),
    window,
    ...given({
      perHoldMax: perHold === undefined ? undefined : steps(perHold),
      heldMax: heldMax === undefined ? undefined : steps(heldMax),
      warnAtPercent: warnAt === undefined ? undefined : Number(warnAt),
      onExhausted: words.after('onExhausted') as 'pause' | undefined,
    }),
  };
}

function windowIn(words: Words): WindowInput {
  const every = words.after('every');
  if (every !== undefined) return { every, ...given({ anchor: words.after('from') }) };
  const calendar = (words.after('window') ?? 'lifetime') as 'day';
  const timeZone = words.after('zone');
  const day = words.after('day');
  if (timeZone === undefined && day === undefined) return calendar;
  return { calendar, ...given({ timeZone, anchorDay: day === undefined ? undefined : Number(day) }) };
}

function authorizeIn(stage: Stage, words: Words): Authorize {
  const { scales } = stage;
  const request = { holdId: words.next('an id'), labels: words.labels(), amounts: words.amounts(scales) };
  const grants: GrantCaps[] = [];
  const candidates: { labels?: Labels; amounts?: Record<string, bigint> }[] = [{}];
  let options: Partial<Authorize> = {};
  const option = (): Partial<Authorize> | undefined => {
    if (words.take('ttl')) return { ttlMs: durationOf(words.next('a duration')) };
    if (words.take('overrun')) return { overrun: overrunOf(words.next('a policy')) };
    if (words.take('onExpiry')) return { onExpiry: expiryOf(words.next('a policy'), scales) };
    if (words.take('require')) return { require: words.next('label keys').split(',') };
    if (words.peek() === 'id') return commandId(words);
    if (words.peek() === 'lease') return { authority: leaseIn(words) as Lease };
    if (words.take('grant')) return { grants: [...grants, grantIn(stage, words)] };
    return undefined;
  };
  for (let more = option(); more !== undefined; more = option()) {
    options = { ...options, ...more };
    grants.splice(0, grants.length, ...(options.grants ?? []));
  }
  while (words.take('or'))
    candidates.push(given({ labels: some(words.labels()), amounts: some(words.amounts(scales)) }));
  return { ...request, ...options, ...(candidates.length > 1 ? { candidates } : {}) };
}

function grantIn(stage: Stage, words: Words): GrantCaps {
  const [capability, grant] = words.next('CAPABILITY/GRANT').split('/') as [string, string];
  const unit = words.next('a unit');
  const steps = (text: string | undefined) =>
    text === undefined ? undefined : stepsOf(text, stage.scales.get(unit) ?? 0);
  const calls = words.after('calls');
  const maxPerHold = steps(words.after('perHold'));
  const maxTotal = steps(words.after('total'));
  const maxCalls = calls === undefined ? undefined : Number(calls);
  return { capability, grant, unit, ...given({ maxCalls, maxPerHold, maxTotal }) };
}

function overrunOf(word: string): OverrunPolicy {
  const cap = /^cap:(\d+)$/.exec(word);
  return cap === null ? (word as 'record') : { cap: { tolerancePercent: Number(cap[1]) } };
}

function expiryOf(word: string, scales: ReadonlyMap<string, number>): NonNullable<Authorize['onExpiry']> {
  const [first, unit, amount] = word.split(':') as [string, string?, string?];
  if (unit === undefined || amount === undefined) return first as 'charge';
  return { charge: { [unit]: stepsOf(amount, scales.get(unit) ?? 0) } };
}
