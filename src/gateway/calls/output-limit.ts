// How much output a call may ask for, where its caller left that open or `clampOutput` may cut it: never so much that one
// call takes all that the budgets have left, and never so little that a model which thinks cannot answer. Asked by calls.ts
// before a call is authorised; what fits here may be gone when the ledger decides, and then the ledger denies.

import type { Amounts } from '../../core/amount.js';
import type { BudgetLine } from '../../core/outcomes.js';
import { LIMITED_ENDPOINTS } from '../metering/endpoints.js';
import type { GatewaySettings } from './calls-settings.js';
import { candidateWith, heldAmounts, type PricedCandidate } from './candidates.js';
import { OUTPUT_TOKENS_FLOOR } from './floor.js';

/** What the ledger would say of a hold now. */
interface Fit {
  readonly fits: boolean;
  readonly lines: readonly BudgetLine[];
}
export type FitOf = (candidate: PricedCandidate, amounts: Amounts) => Fit;

/**
 * The candidate with the limit of output that goes out. Where the caller stated one, it is cut only with `clampOutput` and
 * only where the call does not fit as it is. Where even the least does not fit, the candidate with the least: the ledger then
 * says why not.
 */
export function limited(candidate: PricedCandidate, gateway: GatewaySettings, fitOf: FitOf): PricedCandidate {
  if (!LIMITED_ENDPOINTS.has(candidate.facts.endpoint)) return candidate;
  const isStated = candidate.facts.outputTokensStated !== null;
  if (isStated && !gateway.clampOutput) return candidate;
  const { fits, lines } = fitOf(candidate, heldAmounts(candidate));
  const shares = sharesOf(lines, 'remaining', gateway);
  if (fits && (isStated || isWithin(candidate, shares))) return candidate;
  const least = leastOf(candidate, gateway, lines);
  const most = largest(candidate, gateway, { least, fits: (tried) => isWithin(tried, shares) });
  if (most.outputTokensMax === least || fitOf(most, heldAmounts(most)).fits) return most;
  // A cap of one hold, or of what may be held at once, which no figure of a line tells.
  return largest(most, gateway, { least, fits: (tried) => fitOf(tried, heldAmounts(tried)).fits });
}

// A budget that is small as a whole has a smaller least: else it would refuse each call for good.
function leastOf(candidate: PricedCandidate, gateway: GatewaySettings, lines: readonly BudgetLine[]): number {
  const { outputTokensMax } = candidate;
  const floor = Math.min(outputTokensMax, OUTPUT_TOKENS_FLOOR);
  if (gateway.clampOutput) return floor;
  const usual = Math.min(outputTokensMax, gateway.outputTokensLeast);
  const shares = sharesOf(lines, 'granted', gateway);
  const atUsual = candidateWith(candidate, gateway, usual);
  if (isWithin(atUsual, shares)) return usual;
  return largest(atUsual, gateway, { least: floor, fits: (tried) => isWithin(tried, shares) })
    .outputTokensMax;
}

/** The most that one call may hold of each unit that output is held in; null without a limit. */
interface Shares {
  readonly usd: bigint | null;
  readonly tokens: bigint | null;
}

function sharesOf(
  lines: readonly BudgetLine[],
  figure: 'remaining' | 'granted',
  { outputSharePercent }: GatewaySettings,
): Shares {
  const shareOf = (of: string): bigint | null => {
    let least: bigint | null = null;
    for (const line of lines) {
      const steps = line[figure];
      if (line.unit === of && steps !== null && (least === null || steps < least)) least = steps;
    }
    return least === null ? null : (least * BigInt(outputSharePercent)) / 100n;
  };
  return { usd: shareOf('usd'), tokens: shareOf('tokens') };
}

function isWithin({ held }: PricedCandidate, { usd, tokens }: Shares): boolean {
  return (usd === null || held.usd <= usd) && (tokens === null || held.tokens <= tokens);
}

/** With the largest limit of output, from the least up to its own, that fits. A hold grows with its output, so that halving finds it. */
function largest(
  candidate: PricedCandidate,
  gateway: GatewaySettings,
  { least, fits }: { readonly least: number; readonly fits: (candidate: PricedCandidate) => boolean },
): PricedCandidate {
  let best = candidateWith(candidate, gateway, least);
  let tooMany = candidate.outputTokensMax;
  while (tooMany - best.outputTokensMax > 1) {
    const tried = candidateWith(candidate, gateway, Math.floor((best.outputTokensMax + tooMany) / 2));
    if (fits(tried)) best = tried;
    else tooMany = tried.outputTokensMax;
  }
  return best;
}
