// The models that a caller can name, from the routing table, as each dialect lists them. Patterns list nothing, but a name
// that one matches is found.

import type { DialectName } from '../../service/dialects/dialect.js';
import { RefusedError } from '../../service/refusals.js';
import type { RoutingTable } from '../../service/routing/routing-table.js';

/** Of a model name in a path. */
const MODEL_LENGTH_MAX = 256;

export function modelList(dialect: DialectName, routing: Pick<RoutingTable, 'models'>): unknown {
  const data = routing.models(dialect).map((id) => modelEntry(dialect, id));
  if (dialect === 'openai') return { object: 'list', data };
  const ids = routing.models(dialect);
  return { data, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null };
}

/** @throws RefusedError model_not_found */
export function modelByName(
  dialect: DialectName,
  name: string,
  find: { readonly routing: Pick<RoutingTable, 'route'>; readonly now: number },
): unknown {
  const known =
    name.length <= MODEL_LENGTH_MAX && find.routing.route({ dialect, model: name }, find.now) !== null;
  if (!known)
    throw new RefusedError('model_not_found', 'no route of this dialect is configured for this model', {
      field: 'model',
    });
  return modelEntry(dialect, name);
}

// When a model was made is not known here, and both dialects require an instant.
function modelEntry(dialect: DialectName, id: string): unknown {
  return dialect === 'openai'
    ? { id, object: 'model', created: 0, owned_by: 'bursar' }
    : { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' };
}
