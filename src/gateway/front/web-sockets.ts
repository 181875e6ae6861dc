// Clients that would rather speak over a WebSocket (Codex tries it first, at every start) are told at once that they cannot:
// 426 makes them go on over HTTP, where any other answer makes them try again. Called by gateway.ts.

import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { RefusedError } from '../../kit/refusals.js';

/** A handshake is a GET; other requests may offer an upgrade that a server leaves alone (`h2c`). */
export function isWebSocket({ method, headers }: Pick<FastifyRequest, 'method' | 'headers'>): boolean {
  return method === 'GET' && /\bwebsocket\b/i.test(headers.upgrade ?? '');
}

/** A 426 names what is taken instead (RFC 9110, 15.5.22); nothing that may follow on the connection is read as a request. */
export function webSocketRefused(reply: FastifyReply): RefusedError {
  reply.header('upgrade', 'HTTP/1.1').header('connection', 'upgrade, close');
  return new RefusedError(
    'websocket_not_taken',
    'WebSockets are not taken here; send the same request over HTTP, whose answer can be a stream.',
  );
}

export const refuseWebSocket: onRequestHookHandler = (request, reply, done) => {
  if (isWebSocket(request)) done(webSocketRefused(reply));
  else done();
};
