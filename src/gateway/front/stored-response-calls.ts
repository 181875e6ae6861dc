// Requests about a response that a provider keeps: read, listed, cancelled, deleted. They cost nothing, and go to the
// provider that made the response, for the caller who asked for it and for no other. Called by gateway.ts.

import { pipeline } from 'node:stream/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import type { StoredResponses } from '../calls/stored-responses.js';
import type { ProviderSettings } from '../routing/route-settings.js';
import { type AnswerHeaders, headerText, passHeaders } from './answer-headers.js';
import { ERROR_BYTES_MAX } from './attempt.js';
import { STALL_MAX_MS } from './caller-connection.js';
import { NoProviderKeyError, type Upstreams } from './upstreams.js';

/** An id as providers make them; what goes into a path is nothing else. */
const ID = /^[A-Za-z0-9_-]{1,256}$/;
/** Of the query; all else stays here. */
const PASSED_QUERY: ReadonlySet<string> = new Set([
  ...['include', 'include[]', 'stream', 'starting_after', 'include_obfuscation', 'after', 'limit', 'order'],
]);

interface StoredResponseParts {
  readonly storedResponses: Pick<StoredResponses, 'providerOf' | 'forget'>;
  readonly providers: () => readonly ProviderSettings[];
  readonly upstreams: Pick<Upstreams, 'ask' | 'repeatsKey'>;
  readonly logger: { warn(about: object, message: string): void };
}

export class StoredResponseCalls {
  constructor(private readonly parts: StoredResponseParts) {}

  /** @throws RefusedError `not_found`, `provider_failed` */
  async handle(caller: Caller, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { id } = request.params as { readonly id: string };
    if (!ID.test(id))
      throw new RefusedError('not_found', 'This is no id of a response.', { field: 'response_id' });
    const name = this.parts.storedResponses.providerOf(caller, id);
    const provider = this.parts.providers().find((one) => one.name === name);
    if (provider === undefined)
      throw new RefusedError(
        'not_found',
        `The provider ${name}, which keeps this response, is no longer configured.`,
      );
    const { statusCode, headers, body } = await this.#asked(provider, request);
    const own: AnswerHeaders = {
      'bursar-cost': '0',
      'bursar-provider': headerText(name),
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    };
    passHeaders(headers, own);
    if (statusCode < 400) {
      if (request.method === 'DELETE') await this.#forgotten(caller, id);
      reply.hijack();
      reply.raw.writeHead(statusCode, own);
      // A stream may be quiet for as long as its provider may; a caller that takes nothing for longer is gone.
      reply.raw.setTimeout(Math.max(STALL_MAX_MS, provider.idleTimeoutMs));
      // A caller who leaves ends the request to the provider too.
      await pipeline(body, reply.raw).catch(() => reply.raw.destroy());
      return reply;
    }
    const error = await bounded(body).catch(() => {
      throw failed(name, 'broke off its answer');
    });
    if (statusCode === 401 || statusCode === 403 || this.parts.upstreams.repeatsKey(provider, error))
      throw failed(name, 'does not take the key that is configured for it');
    // The gateway never answers 409, which client libraries try again.
    return reply
      .code(statusCode === 409 ? 400 : statusCode)
      .headers(own)
      .send(error);
  }

  // The provider has deleted it, whether or not that can be written down.
  async #forgotten(caller: Caller, id: string): Promise<void> {
    try {
      await this.parts.storedResponses.forget(caller, id);
    } catch (error) {
      this.parts.logger.warn(
        { err: error },
        'a stored response was deleted, and the ledger does not know it',
      );
    }
  }

  async #asked(provider: ProviderSettings, { method, url }: FastifyRequest) {
    const [path, query = ''] = url.split('?', 2);
    const passed = [...new URLSearchParams(query)].filter(([name]) => PASSED_QUERY.has(name));
    const search = passed.length === 0 ? '' : `?${new URLSearchParams(passed)}`;
    const below = path.slice(path.indexOf('/v1/'));
    try {
      return await this.parts.upstreams.ask(provider, {
        method: method as 'GET' | 'POST' | 'DELETE',
        path: below + search,
      });
    } catch (error) {
      const isKeyMissing = error instanceof NoProviderKeyError;
      this.parts.logger.warn(
        { err: error, provider: provider.name },
        'a stored response could not be asked for',
      );
      throw failed(provider.name, isKeyMissing ? 'has no key' : 'could not be reached');
    }
  }
}

async function bounded(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > ERROR_BYTES_MAX) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failed(name: string, what: string): RefusedError {
  return new RefusedError('provider_failed', `The provider ${name} ${what}.`);
}
