// Bytes to a server as no client library would send them, and what came back.

import { connect, type Socket } from 'node:net';

/** Long enough for an answer on a busy machine. */
const ANSWER_MS_MAX = 5_000;

export interface RawAnswer {
  /** Of the first answer; null when the connection was closed without one. */
  readonly status: number | null;
  /** All that came. */
  readonly text: string;
  /** How many answers came. */
  readonly answers: number;
}

export function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  return socket;
}

/** Sends bytes and reads until the server closes, or until `quietMs` have passed without a byte after an answer. */
export function sendRaw(url: string, bytes: string | Buffer, quietMs = 300): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = open(url);
    let text = '';
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      // One may begin right behind the body of the one before it.
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
      const [status = null] = statuses.filter((found) => found !== 100);
      resolve({ status, text, answers: statuses.length });
    };
    let timer = setTimeout(finish, ANSWER_MS_MAX);
    socket.on('data', (data) => {
      text += data.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(finish, quietMs);
    });
    socket.on('close', finish);
    socket.write(bytes);
  });
}

/** A request with its length stated; `headers` go in as they are, one a line. */
export function request(
  method: string,
  target: string,
  { headers = [], body = '' }: { readonly headers?: readonly string[]; readonly body?: string | Buffer } = {},
): Buffer {
  const bytes = Buffer.from(body);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: bursar',
    'Connection: close',
    `Content-Length: ${bytes.length}`,
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]);
}
