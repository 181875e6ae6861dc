// The models that a caller can name, as each dialect lists them.

import { RefusedError } from '../../kit/refusals.js';
import type { DialectName } from '../metering/endpoints.js';
import { isListed, type ListParts, listedModels } from '../routing/listed-models.js';

/** Of a model name in a path. */
const MODEL_LENGTH_MAX = 256;

export function modelList(dialect: DialectName, parts: ListParts): unknown {
  const ids = listedModels(dialect, parts);
  const data = ids.map((id) => modelEntry(dialect, id));
  if (dialect === 'openai') return { object: 'list', data };
  return { data, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null };
}

/** @throws RefusedError model_not_found */
export function modelByName(dialect: DialectName, name: string, parts: ListParts): unknown {
  if (name.length > MODEL_LENGTH_MAX || !isListed(dialect, name, parts))
    throw new RefusedError(
      'model_not_found',
      'no route of this dialect leads to a priced model of this name',
      {
        field: 'model',
      },
    );
  return modelEntry(dialect, name);
}

// When a model was made is not known here, and both dialects require an instant.
function modelEntry(dialect: DialectName, id: string): unknown {
  return dialect === 'openai'
    ? { id, object: 'model', created: 0, owned_by: 'bursar' }
    : { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' };
}
