// Streaming load for a server that is killed or drained under it: a provider that counts what it generates for each turn,
// and callers that stream one turn after another. A turn is named in a label and in the prompt, so that the hold, the
// provider's count and what the caller saw can be laid side by side.

import type { Answer } from '../gateway/gateway-fixture.js';
import { chatChunk, DONE } from '../gateway/gateway-fixture.js';
import type { ServerProcess } from '../setup/server-process.js';

export interface Counted {
  readonly input: number;
  readonly output: number;
}

/** What the provider counted for each turn that it was asked for; null while its stream is on. */
export class CountingProvider {
  readonly turns = new Map<string, Counted | null>();
  /** Turns that were asked for more than once: a call that was sent twice. */
  readonly repeated: string[] = [];
  /** How many turns it has generated to the end. */
  finished = 0;
  #seed: number;

  constructor(
    private readonly pace: {
      readonly chunksMin: number;
      readonly chunksMax: number;
      readonly chunkMs: number;
    },
    seed: number,
  ) {
    this.#seed = seed;
  }

  readonly answer: Answer = async (call, response) => {
    const turn = call.body.messages[0].content as string;
    if (this.turns.has(turn)) this.repeated.push(turn);
    this.turns.set(turn, null);
    const { chunksMin, chunksMax, chunkMs } = this.pace;
    const chunks = chunksMin + this.#random(chunksMax - chunksMin + 1);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let sent = 0; sent < chunks && !response.destroyed; sent += 1) {
      response.write(`data: ${JSON.stringify(chatChunk('word '))}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, chunkMs));
    }
    if (response.destroyed) return;
    const counted = { input: 5 + this.#random(50), output: chunks };
    this.turns.set(turn, counted);
    this.finished += 1;
    const usage = { prompt_tokens: counted.input, completion_tokens: counted.output };
    response.end(`data: ${JSON.stringify({ ...chatChunk(''), choices: [], usage })}\n\n${DONE}`);
  };

  #random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) >>> 0;
    return (this.#seed >>> 8) % below;
  }
}

export interface Turn {
  readonly turn: string;
  /** 0 when no answer came. */
  readonly status: number;
  /** Whether its stream was read to its end. */
  readonly whole: boolean;
}

/** Streams one turn. */
export async function streamTurn(server: ServerProcess, key: string, turn: string): Promise<Turn> {
  let status = 0;
  try {
    const response = await fetch(`${server.url}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'bursar-label-turn': turn,
      },
      body: JSON.stringify({
        model: 'raw-small',
        stream: true,
        max_tokens: 400,
        messages: [{ role: 'user', content: turn }],
      }),
    });
    status = response.status;
    const text = await response.text();
    return { turn, status, whole: status === 200 && text.endsWith(DONE) };
  } catch {
    return { turn, status, whole: false };
  }
}

/** One caller: turn after turn until one fails. @returns its turns in order, the failed one last */
export async function caller(server: ServerProcess, key: string, name: string): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (let number = 0; ; number += 1) {
    const turn = await streamTurn(server, key, `${name}-${number}`);
    turns.push(turn);
    if (!turn.whole) return turns;
  }
}
