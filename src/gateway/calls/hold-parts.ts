// What the hold of a call is made of: its input, the rounds of the provider's own tools, its output. The parts add up to what
// was requested, in usd and in tokens; a denial names them and what would make them smaller, and the decision's note keeps
// them. Pure arithmetic over a priced candidate.

import { formatAmount, parseAmount } from '../../core/amount.js';
import type { Endpoint } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { CostComponent } from '../prices/price.js';
import type { PricedCandidate } from './candidates.js';

type HoldPartName = 'input' | 'tool_rounds' | 'output';

interface HoldPart {
  readonly part: HoldPartName;
  readonly tokens: number;
  /** Steps of usd. */
  readonly usd: bigint;
}

const OUTPUT: ReadonlySet<CostComponent['component']> = new Set([
  'output',
  'reasoning',
  'output_audio',
  'output_image',
  'image',
]);
const TOOLS: ReadonlySet<CostComponent['component']> = new Set([
  'web_search',
  'code_interpreter',
  'file_search',
]);

/** Those that hold something, in the order in which they come. */
export function holdParts({ worst, held }: Pick<PricedCandidate, 'worst' | 'held'>): readonly HoldPart[] {
  let output = 0n;
  let calls = 0n;
  for (const { component, cost } of worst.cost.components) {
    if (OUTPUT.has(component)) output += cost;
    else if (TOOLS.has(component)) calls += cost;
  }
  // The input takes what rounding adds to the total, and the fee of a request.
  const input = held.usd - output - calls;
  const again = worst.inputTokens - worst.inputTokensOnce;
  const inputAgain = worst.inputTokens === 0 ? 0n : (input * BigInt(again)) / BigInt(worst.inputTokens);
  const parts: HoldPart[] = [
    { part: 'input', tokens: worst.inputTokensOnce, usd: input - inputAgain },
    { part: 'tool_rounds', tokens: again, usd: inputAgain + calls },
    { part: 'output', tokens: worst.outputTokens, usd: output },
  ];
  return parts.filter(({ tokens, usd }) => tokens > 0 || usd > 0n);
}

/** `[[part, tokens, "decimal usd"], …]`, as notes keep them. */
export function holdPartsNote(candidate: PricedCandidate): string {
  const rows = holdParts(candidate).map(
    ({ part, tokens, usd }) => `["${part}",${tokens},"${formatAmount(usd, 8)}"]`,
  );
  return `[${rows.join()}]`;
}

const NAMES: Readonly<Record<HoldPartName, string>> = {
  input: 'input',
  tool_rounds: "rounds of the provider's tools",
  output: 'output',
};

/** For people: each part with what it holds, the largest first. */
export function holdPartsText(parts: readonly HoldPart[]): string {
  return largestFirst(parts)
    .map(({ part, tokens, usd }) => `${NAMES[part]} ${formatAmount(usd, 8)} usd (${tokens} tokens)`)
    .join(', ');
}

/** The field in which a request of the endpoint states its limit of output. */
const LIMIT_FIELDS: Readonly<Partial<Record<Endpoint, string>>> = {
  chat_completions: 'max_completion_tokens (or max_tokens)',
  completions: 'max_tokens',
  responses: 'max_output_tokens',
  messages: 'max_tokens',
};
const FEWER_IMAGES = 'ask for fewer images (n) or a lower quality';
const SHORTER_AUDIO = 'send a shorter recording';
/** What a caller can do where the size of the output follows from the request, and no field limits it. */
const SMALLER_REQUESTS: Readonly<Partial<Record<Endpoint, string>>> = {
  images: FEWER_IMAGES,
  image_edits: FEWER_IMAGES,
  image_variations: FEWER_IMAGES,
  speech: 'send a shorter text',
  transcriptions: SHORTER_AUDIO,
  translations: SHORTER_AUDIO,
};
const LESS_INPUT: Readonly<Partial<Record<Endpoint, string>>> = {
  image_edits: 'send fewer images',
  transcriptions: SHORTER_AUDIO,
  translations: SHORTER_AUDIO,
};

/** What makes the largest part of a hold smaller: first what the caller can do, then what the operator can. */
export function howToHoldLess(
  { facts }: Pick<PricedCandidate, 'facts'>,
  parts: readonly HoldPart[],
): string | null {
  const [largest] = largestFirst(parts);
  if (largest === undefined) return null;
  if (largest.part === 'output') return howToLimitOutput(facts);
  if (largest.part === 'tool_rounds') {
    const bound = facts.endpoint === 'messages' ? 'max_uses of the tools' : 'max_tool_calls';
    return `lower ${bound}, leave out the tools that the provider runs, or have gateway.toolRounds lowered`;
  }
  if (facts.conversationIsStored) return 'send the conversation instead of naming what the provider stores';
  return facts.inputIsUnbounded
    ? 'send the input instead of naming what the provider stores, or have gateway.storedInputTokens lowered'
    : (LESS_INPUT[facts.endpoint] ?? 'send less input');
}

function howToLimitOutput({ endpoint, outputTokensStated }: RequestFacts): string {
  const field = LIMIT_FIELDS[endpoint];
  if (field === undefined) return SMALLER_REQUESTS[endpoint] ?? 'have gateway.outputTokensUnstated lowered';
  return outputTokensStated === null
    ? `state ${field}, or have gateway.outputTokensUnstated lowered`
    : `state a smaller ${field}, or have gateway.clampOutput switched on`;
}

function largestFirst(parts: readonly HoldPart[]): readonly HoldPart[] {
  return [...parts].sort((left, right) => (left.usd > right.usd ? -1 : left.usd < right.usd ? 1 : 0));
}

/** The parts of the candidates that a decision's note keeps, by `provider model`; none where it is no note of a call. */
export function holdPartsOfNote(note: unknown): readonly (readonly [string, readonly HoldPart[]])[] {
  try {
    const { candidates } = JSON.parse(String(note)) as { candidates: NotedCandidate[] };
    return candidates.flatMap(({ provider, model, parts = [] }) =>
      parts.length === 0 ? [] : [[`${provider} ${model}`, parts.map(partOf)] as const],
    );
  } catch {
    return [];
  }
}

interface NotedCandidate {
  readonly provider: string;
  readonly model: string;
  readonly parts?: readonly (readonly [HoldPartName, number, string])[];
}

function partOf([part, tokens, usd]: readonly [HoldPartName, number, string]): HoldPart {
  return { part, tokens, usd: parseAmount(usd, 8) };
}
