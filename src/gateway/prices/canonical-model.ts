// The one name that a model has in the label `model`, however its caller writes it: dated variants, aliases, letter case and
// a vendor's prefix lead to the same budget, so that none of them avoids it. The rule stands here alone; price-book.ts and
// price-data.ts ask for it, once for each name.

import { withoutVariant } from './model-match.js';
import { isModelPattern } from './model-pattern.js';
import type { OwnPrice } from './price.js';

/**
 * A model of the price data: by the data's own id, without its date where the data has the model without one too, without
 * the path of a vendor before it, in lower case.
 */
export function canonicalOfData(id: string, ids: { has(id: string): boolean }): string {
  const undated = withoutVariant(id);
  const name = ids.has(undated.toLowerCase()) ? undated : id;
  return name.slice(name.lastIndexOf('/') + 1).toLowerCase();
}

/**
 * A model that has an own price: an exact name is the name that the operator gave it; what a pattern matches is called as
 * the data calls it, and where the data does not know it, as the call does, without a date.
 */
export function canonicalOfOwn(
  { model }: Pick<OwnPrice, 'model'>,
  asked: string,
  ofData: string | null,
): string {
  return isModelPattern(model) ? (ofData ?? withoutVariant(asked)) : model;
}
