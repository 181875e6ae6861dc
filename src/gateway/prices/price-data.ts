// The price data that @pydantic/genai-prices bundles: what it says of a provider's model, and which version of it is here.
// Providers are found by their exact id, models as model-match.ts says; the package's own look-up is looser than that.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Provider } from '@pydantic/genai-prices';
import { waitForUpdate } from '@pydantic/genai-prices';
import type { DatedPrice } from './data-rates.js';
import { datedPrice } from './data-rates.js';
import { canonicalOfData, findModel, type ModelIndex, modelIndex } from './model-match.js';

// The bundled data, as long as nobody updates it; and nobody here does, so that the version names what is used.
const PROVIDERS: ReadonlyMap<string, Provider> = new Map(
  ((await waitForUpdate()) ?? []).map((provider) => [provider.id, provider]),
);
const INDEXES = new Map<string, ModelIndex>();

/** For example `genai-prices@0.1.8`. */
export function dataVersion(): string {
  // The package exports its code alone; its manifest is beside the folder that the code is in.
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

/** What the data says of a model; null when it names none so. Costs a scan: callers keep the answer. */
export function dataPrice(
  provider: string,
  model: string,
): { readonly priceAt: DatedPrice; readonly canonical: string } | null {
  const own = PROVIDERS.get(provider);
  if (own === undefined) return null;
  // Some providers serve models of others at the price of those; the data names them.
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
