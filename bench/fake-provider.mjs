// The provider of the gateway's comparison: chat completions in OpenAI's dialect with usage, as fast as Node writes
// them. A model named `slow` streams an event a second until its caller has gone.

import { createServer } from 'node:http';

const WORDS = 24;
const HEAD = { id: 'chatcmpl-bench', created: 1_700_000_000, model: 'gpt-4o-mini' };
const USAGE = { prompt_tokens: 40, completion_tokens: WORDS, total_tokens: 40 + WORDS };
const text = Array.from({ length: WORDS }, (_none, word) => `word${word} `);
const plain = JSON.stringify({
  ...{ ...HEAD, object: 'chat.completion', usage: USAGE },
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: text.join(''), refusal: null },
      finish_reason: 'stop',
    },
  ],
});
const event = (body) => `data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', ...body })}\n\n`;
const delta = (content) =>
  event({ choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null });
const events = [
  ...text.map(delta),
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null }),
];
const usageEvent = event({ choices: [], usage: USAGE });

const server = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => answer(JSON.parse(Buffer.concat(pieces)), response));
});

function answer(body, response) {
  if (body.stream !== true) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': plain.length });
    response.end(plain);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (body.model === 'slow') {
    response.write(events[0]);
    const timer = setInterval(() => response.write(events[1]), 1_000);
    response.on('close', () => clearInterval(timer));
    return;
  }
  // A turn of the event loop between two events, as they come from a model: they are not one piece on the wire.
  let next = 0;
  const some = () => {
    for (let left = 5; left > 0 && next < events.length; left -= 1, next += 1) response.write(events[next]);
    if (next < events.length) return setImmediate(some);
    response.end(`${body.stream_options?.include_usage === true ? usageEvent : ''}data: [DONE]\n\n`);
  };
  some();
}

server.keepAliveTimeout = 120_000;
server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () =>
  process.once('message', () => process.send({ port: server.address().port })),
);
process.on('disconnect', () => process.exit());
