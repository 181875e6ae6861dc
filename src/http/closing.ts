// Ends the connections of a server that closes. A connection that answers a request finishes it; all others end. Node by itself
// ends only those that are idle at that moment, and waits for clients that have connected and not yet asked.

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { CLOSING_LOOK_MS } from './limits.js';

export class Closing {
  /** Connected, and no request has come whole. */
  readonly #silent = new Set<Socket>();

  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#silent.add(socket);
      socket.once('close', () => this.#silent.delete(socket));
    });
    server.on('request', ({ socket }) => this.#silent.delete(socket));
  }

  /** From now on until the server has closed. */
  begin(): void {
    const look = setInterval(() => {
      this.server.closeIdleConnections();
      for (const socket of this.#silent) socket.destroy();
    }, CLOSING_LOOK_MS);
    this.server.once('close', () => clearInterval(look));
  }
}
