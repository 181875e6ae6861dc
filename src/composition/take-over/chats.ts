// Takes over chats, turns and messages. Texts of deleted chats and turns stay behind, since nobody can read them. A turn that
// the earlier version was killed within is what the ledger says of its hold: it runs while the hold is not ended, it has ended
// where the ledger has settled the end that was decided, and it never was where the ledger has no hold of it.

import { chatsFact, type MessageBody, type StepTexts, stepTexts } from '../../chats/chats-facts.js';
import { digestOf, messageTextId, titleTextId } from '../../chats/chats-texts.js';
import type { MeteredBy, Role, TurnEnd, TurnState } from '../../chats/turn.js';
import type { Fact } from '../../core/facts.js';
import type { HoldView } from '../../core/outcomes.js';
import type { Settle } from '../../core/requests.js';
import { type EndCommand, endHold } from '../../gateway/calls/hold-end.js';
import type { VaultItem } from '../../vault/vault.js';
import type { Taking } from './fact-writer.js';

interface ChatRow {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly user: string;
  readonly title: string | null;
  readonly created_at: number;
  readonly deleted_at: number | null;
}

interface TurnRow {
  readonly number: number;
  readonly id: string;
  readonly chat: number;
  readonly request_id: string;
  /** starting: the ledger was about to be asked for its hold. */
  readonly state: 'starting' | TurnState;
  readonly metered_by: MeteredBy;
  readonly hold_id: string;
  /** The number of a turn. */
  readonly replaces: number | null;
  readonly terms: string | null;
  /** The end that was decided; on a running turn the ledger may not have settled it yet. */
  readonly ending: string | null;
  readonly response_id: string | null;
  readonly charged: string | null;
  readonly started_at: number;
  readonly progress_at: number;
  readonly hold_expires_at: number | null;
  readonly deleted_at: number | null;
}

interface Ending {
  readonly end: TurnEnd;
  readonly digest: string | null;
  /** Of the gateway's turns: the ledger's command that ends the hold; null where nobody can say. */
  readonly command: string | null;
  readonly at: number;
}

interface MessageRow {
  readonly role: Role;
  readonly text: string;
  readonly is_cut: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly reasoning_tokens: number;
  readonly web_search: number;
}

type ChatOfTurn = Pick<ChatRow, 'id' | 'deleted_at'>;

export async function takeChats(taking: Taking): Promise<void> {
  const { file, writer } = taking;
  for (const row of file.rows<ChatRow>('chats', 'ORDER BY number')) await takeChat(taking, row);
  for (const turn of file.rows<TurnRow>('turns', 'ORDER BY number')) {
    const [chat] = file.rows<ChatRow>('chats', 'WHERE number = ?', turn.chat);
    const held = await holdOf(taking, turn);
    if (turn.state === 'starting' && held === undefined) continue;
    const { facts, texts } = turnFacts(taking, { turn, chat, held });
    for (const fact of facts) await writer.write(fact, fact === facts[0] ? texts : []);
  }
}

async function takeChat({ writer }: Taking, row: ChatRow): Promise<void> {
  const { id, tenant, user, title, created_at: createdAt, deleted_at: deletedAt } = row;
  const titleDigest = title === null ? null : digestOf(title);
  const fact = chatsFact(deletedAt === null ? 'chat_created' : 'chat_deleted', {
    ...{ id, tenant, user, titleDigest, model: null, isTemporary: false },
    ...{ createdAt, updatedAt: deletedAt ?? createdAt, deletedAt },
  });
  const isKept = title !== null && titleDigest !== null && deletedAt === null;
  await writer.write(fact, isKept ? [{ id: titleTextId(id, titleDigest), body: title }] : []);
}

/** The hold of a turn that has not ended. A call of the gateway whose end was decided is ended as it was to be. */
async function holdOf({ ledger }: Taking, turn: TurnRow): Promise<HoldView | undefined> {
  if (turn.state !== 'starting' && turn.state !== 'running') return undefined;
  const command = endingOf(turn)?.command ?? null;
  if (command !== null && isUnsettled(ledger.hold(turn.hold_id)))
    await endHold(ledger, commandIn(turn.hold_id, command), {});
  return ledger.hold(turn.hold_id);
}

/** An expired hold is charged its estimate until a late end comes. */
function isUnsettled(hold: HoldView | undefined): boolean {
  return hold?.status === 'open' || hold?.status === 'expired';
}

/** The command as the earlier version kept it: its amounts are texts of steps. */
function commandIn(holdId: string, text: string): EndCommand {
  const { kind, amounts, ...rest } = JSON.parse(text) as Pick<Settle, 'usage' | 'outcome' | 'note'> & {
    readonly kind: 'settle' | 'release' | 'reverse';
    readonly amounts?: StepTexts;
  };
  if (kind !== 'settle') return { command: `${kind}_hold`, holdId };
  const steps = Object.entries(amounts ?? {}).map(([unit, text]) => [unit, BigInt(text)]);
  return { command: 'settle_hold', holdId, ...rest, amounts: Object.fromEntries(steps) };
}

interface TurnToTake {
  readonly turn: TurnRow;
  readonly chat: ChatOfTurn;
  readonly held: HoldView | undefined;
}

interface TurnTaken {
  readonly facts: readonly Fact[];
  readonly texts: readonly VaultItem[];
}

function turnFacts({ file }: Taking, { turn, chat, held }: TurnToTake): TurnTaken {
  const { id, number, started_at: at, progress_at: progressAt, deleted_at: deletedAt } = turn;
  const ending = endOf(turn, held);
  const said = [...file.rows<MessageRow>('messages', 'WHERE turn = ? ORDER BY number', number)];
  const isAnswer = ({ role }: MessageRow) => role === 'assistant';
  const answer = ending === null ? undefined : said.find(isAnswer);
  const asked = said.filter((message) => !isAnswer(message));
  const [replaced] =
    turn.replaces === null ? [] : file.rows<TurnRow>('turns', 'WHERE number = ?', turn.replaces);
  const facts = [
    chatsFact('turn_started', {
      ...{ id, chat: chat.id, request: turn.request_id, meteredBy: turn.metered_by, hold: turn.hold_id },
      ...{ replaces: replaced?.id ?? null, messages: asked.map(messageOf), at },
      ...termsOf(turn, held),
    }),
  ];
  if (progressAt > at) facts.push(chatsFact('turn_progressed', { id, at: progressAt }));
  if (ending !== null) {
    const { end, digest, at: endedAt, charged } = ending;
    const message = answer === undefined ? null : messageOf(answer);
    const ended = { id, end, digest, responseId: turn.response_id, message, at: endedAt, charged };
    facts.push(chatsFact('turn_ended', ended));
  }
  if (deletedAt !== null) facts.push(chatsFact('turn_deleted', { id, at: deletedAt }));
  const isReadable = deletedAt === null && chat.deleted_at === null;
  const kept = isReadable ? [...asked, ...(answer === undefined ? [] : [answer])] : [];
  const place = { chatId: chat.id, id };
  return { facts, texts: kept.map(({ role, text }) => ({ id: messageTextId(place, role), body: text })) };
}

/** How a turn has ended; null: it runs, and whoever called may say again how it ends. */
function endOf(turn: TurnRow, held: HoldView | undefined) {
  const ending = endingOf(turn);
  if (ending === null) return null;
  const { end, digest = null, at } = ending;
  const isRunning = turn.state === 'starting' || turn.state === 'running';
  if (isRunning && isUnsettled(held)) return null;
  if (isRunning) return { end, digest, at, charged: held?.charged ? stepTexts(held.charged) : null };
  return { end, digest, at, charged: turn.charged === null ? null : (JSON.parse(turn.charged) as StepTexts) };
}

function endingOf({ ending }: TurnRow): Ending | null {
  return ending === null ? null : JSON.parse(ending);
}

/** As the row has them; where the ledger's answer never came, as the hold says. */
function termsOf({ terms, hold_expires_at }: TurnRow, held: HoldView | undefined) {
  if (terms !== null) {
    const { decisionId, ...rest } = JSON.parse(terms);
    return { terms: [rest], taken: { decisionId, holdExpiresAt: hold_expires_at } };
  }
  const { policy, tier, model } = held?.labels ?? {};
  const found = {
    held: stepTexts(held?.authorized ?? {}),
    ...(policy === undefined ? {} : { policy: Number(policy) }),
    ...(tier === undefined ? {} : { tier }),
    ...(model === undefined ? {} : { model }),
  };
  const decisionId = held === undefined ? null : `dec-${held.openedSequence}`;
  return { terms: [found], taken: { decisionId, holdExpiresAt: held?.expiresAt ?? null } };
}

function messageOf(row: MessageRow): MessageBody {
  return {
    role: row.role,
    digest: digestOf(row.text),
    isCut: row.is_cut === 1,
    webSearch: row.web_search === 1,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cacheReadTokens: row.cache_read_tokens,
    cacheWriteTokens: row.cache_write_tokens,
    reasoningTokens: row.reasoning_tokens,
  };
}
