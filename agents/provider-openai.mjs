// What the replaying provider answers in OpenAI's two dialects, as their streams and whole answers look on the wire.

export const TEXT = ['The file ', 'says: ', 'the answer ', 'is 42.'];
const CREATED = 1_790_000_000;

function chatUsage({ input, cacheRead, output, reasoning }) {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cacheRead, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

export function chatAnswer({ id, body, step, usage }) {
  const isCall = step.kind === 'tool';
  const message = isCall
    ? { role: 'assistant', content: null, refusal: null, tool_calls: [chatToolCall(id, step)] }
    : { role: 'assistant', content: TEXT.join(''), refusal: null, annotations: [] };
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: CREATED,
    model: body.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: isCall ? 'tool_calls' : 'stop' }],
    usage: chatUsage(usage),
    service_tier: 'default',
  };
}

function chatToolCall(id, step) {
  const text = JSON.stringify(step.arguments);
  return { id: `call_${id}`, type: 'function', function: { name: step.tool.name, arguments: text } };
}

export function* chatEvents({ id, body, step, usage }) {
  const isAsked = body.stream_options?.include_usage === true;
  const head = {
    id: `chatcmpl-${id}`,
    object: 'chat.completion.chunk',
    created: CREATED,
    model: body.model,
    service_tier: 'default',
  };
  const chunk = (choices, told = null) =>
    `data: ${JSON.stringify({ ...head, choices, ...(isAsked ? { usage: told } : {}) })}\n\n`;
  const choice = (delta, finish_reason = null) => [{ index: 0, delta, logprobs: null, finish_reason }];
  if (step.kind === 'tool') {
    const call = chatToolCall(id, step);
    const opening = { index: 0, ...call, function: { name: step.tool.name, arguments: '' } };
    yield chunk(choice({ role: 'assistant', content: null, tool_calls: [opening] }));
    for (const piece of halves(call.function.arguments))
      yield chunk(choice({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
    yield chunk(choice({}, 'tool_calls'));
  } else {
    yield chunk(choice({ role: 'assistant', content: '', refusal: null }));
    for (const content of TEXT) yield chunk(choice({ content }));
    yield chunk(choice({}, 'stop'));
  }
  if (isAsked) yield chunk([], chatUsage(usage));
  yield 'data: [DONE]\n\n';
}

function responsesUsage({ input, cacheRead, output, reasoning }) {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cacheRead },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

function responseOf({ id, body, usage }, status, output) {
  const isDone = status === 'completed';
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: CREATED,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: body.model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: 'medium', summary: null },
    service_tier: isDone ? 'default' : 'auto',
    store: body.store ?? true,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: isDone ? responsesUsage(usage) : null,
    user: null,
    metadata: {},
  };
}

function outputItems({ id, step }) {
  const reasoning = { id: `rs_${id}`, type: 'reasoning', summary: [], encrypted_content: 'gAAAAABreasoning' };
  if (step.kind === 'tool') return [reasoning, responsesToolCall(id, step)];
  const content = [{ type: 'output_text', text: TEXT.join(''), annotations: [], logprobs: [] }];
  const message = { id: `msg_${id}`, type: 'message', status: 'completed', role: 'assistant', content };
  if (step.kind !== 'search') return [reasoning, message];
  const action = { type: 'search', query: 'bursar', queries: ['bursar'] };
  return [reasoning, { id: `ws_${id}`, type: 'web_search_call', status: 'completed', action }, message];
}

// A tool of free text is called with that text, and one of a namespace with its namespace.
function responsesToolCall(id, { tool, arguments: given }) {
  const namespace = tool.namespace === undefined ? {} : { namespace: tool.namespace };
  const call = { status: 'completed', call_id: `call_${id}`, name: tool.name, ...namespace };
  return tool.type === 'custom'
    ? { id: `ctc_${id}`, type: 'custom_tool_call', ...call, input: given }
    : { id: `fc_${id}`, type: 'function_call', ...call, arguments: JSON.stringify(given) };
}

export function responsesAnswer(what) {
  return responseOf(what, 'completed', outputItems(what));
}

export function* responsesEvents(what) {
  let number = 0;
  const event = (type, more) => {
    const line = JSON.stringify({ type, sequence_number: number, ...more });
    number += 1;
    return `event: ${type}\ndata: ${line}\n\n`;
  };
  yield event('response.created', { response: responseOf(what, 'in_progress', []) });
  yield event('response.in_progress', { response: responseOf(what, 'in_progress', []) });
  const items = outputItems(what);
  for (const [output_index, item] of items.entries()) {
    yield event('response.output_item.added', { output_index, item: begun(item) });
    yield* pieces(event, output_index, item);
    yield event('response.output_item.done', { output_index, item });
  }
  yield event('response.completed', { response: responseOf(what, 'completed', items) });
}

/** An item as it begins: empty. */
function begun(item) {
  if (item.type === 'reasoning') return { ...item, encrypted_content: '' };
  const empty = {
    message: { content: [] },
    function_call: { arguments: '' },
    custom_tool_call: { input: '' },
  };
  return { ...item, status: 'in_progress', ...empty[item.type] };
}

function* pieces(event, output_index, item) {
  const at = { item_id: item.id, output_index };
  if (item.type === 'message') {
    const part = { type: 'output_text', text: '', annotations: [], logprobs: [] };
    yield event('response.content_part.added', { ...at, content_index: 0, part });
    for (const delta of TEXT)
      yield event('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] });
    yield event('response.output_text.done', { ...at, content_index: 0, text: TEXT.join(''), logprobs: [] });
    yield event('response.content_part.done', { ...at, content_index: 0, part: item.content[0] });
  } else if (item.type === 'web_search_call') {
    for (const state of ['in_progress', 'searching', 'completed'])
      yield event(`response.web_search_call.${state}`, at);
  } else if (item.type === 'function_call') {
    for (const delta of halves(item.arguments))
      yield event('response.function_call_arguments.delta', { ...at, delta });
    yield event('response.function_call_arguments.done', { ...at, arguments: item.arguments });
  } else if (item.type === 'custom_tool_call') {
    for (const delta of halves(item.input))
      yield event('response.custom_tool_call_input.delta', { ...at, delta });
    yield event('response.custom_tool_call_input.done', { ...at, input: item.input });
  }
}

function halves(text) {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)];
}
