// The paths of Azure's clients, which name the model in the path (`/openai/deployments/NAME/chat/completions`) or leave the
// version out, and state `api-version` in the query. What goes out is the same request on the path without either.

import type { ParsedBody } from '../dialects/request-body.js';
import type { GatewayRoute } from './routes.js';

/** Besides the route's own; empty where the dialect is not Azure's. */
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
