// Looks prices up in the data that the package @pydantic/genai-prices bundles. Providers are found by their exact id, models by
// model-match.ts; the package's own look-up is looser.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Provider } from '@pydantic/genai-prices';
import { waitForUpdate } from '@pydantic/genai-prices';
import type { DatedPrice } from './data-rates.js';
import { datedPrice } from './data-rates.js';
import { canonicalOfData, findModel, type ModelIndex, modelIndex } from './model-match.js';

// The bundled data. It is never updated at run time, so that the package's version names the data in use.
const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  ((await waitForUpdate()) ?? []).map((provider) => [provider.id, provider]),
);
const INDEXES = new Map<string, ModelIndex>();

/** For example `genai-prices@0.1.8`. */
export function dataVersion(): string {
  // The package exports only code. Its manifest is one folder above the code.
  const code = createRequire(import.meta.url).resolve('@pydantic/genai-prices');
  const manifest = JSON.parse(readFileSync(join(dirname(code), '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  return `genai-prices@${manifest.version}`;
}

/** Ids of the providers that the data has. */
export function dataProviders(): string[] {
  return [...PROVIDERS.keys()];
}

/** Ids of the models that the data has for a provider. */
export function dataModels(provider: string): string[] {
  return (PROVIDERS.get(provider)?.models ?? []).map(({ id }) => id);
}

/** The price and the canonical name of a model; null for an unknown name. It scans the data, so that callers keep the answer. */
export function dataPrice(
  provider: string,
  model: string,
): { readonly priceAt: DatedPrice; readonly canonical: string } | null {
  const own = PROVIDERS.get(provider);
  if (own === undefined) return null;
  // The data names providers whose models are also served here, at their own prices.
  for (const id of [provider, ...(own.fallback_model_providers ?? [])]) {
    const index = indexOf(id);
    const found = findModel(index, model);
    if (found !== null)
      return { priceAt: datedPrice(id, found, model), canonical: canonicalOfData(found.id, index.listed) };
  }
  return null;
}

function indexOf(provider: string): ModelIndex {
  let index = INDEXES.get(provider);
  if (index === undefined) {
    index = modelIndex(PROVIDERS.get(provider) as Provider);
    INDEXES.set(provider, index);
  }
  return index;
}
