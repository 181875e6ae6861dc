// What the server offers about itself: reading its configuration again.

import { RefusedError } from '../kit/refusals.js';
import type { RouteHost } from '../kit/route.js';
import type { HttpParts } from './parts.js';
import { SERVICE_ROUTES } from './service-api.js';

export function serviceRoutes(host: RouteHost, { reload }: Pick<HttpParts, 'reload'>): void {
  host.serve('reload', SERVICE_ROUTES.reload, async () => {
    const { reloaded, message } = await reload();
    if (!reloaded) throw new RefusedError('conflict', message);
    host.scales.refresh();
    return { reloaded, message };
  });
}
