// A provider's report API for tests: a real HTTP server on 127.0.0.1 that gives the bytes it is told to, in order, and
// remembers what it was asked. A pause that a report reader would wait for is noted instead of waited.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ReportAccess } from '#bursar/reconciliation/provider-report.js';
import type { ReportReader } from '#bursar/reconciliation/report-pages.js';

export interface ReportRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

export type ReportAnswer = (response: ServerResponse, request: ReportRequest) => void;

/** A page of a list, as text: the bytes that the provider sends. */
export function page(data: string, next: string | null = null): ReportAnswer {
  return text(
    `{"object":"page","data":[${data}],"has_more":${next !== null},"next_page":${JSON.stringify(next)}}`,
  );
}

export function text(body: string, status = 200, headers: Record<string, string> = {}): ReportAnswer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };
}

/** Says how long it is, and breaks before. */
export function cutOff(body: string): ReportAnswer {
  return (response) => {
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': String(body.length + 100),
    });
    response.write(body, () => response.destroy());
  };
}

export class ReportServer {
  readonly requests: ReportRequest[] = [];
  /** By path; what is not listed is 404. The last answer of a path is given again. */
  answers: Record<string, readonly ReportAnswer[]> = {};
  /** What was waited between attempts, ms. */
  readonly waits: number[] = [];
  now = Date.parse('2026-12-01T00:00:00Z');
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#serve(request, response));
  }

  static async start(): Promise<ReportServer> {
    const server = new ReportServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get reader(): ReportReader {
    return { fetch, wait: async (ms) => void this.waits.push(ms), now: () => this.now };
  }

  access(secret = 'sk-admin-secret'): ReportAccess {
    return { baseUrl: this.url, key: { secret, from: 'ADMIN_KEY' }, reader: this.reader, signal: undefined };
  }

  asked(path: string): ReportRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  #serve({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams: query } = new URL(url, this.url);
    const request = { path, query, headers };
    const answers = this.answers[path] ?? [text('{"error":{"message":"no such report"}}', 404)];
    const answer = answers[Math.min(this.asked(path).length, answers.length - 1)];
    this.requests.push(request);
    answer(response, request);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
