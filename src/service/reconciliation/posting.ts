// Books the difference between a report and the ledger, so that the books say what the provider billed. What is missing is
// recorded as spend under the provider's labels and `metering: reconciliation`; what is too much is taken off the charges
// themselves, estimates first. Each command's id names the report, so that the same step is booked once. Called by
// reconcile.ts.

import { createHash } from 'node:crypto';
import type { Ledger } from '../../authority/api.js';
import type { CommandOutcome, HoldView } from '../../core/outcomes.js';
import type { Command, Labels } from '../../core/requests.js';
import { lesser } from '../calls/floor.js';
import { POSTED_LABEL, postingNote } from './charge-note.js';
import type { CorrectableHolds } from './correctable-holds.js';
import { DAY_MS, startOfDay } from './days.js';
import type { GapRow } from './gaps.js';
import { rowKey } from './ledger-row.js';

/** In one durable group: a few milliseconds of the ledger's time. */
const CORRECTIONS_PER_GROUP = 500;

export interface NotPosted {
  readonly day: string;
  readonly item: string | null;
  /** Of the gap: what could not be booked. Negative where the ledger stays above the bill. */
  readonly usd: bigint;
  readonly why: string;
}

export interface Posting {
  readonly recorded: { readonly count: number; readonly usd: bigint };
  readonly lowered: { readonly count: number; readonly usd: bigint };
  readonly notPosted: readonly NotPosted[];
}

export interface PostingOptions {
  readonly ledger: Ledger;
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
  /** What was taken off each hold so far: one may stand in the row of a model and in that of a tool. */
  readonly #loweredHolds = new Map<string, bigint>();
  readonly #notPosted: NotPosted[] = [];

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
    // The windows of that day are gone: as any late invoice, it counts where it comes in, and its note has the day.
    if (outcome.outcome === 'rejected' && outcome.code === 'occurred_too_early')
      outcome = await this.#recordAt(row, null);
    if (outcome.outcome === 'rejected') return this.#note(row, row.gapUsd, outcome.message);
    this.#recorded.count += 1;
    this.#recorded.usd += row.gapUsd;
  }

  #recordAt(row: GapRow, occurredAt: number | null): Promise<CommandOutcome> {
    const { ledger, provider, report, labels } = this.#options;
    const { day, item, kind, name } = row;
    return ledger.record({
      commandId: this.#commandId(row, occurredAt === null ? 'record now' : 'record'),
      labels: { ...labels, ...this.#labelsOf(row), provider, [POSTED_LABEL.key]: POSTED_LABEL.value },
      amounts: { usd: row.gapUsd },
      ...(occurredAt === null ? {} : { occurredAt }),
      note: postingNote({ report, day, item: item === null ? null : { item, kind, name } }),
    });
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
    const candidates = this.#options.correctable.of(rowKey(row.day, row.item));
    // Asked for once it is known which are wanted: the ledger forgets ended holds after its retention.
    const known = await ledger.whenDurable(() => candidates.map(({ holdId }) => ledger.hold(holdId)));
    const commands: { readonly command: Command; readonly usd: bigint }[] = [];
    let left = -row.gapUsd;
    for (const [index, hold] of candidates.entries()) {
      const view = known[index];
      if (left === 0n) break;
      const before = hold.usd - (this.#loweredHolds.get(hold.holdId) ?? 0n);
      if (view === undefined || view.charged?.usd !== before) continue;
      if (view.status !== 'settled' && view.status !== 'expired') continue;
      const usd = lesser(hold.lowerableUsd, left);
      commands.push({ command: this.#lowering(row, usd, view), usd });
      this.#loweredHolds.set(hold.holdId, hold.usd - before + usd);
      left -= usd;
    }
    left += await this.#submit(commands);
    if (left > 0n)
      this.#note(
        row,
        -left,
        'the holds that were charged it have left the ledger’s memory, or were no holds',
      );
  }

  /** Gives what was refused. */
  async #submit(commands: readonly { readonly command: Command; readonly usd: bigint }[]): Promise<bigint> {
    let refused = 0n;
    for (let from = 0; from < commands.length; from += CORRECTIONS_PER_GROUP) {
      const group = commands.slice(from, from + CORRECTIONS_PER_GROUP);
      const outcomes = await this.#options.ledger.submit(group.map(({ command }) => command));
      for (const [index, { usd }] of group.entries()) {
        if (outcomes[index].outcome === 'rejected') refused += usd;
        else {
          this.#lowered.count += 1;
          this.#lowered.usd += usd;
        }
      }
    }
    return refused;
  }

  /** A hold that expired has no settlement to correct: it is settled, late. */
  #lowering(row: GapRow, usd: bigint, view: HoldView): Command {
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

  // The same report that finds the same books does the same steps; once they are done, it finds other books.
  #commandId({ day, item, ledgerUsd, reportUsd }: GapRow, step: string): string {
    const { report, provider } = this.#options;
    const what = JSON.stringify([report, provider, day, item, String(ledgerUsd), String(reportUsd), step]);
    return `reconciliation-${createHash('sha256').update(what).digest('hex').slice(0, 40)}`;
  }

  #note({ day, item }: GapRow, usd: bigint, why: string): void {
    this.#notPosted.push({ day, item, usd, why });
  }
}
