// Events as a stream (server-sent events): in order, resumable without a gap or a repeat, only what the caller may see,
// bounded, and ended with the server.

import { beforeEach, describe, expect, test } from 'vitest';
import { HttpStage, said } from './http-setup.js';

let stage: HttpStage;
beforeEach(async () => {
  stage = await HttpStage.open();
});

interface Seen {
  readonly id: number;
  readonly type: string;
  readonly data: { readonly sequence: number; readonly holdId: string | null };
}

/** A stream that is read as its events are asked for. */
class Stream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';
  #ended = false;

  private constructor(readonly response: Response) {
    this.#reader = (response.body as ReadableStream<Uint8Array>).getReader();
  }

  static async open(query: string, key: string, headers: Record<string, string> = {}): Promise<Stream> {
    const url = `${stage.url}/v1/events/stream${query}`;
    return new Stream(await fetch(url, { headers: { authorization: `Bearer ${key}`, ...headers } }));
  }

  /** The next event; null at the end. */
  async next(): Promise<Seen | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end !== -1) {
        const frame = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        if (frame.startsWith(':')) continue;
        const [, id, type, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
        return { id: Number(id), type, data: JSON.parse(data) };
      }
      if (this.#ended) return null;
      const { value, done } = await this.#reader.read();
      this.#ended = done;
      this.#text += this.#decoder.decode(value);
    }
  }

  async take(count: number): Promise<Seen[]> {
    const seen: Seen[] = [];
    while (seen.length < count) {
      const event = await this.next();
      if (event === null) break;
      seen.push(event);
    }
    return seen;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

describe('http: GET /v1/events/stream', () => {
  test('what was and what comes, in the journal’s order; Last-Event-ID goes on where the last stream ended', async () => {
    const first = await Stream.open('', stage.admin);
    expect(first.response.headers.get('content-type')).toContain('text/event-stream');
    await stage.hold('acme', 'h1');
    const until = stage.ledger.head().sequence;
    const seen = await first.take(until);
    expect(seen.map(({ id }) => id)).toEqual(Array.from({ length: until }, (_, index) => index + 1));
    expect(seen.at(-1)).toMatchObject({ type: 'hold_authorized', data: { holdId: 'tenant/acme/h1' } });
    await first.cancel();
    await stage.hold('acme', 'h2');
    await stage.restart();
    const second = await Stream.open('', stage.admin, { 'last-event-id': String(until) });
    const later = stage.hold('acme', 'h3');
    const more = await second.take(3);
    expect(more.map(({ id }) => id)).toEqual([until + 1, until + 2, until + 3]);
    expect(more.map(({ type }) => type)).toEqual(['hold_authorized', 'ledger_opened', 'hold_authorized']);
    await later;
    await second.cancel();
  });

  test('a tenant’s stream has its own events alone, filtered by type and hold', async () => {
    const all = await Stream.open('', stage.keys.acme);
    const denials = await Stream.open('?type=hold_denied', stage.keys.acme);
    const one = await Stream.open('?holdId=h2', stage.keys.acme);
    for (const tenant of ['other', 'acme'] as const) {
      await stage.hold(tenant, 'h1');
      await stage.hold(tenant, 'h2', '100');
    }
    expect((await all.take(2)).map(({ type, data }) => `${type} ${data.holdId}`)).toEqual([
      'hold_authorized h1',
      'hold_denied h2',
    ]);
    expect((await denials.take(1))[0].data.holdId).toBe('h2');
    expect((await one.take(1))[0].data.holdId).toBe('h2');
    for (const stream of [all, denials, one]) await stream.cancel();
  });

  test('a stream ends when its key is revoked, and when the server closes; draining begins none', async () => {
    const { body } = await stage.post('/v1/keys', {
      name: 'n',
      scopes: ['read'],
      labels: { tenant: 'acme' },
    });
    const revoked = await Stream.open('', body.key);
    await stage.ask('POST', `/v1/keys/${body.id}/revoke`);
    await stage.hold('acme', 'h1');
    expect(await revoked.take(9)).toEqual([]);

    const open = await Stream.open(`?after=${stage.ledger.head().sequence}`, stage.admin);
    stage.draining = true;
    expect(said(await stage.get('/v1/events/stream'))).toBe('503 draining');
    const closed = stage.app.close();
    expect(await open.next()).toBeNull();
    await closed;
  });

  test('streams of one key are bounded, and closing one makes room', async () => {
    const streams = [];
    for (let count = 0; count < 32; count += 1) streams.push(await Stream.open('?after=1000', stage.admin));
    expect(said(await stage.get('/v1/events/stream'))).toBe('503 overloaded');
    await streams[0].cancel();
    // The server sees the closed socket a moment later.
    const again = async () => (await Stream.open('?after=1000', stage.admin)).response.status;
    await expect.poll(again).toBe(200);
    for (const stream of streams.slice(1)) await stream.cancel();
  });

  test('a reader that stops reading makes the server hold one event, not all', async () => {
    const note = 'n'.repeat(4_000);
    const slow = await Stream.open('', stage.admin);
    const commands = Array.from({ length: 2_000 }, (_, index) => ({
      command: 'authorize_hold',
      holdId: `big-${index}`,
      labels: { tenant: 'acme' },
      amounts: { usd: '0.0001' },
      note,
    }));
    // 24 MB of events, far beyond what sockets buffer.
    for (let round = 0; round < 3; round += 1)
      await stage.post('/v1/batch', {
        commands: commands.map((one) => ({ ...one, holdId: `${round}-${one.holdId}` })),
      });
    const before = process.memoryUsage();
    await stage.hold('acme', 'after');
    const events = await stage.get('/v1/events?limit=1');
    expect(events.status).toBe(200);
    expect(process.memoryUsage().external - before.external).toBeLessThan(8 * 1024 * 1024);
    const seen = await slow.take(stage.ledger.head().sequence);
    expect(seen.at(-1)?.data.holdId).toBe('tenant/acme/after');
    await slow.cancel();
  });

  test.each(['x', '-1', '1.5', '9'.repeat(17)])('Last-Event-ID %j → 400', async (id) => {
    const answer = await stage.ask('GET', '/v1/events/stream', { headers: { 'last-event-id': id } });
    expect(said(answer)).toBe('400 invalid_request Last-Event-ID');
  });
});
