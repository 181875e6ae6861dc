// Chats, turns and messages as the wire has them.

import { type Static, Type } from 'typebox';
import {
  AmountsIn,
  AmountsOut,
  CLOSED,
  Cursor,
  Id,
  InstantOut,
  LabelsIn,
  listOf,
  oneOf,
  orNull,
  Whole,
} from '../kit/schema-parts.js';
import {
  METERS,
  MODEL_LENGTH_MAX,
  RESPONSE_ID_LENGTH_MAX,
  ROLES,
  TEXT_BYTES_MAX,
  TITLE_LENGTH_MAX,
  TURN_ENDS,
  TURN_STATES,
} from './turn.js';

/** Rule T5: rows of a page. */
export const CHAT_ROWS_DEFAULT = 20;
export const CHAT_ROWS_MAX = 100;

const PAGE = {
  cursor: Type.Optional(Cursor),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: CHAT_ROWS_MAX, default: CHAT_ROWS_DEFAULT })),
};
const Name = Type.String({ minLength: 1, maxLength: 256 });
const Text = Type.String({
  maxLength: TEXT_BYTES_MAX,
  description: `At most ${TEXT_BYTES_MAX} bytes of UTF-8. Kept in the vault; the journal has its SHA-256.`,
});

const Title = Type.String({ minLength: 1, maxLength: TITLE_LENGTH_MAX });
const Model = Type.String({ minLength: 1, maxLength: MODEL_LENGTH_MAX });
const Temporary = Type.Boolean({ description: 'A mark of your own: shown, and a filter of the list.' });

export const ChatRequest = Type.Object(
  {
    tenant: Type.Optional(Name),
    user: Type.Optional(Name),
    title: Type.Optional(Title),
    model: Type.Optional(Model),
    temporary: Type.Optional(Temporary),
  },
  CLOSED,
);
export type ChatRequest = Static<typeof ChatRequest>;
/** null takes a title or a model away. */
export const ChatChangeRequest = Type.Object(
  {
    title: Type.Optional(orNull(Title)),
    model: Type.Optional(orNull(Model)),
    temporary: Type.Optional(Temporary),
  },
  CLOSED,
);
export type ChatChangeRequest = Static<typeof ChatChangeRequest>;
export const ChatView = Type.Object({
  id: Id,
  tenant: Type.String(),
  user: Type.String(),
  title: orNull(Type.String()),
  model: orNull(Type.String({ description: 'What its turns ask for when they state no model.' })),
  temporary: Temporary,
  createdAt: InstantOut,
  updatedAt: InstantOut,
});
export type ChatView = Static<typeof ChatView>;
export const ChatQuery = Type.Object(
  {
    ...PAGE,
    tenant: Type.Optional(Name),
    user: Type.Optional(Name),
    temporary: Type.Optional(Type.Boolean()),
  },
  CLOSED,
);
export type ChatQuery = Static<typeof ChatQuery>;
export const ChatList = listOf(ChatView);
export type ChatList = Static<typeof ChatList>;

/** Below a chat: turns and messages. */
export const ChatPageQuery = Type.Object(PAGE, CLOSED);
export type ChatPageQuery = Static<typeof ChatPageQuery>;

const Count = Type.Integer({ minimum: 0, maximum: 1_000_000_000 });
const TurnUsage = Type.Partial(
  Type.Object(
    {
      inputTokens: Count,
      outputTokens: Count,
      cacheReadTokens: Count,
      cacheWriteTokens: Count,
      reasoningTokens: Count,
      webSearches: Count,
      codeInterpreterCalls: Count,
    },
    CLOSED,
  ),
  CLOSED,
);

const WISH = {
  requestId: Type.String({
    minLength: 1,
    maxLength: 128,
    description: 'Names the request: the same one never runs twice in a chat.',
  }),
  webSearch: Type.Optional(Type.Boolean()),
  labels: Type.Optional(LabelsIn),
  model: Type.Optional(Name),
  tier: Type.Optional(Name),
  inputTokens: Type.Optional(Count),
  outputTokensMax: Type.Optional(Count),
  images: Type.Optional(Count),
  tools: Type.Optional(Count),
  webSearches: Type.Optional(Count),
  codeInterpreterCalls: Type.Optional(Count),
  amounts: Type.Optional(AmountsIn),
};
export const TurnRequest = Type.Object({ ...WISH, text: Text, systemText: Type.Optional(Text) }, CLOSED);
export type TurnRequest = Static<typeof TurnRequest>;
export const RetryRequest = Type.Object(WISH, CLOSED);
export type RetryRequest = Static<typeof RetryRequest>;

const RESULT = {
  responseId: Type.Optional(Type.String({ minLength: 1, maxLength: RESPONSE_ID_LENGTH_MAX })),
  usage: Type.Optional(TurnUsage),
  amounts: Type.Optional(AmountsIn),
};
export const CompleteRequest = Type.Object({ text: Text, ...RESULT }, CLOSED);
export type CompleteRequest = Static<typeof CompleteRequest>;
/** What came of the answer before it was cancelled may be kept. */
export const CancelRequest = Type.Object({ text: Type.Optional(Text), ...RESULT }, CLOSED);
export type CancelRequest = Static<typeof CancelRequest>;
export const FailRequest = Type.Object(
  {
    reachedProvider: Type.Boolean({
      description: 'false: the provider was never reached, and nothing is charged.',
    }),
    text: Type.Optional(Text),
    ...RESULT,
  },
  CLOSED,
);
export type FailRequest = Static<typeof FailRequest>;

export const MessageView = Type.Object({
  id: Id,
  turnId: Id,
  requestId: Type.String(),
  role: oneOf(ROLES),
  text: Type.String(),
  isCut: Type.Boolean(),
  inputTokens: Whole,
  outputTokens: Whole,
  cacheReadTokens: Whole,
  cacheWriteTokens: Whole,
  reasoningTokens: Whole,
  webSearch: Type.Boolean(),
  model: orNull(Type.String()),
  responseId: orNull(Type.String()),
  createdAt: InstantOut,
});
export type MessageView = Static<typeof MessageView>;
export const MessageList = listOf(MessageView);
export type MessageList = Static<typeof MessageList>;

const AmountsOrNull = Type.Unsafe<Record<string, string> | null>({ ...AmountsOut, type: ['object', 'null'] });
const TURN = {
  id: Id,
  chatId: Id,
  requestId: Type.String(),
  state: oneOf(TURN_STATES),
  end: Type.Unsafe<(typeof TURN_ENDS)[number] | null>({
    type: ['string', 'null'],
    enum: [...TURN_ENDS, null],
  }),
  meteredBy: oneOf(METERS),
  holdId: Id,
  decisionId: orNull(Type.String()),
  policy: orNull(Type.Integer()),
  tier: orNull(Type.String()),
  model: orNull(Type.String()),
  reasons: Type.Array(Type.String()),
  held: AmountsOut,
  charged: AmountsOrNull,
  late: Type.Boolean({
    description:
      'The watchdog had ended the turn, and the charge was corrected when its caller stated what it had used.',
  }),
  responseId: orNull(Type.String()),
  replaces: orNull(Type.String({ description: 'The turn whose place it took (retry, edit).' })),
  startedAt: InstantOut,
  progressAt: InstantOut,
  endedAt: orNull(InstantOut),
};
export const TurnView = Type.Object(TURN);
export type TurnView = Static<typeof TurnView>;
export const TurnList = listOf(TurnView);
export type TurnList = Static<typeof TurnList>;
export const TurnDetail = Type.Object({ ...TURN, messages: Type.Array(MessageView) });
export type TurnDetail = Static<typeof TurnDetail>;
/** stored: the request completed earlier, and this is its answer. */
export const TurnStarted = Type.Object({
  outcome: oneOf(['started', 'stored'] as const),
  ...TURN,
  messages: Type.Array(MessageView),
});
export type TurnStarted = Static<typeof TurnStarted>;
