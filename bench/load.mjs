// The load generator, a process of its own: keep-alive connections on bare sockets, so that it costs far less than what
// it measures. Jobs come as messages from the parent (processes.mjs); each is answered with counts and percentiles.

import { connect } from 'node:net';
import { HOLD, ID } from './processes.mjs';
import { percentile } from './workloads.mjs';

const RUN = process.pid.toString(36).padStart(4, '0').slice(-4);
let serial = 0;

function nextId() {
  serial += 1;
  return RUN + serial.toString(36).padStart(ID.length - RUN.length, '0');
}

/** What is filled in when a request is sent: ids, and in the paths of a flow what earlier answers gave. */
const BLANK = new RegExp(`(${ID}|<\\w+>)`);

/** The bytes of one request, but for its blanks: every other piece is one. */
function templateOf({ host, port, method = 'POST', path, headers, body }) {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}:${port}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined)
    lines.push('content-type: application/json', `content-length: ${Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`.split(BLANK);
}

/** Ids of holds that were opened and not ended yet. */
const opened = [];
/** What HOLD stands for in a closed loop: a new id, one that is remembered, or one that was. */
const HOLDS = {
  named: {
    get [HOLD]() {
      return nextId();
    },
  },
  opened: {
    get [HOLD]() {
      opened.push(nextId());
      return opened.at(-1);
    },
  },
  ended: {
    get [HOLD]() {
      return opened.pop() ?? nextId();
    },
  },
};

/** One connection, one request at a time: status, length or chunks, and when the first byte of the body came. */
class Connection {
  #socket = null;
  #head = '';
  #left = 0;
  #chunked = false;
  #inBody = false;
  #tail = '';
  #sentAt = 0;
  #firstByteMs = 0;
  /** The body of the last answer, where the job says that it is looked at. */
  body = '';

  constructor(job, onEnd) {
    this.job = job;
    this.onEnd = onEnd;
  }

  send(template = this.job.template, values = {}) {
    this.#socket ??= this.#open();
    this.#head = '';
    this.body = '';
    this.#inBody = false;
    this.#tail = '';
    this.#firstByteMs = 0;
    let text = template[0];
    for (let part = 1; part < template.length; part += 2)
      text += (template[part] === ID ? nextId() : values[template[part]]) + template[part + 1];
    this.#sentAt = performance.now();
    this.#socket.write(text, 'latin1');
  }

  close() {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #open() {
    const socket = connect({ host: this.job.host, port: this.job.port, noDelay: true });
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.onEnd(this, 0, 0, 0);
    });
    return socket;
  }

  #read(bytes) {
    let body = bytes;
    if (!this.#inBody) {
      this.#head += bytes.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head.slice(0, end));
      this.#inBody = true;
      this.#chunked = length === null;
      this.#left = length === null ? 0 : Number(length[1]);
      body = Buffer.from(this.#head.slice(end + 4), 'latin1');
    }
    if (body.length > 0 && this.#firstByteMs === 0) {
      this.#firstByteMs = performance.now() - this.#sentAt;
      this.job.onFirstByte?.();
    }
    if (this.job.keepsBody) this.body += body.toString('latin1');
    if (this.#chunked) {
      // Events end with LF LF: two line ends with CR are the end of the chunks, or of the trailers after them.
      this.#tail = (this.#tail + body.subarray(-8).toString('latin1')).slice(-4);
      if (this.#tail !== '\r\n\r\n') return;
    } else {
      this.#left -= body.length;
      if (this.#left > 0) return;
    }
    const status = Number(this.#head.slice(9, 12));
    this.onEnd(this, status, performance.now() - this.#sentAt, this.#firstByteMs);
  }
}

class Tally {
  statuses = {};
  totals = [];
  firstBytes = [];
  answered = 0;

  add(status, totalMs, firstByteMs) {
    this.answered += 1;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    // A bound, so that long runs are flat here too; the first million are as good as the rest.
    if (this.totals.length >= 1_000_000) return;
    this.totals.push(totalMs);
    this.firstBytes.push(firstByteMs);
  }

  result(seconds) {
    const { statuses, totals, firstBytes } = this;
    const both = (samples) => [percentile(samples, 0.5), percentile(samples, 0.99)];
    return {
      requests: this.answered,
      perSecond: this.answered / seconds,
      statuses,
      totalMs: both(totals),
      firstByteMs: both(firstBytes),
    };
  }
}

/** So many connections, each sending its next request when the last is answered; for a time, or for so many requests. */
function closedLoop(job) {
  const { connections, seconds, requests = Number.POSITIVE_INFINITY, holds } = job;
  const tally = new Tally();
  const started = performance.now();
  const until = started + (seconds ?? 86_400) * 1000;
  let open = connections;
  let sent = 0;
  return new Promise((resolve) => {
    const next = (connection) => {
      if (sent < requests && performance.now() < until) {
        sent += 1;
        connection.send(job.template, HOLDS[holds]);
        return;
      }
      connection.close();
      open -= 1;
      if (open === 0) resolve(tally.result((performance.now() - started) / 1000));
    };
    const onEnd = (connection, ...measured) => {
      tally.add(...measured);
      next(connection);
    };
    for (let index = 0; index < connections; index += 1) next(new Connection(job, onEnd));
  });
}

/** So many requests a second, whether or not the last are answered: what waits is seen as time, not as a lower rate. */
function openLoop(job) {
  const tally = new Tally();
  const idle = [];
  const all = new Set();
  const started = performance.now();
  let sent = 0;
  const onEnd = (connection, ...measured) => {
    tally.add(...measured);
    idle.push(connection);
  };
  const send = () => {
    const connection = idle.pop() ?? new Connection(job, onEnd);
    all.add(connection);
    sent += 1;
    connection.send();
  };
  return new Promise((resolve) => {
    const tick = () => {
      const seconds = (performance.now() - started) / 1000;
      if (seconds >= job.seconds) {
        if (tally.answered < sent && seconds < job.seconds + 30) return setTimeout(tick, 20);
        for (const connection of all) connection.close();
        return resolve(tally.result(seconds));
      }
      while (sent < seconds * job.rate) send();
      setTimeout(tick, 1);
    };
    tick();
  });
}

/**
 * So many connections, each taking the steps of a flow one after the other, again and again; for a time, or for so many
 * flows. A step that has `takes: { name, field }` finds that field in its answer, and `<name>` stands for it in the steps
 * after it. `<chat>` begins as one of `chats`, at random, and no two connections have the same. `keeps`: gives what this
 * name stood for at the end of each flow.
 */
function flows(job) {
  const { connections, seconds = 86_400, flows: most = Number.POSITIVE_INFINITY, chats = [], keeps } = job;
  const steps = job.steps.map((step) => ({ ...step, template: templateOf({ ...job, ...step }) }));
  const tally = new Tally();
  const kept = [];
  const started = performance.now();
  const until = started + seconds * 1000;
  let begun = 0;
  let open = connections;
  return new Promise((resolve) => {
    const begin = (flow) => {
      if (begun >= most || performance.now() >= until) {
        flow.connection.close();
        open -= 1;
        if (open === 0) resolve({ ...tally.result((performance.now() - started) / 1000), kept });
        return;
      }
      begun += 1;
      flow.step = 0;
      flow.startedAt = performance.now();
      const { own } = flow;
      if (own.length > 0) flow.values['<chat>'] = own[Math.floor(Math.random() * own.length)];
      flow.connection.send(steps[0].template, flow.values);
    };
    const answered = (flow, status) => {
      const { takes } = steps[flow.step];
      if (takes !== undefined)
        flow.values[`<${takes.name}>`] = new RegExp(`"${takes.field}":"([^"]+)"`).exec(
          flow.connection.body,
        )?.[1];
      flow.step += 1;
      if (status < 300 && flow.step < steps.length)
        return flow.connection.send(steps[flow.step].template, flow.values);
      tally.add(status, performance.now() - flow.startedAt, 0);
      if (keeps !== undefined) kept.push(flow.values[`<${keeps}>`]);
      begin(flow);
    };
    for (let index = 0; index < connections; index += 1) {
      const own = chats.filter((_, place) => place % connections === index);
      const flow = { own, values: {} };
      const looked = { ...job, keepsBody: true };
      flow.connection = new Connection(looked, (_, status) => answered(flow, status));
      begin(flow);
    }
  });
}

let streams = [];

/** Opens so many answers that do not end; done when each has its first byte. */
function openStreams(job) {
  return new Promise((resolve) => {
    let first = 0;
    let ended = 0;
    const done = () => {
      if (first + ended === job.connections) resolve({ open: first, ended });
    };
    const counted = {
      ...job,
      onFirstByte: () => {
        first += 1;
        done();
      },
    };
    const onEnd = () => {
      ended += 1;
      done();
    };
    streams = Array.from({ length: job.connections }, () => new Connection(counted, onEnd));
    // A few at a time: the kernel's queue of new connections is short.
    let next = 0;
    const some = () => {
      for (let left = 50; left > 0 && next < streams.length; left -= 1, next += 1) streams[next].send();
      if (next < streams.length) setTimeout(some, 20);
    };
    some();
  });
}

function closeStreams() {
  for (const stream of streams.splice(0)) stream.close();
  return Promise.resolve({});
}

const JOBS = { closedLoop, openLoop, flows, openStreams, closeStreams };

process.on('message', async ({ kind, ...job }) => {
  const template = job.body === undefined ? [] : templateOf(job);
  process.send({ done: await JOBS[kind]({ ...job, template }) });
});
process.on('disconnect', () => process.exit());
