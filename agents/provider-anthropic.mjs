// What the replaying provider answers in Anthropic's dialect, as its stream and whole answer look on the wire. Input counts
// exclude the cache there, so the same usage is written in other figures than OpenAI's.

import { TEXT } from './provider-openai.mjs';

function usageIn({ input, cacheRead, cacheWrite }) {
  return {
    input_tokens: input - cacheRead - cacheWrite,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite, ephemeral_1h_input_tokens: 0 },
  };
}

function usageAll(usage) {
  const tools =
    usage.searches === 0
      ? {}
      : { server_tool_use: { web_search_requests: usage.searches, web_fetch_requests: 0 } };
  return { ...usageIn(usage), output_tokens: usage.output, ...tools };
}

function blocks({ id, step, body }) {
  const thinks = body.thinking?.type === 'enabled' || body.thinking?.type === 'adaptive';
  const thinking = { type: 'thinking', thinking: 'Let me see. ', signature: 'EqQBCkYIBxgC' };
  const first = thinks ? [thinking] : [];
  if (step.kind === 'tool')
    return [...first, { type: 'tool_use', id: `toolu_${id}`, name: step.tool.name, input: step.arguments }];
  const text = { type: 'text', text: TEXT.join('') };
  if (step.kind === 'text') return [...first, text];
  const tool_use_id = `srvtoolu_${id}`;
  const found = { type: 'web_search_result', title: 'Bursar', url: 'https://example.com/' };
  const content = [{ ...found, encrypted_content: 'EqgfCioIARgB', page_age: null }];
  return [
    ...first,
    { type: 'server_tool_use', id: tool_use_id, name: 'web_search', input: { query: 'bursar' } },
    { type: 'web_search_tool_result', tool_use_id, content },
    text,
  ];
}

function messageOf({ id, body, step }, content, usage) {
  const isOver = usage !== null;
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    model: body.model,
    content,
    stop_reason: isOver ? stopReason(step) : null,
    stop_sequence: null,
    usage: { ...usage, service_tier: 'standard' },
  };
}

function stopReason(step) {
  return step.kind === 'tool' ? 'tool_use' : 'end_turn';
}

export function anthropicAnswer(what) {
  return messageOf(what, blocks(what), usageAll(what.usage));
}

export function* anthropicEvents(what) {
  const { step, usage } = what;
  const event = (type, more = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const message = messageOf(what, [], null);
  message.usage = { ...usageIn(usage), output_tokens: 1, service_tier: 'standard' };
  yield event('message_start', { message });
  yield event('ping');
  for (const [index, block] of blocks(what).entries()) {
    const delta = (piece) => event('content_block_delta', { index, delta: piece });
    yield event('content_block_start', { index, content_block: begun(block) });
    if (block.type === 'text') for (const text of TEXT) yield delta({ type: 'text_delta', text });
    if (block.type === 'thinking') {
      yield delta({ type: 'thinking_delta', thinking: block.thinking });
      yield delta({ type: 'signature_delta', signature: block.signature });
    }
    if ('input' in block) {
      const text = JSON.stringify(block.input);
      const middle = Math.ceil(text.length / 2);
      for (const partial_json of [text.slice(0, middle), text.slice(middle)])
        yield delta({ type: 'input_json_delta', partial_json });
    }
    yield event('content_block_stop', { index });
  }
  yield event('message_delta', {
    delta: { stop_reason: stopReason(step), stop_sequence: null },
    usage: usageAll(usage),
  });
  yield event('message_stop');
}

/** A block as it begins: empty, but for results, which come whole. */
function begun(block) {
  const empty = {
    text: { text: '' },
    thinking: { thinking: '', signature: '' },
    tool_use: { input: {} },
    server_tool_use: { input: {} },
  };
  return { ...block, ...empty[block.type] };
}
