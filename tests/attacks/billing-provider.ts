// A provider that keeps its own bill, as a real one does: it bills what it has generated, seen by the caller or not, and
// when it is disconnected it stops only after a while, or never. Scripts in each dialect say what it generates.

import type { Answer, ProviderCall } from '../gateway/gateway-fixture.js';

/** Steps of usd for one: 1, 10 and 25,000 USD a million. */
export const RATES = { input: 100, output: 1_000, search: 2_500_000 } as const;

/** What is generated, and billed, before an event goes out. */
export interface Step {
  /** Objects become `data:` lines. */
  readonly event: unknown;
  readonly output?: number;
  readonly searches?: number;
  /** Read again, with the result of a tool. */
  readonly input?: number;
}

export interface Script {
  readonly input: number;
  readonly steps: readonly Step[];
  /** The whole answer, where it does not stream. Comes after all steps, whose events then go nowhere. */
  readonly whole?: (used: Used) => unknown;
  /** The events that state the usage and end the stream. */
  readonly ends: (used: Used) => readonly unknown[];
}

export interface Used {
  readonly input: number;
  readonly output: number;
  readonly searches: number;
}

export type AfterLeave = 'stops' | 'goes_on';

/** One event in so many ms, so that a caller can leave between any two. */
const STEP_MS = 4;
/** Steps that a provider still generates before it notices that it was disconnected. */
export const LAG_STEPS = 1;

export class BillingProvider {
  /** What it bills for each call, in the order in which they came. Complete once `idle`. */
  readonly bills: { steps: number; isStopped: boolean }[] = [];
  #working = 0;

  constructor(
    private readonly script: Script,
    private readonly afterLeave: AfterLeave,
  ) {}

  get isIdle(): boolean {
    return this.#working === 0;
  }

  readonly answer: Answer = async (call, response) => {
    const bill = { steps: 0, isStopped: false };
    this.bills.push(bill);
    this.#working += 1;
    try {
      const used = await this.#generate(call, bill, (event) => {
        if (call.body.stream !== true || response.destroyed) return;
        if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(typeof event === 'string' ? event : named(event));
      });
      if (used === null || response.destroyed) return;
      if (call.body.stream === true)
        for (const event of this.script.ends(used))
          response.write(typeof event === 'string' ? event : named(event));
      else
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .write(JSON.stringify(this.script.whole?.(used)));
      response.end();
    } finally {
      this.#working -= 1;
    }
  };

  // Null: it was stopped.
  async #generate(
    call: ProviderCall,
    bill: { steps: number; isStopped: boolean },
    send: (event: unknown) => void,
  ): Promise<Used | null> {
    let left = Number.POSITIVE_INFINITY;
    void call.aborted.then(() => {
      if (this.afterLeave === 'stops') left = LAG_STEPS;
    });
    const { input, steps } = this.script;
    const used = { input, output: 0, searches: 0 };
    bill.steps = input * RATES.input;
    for (const step of steps) {
      if (left <= 0) {
        bill.isStopped = true;
        return null;
      }
      left -= 1;
      used.input += step.input ?? 0;
      used.output += step.output ?? 0;
      used.searches += step.searches ?? 0;
      bill.steps = used.input * RATES.input + used.output * RATES.output + used.searches * RATES.search;
      send(step.event);
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
    return used;
  }
}

function named(event: unknown): string {
  const { type } = event as { type?: unknown };
  const data = `data: ${JSON.stringify(event)}\n\n`;
  return typeof type === 'string' ? `event: ${type}\n${data}` : data;
}

const chunk = (delta: object, more: object = {}) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
});

/** Of 4 bytes a token, as text is measured. */
const TOKENS = 60;
const WORDS = 'word'.repeat(TOKENS);

export interface Hidden {
  /** Tokens that are thought before the first word, and shown in no event. */
  readonly thinking?: number;
  readonly searches?: number;
  readonly choices?: number;
}

const usageOf = ({ input, output }: Used) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
});

export function chatScript(input: number, { thinking = 0, choices = 1 }: Hidden = {}): Script {
  const words = Array.from({ length: 5 }, (_, number) => ({
    event: chunk({ content: WORDS }, { index: number % choices }),
    output: TOKENS,
  }));
  return {
    input,
    steps: [{ event: chunk({ role: 'assistant', content: '' }), output: thinking }, ...words],
    ends: (used) => [
      ...Array.from({ length: choices }, (_, index) => chunk({}, { index, finish_reason: 'stop' })),
      { ...chunk({}), choices: [], usage: usageOf(used) },
      'data: [DONE]\n\n',
    ],
    whole: (used) => ({
      id: 'c',
      object: 'chat.completion',
      choices: Array.from({ length: choices }, (_, index) => ({
        index,
        message: { role: 'assistant', content: WORDS },
        finish_reason: 'stop',
      })),
      usage: usageOf(used),
    }),
  };
}

export function responseScript(input: number, { thinking = 0, searches = 0 }: Hidden = {}): Script {
  const response = (used: Used, status: string) => ({
    id: 'r',
    object: 'response',
    status,
    output: Array.from({ length: used.searches }, () => SEARCHED),
    usage: { input_tokens: used.input, output_tokens: used.output, total_tokens: used.input + used.output },
  });
  const tools = Array.from({ length: searches }, () => ({
    event: { type: 'response.output_item.done', item: SEARCHED },
    searches: 1,
    input,
  }));
  const words = Array.from({ length: 4 }, () => ({
    event: { type: 'response.output_text.delta', item_id: 'i', delta: WORDS },
    output: TOKENS,
  }));
  return {
    input,
    steps: [
      { event: { type: 'response.created', response: { id: 'r', status: 'in_progress' } } },
      {
        event: { type: 'response.output_item.done', item: { type: 'reasoning', encrypted_content: 'x' } },
        output: thinking,
      },
      ...tools,
      ...words,
    ],
    ends: (used) => [{ type: 'response.completed', response: response(used, 'completed') }],
    whole: (used) => response(used, 'completed'),
  };
}

const SEARCHED = { type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'q' } };

export function messageScript(input: number, { thinking = 0, searches = 0 }: Hidden = {}): Script {
  const usage = (used: Used) => ({
    input_tokens: used.input,
    output_tokens: used.output,
    ...(searches === 0 ? {} : { server_tool_use: { web_search_requests: used.searches } }),
  });
  const block = (content_block: object) => ({ type: 'content_block_start', index: 0, content_block });
  const tools = Array.from({ length: searches }, () => ({
    event: block({ type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
    searches: 1,
    input,
  }));
  const words = Array.from({ length: 4 }, () => ({
    event: { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: WORDS } },
    output: TOKENS,
  }));
  const message = { id: 'm', type: 'message', role: 'assistant', model: 'm' };
  return {
    input,
    steps: [
      {
        event: {
          type: 'message_start',
          message: { ...message, content: [], usage: { input_tokens: input, output_tokens: 1 } },
        },
      },
      { event: block({ type: 'thinking', thinking: 'In short.' }), output: thinking },
      ...tools,
      ...words,
    ],
    ends: (used) => [
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: usage(used) },
      { type: 'message_stop' },
    ],
    whole: (used) => ({
      ...message,
      content: [{ type: 'text', text: WORDS }],
      stop_reason: 'end_turn',
      usage: usage(used),
    }),
  };
}
