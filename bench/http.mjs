// `npm run bench:http`: one durable authorisation a request through Bursar's server, beside a bare Fastify route with the
// same schemas and sizes; and the batch endpoint beside the single one. Rounds take turns, so that all see the same
// machine. What a round opened is released after it, uncounted: calls end, and bench/large.mjs is for millions of open
// holds. `npm run bench:http -- quick` takes shorter rounds.

import { machineLine } from './machine.mjs';
import { HOLD, ID, median, startLoad, startServer } from './processes.mjs';
import { benchKey, call, startBursar } from './serving.mjs';
import { count, heading, inFolder, micros, ms, perSecond, quick, ratioRow, row } from './table.mjs';

const ROUNDS = quick ? 3 : 9;
const SECONDS = quick ? 2 : 5;
/** Enough in flight that the processors are the limit, and not how long a commit takes. */
const CONNECTIONS = 128;
const BATCH = 500;
const BATCH_CONNECTIONS = 4;

const AMOUNTS = { usd: '0.00001', tokens: '4000' };
const SINGLE = { holdId: HOLD, labels: { agent: 'researcher' }, amounts: AMOUNTS };
const OPENING = { commands: new Array(BATCH).fill({ command: 'authorize_hold', ...SINGLE }) };
const ENDING = { commands: new Array(BATCH).fill({ command: 'release_hold', holdId: HOLD }) };

console.log(machineLine(quick ? 'quick' : 'full'));
console.log('shared   all processes share the processors: the load generator, and the side that is measured');

heading(`POST /v1/holds, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s a side`);
await inFolder(async (folder) => {
  const bursar = await startBursar(folder);
  const load = startLoad();
  try {
    const key = await benchKey(bursar);
    const headers = { authorization: `Bearer ${key}`, 'idempotency-key': `bench-${ID}` };
    const answer = await call(bursar.origin, key, 'POST', '/v1/holds', { ...SINGLE, holdId: ID });
    const bare = await startServer('bare-route.mjs', { answer });
    const job = {
      host: '127.0.0.1',
      headers,
      path: '/v1/holds',
      body: JSON.stringify(SINGLE),
    };
    const batches = { ...job, path: '/v1/batch', server: bursar, connections: BATCH_CONNECTIONS };
    const sides = {
      bare: { ...job, server: bare, connections: CONNECTIONS, holds: 'named' },
      single: { ...job, server: bursar, connections: CONNECTIONS, holds: 'opened' },
      batch: { ...batches, body: JSON.stringify(OPENING), holds: 'opened' },
    };
    const ending = { ...batches, body: JSON.stringify(ENDING), holds: 'ended' };
    const release = (count) => measured(load, { ...ending, requests: Math.ceil(count / BATCH) });
    report(await inTurns(load, sides, release));
    row('resident memory: Bursar / bare', `${count(bursar.rssMiB())} / ${count(bare.rssMiB())} MiB`);
    await bare.end();
  } finally {
    await load.end();
    await bursar.end();
  }
});

/** Runs a job and gives what it measured; an answer that is no success would be a cheap one. */
async function measured(load, { server, ...job }) {
  const before = server.cpuSeconds();
  const result = await load.run('closedLoop', { ...job, port: server.port });
  result.cpuMs = ((server.cpuSeconds() - before) * 1_000) / result.requests;
  const wrong = Object.keys(result.statuses).filter((status) => !/^2/.test(status));
  if (wrong.length > 0) throw new Error(`${job.path} answered ${JSON.stringify(result.statuses)}`);
  return result;
}

/** What each side measured, by round. A first round that is not counted: servers still compile their code then. */
async function inTurns(load, sides, release) {
  const rounds = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [side, job] of Object.entries(sides)) {
      const result = await measured(load, { ...job, seconds: SECONDS });
      if (round >= 0) rounds[side].push(result);
      if (side === 'single') await release(result.requests);
      if (side === 'batch') await release(result.requests * BATCH);
    }
  }
  return rounds;
}

function report({ bare, single, batch }) {
  const rate = (side) => median(side.map((round) => round.perSecond));
  const times = (side) =>
    `p50 / p99 ${[0, 1].map((place) => ms(median(side.map((round) => round.totalMs[place])))).join(' / ')}`;
  const cpu = (side) => `${micros(median(side.map((round) => round.cpuMs)))} of processor time each`;
  row(
    'bare Fastify route, the same schemas and sizes',
    perSecond(rate(bare)),
    `${times(bare)}, ${cpu(bare)}`,
  );
  row(
    'Bursar: one durable authorisation a request',
    perSecond(rate(single)),
    `${times(single)}, ${cpu(single)}`,
  );
  row(
    `Bursar: batches of ${BATCH}, commands`,
    perSecond(rate(batch) * BATCH),
    `${times(batch)}, ${cpu(batch)}`,
  );
  // Each round's own ratio: what slows the machine down for a while slows both sides of it.
  const ratios = (over, under, times) =>
    median(over.map((round, index) => (round.perSecond * times) / under[index].perSecond));
  ratioRow('Bursar ÷ bare route, requests', ratios(single, bare, 1), 0.6);
  ratioRow('batch ÷ single, commands', ratios(batch, single, BATCH), 10);
}
