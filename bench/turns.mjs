// `npm run bench:turns`: a turn of a chat, started and completed over HTTP, beside an authorisation and its settlement on
// the same server that count towards the same budgets: with the amounts that a caller states, then under a policy. And
// whether turns and lists are as fast with 100,000 chats of 10 turns each as with 100. Rounds take turns, so that all see
// the same machine. `-- quick` takes shorter ones and fewer chats; `-- chats=N` sets their number.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { machineLine } from './machine.mjs';
import { ID, median, startLoad } from './processes.mjs';
import { call, startBursar } from './serving.mjs';
import { count, heading, inFolder, micros, ms, perSecond, quick, ratioRow, row } from './table.mjs';

const ROUNDS = quick ? 3 : 9;
const SECONDS = quick ? 2 : 5;
const FEW_CHATS = 100;
/** As many as the smaller file has chats: a chat has one running turn at most. */
const CONNECTIONS = FEW_CHATS;
const stated = process.argv.find((word) => word.startsWith('chats='));
const MANY_CHATS = stated === undefined ? (quick ? 2_000 : 100_000) : Number(stated.slice('chats='.length));
const TURNS_A_CHAT = 10;
/** Below this the larger file would not be as fast as the smaller one. */
const AS_FAST = 0.9;

const QUESTION = 'What does a turn of a chat cost beside a bare hold? '.repeat(4);
const ANSWER = 'It costs a row for the turn, one for each message, and the same hold. '.repeat(8);
const USAGE = { inputTokens: 120, outputTokens: 160 };

/** What both are asked where no policy is active. */
const STATED = {
  held: { usd: '0.00001', tokens: '4000', calls: '1' },
  used: { usd: '0.000008', tokens: '280', calls: '1' },
};
const LIMIT = '1000000000';
const model = (tier) => ({
  ...{ name: `${tier}-model`, tier, inputMultiplier: 1_250_000, outputMultiplier: 10_000_000 },
  outputTokensMax: 4_000,
});
const POLICY = {
  tiers: ['premium', 'standard'],
  models: [model('premium'), model('standard')],
  limits: { daily: { total: LIMIT, 'tier:premium': LIMIT }, monthly: { total: LIMIT } },
};
/** What the policy holds for a turn. */
const NO_TOOLS = { web_searches: '0', code_interpreter_calls: '0' };
const BY_POLICY = {
  held: { usd: '0.00001', credits: '0.0103', tokens: '1200', calls: '1', ...NO_TOOLS },
  used: { usd: '0.000008', credits: '0.00175', tokens: '280', calls: '1', ...NO_TOOLS },
};
/** What the policy does not count is stated. */
const beside = ({ usd }) => ({ usd });
/** Of the labels of such a turn those that budgets look at: a bare hold with these counts towards the same. */
const LABELS_BY_POLICY = { quota: 'chat', policy: '1', tier: 'premium' };

const step = (path, body, takes) => ({ path, body: JSON.stringify(body), takes });
const pair = ({ held, used }) => [
  step('/v1/holds', { amounts: held }, { name: 'hold', field: 'holdId' }),
  step('/v1/holds/<hold>/settle', { amounts: used, usage: USAGE, outcome: 'completed' }),
];
const turn = ({ held, used }) => [
  step(
    '/v1/chats/<chat>/turns',
    { requestId: ID, text: QUESTION, outputTokensMax: 1_000, amounts: held },
    { name: 'turn', field: 'id' },
  ),
  step('/v1/chats/<chat>/turns/<turn>/complete', { text: ANSWER, usage: USAGE, amounts: used }),
];
const newChat = step('/v1/chats', { title: 'A chat' }, { name: 'chat', field: 'id' });
const read = (path) => [{ method: 'GET', path }];

console.log(machineLine(quick ? 'quick' : 'full'));
console.log('shared   all processes share the processors: the load generator, and the side that is measured');

await inFolder(async (folder) => {
  const load = startLoad();
  const few = await startSide(folder, 'few');
  const many = await startSide(folder, 'many');
  try {
    await fill(load, few, FEW_CHATS);
    await fill(load, many, MANY_CHATS);
    await asFast(load, few, many);
    await besidePairs(load, few);
  } finally {
    await load.end();
    await Promise.all([few.end(), many.end()]);
  }
});

/** A server of its own, and what its load has in common. */
async function startSide(folder, name) {
  const own = join(folder, name);
  mkdirSync(own);
  const bursar = await startBursar(own);
  const headers = await headersWith(bursar, {});
  const job = { host: '127.0.0.1', port: bursar.port, headers, connections: CONNECTIONS, chats: [] };
  return { ...bursar, job };
}

/** Of a key of the tenant `bench` that fixes these labels too. */
async function headersWith({ origin, adminKey }, labels) {
  const own = { tenant: 'bench', user: 'u1', ...labels };
  const { key } = await call(origin, adminKey, 'POST', '/v1/keys', {
    ...{ name: 'bench', scopes: ['spend'], labels: own },
  });
  return { authorization: `Bearer ${key}`, 'idempotency-key': `bench-${ID}` };
}

/** Runs flows and gives what was measured; an answer that is no success would be a cheap one. */
async function measured(load, side, flow) {
  const before = side.cpuSeconds();
  const result = await load.run('flows', { ...side.job, ...flow });
  const wrong = Object.keys(result.statuses).filter((status) => !/^2/.test(status));
  if (wrong.length > 0) throw new Error(`${flow.steps[0].path} answered ${JSON.stringify(result.statuses)}`);
  return { ...result, cpuMs: ((side.cpuSeconds() - before) * 1_000) / result.requests };
}

async function fill(load, side, chats) {
  const steps = [newChat, ...new Array(TURNS_A_CHAT).fill(turn(STATED)).flat()];
  const { kept, perSecond: rate } = await measured(load, side, { steps, flows: chats, keeps: 'chat' });
  side.job.chats = kept;
  row(`${count(chats)} chats with ${TURNS_A_CHAT} turns each`, perSecond(rate * TURNS_A_CHAT), 'turns');
}

/** What each side measured, by round. A first round that is not counted: servers still compile their code then. */
async function inTurns(load, sides) {
  const rounds = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [name, { side, ...flow }] of Object.entries(sides)) {
      const result = await measured(load, side, { ...flow, seconds: SECONDS });
      if (round >= 0) rounds[name].push(result);
    }
  }
  return rounds;
}

function rateRow(what, rounds) {
  const [p50, p99] = [0, 1].map((place) => ms(median(rounds.map(({ totalMs }) => totalMs[place]))));
  const cpu = micros(median(rounds.map(({ cpuMs }) => cpuMs)));
  const notes = `p50 / p99 ${p50} / ${p99}, ${cpu} of processor time each`;
  row(what, perSecond(median(rounds.map((round) => round.perSecond))), notes);
}

/** Of each round's own ratios: what slows the machine down for a while slows both sides of it. */
function ratioOf(over, under) {
  return median(over.map((round, index) => round.perSecond / under[index].perSecond));
}

async function besidePairs(load, side) {
  const length = `${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s a side`;
  heading(`A turn, started and completed, beside an authorisation and its settlement; ${length}`);
  await compare('amounts stated', { side, steps: pair(STATED) }, turn(STATED));
  const { number } = await call(side.origin, side.adminKey, 'POST', '/v1/policies', POLICY);
  await call(side.origin, side.adminKey, 'POST', `/v1/policies/${number}/activate`, undefined);
  const headers = await headersWith(side, LABELS_BY_POLICY);
  const steps = turn({ held: beside(BY_POLICY.held), used: beside(BY_POLICY.used) });
  await compare('under a policy', { side, headers, steps: pair(BY_POLICY) }, steps);

  async function compare(what, bare, turnSteps) {
    const { pairs, turns } = await inTurns(load, { pairs: bare, turns: { side, steps: turnSteps } });
    rateRow(`authorise and settle, ${what}`, pairs);
    rateRow(`turn, ${what}`, turns);
    ratioRow(`turn ÷ authorise and settle, ${what}`, ratioOf(turns, pairs), 0.5);
  }
}

async function asFast(load, few, many) {
  heading(`With ${count(MANY_CHATS)} chats beside ${FEW_CHATS}, ${TURNS_A_CHAT} turns each; chats at random`);
  const whats = {
    turns: turn(STATED),
    'messages of a chat': read('/v1/chats/<chat>/messages'),
    'chats of a user': read('/v1/chats?user=u1'),
  };
  for (const [what, steps] of Object.entries(whats)) {
    const rounds = await inTurns(load, { few: { side: few, steps }, many: { side: many, steps } });
    rateRow(`${what}, ${FEW_CHATS} chats`, rounds.few);
    rateRow(`${what}, ${count(MANY_CHATS)} chats`, rounds.many);
    ratioRow(`${what}: many ÷ few`, ratioOf(rounds.many, rounds.few), AS_FAST);
  }
  row('resident memory: few / many', `${count(few.rssMiB())} / ${count(many.rssMiB())} MiB`);
}
