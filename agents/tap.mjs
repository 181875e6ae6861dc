// Stands between a client and Bursar and passes every byte on, so that a run knows what the client asked for and how often,
// and what it was answered. A WebSocket handshake passes too.

import { createServer, request as requestOf } from 'node:http';
import { connect } from 'node:net';

/**
 * @param onAnswer told the status of every answer as it comes
 * @returns a listening tap: `url`, `seen` (`{method, path, query, headers, text, status}` in order), and `close()`
 */
export async function startTap(origin, onAnswer) {
  const { hostname, port } = new URL(origin);
  const seen = [];
  const note = (request, text) => {
    const [path, query = ''] = request.url.split('?');
    const noted = { method: request.method, path, query, headers: request.headers, text, status: null };
    seen.push(noted);
    return noted;
  };
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const noted = note(request, body.toString());
    const { method, url: path, headers } = request;
    const onward = requestOf({ hostname, port, method, path, headers }, (answer) => {
      noted.status = answer.statusCode;
      void onAnswer(noted.status);
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    response.on('close', () => onward.destroy());
    onward.on('error', () => response.destroy());
    onward.end(body);
  });
  server.on('upgrade', (request, socket, head) => {
    const noted = note(request, '');
    const onward = connect(port, hostname, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let at = 0; at < request.rawHeaders.length; at += 2)
        lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.once('data', (data) => {
      noted.status = Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString())?.[1]);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
