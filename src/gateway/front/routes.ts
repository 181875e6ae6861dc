// The routes of the gateway, as a table: below which dialect, by which method and path, and what is done there. A route
// that is not in it is refused. Read by gateway.ts, which puts them on the server, and by wrong-paths.ts.

import { dialects } from '../dialects/dialects.js';
import { DIALECTS, type DialectName, type Endpoint } from '../metering/endpoints.js';

export type GatewayRoute = {
  readonly dialect: DialectName;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the dialect's prefix, as Fastify writes it. */
  readonly path: string;
} & RouteWork;

type RouteWork =
  /** Authorised before it goes to a provider, and settled when it ends. */
  | { readonly work: 'metered'; readonly endpoint: Endpoint }
  /** About a response that a provider keeps: goes to that provider, and costs nothing. */
  | { readonly work: 'stored_response' }
  /** Answered by Bursar itself; costs nothing. */
  | { readonly work: 'model_list' | 'model' }
  /** Answered to whoever asks: clients look in this way whether the server is there. */
  | { readonly work: 'hello' };

export type MeteredRoute = Extract<GatewayRoute, { work: 'metered' }>;

const STORED_RESPONSES: readonly GatewayRoute[] = (
  [
    ['GET', '/v1/responses/:id'],
    ['GET', '/v1/responses/:id/input_items'],
    ['POST', '/v1/responses/:id/cancel'],
    ['DELETE', '/v1/responses/:id'],
  ] as const
).map(([method, path]) => ({ dialect: 'openai', method, path, work: 'stored_response' }));

export const GATEWAY_ROUTES: readonly GatewayRoute[] = DIALECTS.flatMap((dialect): GatewayRoute[] => [
  ...Object.entries(dialects[dialect].paths).map(
    ([path, endpoint]): GatewayRoute => ({ dialect, method: 'POST', path, work: 'metered', endpoint }),
  ),
  { dialect, method: 'GET', path: '/v1/models', work: 'model_list' },
  { dialect, method: 'GET', path: '/v1/models/*', work: 'model' },
  // The base URL itself, and what Claude Code opens its connection with.
  { dialect, method: 'GET', path: '/', work: 'hello' },
  { dialect, method: 'GET', path: '/v1', work: 'hello' },
  { dialect, method: 'GET', path: '/api/hello', work: 'hello' },
  ...(dialect === 'openai' ? STORED_RESPONSES : []),
]);
