// Calls that are billed by something else than tokens: characters that are spoken, seconds that are heard, images that are
// made. The price of the model says whether they are: then that is all that they cost. Called by worst-case.ts and by
// calls/charge.ts.

import type { RequestFacts } from '../dialects/dialect.js';
import { costOf } from './cost.js';
import type { Cost, ModelPrice, Quantities } from './price.js';

type BilledBy = NonNullable<RequestFacts['billedBy']>;

/** What a call is billed by at this price; null where it is by tokens. */
export function billedBy(
  { rates }: Pick<ModelPrice, 'rates'>,
  facts: Pick<RequestFacts, 'billedBy'>,
): BilledBy | null {
  const { billedBy: by } = facts;
  return by !== undefined && rates[by.component] !== undefined ? by : null;
}

/** The cost of a call that is billed so: of as many as the answer states, else of the most that the request asks for. */
export function costBilledBy(
  { rates }: Pick<ModelPrice, 'rates'>,
  { component, most }: BilledBy,
  stated: Quantities | null,
): { readonly cost: Cost; readonly quantities: Quantities; readonly isStated: boolean } {
  const told = stated?.[component];
  const quantities = { [component]: told ?? most };
  // Characters are counted in the request itself.
  const isStated = told !== undefined || component === 'character';
  return { cost: costOf(rates, quantities, 0), quantities, isStated };
}

/** What is billed by tokens, and nothing that such a price does not know. */
export function tokensOf({ character: _1, audio_second: _2, image: _3, ...tokens }: Quantities): Quantities {
  return tokens;
}
