// The facts of chats, and the view that is rebuilt from them: chats, turns and the figures of messages. A fact rides with
// the ledger's command that starts or ends its turn; what only the ledger knows (which candidate is held, what is charged)
// the view takes from the command's outcome. Texts are in the vault. The indices keep rules T1 (one turn a request), T3
// (one running turn a chat) and T5 (one message a role); every index costs each turn.

import type { Amounts } from '../core/amount.js';
import type { Fact } from '../core/facts.js';
import type { FactRecord } from '../journal/fact-records.js';
import type { View, ViewDatabase } from '../views/view.js';
import {
  type MessageTokens,
  type MeteredBy,
  ROLES,
  type Role,
  STATE_OF_END,
  type TurnEnd,
  type TurnTerms,
} from './turn.js';

export const CHATS_FEATURE = 'chats';

/** Amounts in steps, as decimal texts: JSON has no whole numbers of 64 bits. */
export type StepTexts = Readonly<Record<string, string>>;

/** A chat after a change. */
export interface ChatBody {
  readonly id: string;
  readonly tenant: string;
  readonly user: string;
  readonly titleDigest: string | null;
  readonly model: string | null;
  readonly isTemporary: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly deletedAt: number | null;
}

/** A message without its text. */
export interface MessageBody extends Partial<MessageTokens> {
  readonly role: Role;
  readonly digest: string;
  readonly isCut?: boolean | undefined;
  readonly webSearch?: boolean | undefined;
}

/** A turn holds: rides with the authorisation. */
export interface TurnStartedBody {
  readonly id: string;
  readonly chat: string;
  readonly request: string;
  readonly meteredBy: MeteredBy;
  readonly hold: string;
  /** The turn that it takes the place of, which is hidden from then on. */
  readonly replaces: string | null;
  /** Of each candidate of the authorisation, in order. */
  readonly terms: readonly TermsBody[];
  readonly messages: readonly MessageBody[];
  readonly at: number;
  /** Of a turn that an earlier version held: its authorisation has no facts. */
  readonly taken?: { readonly decisionId: string | null; readonly holdExpiresAt: number | null };
}

export type TermsBody = Omit<TurnTerms, 'held'> & { readonly held: StepTexts };

/** A turn that is a call of the gateway goes on with another candidate: rides with that authorisation. */
export interface TurnResumedBody {
  readonly id: string;
  readonly hold: string;
  readonly terms: readonly TermsBody[];
  readonly at: number;
}

/** A turn shows that it still runs: alone, or with the extension of its hold. */
export interface TurnProgressedBody {
  readonly id: string;
  readonly at: number;
  /** By how much the hold is extended, where it is. */
  readonly ttlMs?: number;
}

/** A turn ends: rides with the command that ends its hold. Alone where the hold has ended already. */
export interface TurnEndedBody {
  readonly id: string;
  readonly end: TurnEnd;
  /** SHA-256 of what the caller said: a repeat of the same end is known by it. Null for the watchdog's and the gateway's. */
  readonly digest: string | null;
  readonly responseId: string | null;
  readonly message: MessageBody | null;
  readonly at: number;
  /** What is known of the charge where no command ends the hold. */
  readonly charged?: StepTexts | null;
}

/** The caller says after the watchdog what the turn has used: rides with the correction of the charge. */
export type TurnCorrectedBody = Omit<TurnEndedBody, 'end' | 'charged'>;

export interface TurnDeletedBody {
  readonly id: string;
  readonly at: number;
}

interface Bodies {
  readonly chat_created: ChatBody;
  readonly chat_changed: ChatBody;
  readonly chat_deleted: ChatBody;
  readonly turn_started: TurnStartedBody;
  readonly turn_resumed: TurnResumedBody;
  readonly turn_progressed: TurnProgressedBody;
  readonly turn_ended: TurnEndedBody;
  readonly turn_corrected: TurnCorrectedBody;
  readonly turn_deleted: TurnDeletedBody;
}

export function chatsFact<K extends keyof Bodies>(kind: K, body: Bodies[K]): Fact {
  return { feature: CHATS_FEATURE, kind, body: JSON.stringify(body) };
}

export function stepTexts(amounts: Amounts): StepTexts {
  const texts: Record<string, string> = {};
  for (const unit of Object.keys(amounts)) texts[unit] = amounts[unit].toString();
  return texts;
}

export function termsBody({ held, ...rest }: TurnTerms): TermsBody {
  return { ...rest, held: stepTexts(held) };
}

/** Messages have no number of their own: they are said in the order of their turns, and by role in a turn. */
export const CHATS_VIEW: View = {
  feature: CHATS_FEATURE,
  tables: `
    CREATE TABLE chats (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      user TEXT NOT NULL,
      title_digest TEXT,
      model TEXT,
      is_temporary INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      deleted_at INTEGER
    ) STRICT;
    CREATE INDEX chats_of_tenant ON chats (tenant, number) WHERE deleted_at IS NULL;
    CREATE INDEX chats_of_user ON chats (tenant, user, number) WHERE deleted_at IS NULL;
    CREATE TABLE turns (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      chat INTEGER NOT NULL REFERENCES chats (number),
      request_id TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
      ended_as TEXT,
      metered_by TEXT NOT NULL CHECK (metered_by IN ('quota', 'amounts', 'gateway')),
      hold_id TEXT NOT NULL,
      hold_expires_at INTEGER,
      decision_id TEXT,
      held TEXT NOT NULL,
      policy INTEGER,
      tier TEXT,
      model TEXT,
      reasons TEXT,
      charged TEXT,
      is_late INTEGER NOT NULL DEFAULT 0,
      end_digest TEXT,
      response_id TEXT,
      replaces TEXT,
      started_at INTEGER NOT NULL,
      progress_at INTEGER NOT NULL,
      ended_at INTEGER,
      deleted_at INTEGER,
      UNIQUE (chat, request_id)
    ) STRICT;
    CREATE INDEX turns_of_chat ON turns (chat, number);
    CREATE UNIQUE INDEX turns_running ON turns (chat) WHERE state = 'running';
    CREATE TABLE messages (
      turn INTEGER NOT NULL REFERENCES turns (number),
      role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 2),
      digest TEXT NOT NULL,
      is_cut INTEGER NOT NULL,
      web_search INTEGER NOT NULL,
      input_tokens INTEGER NOT NULL,
      output_tokens INTEGER NOT NULL,
      cache_read_tokens INTEGER NOT NULL,
      cache_write_tokens INTEGER NOT NULL,
      reasoning_tokens INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      PRIMARY KEY (turn, role)
    ) STRICT, WITHOUT ROWID`,
  open: (db) => {
    const tables = new ChatsTables(db);
    return (fact, record) => tables.apply(fact, record);
  },
};

/** The statements that change the tables. */
class ChatsTables {
  readonly #putChat;
  readonly #startTurn;
  readonly #resumeTurn;
  readonly #progress;
  readonly #endTurn;
  readonly #correctTurn;
  readonly #deleteTurn;
  readonly #putMessage;

  constructor(db: ViewDatabase) {
    const write = (sql: string) => db.prepare<(string | number | null)[]>(sql);
    this.#putChat = write(
      `INSERT INTO chats (id, tenant, user, title_digest, model, is_temporary, created_at, updated_at, deleted_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET title_digest = excluded.title_digest, model = excluded.model,
         is_temporary = excluded.is_temporary, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at`,
    );
    this.#startTurn = write(
      `INSERT INTO turns (chat, id, request_id, state, metered_by, hold_id, replaces, started_at, progress_at,
         decision_id, hold_expires_at, held, policy, tier, model, reasons)
       SELECT number, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM chats WHERE id = ?
       ON CONFLICT (id) DO NOTHING`,
    );
    this.#resumeTurn = write(
      `UPDATE turns SET state = 'running', ended_as = NULL, ended_at = NULL, charged = NULL, hold_id = ?,
         decision_id = ?, hold_expires_at = ?, held = ?, policy = ?, tier = ?, model = ?, reasons = ?
       WHERE id = ?`,
    );
    this.#progress = write(
      `UPDATE turns SET progress_at = max(progress_at, ?), hold_expires_at = coalesce(?, hold_expires_at)
       WHERE id = ?`,
    );
    this.#endTurn = write(
      `UPDATE turns SET state = ?, ended_as = ?, charged = ?, end_digest = ?, response_id = ?, ended_at = ?
       WHERE id = ?`,
    );
    this.#correctTurn = write(
      'UPDATE turns SET is_late = 1, charged = ?, end_digest = ?, response_id = ? WHERE id = ?',
    );
    this.#deleteTurn = write('UPDATE turns SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL');
    this.#putMessage = write(
      `INSERT INTO messages (turn, role, digest, is_cut, web_search, input_tokens, output_tokens, cache_read_tokens,
         cache_write_tokens, reasoning_tokens, created_at)
       SELECT number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM turns WHERE id = ?
       ON CONFLICT (turn, role) DO NOTHING`,
    );
  }

  apply({ kind, body: text }: Fact, { at, outcome }: FactRecord): void {
    const body = JSON.parse(text) as never;
    switch (kind as keyof Bodies) {
      case 'chat_created':
      case 'chat_changed':
      case 'chat_deleted':
        return this.#chat(body);
      case 'turn_started':
        return this.#started(body, outcome);
      case 'turn_resumed':
        return this.#resumed(body, outcome);
      case 'turn_progressed':
        return this.#progressed(body, at);
      case 'turn_ended':
        return this.#ended(body, outcome);
      case 'turn_corrected':
        return this.#corrected(body, outcome);
      case 'turn_deleted':
        return this.#deleted(body);
      default:
        throw new Error(`bug: chats have no fact ${kind}`);
    }
  }

  #chat(chat: ChatBody): void {
    const { id, tenant, user, titleDigest, model, isTemporary, createdAt, updatedAt, deletedAt } = chat;
    this.#putChat.run(
      ...[id, tenant, user, titleDigest, model, isTemporary ? 1 : 0, createdAt, updatedAt, deletedAt],
    );
  }

  #started(turn: TurnStartedBody, outcome: FactRecord['outcome']): void {
    const { id, chat, request, meteredBy, hold, replaces, messages, at, taken } = turn;
    const { changes } = this.#startTurn.run(
      ...[id, request, meteredBy, hold, replaces, at, at, ...holdColumns(turn.terms, outcome, taken), chat],
    );
    if (changes === 0) return;
    for (const message of messages) this.#message(id, message, at);
    if (replaces !== null) this.#deleteTurn.run(at, replaces);
  }

  #resumed({ id, hold, terms }: TurnResumedBody, outcome: FactRecord['outcome']): void {
    this.#resumeTurn.run(hold, ...holdColumns(terms, outcome), id);
  }

  #progressed({ id, at, ttlMs }: TurnProgressedBody, recordedAt: number): void {
    this.#progress.run(at, ttlMs === undefined ? null : recordedAt + ttlMs, id);
  }

  #ended(ended: TurnEndedBody, outcome: FactRecord['outcome']): void {
    const { id, end, digest, responseId, message, at } = ended;
    this.#endTurn.run(STATE_OF_END[end], end, chargedColumn(ended, outcome), digest, responseId, at, id);
    if (message !== null) this.#message(id, message, at);
  }

  #corrected(corrected: TurnCorrectedBody, outcome: FactRecord['outcome']): void {
    const { id, digest, responseId, message, at } = corrected;
    this.#correctTurn.run(chargedColumn({}, outcome), digest, responseId, id);
    if (message !== null) this.#message(id, message, at);
  }

  #deleted({ id, at }: TurnDeletedBody): void {
    this.#deleteTurn.run(at, id);
  }

  #message(turnId: string, message: MessageBody, at: number): void {
    const { role, digest, isCut = false, webSearch = false } = message;
    const { inputTokens = 0, outputTokens = 0, cacheReadTokens = 0, cacheWriteTokens = 0 } = message;
    this.#putMessage.run(
      ...[ROLES.indexOf(role), digest, isCut ? 1 : 0, webSearch ? 1 : 0],
      ...[inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, message.reasoningTokens ?? 0],
      ...[at, turnId],
    );
  }
}

/** decision_id, hold_expires_at, held, policy, tier, model, reasons. */
function holdColumns(
  terms: readonly TermsBody[],
  outcome: FactRecord['outcome'],
  taken?: TurnStartedBody['taken'],
): (string | number | null)[] {
  const isHeld = outcome.outcome === 'authorized';
  const place = isHeld ? (outcome.candidate ?? 0) : 0;
  const { held, policy = null, tier = null, model = null, reasons } = terms[place];
  return [
    isHeld ? outcome.decisionId : (taken?.decisionId ?? null),
    isHeld ? outcome.expiresAt : (taken?.holdExpiresAt ?? null),
    ...[JSON.stringify(held), policy, tier, model],
    reasons === undefined || reasons.length === 0 ? null : JSON.stringify(reasons),
  ];
}

function chargedColumn(
  { charged }: Pick<TurnEndedBody, 'charged'>,
  outcome: FactRecord['outcome'],
): string | null {
  if (outcome.outcome === 'settled') return JSON.stringify(stepTexts(outcome.charged));
  if (charged !== undefined) return charged === null ? null : JSON.stringify(charged);
  // Given back: nothing is charged.
  return '{}';
}
