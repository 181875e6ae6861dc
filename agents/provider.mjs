// A provider on 127.0.0.1 that answers as OpenAI and Anthropic do on the wire: streams in pieces with pauses, reasoning
// before the text, the tool calls of a script, and usage that says what each part was. What every request costs there is
// known to the token, so that a charge can be compared with it. Used by run.mjs; it is no part of the server.

import { createServer } from 'node:http';
import { anthropicAnswer, anthropicEvents } from './provider-anthropic.mjs';
import { chatAnswer, chatEvents, responsesAnswer, responsesEvents } from './provider-openai.mjs';

/** As a model thinks and writes: long enough that pieces arrive apart, short enough for a test. */
const PAUSE_MS = 15;

/** What each kind of answer reports. No two are alike, so that a charge tells which was charged. */
const USAGE = {
  tool: { input: 12_000, cacheRead: 10_240, cacheWrite: 300, output: 900, reasoning: 400, searches: 0 },
  search: { input: 9_000, cacheRead: 0, cacheWrite: 0, output: 350, reasoning: 50, searches: 1 },
  text: { input: 12_950, cacheRead: 11_520, cacheWrite: 0, output: 260, reasoning: 120, searches: 0 },
};

/** A result of a tool in any dialect; as many as a request has, as many steps of the script are done. */
const TOOL_RESULT = /"type":"(?:tool_result|function_call_output|custom_tool_call_output)"|"role":"tool"/g;

export class Provider {
  /** Everything that was asked, in order: method, path, query, headers, body, and the usage that the answer stated. */
  requests = [];

  /** @param script for each round, what to call: a map from the name of a tool to its arguments */
  constructor(script) {
    this.script = script;
    this.server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    this.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    // Also below Bursar's prefixes, so that a client can be recorded without Bursar between.
    const [path, query = ''] = request.url.replace(/^\/(?:openai|anthropic)(?=\/)/, '').split('?');
    const body = parsed(Buffer.concat(pieces).toString());
    const noted = { method: request.method, path, query, headers: request.headers, body, usage: null };
    this.requests.push(noted);
    const dialect = DIALECTS[`${request.method} ${path}`];
    if (dialect === undefined || body === null)
      return send(response, 404, { error: { message: 'no such route', type: 'not_found_error' } });
    const step = this.#stepOf(body);
    noted.usage = USAGE[step.kind];
    const id = String(this.requests.length).padStart(24, '0');
    const what = { id, body, step, usage: noted.usage };
    if (body.stream !== true) return send(response, 200, dialect.answer(what));
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const event of dialect.events(what)) {
      if (response.destroyed) return;
      response.write(event);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    response.end();
  }

  // A round whose tool the request does not bring ends with a text, as when a client asks beside its conversation.
  #stepOf(body) {
    const tools = toolsIn(body);
    const isSearch = ({ type }) => type?.startsWith('web_search') === true;
    if (tools.length > 0 && tools.every(isSearch)) return { kind: 'search' };
    const done = (JSON.stringify(body.messages ?? body.input ?? '').match(TOOL_RESULT) ?? []).length;
    const wanted = this.script[done] ?? {};
    const tool = tools.find(({ name }) => Object.hasOwn(wanted, name));
    if (tool !== undefined) return { kind: 'tool', tool, arguments: wanted[tool.name] };
    return Object.hasOwn(wanted, 'web_search') && tools.some(isSearch)
      ? { kind: 'search' }
      : { kind: 'text' };
  }
}

/** Every tool that a request brings: Codex also sends them among its input, and in namespaces. */
function toolsIn(body) {
  const among = (list) =>
    list.flatMap((tool) =>
      tool.type === 'namespace'
        ? among(tool.tools).map((one) => ({ ...one, namespace: tool.name }))
        : [{ ...tool, ...tool.function }],
    );
  const input = Array.isArray(body.input) ? body.input : [];
  return among([...(body.tools ?? []), ...input.flatMap((item) => item.tools ?? [])]);
}

const DIALECTS = {
  'POST /v1/chat/completions': { answer: chatAnswer, events: chatEvents },
  'POST /v1/responses': { answer: responsesAnswer, events: responsesEvents },
  'POST /v1/messages': { answer: anthropicAnswer, events: anthropicEvents },
};

function send(response, status, body) {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
