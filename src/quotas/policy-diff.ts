// What differs between two policies, field by field. Models and limits are told by their names, not by their places.
// Called by policies.ts.

import type { PolicyDocument } from './policy.js';

/** A field that differs; null where one of them does not have it. */
export interface Difference {
  readonly path: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** In the order of the fields; none when they say the same. */
export function differencesOf(from: PolicyDocument, to: PolicyDocument): Difference[] {
  const before = fieldsOf(from);
  const after = fieldsOf(to);
  const paths = [...new Set([...before.keys(), ...after.keys()])];
  return paths.flatMap((path) => {
    const [old, now] = [before.get(path) ?? null, after.get(path) ?? null];
    return old === now ? [] : [{ path, from: old, to: now }];
  });
}

function fieldsOf(document: PolicyDocument): Map<string, string> {
  const { models, ...rest } = document;
  const fields = new Map<string, string>();
  // Their order says which serves a tier.
  fields.set('models', models.map(({ name }) => name).join(', '));
  for (const { name, ...model } of models) gather(fields, `models.${name}`, model);
  gather(fields, '', rest);
  return fields;
}

function gather(fields: Map<string, string>, path: string, value: unknown): void {
  if (Array.isArray(value)) fields.set(path, value.join(', '));
  else if (typeof value !== 'object' || value === null) fields.set(path, String(value));
  else
    for (const [name, part] of Object.entries(value))
      gather(fields, path === '' ? name : `${path}.${name}`, part);
}
