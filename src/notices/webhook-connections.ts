// How a notice goes out to a webhook: one POST over undici, without redirects, within a time, to addresses that the settings allow. The
// address is checked when the connection is made, after the name was looked up: what a name leads to may change at any time.
// Given to the sender by the composition root.

import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { Agent, request } from 'undici';
import type { NoticeSettings } from './notice.js';
import type { SendWebhook } from './sender.js';
import { isPublicAddress, webhookUrlProblem } from './webhook-address.js';

/** All of an attempt; Standard Webhooks asks receivers to answer within 15 s. */
const ATTEMPT_MS = 15_000;
const CONNECT_MS = 5_000;
/** An answer is not read: so much of it is taken in so that the connection can be used again. */
const ANSWER_BYTES_MAX = 16 * 1024;
/** Receivers close idle connections soon; one that is kept was checked when it was made. */
const KEEP_ALIVE_MS = 4_000;

export interface Webhooks {
  readonly send: SendWebhook;
  close(): Promise<void>;
}

type LookedUp = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/** As `dns.lookup`, for connections: an error where any address found is private, whichever would have been used. */
export function publicLookup(hostname: string, options: LookupOptions, done: LookedUp): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return done(error, []);
    if (addresses.length === 0 || !addresses.every(({ address }) => isPublicAddress(address)))
      return done(new Error('the name leads to a private address'), []);
    if (options.all === true) return done(null, addresses);
    done(null, addresses[0].address, addresses[0].family);
  });
}

export function openWebhooks(settings: () => NoticeSettings): Webhooks {
  const common = {
    headersTimeout: ATTEMPT_MS,
    bodyTimeout: ATTEMPT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    pipelining: 1,
  };
  const agents = {
    public: new Agent({ ...common, connect: { timeout: CONNECT_MS, lookup: publicLookup } }),
    any: new Agent({ ...common, connect: { timeout: CONNECT_MS } }),
  };
  return {
    async send({ url, headers, body, signal }) {
      const { reach } = settings();
      // Once more: a literal address is not looked up, and the settings may have become stricter.
      const problem = webhookUrlProblem(url, reach);
      if (problem !== null) throw new Error(`the URL ${problem}`);
      const answer = await request(url, {
        method: 'POST',
        headers: { ...headers, 'user-agent': 'bursar' },
        body,
        dispatcher: agents[reach],
        signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]),
      });
      // Status and headers are the answer; what the body says, or whether all of it comes, does not matter.
      await answer.body.dump({ limit: ANSWER_BYTES_MAX }).catch(() => undefined);
      const retryAfter = answer.headers['retry-after'];
      return { status: answer.statusCode, retryAfter: typeof retryAfter === 'string' ? retryAfter : null };
    },
    async close() {
      await Promise.all([agents.public.destroy(), agents.any.destroy()]);
    },
  };
}
