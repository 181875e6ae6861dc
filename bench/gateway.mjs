// `npm run bench:gateway`: Bursar's gateway beside a bare pass-through proxy on the same HTTP libraries, with one fast
// provider behind both: requests a second, the time to the first byte at half load, memory over many requests and with
// thousands of open streams. `-- quick` takes shorter rounds and fewer requests; `-- requests=N` sets their number.

import { machineLine } from './machine.mjs';
import { median, pause, startLoad, startServer } from './processes.mjs';
import { benchKey, startBursar } from './serving.mjs';
import {
  ceilingRow,
  count,
  heading,
  inFolder,
  micros,
  ms,
  perSecond,
  quick,
  ratioRow,
  row,
} from './table.mjs';

const ROUNDS = quick ? 3 : 9;
const SECONDS = quick ? 2 : 5;
/** Enough that the processors are the limit, and not how long two commits take. */
const CONNECTIONS = 128;
const stated = process.argv.find((word) => word.startsWith('requests='));
const REQUESTS =
  stated === undefined ? (quick ? 30_000 : 1_000_000) : Number(stated.slice('requests='.length));
/** The ledger keeps the last 100,000 ended holds: the first fifth of such a run fills that. */
const FLAT_FROM = 500_000;
const STREAMS = 2_000;
/** Long enough that every stream has renewed buffers, sent events and been looked at by timers. */
const STREAMS_OPEN_SECONDS = quick ? 5 : 30;

const MESSAGES = [
  { role: 'system', content: 'You are a helpful assistant. '.repeat(8) },
  { role: 'user', content: 'Name the twenty-four words. '.repeat(8) },
];
const PLAIN = { model: 'gpt-4o-mini', messages: MESSAGES, max_tokens: 64 };
const STREAMED = { ...PLAIN, stream: true, stream_options: { include_usage: true } };
const TITLES = { proxy: 'bare pass-through proxy', bursar: 'Bursar' };
const KINDS = { plain: PLAIN, streamed: STREAMED };

console.log(machineLine(quick ? 'quick' : 'full'));
console.log('shared   all share the processors: the load generator, the side that is measured, the provider');

await inFolder(async (folder) => {
  const provider = await startServer('fake-provider.mjs');
  const proxy = await startServer('bare-proxy.mjs', { provider: `http://127.0.0.1:${provider.port}` });
  const bursar = await startBursar(folder, { providerPort: provider.port });
  const load = startLoad();
  try {
    const headers = { authorization: `Bearer ${await benchKey(bursar)}` };
    const job = { host: '127.0.0.1', headers, path: '/openai/v1/chat/completions', connections: CONNECTIONS };
    const to = (side, body) => ({ ...job, port: side.port, body: JSON.stringify(body) });
    const sides = { proxy, bursar };
    const rates = await throughput(load, sides, to);
    await firstByte(load, sides, to, rates);
    await memory(load, sides, to);
  } finally {
    await load.end();
    await Promise.all([bursar.end(), proxy.end(), provider.end()]);
  }
});

/** Runs a job and gives what it measured; an answer that is no success would be a cheap one. */
async function measured(load, kind, job) {
  const result = await load.run(kind, job);
  const wrong = Object.keys(result.statuses).filter((status) => status !== '200');
  if (wrong.length > 0) throw new Error(`port ${job.port} answered ${JSON.stringify(result.statuses)}`);
  return result;
}

async function throughput(load, sides, to) {
  heading(`Requests a second, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s a side`);
  const rates = {};
  for (const [kind, body] of Object.entries(KINDS)) {
    const rounds = { proxy: [], bursar: [] };
    // A first round that is not counted: servers still compile their code then.
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const [name, side] of Object.entries(sides)) {
        const before = side.cpuSeconds();
        const result = await measured(load, 'closedLoop', { ...to(side, body), seconds: SECONDS });
        result.cpuMs = ((side.cpuSeconds() - before) * 1_000) / result.requests;
        if (round >= 0) rounds[name].push(result);
      }
    }
    for (const [name, results] of Object.entries(rounds)) {
      const times = [0, 1].map((place) => ms(median(results.map((result) => result.totalMs[place]))));
      const rate = median(results.map((result) => result.perSecond));
      const cpu = micros(median(results.map((result) => result.cpuMs)));
      const notes = `p50 / p99 ${times.join(' / ')}, ${cpu} of processor time each`;
      row(`${TITLES[name]}, ${kind}`, perSecond(rate), notes);
      rates[kind] = rate;
    }
    const ratios = rounds.bursar.map((result, index) => result.perSecond / rounds.proxy[index].perSecond);
    ratioRow(`Bursar ÷ proxy, ${kind}`, median(ratios), 0.6);
  }
  return rates;
}

/** Both sides are offered half of what Bursar can do. */
async function firstByte(load, sides, to, rates) {
  heading('Time to the first byte of the body, at half of the rate that Bursar reaches');
  for (const [kind, body] of Object.entries(KINDS)) {
    const rate = rates[kind] / 2;
    const rounds = { proxy: [], bursar: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, side] of Object.entries(sides)) {
        rounds[name].push(await measured(load, 'openLoop', { ...to(side, body), seconds: SECONDS, rate }));
      }
    }
    for (const [name, results] of Object.entries(rounds)) {
      const times = [0, 1].map((place) => ms(median(results.map((result) => result.firstByteMs[place]))));
      row(`${TITLES[name]}, ${kind}, p50 / p99`, times.join(' / '), `at ${perSecond(rate)}`);
    }
    const added = rounds.bursar.map(
      (result, index) => result.firstByteMs[1] - rounds.proxy[index].firstByteMs[1],
    );
    const addedMs = median(added);
    row(
      `added by Bursar at p99, ${kind}`,
      ms(addedMs),
      `${addedMs <= 3 ? 'meets' : 'ABOVE'} the ceiling of 3 ms`,
    );
  }
}

async function memory(load, sides, to) {
  heading(`Resident memory of Bursar over ${count(REQUESTS)} requests, a tenth after the other`);
  const series = [];
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const body = tenth % 2 === 0 ? PLAIN : STREAMED;
    await measured(load, 'closedLoop', { ...to(sides.bursar, body), requests: Math.ceil(REQUESTS / 10) });
    series.push(sides.bursar.rssMiB());
  }
  row('after each tenth, MiB', '', series.map(count).join('  '));
  const grown = series[9] - series[1];
  row(
    'from the second tenth to the last',
    `${grown.toFixed(1)} MiB`,
    `${((grown * 2 ** 20) / (0.8 * REQUESTS)).toFixed(1)} bytes a request`,
  );
  if (REQUESTS >= FLAT_FROM) ceilingRow('last ÷ second', series[9] / series[1], 1.1);
  else row('last ÷ second', `${(series[9] / series[1]).toFixed(2)} ×`, 'too short a run to be flat');

  heading(`Resident memory with ${count(STREAMS)} open streams, ${STREAMS_OPEN_SECONDS} s`);
  for (const [name, side] of Object.entries(sides)) {
    const before = side.rssMiB();
    const job = { ...to(side, { ...STREAMED, model: 'slow' }), connections: STREAMS };
    const { open, ended } = await load.run('openStreams', job);
    if (open !== STREAMS)
      throw new Error(`${open} of ${STREAMS} streams are open at ${name}, ${ended} ended`);
    const opened = side.rssMiB();
    await pause(STREAMS_OPEN_SECONDS);
    const held = side.rssMiB();
    await load.run('closeStreams', {});
    await pause(2);
    const figures = [before, opened, held, side.rssMiB()].map(count).join(' / ');
    row(`${TITLES[name]}: before / opened / held / closed`, `${figures} MiB`);
  }
}
