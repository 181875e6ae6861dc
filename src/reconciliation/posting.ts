// Books the difference between a report and the ledger, so that the ledger agrees with the bill. Missing spend is recorded under
// the provider's labels and `metering: reconciliation`. Excess spend is taken off the charges themselves, estimates first. Each
// command's id names the report, so that the same step is booked once. Called by reconcile.ts.

import { createHash } from 'node:crypto';
import type { Ledger } from '../authority/api.js';
import type { Actor } from '../core/facts.js';
import type { CommandOutcome, HoldView } from '../core/outcomes.js';
import type { Command, Labels } from '../core/requests.js';
import { lesser } from '../gateway/calls/floor.js';
import { POSTED_LABEL, postingNote } from './charge-note.js';
import type { ChargedHold, CorrectableHolds } from './correctable-holds.js';
import { DAY_MS, startOfDay } from './days.js';
import type { GapRow } from './gaps.js';
import { rowKey } from './items.js';

/** In one durable group: a few milliseconds of the ledger's time. */
const CORRECTIONS_PER_GROUP = 500;

export interface UnpostedGap {
  readonly day: string;
  readonly item: string | null;
  /** The part of the gap that could not be booked. Negative where the ledger stays above the bill. */
  readonly usd: bigint;
  readonly why: string;
}

export interface Posting {
  readonly recorded: { readonly count: number; readonly usd: bigint };
  readonly lowered: { readonly count: number; readonly usd: bigint };
  readonly notPosted: readonly UnpostedGap[];
}

export interface PostingOptions {
  readonly ledger: Ledger;
  readonly actor: Actor | null;
  readonly provider: string;
  /** The report's digest. */
  readonly report: string;
  /** Rows whose gap is booked. */
  readonly rows: readonly GapRow[];
  readonly correctable: CorrectableHolds;
  /** More labels of what is recorded, such as the tenant that stands for it. */
  readonly labels: Labels;
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

export async function postGaps(options: PostingOptions): Promise<Posting> {
  const posting = new GapPosting(options);
  for (const row of options.rows) {
    options.signal?.throwIfAborted();
    if (row.gapUsd > 0n) await posting.record(row);
    if (row.gapUsd < 0n) await posting.lower(row);
  }
  return posting.result();
}

class GapPosting {
  readonly #options: PostingOptions;
  readonly #recorded = { count: 0, usd: 0n };
  readonly #lowered = { count: 0, usd: 0n };
  /** What was taken off each hold so far: a hold can count in the row of a model and in the row of a tool. */
  readonly #loweredHolds = new Map<string, bigint>();
  readonly #notPosted: UnpostedGap[] = [];

  constructor(options: PostingOptions) {
    this.#options = options;
  }

  result(): Posting {
    return { recorded: this.#recorded, lowered: this.#lowered, notPosted: this.#notPosted };
  }

  async record(row: GapRow): Promise<void> {
    const { now } = this.#options;
    const endOfDay = startOfDay(row.day) + DAY_MS - 1;
    let outcome = await this.#recordAt(row, endOfDay < now ? endOfDay : null);
    // The windows of that day are over. Like any late invoice it then counts in the windows in force; its note has the day.
    if (outcome.outcome === 'rejected' && outcome.code === 'occurred_too_early')
      outcome = await this.#recordAt(row, null);
    if (outcome.outcome === 'rejected') return this.#note(row, row.gapUsd, outcome.message);
    this.#recorded.count += 1;
    this.#recorded.usd += row.gapUsd;
  }

  #recordAt(row: GapRow, occurredAt: number | null): Promise<CommandOutcome> {
    const { ledger, provider, report, labels, actor } = this.#options;
    const { day, item, kind, name } = row;
    return ledger.record(
      {
        commandId: this.#commandId(row, occurredAt === null ? 'record now' : 'record'),
        labels: { ...labels, ...this.#labelsOf(row), provider, [POSTED_LABEL.key]: POSTED_LABEL.value },
        amounts: { usd: row.gapUsd },
        ...(occurredAt === null ? {} : { occurredAt }),
        note: postingNote({ report, day, item: item === null ? null : { item, kind, name } }),
      },
      { actor },
    );
  }

  #labelsOf({ item, kind, name }: GapRow): Labels {
    if (item === null || name === '') return {};
    return kind === 'model' ? { model: name } : { item: name };
  }

  async lower(row: GapRow): Promise<void> {
    const { now, ledger } = this.#options;
    if (startOfDay(row.day) + DAY_MS > now)
      return this.#note(
        row,
        row.gapUsd,
        'the day is not over, and the provider may not have counted all of it',
      );
    const candidates = this.#options.correctable.of(rowKey(row));
    // The ledger forgets ended holds after its retention, so that some may be unknown by now.
    const views = await ledger.whenDurable(() => candidates.map(({ holdId }) => ledger.hold(holdId)));
    const known = candidates.flatMap((hold, index) => this.#lowerable(hold, views[index]));
    const soft = taken(
      known.filter(({ hold }) => hold.isSoft),
      -row.gapUsd,
    );
    // Spend without a hold is in no charge, so it is not taken off the charges of holds. It is negative when
    // credits exceed the recorded spend.
    const withoutHoldUsd = row.ledger?.withoutHoldUsd ?? 0n;
    const firmUsd = -row.gapUsd - sumOf(soft) - (withoutHoldUsd < 0n ? 0n : withoutHoldUsd);
    const firm = takenInProportion(
      known.filter(({ hold }) => !hold.isSoft),
      firmUsd,
    );
    const left = -row.gapUsd - (await this.#submit(row, [...soft, ...firm]));
    if (left > 0n)
      this.#note(
        row,
        -left,
        'the holds that were charged it have left the ledger’s memory, or were no holds',
      );
  }

  /** The hold as it is now; none where its charge has changed since it was read. */
  #lowerable(hold: ChargedHold, view: HoldView | undefined): LowerableHold[] {
    const now = hold.usd - (this.#loweredHolds.get(hold.holdId) ?? 0n);
    const hasEnded = view?.status === 'settled' || view?.status === 'expired';
    return view !== undefined && hasEnded && view.charged?.usd === now ? [{ hold, view }] : [];
  }

  /** Returns what was taken off. */
  async #submit(row: GapRow, lowerings: readonly Lowering[]): Promise<bigint> {
    let takenOff = 0n;
    for (let from = 0; from < lowerings.length; from += CORRECTIONS_PER_GROUP) {
      const group = lowerings.slice(from, from + CORRECTIONS_PER_GROUP);
      const commands = group.map(({ view, usd }) => this.#command(row, view, usd));
      const outcomes = await this.#options.ledger.submit(commands, { actor: this.#options.actor });
      for (const [index, { hold, usd }] of group.entries()) {
        if (outcomes[index].outcome === 'rejected') continue;
        takenOff += usd;
        this.#lowered.count += 1;
        this.#loweredHolds.set(hold.holdId, (this.#loweredHolds.get(hold.holdId) ?? 0n) + usd);
      }
    }
    this.#lowered.usd += takenOff;
    return takenOff;
  }

  /** A hold that expired has no settlement to correct: it is settled, late. */
  #command(row: GapRow, view: HoldView, usd: bigint): Command {
    const { report, provider } = this.#options;
    const { holdId } = view;
    const { day, item, kind, name } = row;
    const commandId = this.#commandId(row, `lower ${holdId}`);
    const authority = view.authority === null ? {} : { authority: view.authority };
    const common = { commandId, holdId, ...authority };
    const note = postingNote({ report, day, item: item === null ? null : { item, kind, name } }, usd);
    const amounts = { ...view.charged, usd: (view.charged?.usd ?? 0n) - usd };
    if (view.status === 'expired')
      return { command: 'settle_hold', ...common, amounts, note, outcome: 'unknown' };
    const reason = `reconciliation with ${provider}'s report ${report} of ${day}`;
    return { command: 'correct_hold', ...common, amounts: { usd: amounts.usd }, reason, note };
  }

  // A repeat with the same report and the same figures has the same ids. Once a step is booked, the figures are others.
  #commandId({ day, item, ledgerUsd, reportUsd }: GapRow, step: string): string {
    const { report, provider } = this.#options;
    const what = JSON.stringify([report, provider, day, item, String(ledgerUsd), String(reportUsd), step]);
    return `reconciliation-${createHash('sha256').update(what).digest('hex').slice(0, 40)}`;
  }

  #note({ day, item }: GapRow, usd: bigint, why: string): void {
    this.#notPosted.push({ day, item, usd, why });
  }
}

interface LowerableHold {
  readonly hold: ChargedHold;
  readonly view: HoldView;
}

interface Lowering extends LowerableHold {
  /** What is taken off. */
  readonly usd: bigint;
}

/** Takes from each hold in order, until the amount is reached. */
function taken(holds: readonly LowerableHold[], usd: bigint): Lowering[] {
  const lowerings: Lowering[] = [];
  let left = usd;
  for (const one of holds) {
    if (left <= 0n) break;
    const own = lesser(one.hold.lowerableUsd, left);
    lowerings.push({ ...one, usd: own });
    left -= own;
  }
  return lowerings;
}

/** Takes the same share of each hold, since a wrong price is wrong for all. What division leaves comes off the largest. */
function takenInProportion(holds: readonly LowerableHold[], usd: bigint): Lowering[] {
  if (usd <= 0n) return [];
  const total = holds.reduce((sum, { hold }) => sum + hold.lowerableUsd, 0n);
  if (total <= usd) return taken(holds, usd);
  const shares = holds.map(({ hold }) => (usd * hold.lowerableUsd) / total);
  let left = usd - shares.reduce((sum, share) => sum + share, 0n);
  const lowerings: Lowering[] = [];
  for (const [index, one] of holds.entries()) {
    const more = lesser(left, one.hold.lowerableUsd - shares[index]);
    left -= more;
    if (shares[index] + more > 0n) lowerings.push({ ...one, usd: shares[index] + more });
  }
  return lowerings;
}

function sumOf(lowerings: readonly Lowering[]): bigint {
  return lowerings.reduce((sum, { usd }) => sum + usd, 0n);
}
