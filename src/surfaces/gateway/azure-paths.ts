// The paths of Azure's clients, which name the model in the path (`/openai/deployments/NAME/chat/completions`) or leave the
// version out, and state `api-version` in the query. What goes out is the same request on the path without either.

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

/** The body with the deployment as its model: Azure looks at the path alone. What is no JSON object stays as it is. */
export function bodyFor(deployment: string, body: Buffer): Buffer {
  let stated: unknown;
  try {
    stated = JSON.parse(body.toString('utf8'));
  } catch {
    return body;
  }
  if (typeof stated !== 'object' || stated === null || Array.isArray(stated)) return body;
  if (!Object.hasOwn(stated, 'model')) {
    const isEmpty = Object.keys(stated).length === 0;
    const rest = body.subarray(body.indexOf('{') + 1);
    return Buffer.concat([Buffer.from(`{"model":${JSON.stringify(deployment)}${isEmpty ? '' : ','}`), rest]);
  }
  const { model } = stated as { readonly model: unknown };
  return model === deployment ? body : Buffer.from(JSON.stringify({ ...stated, model: deployment }));
}
