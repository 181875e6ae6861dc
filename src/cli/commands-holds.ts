// The commands on holds and spend: authorize, extend, settle, release, reverse, correct, record, credit. Each is a command of
// the ledger, whose fields are its options.

import type { Command } from 'commander';
import type { AuthorizeRequest } from '../budgets/holds-api.js';
import { HOLD_ENDINGS } from '../budgets/outcomes-schema.js';
import type { Unit } from '../core/amount.js';
import { addLedgerCommand, type Fields, field, type LedgerCommand, required } from './command-table.js';
import type { CliContext } from './context.js';
import {
  AMOUNTS,
  AMOUNTS_OR_NONE,
  amountsOf,
  COUNT,
  DURATION,
  grantCapsOf,
  grantOption,
  INSTANT,
  leaseOption,
  oneOf,
  overrunOption,
  PAIRS,
  type Pairs,
  type Reader,
  TEXTS,
  UsageError,
} from './options.js';

const AMOUNT_HELP = "in the unit's natural scale, for example usd=0.25; repeatable";
const HOLD = { holdId: { shown: 'hold', help: 'id of the hold' } };

const LEASE: Reader = { read: () => leaseOption };
const OVERRUN: Reader = { read: () => overrunOption };
const GRANT: Reader = { read: () => grantOption };
const CANDIDATES: Reader = {
  read: TEXTS.read,
  finish: (texts, _option, units) => (texts as string[] | undefined)?.map((text) => candidateOf(text, units)),
};
const GRANT_CAPS: Reader = {
  read: TEXTS.read,
  finish: (texts, _option, units) => (texts as string[] | undefined)?.map((text) => grantCapsOf(text, units)),
};

/** What every later command on a hold may state, and is then checked against (rules H7, H8). */
const ON_HOLD: Fields = {
  labels: field('--label <key=value>', 'refuse unless the hold has exactly these labels; repeatable', PAIRS),
  grant: field('--grant <grant>', 'CAPABILITY/GRANT: refuse unless the hold has it', GRANT),
  authority: field('--authority <lease>', 'AUTHORITY/LEASE/EPOCH under which the hold was opened', LEASE),
};

const USAGE: Fields = {
  'usage.inputTokens': field('--usage-input <tokens>', 'tokens read', COUNT),
  'usage.outputTokens': field('--usage-output <tokens>', 'tokens written', COUNT),
  'usage.cacheReadTokens': field('--usage-cache-read <tokens>', 'tokens read from a cache', COUNT),
  'usage.cacheWriteTokens': field('--usage-cache-write <tokens>', 'tokens written to a cache', COUNT),
  'usage.reasoningTokens': field('--usage-reasoning <tokens>', 'tokens written in reasoning', COUNT),
  'usage.toolCalls': field('--usage-tools <calls>', 'tool calls', COUNT),
};

const REASON = required('--reason <text>', 'why, for the journal');

const COMMANDS: readonly LedgerCommand[] = [
  {
    name: 'authorize',
    command: 'authorize_hold',
    about: 'hold the worst case of a call in every budget that it counts towards, or nothing',
    fields: {
      holdId: required('--hold <id>', 'id of the new hold'),
      labels: field('--label <key=value>', 'what the call is for; repeatable', PAIRS),
      amounts: field('--amount <unit=amount>', `worst case, ${AMOUNT_HELP}`, AMOUNTS_OR_NONE),
      ttlMs: field('--ttl <duration>', 'how long it may stay open, for example 10m (the default)', DURATION),
      onExpiry: field('--on-expiry <what>', 'release (the default) or charge', oneOf(['release', 'charge'])),
      charge: field(
        '--charge <unit=amount>',
        'with --on-expiry charge: the estimate to spend; repeatable',
        AMOUNTS,
      ),
      overrun: field('--overrun <policy>', 'record (the default), reject, forbid or cap:PERCENT', OVERRUN),
      require: field(
        '--require <key>',
        'a label for which a budget with a limit must exist; repeatable',
        TEXTS,
      ),
      candidates: field(
        '--candidate <json>',
        'an alternative, {"labels":{…},"amounts":{…}}, tried in order; repeatable',
        CANDIDATES,
      ),
      grants: field(
        '--grant-caps <caps>',
        'capability=C,grant=G,unit=U[,max-calls=N][,max-per-hold=A][,max-total=A]',
        GRANT_CAPS,
      ),
      authority: field('--authority <lease>', 'AUTHORITY/LEASE/EPOCH of the caller', LEASE),
    },
    finish: ({ charge, ...stated }) => {
      if (charge === undefined) return stated;
      if (stated.onExpiry !== 'charge') throw new UsageError('--charge', 'goes with --on-expiry charge');
      return { ...stated, onExpiry: { charge } };
    },
  },
  {
    name: 'extend',
    command: 'extend_hold',
    about: 'give a hold a later expiry, a larger amount, or both',
    args: HOLD,
    fields: {
      ...ON_HOLD,
      ttlMs: field('--ttl <duration>', 'the new expiry, from now', DURATION),
      add: field('--add <unit=amount>', `what to hold in addition, ${AMOUNT_HELP}`, AMOUNTS),
    },
  },
  {
    name: 'settle',
    command: 'settle_hold',
    about: 'book what a call cost; the rest of the hold goes back',
    args: HOLD,
    fields: {
      ...ON_HOLD,
      ...USAGE,
      amounts: field('--amount <unit=amount>', `what it cost, ${AMOUNT_HELP}`, AMOUNTS_OR_NONE),
      exposure: field(
        '--exposure <unit=amount>',
        'refuse unless just this is still held; repeatable',
        AMOUNTS,
      ),
      outcome: field('--outcome <how>', 'completed, failed, cancelled or unknown', oneOf(HOLD_ENDINGS)),
    },
  },
  {
    name: 'release',
    command: 'release_hold',
    about: 'give back what a hold holds, all of it or a part',
    args: HOLD,
    fields: {
      ...ON_HOLD,
      amounts: field(
        '--amount <unit=amount>',
        `what to give back (all, when absent), ${AMOUNT_HELP}`,
        AMOUNTS,
      ),
    },
  },
  {
    name: 'reverse',
    command: 'reverse_hold',
    about: 'undo an untouched hold as if it had never been, its call count too',
    args: HOLD,
    fields: ON_HOLD,
  },
  {
    name: 'record',
    command: 'record_spend',
    about: 'book spend that nobody authorised; never denied',
    fields: {
      ...USAGE,
      labels: field('--label <key=value>', 'what it was for; repeatable', PAIRS),
      amounts: field('--amount <unit=amount>', `what was spent, ${AMOUNT_HELP}`, AMOUNTS_OR_NONE),
      occurredAt: field(
        '--occurred-at <instant>',
        'when, for example 2026-03-01T12:00:00Z; now when absent',
        INSTANT,
      ),
    },
  },
  {
    name: 'credit',
    command: 'credit_spend',
    about: 'take recorded spend back, off every balance that its labels match; all of it or nothing',
    fields: {
      labels: field('--label <key=value>', 'what it was recorded for; repeatable', PAIRS),
      amounts: field('--amount <unit=amount>', `what is taken back, ${AMOUNT_HELP}`, AMOUNTS_OR_NONE),
      reason: REASON,
      occurredAt: field(
        '--occurred-at <instant>',
        'when it was spent, for example 2026-03-01T12:00:00Z; now when absent',
        INSTANT,
      ),
    },
  },
  {
    name: 'correct',
    command: 'correct_hold',
    about: 'set the final amounts of a settled hold, by a posted difference',
    args: HOLD,
    fields: {
      ...ON_HOLD,
      amounts: field('--amount <unit=amount>', `the final amount, ${AMOUNT_HELP}`, AMOUNTS_OR_NONE),
      reason: REASON,
    },
  },
];

export function addHoldCommands(program: Command, cli: CliContext): void {
  for (const one of COMMANDS) addLedgerCommand(program, cli, one);
}

type CandidateRequest = NonNullable<AuthorizeRequest['candidates']>[number];

function candidateOf(text: string, units: readonly Unit[]): CandidateRequest {
  const refuse = (problem: string) => new UsageError('--candidate', `${JSON.stringify(text)} ${problem}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw refuse('is not JSON');
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw refuse('is not an object');
  const candidate: { labels?: Record<string, string>; amounts?: Record<string, string> } = {};
  for (const [field, value] of Object.entries(parsed)) {
    if (field !== 'labels' && field !== 'amounts')
      throw refuse(`has ${JSON.stringify(field)}; it may have labels and amounts`);
    const texts = textsOf(value);
    if (texts === null) throw refuse(`${field} must be an object of texts, such as {"usd":"0.25"}`);
    candidate[field] =
      field === 'labels' ? Object.fromEntries(texts) : amountsOf('--candidate', texts, units);
  }
  return candidate;
}

function textsOf(value: unknown): Pairs | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const pairs: [string, string][] = [];
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') return null;
    pairs.push([key, text]);
  }
  return pairs;
}
