// A month of a chat product: two users under one policy with a premium and a standard tier, one of whom uses all there is;
// then an assistant with a goal and three sub-agents, two of them out of control; and in the end figures that add up.
// Run `npx bursar serve --config examples/chat-product.yaml`, then, with the admin key that it shows:
// BURSAR_URL=http://127.0.0.1:8420 BURSAR_KEY=<admin key> node examples/chat-product.mjs

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { BursarClient } from 'bursar/client';
import OpenAI from 'openai';

const baseUrl = process.env.BURSAR_URL;
const clientWith = (apiKey) => new BursarClient({ baseUrl, apiKey });
/** Credits are decimal texts, exact to a millionth; sums are made of whole numbers. */
const millionths = (credits) => Math.round(Number(credits) * 1_000_000);
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

// ── The platform says what a month gives: for each user 0.20 credits, 0.15 of them for the premium model. ──────────────

const platform = clientWith(process.env.BURSAR_KEY);
const policy = await platform.policies.put({
  tiers: ['premium', 'standard'],
  // In micro-credits for a million tokens: 2 and 6 credits for the good model, a fifth of that for the other.
  models: [
    { name: 'large', tier: 'premium', inputMultiplier: 2e6, outputMultiplier: 6e6, outputTokensMax: 8_000 },
    { name: 'small', tier: 'standard', inputMultiplier: 4e5, outputMultiplier: 12e5, outputTokensMax: 8_000 },
  ],
  limits: { monthly: { total: '0.20', 'tier:premium': '0.15' } },
});
await platform.policies.activate(policy.number);

// A tenant of its own for every run of this program. Its key names users in chats, and goals on calls.
const { key } = await platform.keys.create({
  name: 'the chat product',
  scopes: ['tenant_admin'],
  labels: { tenant: `shop-${randomUUID().slice(0, 8)}` },
  callerLabels: ['user', 'goal'],
});
const shop = clientWith(key);

// ── It wants to hear when a user has used half, four fifths, and all of the month. ─────────────────────────────────────

const receiver = await startReceiver();
const webhook = await shop.webhooks.create({ url: receiver.url });
receiver.secret = webhook.secret;
await shop.notices.putThresholds('quota/monthly/total', [50, 80, 100]);

// ── Ann talks until nothing is left. Each turn is held before the model runs and settled by what it used. ──────────────

const talk = async (user) => {
  const chat = await shop.chats.create({ user });
  return { user, chat, turns: shop.chats.turns(chat.id) };
};
const question = (requestId) => ({
  requestId,
  text: 'And then?',
  inputTokens: 8_900,
  outputTokensMax: 5_000,
});
// … your product calls the model that the turn names, and says what that used …
const answer = { text: 'Then it was told.', usage: { inputTokens: 10_000, outputTokens: 5_000 } };

const ann = await talk('ann');
for (let number = 1; ; number += 1) {
  const turn = await ann.turns.start(question(`q${number}`));
  if (turn.outcome === 'denied') {
    const { budgetId, resetsAt } = turn.lines.find((line) => line.violated !== null);
    console.log(`ann, turn ${number}: ${turn.code} by ${budgetId}, again from ${resetsAt}`);
    break;
  }
  const { charged } = await ann.turns.complete(turn.id, answer);
  const why = turn.reasons.length > 0 ? ` (${turn.reasons})` : '';
  console.log(`ann, turn ${number}: ${turn.tier}${why}, ${charged.credits} credits`);
}
// A request that completed is never run again: the same answer, and nothing is charged.
const again = await ann.turns.start(question('q1'));
console.log(`ann, q1 again: ${again.outcome}, "${again.messages.at(-1).text}"`);

// ── Ben breaks things off. What the provider never saw is free; what was cancelled costs an estimate. ──────────────────

const ben = await talk('ben');
const failed = await ben.turns.start(question('q1'));
await ben.turns.fail(failed.id, { reachedProvider: false });
const edited = await ben.turns.edit(failed.id, question('q1, in other words'));
const cancelled = await ben.turns.cancel(edited.id, { text: 'Then it' });
console.log(`ben: one turn failed for free, one was cancelled at ${cancelled.charged.credits} credits`);

// ── An assistant has 20,000 tokens, and hands parts of them to sub-agents. Each gets a key of its own. ─────────────────

const assistant = await agent(shop, 'assistant', 20_000, { callerLabels: ['goal'] });
// Carved: set aside for it alone. Shared: as long as there is some, and at most so much.
const searcher = await agent(assistant.client, 'searcher', 2_000, { mode: 'carved' });
const writer = await agent(assistant.client, 'writer', 5_000, { mode: 'shared' });
const looper = await agent(assistant.client, 'looper', 1_000, { mode: 'carved' });

const goal = await shop.goals.create({ owner: 'assistant', text: 'Tell the story', tokenBudget: 2_000 });
// The gateway counts towards the goal what carries it, and says in each answer what is left of it.
const found = await ask(searcher, goal);
const written = await ask(writer, goal);
console.log(`goal: ${written.tokensLeft} of 2000 tokens left after ${found.tokens + written.tokens}`);

// A sub-agent that goes round in circles meets the end of what was set aside for it, and takes nothing from the others.
let circles = 0;
while ((await ask(looper)).refused === null) circles += 1;
const { left } = await figures(assistant);
await assistant.client.agents.revoke(looper.id);
const back = (await figures(assistant)).left - left;
console.log(`looper: stopped after ${circles} circles; ${back} of its 1000 tokens went back`);

// The assistant works on another machine and tells what it used. Its goal pauses by itself when that is the budget.
const report = () => assistant.client.goals.noteUsage(goal.id, { tokens: 700 });
let reports = 0;
while ((await report()).counted) reports += 1;
const { state, tokensUsed } = await shop.goals.get(goal.id);
console.log(`goal: ${state} after ${reports} reports, ${tokensUsed} tokens used`);
console.log(`goal: a call that carries it is refused, ${(await ask(assistant, goal)).refused}`);

// ── The figures add up, whichever way they are looked at. ──────────────────────────────────────────────────────────────

for (const { user, turns } of [ann, ben]) {
  const charged = [];
  for await (const turn of turns.all()) charged.push(turn.charged);
  const page = await shop.quotas.get(user);
  const [total, premium, standard] = ['total', 'tier:premium', 'tier:standard'].map((name) =>
    page.buckets.find(({ period, bucket }) => period === 'monthly' && bucket === name),
  );
  assert.equal(millionths(total.used), sum(charged.map(({ credits }) => millionths(credits))));
  assert.equal(millionths(total.used), millionths(premium.used) + millionths(standard.used));
  assert.equal(millionths(total.limit), millionths(total.used) + millionths(total.left));
  assert.equal(Number(page.tokens.monthly.used), sum(charged.map(({ tokens }) => Number(tokens))));
  console.log(`${user}: ${total.used} of ${total.limit} credits used this month, ${total.state}`);
}

const tree = await Promise.all([assistant, searcher, writer, looper].map(figures));
for (const { limit, used, held, left, returned } of tree) assert.equal(limit, used + held + left + returned);
const [all, ...children] = tree.map(({ used }) => used);
assert.equal(all, sum(children) + reports * 700);
assert.equal(Number(tokensUsed), found.tokens + written.tokens + reports * 700);

// At least once and in order: what came is what is listed.
const received = await receiver.first(3);
const listed = (await shop.notices.list()).items.map(({ id }) => id);
assert.deepEqual(received.map(({ id }) => id).reverse(), listed);
console.log(`notices: ${received.map(({ data }) => `${data.values.user} ${data.percent} %`).join(', ')}`);

assert.ok((await platform.verify()).ok);
console.log('verified: every figure follows from the journal');
await shop.webhooks.delete(webhook.id);
receiver.close();

// ── What the story uses ────────────────────────────────────────────────────────────────────────────────────────────────

/** Made by whoever's client it is: the tenant makes a root, an agent makes its children. */
async function agent(maker, name, tokens, more) {
  const { id, key } = await maker.agents.create({ name, limits: { tokens }, ...more });
  const openai = new OpenAI({ baseURL: `${baseUrl}/openai/v1`, apiKey: key });
  return { id, client: clientWith(key), openai };
}

/** One call of an agent through the gateway: what it used, or why it was refused. */
async function ask({ openai }, goal) {
  const headers = goal === undefined ? {} : { 'Bursar-Label-goal': goal.id };
  const messages = [{ role: 'user', content: goal?.prompt ?? 'Once more, from the beginning' }];
  const request = { model: 'demo-small', max_completion_tokens: 100, messages };
  try {
    const { data, response } = await openai.chat.completions.create(request, { headers }).withResponse();
    const tokensLeft = response.headers.get('bursar-goal-tokens-left');
    return { refused: null, tokens: data.usage.total_tokens, tokensLeft };
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { refused: `${error.status} ${error.code}` };
  }
}

/** What an agent has, in tokens. */
async function figures({ id }) {
  const [{ unit: _tokens, ...amounts }] = (await shop.agents.get(id)).figures;
  return Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, Number(amount)]));
}

/** Takes notices whose signature is Bursar's, each once (Standard Webhooks, https://www.standardwebhooks.com). */
async function startReceiver() {
  const notices = new Map();
  const server = createServer(async (request, response) => {
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers;
    const body = await text(request);
    const key = Buffer.from(receiver.secret.replace('whsec_', ''), 'base64');
    const expected = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
    const isGood = signature === `v1,${expected}`;
    if (isGood) notices.set(id, JSON.parse(body));
    response.writeHead(isGood ? 204 : 401).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const first = async (count) => {
    while (notices.size < count) await new Promise((resolve) => setTimeout(resolve, 20));
    return [...notices.values()];
  };
  return { url: `http://127.0.0.1:${server.address().port}`, secret: '', first, close: () => server.close() };
}
