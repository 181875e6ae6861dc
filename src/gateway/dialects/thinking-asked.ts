// Reads whether a request turns thinking on or off, by the fields of each provider. Thinking is billed and often unseen: a
// request turns it off only where the provider is known to obey the field.

import { isObject, type Json } from './json-scan.js';

/** What a request says about thinking. */
export interface ThinkingAsked {
  /** Whether some field turns thinking on. */
  readonly on: boolean;
  /** The fields that turn it off, as dotted paths. */
  readonly offBy: readonly string[];
}

/** Efforts without any thinking; `minimal` thinks a little. */
const NO_EFFORT: ReadonlySet<unknown> = new Set(['none', 'off', 'disabled']);
/** Objects `{type}` of Anthropic, DeepSeek, Moonshot and Zhipu. */
const NO_TYPE: ReadonlySet<unknown> = new Set(['disabled', 'none']);

/** Reads one field: true = on, false = off, null = the field says nothing. */
type FieldReader = (body: Json) => boolean | null;

const OPENAI: readonly (readonly [string, FieldReader])[] = [
  // OpenAI, Groq, Google, xAI, Together, Fireworks, Ollama, vLLM.
  ['reasoning_effort', (body) => effort(body.reasoning_effort)],
  // OpenAI's responses; OpenRouter and Together have `enabled` and `max_tokens` beside it.
  ['reasoning', (body) => reasoning(body.reasoning)],
  // DeepSeek, Moonshot, Zhipu; Claude through compatible providers.
  ['thinking', (body) => byType(body.thinking)],
  // DashScope, and Qwen models on the user's own servers.
  ['enable_thinking', (body) => flag(body.enable_thinking)],
  ['chat_template_kwargs', (body) => templateKwargs(body.chat_template_kwargs)],
  // Ollama.
  ['think', (body) => flag(body.think) ?? effort(body.think)],
  // Mistral.
  ['prompt_mode', (body) => (body.prompt_mode === 'reasoning' ? true : null)],
  // Google's OpenAI endpoint.
  ['extra_body.google', (body) => (isObject(body.extra_body) ? google(body.extra_body.google) : null)],
  ['google', (body) => google(body.google)],
];

export function openAiThinking(body: Json): ThinkingAsked {
  let on = false;
  const offBy: string[] = [];
  for (const [field, read] of OPENAI) {
    const says = read(body);
    if (says === true) on = true;
    else if (says === false) offBy.push(field);
  }
  return { on, offBy };
}

/** @param heeded the fields by which the provider is known to turn thinking off */
export function isThinkingAsked({ on, offBy }: ThinkingAsked, heeded: readonly string[]): boolean | null {
  if (on) return true;
  return offBy.some((field) => heeded.includes(field)) ? false : null;
}

/** Anthropic has only the field `thinking`. Adaptive thinking counts as on. */
export function anthropicThinking(body: Json): boolean | null {
  return byType(body.thinking);
}

function flag(value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : null;
}

function effort(value: unknown): boolean | null {
  if (typeof value !== 'string' || value === '') return null;
  return !NO_EFFORT.has(value.toLowerCase());
}

function reasoning(value: unknown): boolean | null {
  if (!isObject(value)) return null;
  const tokens = typeof value.max_tokens === 'number' ? value.max_tokens > 0 : null;
  return strongest([flag(value.enabled), effort(value.effort), tokens]);
}

function byType(value: unknown): boolean | null {
  if (!isObject(value) || typeof value.type !== 'string') return null;
  return !NO_TYPE.has(value.type);
}

function templateKwargs(value: unknown): boolean | null {
  if (!isObject(value)) return null;
  return strongest([flag(value.enable_thinking), flag(value.thinking), effort(value.reasoning_effort)]);
}

function google(value: unknown): boolean | null {
  if (!isObject(value) || !isObject(value.thinking_config)) return null;
  const { thinking_budget: budget, thinking_level: level } = value.thinking_config;
  return strongest([typeof budget === 'number' ? budget !== 0 : null, effort(level)]);
}

function strongest(said: readonly (boolean | null)[]): boolean | null {
  if (said.includes(true)) return true;
  return said.includes(false) ? false : null;
}
