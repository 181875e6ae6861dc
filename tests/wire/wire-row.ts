// The language of the wire tables: what a provider sends, byte for byte and with its pauses, what its caller then sees, and
// the charge in steps of 1e-8 USD. One file for each provider profile; a quirk that is found is one more row.
//
//   row('a stream in two pieces', {
//     sends: stream(chunk('Hi'), PAUSE, usage({ prompt_tokens: 100, completion_tokens: 5 }), DONE),
//     sees: leaves(chunk('Hi'), DONE),
//     charged: 100 * INPUT + 5 * OUTPUT,
//   })

/** What a token costs in every table, in steps: 1, 0.1, 1.25, 2 and 10 USD for a million. */
export const INPUT = 100;
export const CACHE_READ = 10;
export const CACHE_WRITE = 125;
export const CACHE_WRITE_HOUR = 200;
export const OUTPUT = 1_000;

/** What is sent before it is in the caller's hands before anything more is sent. */
export const PAUSE = Symbol('pause');
export const DONE = 'data: [DONE]\n\n';

/** Text goes as it is, an object as the event that has it as its data. */
export type Piece = string | Buffer | object | typeof PAUSE;

export interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly pieces: readonly (string | Buffer | typeof PAUSE)[];
  /** `broken`: the connection is closed without an end. `open`: it stays open, and nothing more comes. */
  readonly end: 'clean' | 'broken' | 'open';
}

export interface Row {
  readonly title: string;
  /** Where the shape was seen: a page, an issue, a fixture. */
  readonly source?: string;
  readonly endpoint: 'chat' | 'responses' | 'messages';
  /** Fields of the request beside the usual ones. */
  readonly asks: Readonly<Record<string, unknown>>;
  readonly sends: Sent;
  readonly sees: {
    readonly status: number;
    /** The bytes of the body, or what its JSON has among its fields. */
    readonly body: Buffer | object;
    readonly isWhole: boolean;
  };
  /** Steps of usd; or output tokens, where the input is estimated too. */
  readonly charged: number | { readonly outputTokens: number };
  readonly isEstimated: boolean;
}

export function row(
  title: string,
  of: Pick<Row, 'sends' | 'charged'> &
    Partial<Pick<Row, 'source' | 'endpoint' | 'asks' | 'isEstimated'>> & { readonly sees?: Row['sees'] },
): Row {
  return {
    endpoint: 'chat',
    asks: {},
    isEstimated: typeof of.charged === 'object',
    ...of,
    title,
    sees: of.sees ?? asSent(of.sends),
  };
}

function asSent({ status, pieces, end }: Sent): Row['sees'] {
  const bytes = pieces.filter((piece) => piece !== PAUSE).map((piece) => Buffer.from(piece as string));
  return { status, body: Buffer.concat(bytes), isWhole: end !== 'broken' };
}

/** A stream that ends cleanly. */
export function stream(...pieces: readonly Piece[]): Sent {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    pieces: pieces.map(wired),
    end: 'clean',
  };
}

/** A stream whose connection breaks. */
export function broken(...pieces: readonly Piece[]): Sent {
  return { ...stream(...pieces), end: 'broken' };
}

/** A stream whose connection stays open. */
export function open(...pieces: readonly Piece[]): Sent {
  return { ...stream(...pieces), end: 'open' };
}

/** A whole answer. */
export function answer(body: object | string, status = 200): Sent {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: { 'content-type': 'application/json' }, pieces: [text], end: 'clean' };
}

/** A stream as the caller sees it. */
export function leaves(...pieces: readonly Piece[]): Row['sees'] {
  return asSent(stream(...pieces));
}

/** The same, and then it breaks. */
export function breaksAfter(...pieces: readonly Piece[]): Row['sees'] {
  return asSent(broken(...pieces));
}

/** A refusal of Bursar's, by its code. */
export function refused(status: number, code: string): Row['sees'] {
  return { status, body: { error: { code } }, isWhole: true };
}

function wired(piece: Piece): string | Buffer | typeof PAUSE {
  if (typeof piece !== 'object' || piece instanceof Buffer) return piece as string | Buffer | typeof PAUSE;
  return `data: ${JSON.stringify(piece)}\n\n`;
}

/** An event with its name, as the responses and messages APIs send it. */
export function event(data: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

const HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'wire' };

/** A chunk of a chat completion with one choice; `more` stands beside the choices. */
export function chunk(delta: string | object, more: object = {}, choice: object = {}): object {
  const said = typeof delta === 'string' ? { content: delta } : delta;
  return { ...HEAD, choices: [{ index: 0, delta: said, finish_reason: null, ...choice }], ...more };
}

/** The chunk with the reason to finish. */
export function finish(more: object = {}, choice: object = {}): object {
  return chunk({}, more, { finish_reason: 'stop', ...choice });
}

/** The chunk that has usage alone. */
export function usage(figures: object): object {
  return { ...HEAD, choices: [], usage: figures };
}

/** A whole chat completion. */
export function completion(message: string | object, more: object = {}): object {
  const said = typeof message === 'string' ? { content: message } : message;
  const choice = { index: 0, message: { role: 'assistant', ...said }, finish_reason: 'stop' };
  return { ...HEAD, object: 'chat.completion', choices: [choice], ...more };
}
