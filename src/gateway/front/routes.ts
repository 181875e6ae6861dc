// The routes of the gateway, as a table: below which dialect, by which method and path, and what is done there. A route
// that is not in it is refused. Read by gateway.ts, which puts them on the server, and by wrong-paths.ts.

import { dialects } from '../dialects/dialects.js';
import type { ParsedBody } from '../dialects/request-body.js';
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

/**
 * The paths of Azure's clients for a route: they name the model in the path (`/openai/deployments/NAME/chat/completions`) or
 * leave the version out, and state `api-version` in the query. Empty where the dialect is not Azure's.
 */
export function azurePaths({ dialect, path }: Pick<GatewayRoute, 'dialect' | 'path'>): string[] {
  if (dialect !== 'openai') return [];
  const own = path.slice('/v1'.length);
  return [`/deployments/:deployment${own}`, own];
}

/** Whether a URL states a version of Azure's API, as its clients always do. */
export function isAzure(url: string): boolean {
  const query = url.indexOf('?');
  return query !== -1 && new URLSearchParams(url.slice(query + 1)).has('api-version');
}

/** The body with the deployment as its model: Azure looks at the path alone. Every other byte stays. */
export function forDeployment(
  deployment: string,
  stated: ParsedBody,
  parse: (bytes: Uint8Array) => ParsedBody,
): ParsedBody {
  if (stated.json.model === deployment) return stated;
  return parse(stated.fields.with({ model: JSON.stringify(deployment) }));
}
