// The built-in demonstration provider: an HTTP server on a loopback port that speaks both dialects and runs no model. Its text
// says so and repeats the last user message. Its usage counts simple tokens of its own, of texts alone. The gateway calls it
// like any other provider, so that a first call works without an account anywhere. Started by serve.ts.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../authority/api.js';
import { isObject, type Json } from '../dialects/json-scan.js';

/** Above the largest body that the gateway forwards unless configured otherwise (32 MiB). */
const BODY_BYTES_MAX = 33 * 1_024 * 1_024;
/** Long enough to see a stream arrive, short enough for a first try: a reply of 30 tokens takes half a second. */
const TOKEN_PAUSE_MS = 15;
/** How much of the last user message is repeated: a reply stays a screen long. */
const ECHO_CHARS_MAX = 2_000;
/** The largest `n` of the dialect. */
const CHOICES_MAX = 128;
const EMBEDDING_DIMENSIONS_DEFAULT = 16;
const EMBEDDING_DIMENSIONS_MAX = 4_096;

export interface DemoProvider {
  /** Without a trailing slash; `/v1/…` is appended, as for any provider. */
  readonly baseUrl: string;
  /** Also ends open answers. */
  close(): Promise<void>;
}

/** Listens on a free loopback port. The clock dates the answers. */
export async function startDemoProvider(clock: Clock): Promise<DemoProvider> {
  let answers = 0;
  const server = createServer((request, response) => {
    answers++;
    const answer = new DemoAnswer(response, {
      id: `demo-${answers}`,
      created: Math.floor(clock.now() / 1_000),
    });
    serve(request, answer).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const ROUTES: ReadonlyMap<string, (body: Json, answer: DemoAnswer) => Promise<void> | void> = new Map([
  ['/v1/chat/completions', chatCompletions],
  ['/v1/responses', responses],
  ['/v1/embeddings', embeddings],
  ['/v1/messages', messages],
  ['/v1/messages/count_tokens', countTokens],
]);

async function serve(request: IncomingMessage, answer: DemoAnswer): Promise<void> {
  const route = ROUTES.get((request.url ?? '').split('?', 1)[0]);
  if (request.method !== 'POST' || route === undefined) {
    request.resume();
    return answer.refuse(404, 'the demonstration provider has no such route');
  }
  const body = await bodyOf(request);
  if (body === null) return answer.refuse(400, 'the body is not a JSON object');
  await route(body, answer);
}

async function bodyOf(request: IncomingMessage): Promise<Json | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += (piece as Buffer).length;
    if (bytes > BODY_BYTES_MAX) return null;
    pieces.push(piece as Buffer);
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'));
    return isObject(body) ? body : null;
  } catch {
    return null;
  }
}

interface DemoStream {
  readonly begin: readonly Json[];
  readonly tokens: readonly string[];
  readonly token: (text: string) => Json;
  /** Called after the last token: events may be numbered. */
  readonly end: () => readonly (Json | '[DONE]')[];
}

/** One answer: a whole body, or server-sent events until the caller leaves. */
class DemoAnswer {
  constructor(
    readonly response: ServerResponse,
    readonly named: { readonly id: string; readonly created: number },
  ) {}

  json(value: Json, status = 200): void {
    this.response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  }

  /** Writes an error that clients of both dialects understand. */
  refuse(status: number, message: string): void {
    this.json(
      { type: 'error', error: { type: 'invalid_request_error', message, param: null, code: null } },
      status,
    );
  }

  /** Sends one event; an event's `type` is also its name, as both dialects have it. False once the caller has left. */
  async send(data: Json | '[DONE]'): Promise<boolean> {
    const { response } = this;
    if (response.destroyed) return false;
    if (!response.headersSent) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    }
    const name = data === '[DONE]' || typeof data.type !== 'string' ? '' : `event: ${data.type}\n`;
    const text = `${name}data: ${data === '[DONE]' ? data : JSON.stringify(data)}\n\n`;
    if (!response.write(text)) await drained(response);
    return !response.destroyed;
  }

  /** Sends a whole stream: the events before the text, one for each token at the pace of reading, and those after it. */
  async stream({ begin, tokens, token, end }: DemoStream): Promise<void> {
    for (const event of begin) if (!(await this.send(event))) return;
    for (const text of tokens) {
      await pause(TOKEN_PAUSE_MS);
      if (!(await this.send(token(text)))) return;
    }
    for (const event of end()) if (!(await this.send(event))) return;
    this.response.end();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.removeListener('drain', done);
      response.removeListener('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

// What is said, and how it is counted.

interface DemoReply {
  readonly tokens: readonly string[];
  readonly text: string;
  /** Whether the caller's limit ended it. */
  readonly cut: boolean;
  readonly inputTokens: number;
}

function replyTo(input: unknown, instructions: readonly unknown[], limit: unknown): DemoReply {
  const said = lastUserText(input).slice(0, ECHO_CHARS_MAX).toWellFormed();
  const what = said === '' ? ' nothing.' : `: ${said}`;
  const whole = tokensOf(`This is the demonstration provider; no model has run. You said${what}`);
  const tokensMax = typeof limit === 'number' && limit >= 1 ? Math.floor(limit) : Number.POSITIVE_INFINITY;
  const tokens = whole.slice(0, tokensMax);
  return {
    tokens,
    text: tokens.join(''),
    cut: tokens.length < whole.length,
    inputTokens: [input, ...instructions].reduce<number>(
      (sum, part) => sum + tokensOf(textOf(part)).length,
      0,
    ),
  };
}

/** Pieces of at most eight characters with the space before them: never more than the text has bytes. */
function tokensOf(text: string): string[] {
  return text.match(/\s?\S{1,8}|\s/gu) ?? [];
}

/** The texts of messages and of parts, whichever dialect they are in; images, audio and tools count nothing. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(textOf).join('\n');
  if (!isObject(value)) return '';
  return typeof value.text === 'string' ? value.text : textOf(value.content);
}

function lastUserText(input: unknown): string {
  if (!Array.isArray(input)) return textOf(input);
  return textOf(input.findLast((item) => isObject(item) && item.role === 'user'));
}

// OpenAI: chat completions.

async function chatCompletions(body: Json, answer: DemoAnswer): Promise<void> {
  if (!Array.isArray(body.messages)) return answer.refuse(400, 'messages must be a list');
  const reply = replyTo(body.messages, [], body.max_completion_tokens ?? body.max_tokens);
  const n = typeof body.n === 'number' && body.n >= 1 ? Math.min(Math.floor(body.n), CHOICES_MAX) : 1;
  const head = { id: `chatcmpl-${answer.named.id}`, created: answer.named.created, model: body.model };
  const usage = openAiUsage(reply, n);
  const finish = reply.cut ? 'length' : 'stop';
  const indexes = Array.from({ length: n }, (_, index) => index);
  if (body.stream !== true) {
    const message = { role: 'assistant', content: reply.text, refusal: null };
    const choices = indexes.map((index) => ({ index, message, logprobs: null, finish_reason: finish }));
    return answer.json({ ...head, object: 'chat.completion', choices, usage });
  }
  const asked = isObject(body.stream_options) && body.stream_options.include_usage === true;
  const chunk = (choices: readonly Json[], stated: Json | null = null): Json => ({
    ...head,
    object: 'chat.completion.chunk',
    choices,
    ...(asked ? { usage: stated } : {}),
  });
  const all = (delta: Json, finishReason: string | null): Json =>
    chunk(indexes.map((index) => ({ index, delta, logprobs: null, finish_reason: finishReason })));
  await answer.stream({
    begin: [all({ role: 'assistant', content: '' }, null)],
    tokens: reply.tokens,
    token: (content) => all({ content }, null),
    end: () => [all({}, finish), ...(asked ? [chunk([], usage)] : []), '[DONE]'],
  });
}

function openAiUsage(reply: DemoReply, choices: number): Json {
  const written = reply.tokens.length * choices;
  return {
    prompt_tokens: reply.inputTokens,
    completion_tokens: written,
    total_tokens: reply.inputTokens + written,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  };
}

// OpenAI: responses.

async function responses(body: Json, answer: DemoAnswer): Promise<void> {
  const reply = replyTo(body.input, [body.instructions], body.max_output_tokens);
  const itemId = `msg_${answer.named.id}`;
  const part = (text: string): Json => ({ type: 'output_text', text, annotations: [], logprobs: [] });
  const item = (status: string, content: readonly Json[]): Json => ({
    id: itemId,
    type: 'message',
    status,
    role: 'assistant',
    content,
  });
  const ending = reply.cut ? 'incomplete' : 'completed';
  const done = item(ending, [part(reply.text)]);
  const running = responseOf(body, answer, { status: 'in_progress', output: [], usage: null });
  const ended: Json = {
    ...responseOf(body, answer, { status: ending, output: [done], usage: responsesUsage(reply) }),
    incomplete_details: reply.cut ? { reason: 'max_output_tokens' } : null,
  };
  if (body.stream !== true) return answer.json(ended);
  let sequence = 0;
  const event = (type: string, fields: Json): Json => ({ type, sequence_number: sequence++, ...fields });
  const at = { item_id: itemId, output_index: 0, content_index: 0 };
  await answer.stream({
    begin: [
      event('response.created', { response: running }),
      event('response.in_progress', { response: running }),
      event('response.output_item.added', { output_index: 0, item: item('in_progress', []) }),
      event('response.content_part.added', { ...at, part: part('') }),
    ],
    tokens: reply.tokens,
    token: (delta) => event('response.output_text.delta', { ...at, delta, logprobs: [] }),
    end: () => [
      event('response.output_text.done', { ...at, text: reply.text, logprobs: [] }),
      event('response.content_part.done', { ...at, part: part(reply.text) }),
      event('response.output_item.done', { output_index: 0, item: done }),
      event(`response.${ending}`, { response: ended }),
    ],
  });
}

function responseOf(body: Json, answer: DemoAnswer, state: Json): Json {
  return {
    id: `resp_${answer.named.id}`,
    object: 'response',
    created_at: answer.named.created,
    model: body.model,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    error: null,
    incomplete_details: null,
    metadata: {},
    parallel_tool_calls: true,
    previous_response_id: null,
    store: false,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    ...state,
  };
}

function responsesUsage(reply: DemoReply): Json {
  return {
    input_tokens: reply.inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: reply.tokens.length,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: reply.inputTokens + reply.tokens.length,
  };
}

// OpenAI: embeddings.

function embeddings(body: Json, answer: DemoAnswer): void {
  const { input, dimensions } = body;
  const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  const wanted = typeof dimensions === 'number' ? Math.floor(dimensions) : EMBEDDING_DIMENSIONS_DEFAULT;
  const size = Math.min(Math.max(wanted, 1), EMBEDDING_DIMENSIONS_MAX);
  const data = inputs.map((one: unknown, index: number) => {
    const vector = vectorOf(JSON.stringify(one ?? null), size);
    const base64 = body.encoding_format === 'base64';
    const embedding = base64 ? Buffer.from(vector.buffer).toString('base64') : [...vector];
    return { object: 'embedding', index, embedding };
  });
  const tokens = inputs.reduce<number>(
    (sum, one: unknown) => sum + (Array.isArray(one) ? one.length : tokensOf(textOf(one)).length),
    0,
  );
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  answer.json({ object: 'list', data, model: body.model, usage });
}

/** A unit vector that is the same for the same text. */
function vectorOf(text: string, size: number): Float32Array {
  const raw = Array.from({ length: size }, (_, index) =>
    createHash('sha256').update(`${index}:${text}`).digest().readInt32LE(0),
  );
  const length = Math.hypot(...raw) || 1;
  return Float32Array.from(raw, (value) => value / length);
}

// Anthropic: messages and count_tokens.

async function messages(body: Json, answer: DemoAnswer): Promise<void> {
  if (!Array.isArray(body.messages)) return answer.refuse(400, 'messages must be a list');
  if (typeof body.max_tokens !== 'number') return answer.refuse(400, 'max_tokens: Field required');
  const reply = replyTo(body.messages, [body.system], body.max_tokens);
  const stop = { stop_reason: reply.cut ? 'max_tokens' : 'end_turn', stop_sequence: null };
  const message = { id: `msg_${answer.named.id}`, type: 'message', role: 'assistant', model: body.model };
  const usage = (outputTokens: number): Json => ({
    input_tokens: reply.inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: outputTokens,
  });
  if (body.stream !== true) {
    const content = [{ type: 'text', text: reply.text }];
    return answer.json({ ...message, content, ...stop, usage: usage(reply.tokens.length) });
  }
  const begun = { ...message, content: [], stop_reason: null, stop_sequence: null, usage: usage(0) };
  await answer.stream({
    begin: [
      { type: 'message_start', message: begun },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ],
    tokens: reply.tokens,
    token: (text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    end: () => [
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: stop, usage: { output_tokens: reply.tokens.length } },
      { type: 'message_stop' },
    ],
  });
}

function countTokens(body: Json, answer: DemoAnswer): void {
  if (!Array.isArray(body.messages)) return answer.refuse(400, 'messages must be a list');
  answer.json({ input_tokens: replyTo(body.messages, [body.system], undefined).inputTokens });
}
